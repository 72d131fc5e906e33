"""Which GPUs the jobs of this machine share, without CUDA."""

import os
import subprocess
from contextlib import suppress
from itertools import takewhile

from mlflow_workspace_plugin import settings

VISIBLE = "CUDA_VISIBLE_DEVICES"
_ASK_S = 10.0


def gpus_here() -> list[str]:
    """Return the GPUs that jobs submitted here may have, as ``CUDA_VISIBLE_DEVICES`` names them.

    Those that this process sees, else those that ``nvidia-smi`` lists; the first ones of them, if
    ``MLFLOW_WORKSPACE_GPUS`` says how many.
    """
    visible = os.environ.get(VISIBLE)
    number = settings.GPUS.given_number()
    if visible is not None:
        # As CUDA reads it: what comes after one that is none is not seen.
        named = (each.strip() for each in visible.split(","))
        found = list(takewhile(lambda each: each and each != "-1" and each != "NoDevFiles", named))
    elif number is not None:
        found = [str(index) for index in range(int(number))]
    else:
        found = _listed()
    return found if number is None else found[: int(number)]


def _listed() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
        )
        return [index for line in answer.stdout.splitlines() if (index := line.strip()).isdigit()]
    return []
