"""Which Python an environment is made of: the one that is asked for, or the nearest installed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from mlflow_workspace_plugin.jobs.environments.check import OLDEST_PYTHON, wanted_python
from mlflow_workspace_plugin.jobs.environments.uv import environment_of, find_uv

_LONGEST_S = 60


class Python(NamedTuple):
    """A Python that is installed.

    Attributes:
        version: such as ``3.11.7``.
        path: of the interpreter.
        is_this: whether it is the one that runs this.
    """

    version: str
    path: str
    is_this: bool

    @property
    def minor(self) -> tuple[int, int]:
        """Its version, by the first two numbers."""
        return wanted_python(self.version) or (0, 0)


def this_python() -> Python:
    """Return the Python that runs this."""
    return Python(".".join(map(str, sys.version_info[:3])), sys.executable, is_this=True)


def nearest(asked: str | None) -> Python:
    """Return the Python of a version, or the nearest one that MLflow runs on.

    Args:
        asked: such as ``3.10`` or ``3.10.18``, of which the last number is not looked at; None is
            the one that runs this.

    Raises:
        EnvironmentBuildError: uv is not installed.
    """
    here = this_python()
    wanted = wanted_python(asked) if asked else None
    if wanted is None or wanted == here.minor:
        return here
    # The newer one of two that are as far away.
    return min(
        (here, *_installed()),
        key=lambda each: (abs(_distance(each.minor, wanted)), -each.minor[1], not each.is_this),
    )


def _installed() -> list[Python]:
    done = subprocess.run(
        [find_uv(), "python", "list", "--only-installed", "--output-format", "json"],
        env=environment_of({"PATH": _path()}),
        capture_output=True,
        timeout=_LONGEST_S,
        check=False,
    )
    try:
        listed = json.loads(done.stdout)
    except ValueError:
        return []
    found = [
        Python(each["version"], each["path"], is_this=False)
        for each in listed
        if each.get("path") and each.get("implementation") == "cpython"
        if each.get("variant", "default") == "default"
    ]
    return [each for each in found if each.minor >= OLDEST_PYTHON]


def _path() -> str:
    """Return where programs are, with all of pyenv's Pythons: its shims start one of them only."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    before = os.environ.get("PATH", os.defpath).split(os.pathsep)
    kept = [each for each in before if each != str(root / "shims")]
    return os.pathsep.join([*kept, *map(str, sorted(root.glob("versions/*/bin"), reverse=True))])


def _distance(one: tuple[int, int], other: tuple[int, int]) -> int:
    return (one[0] - other[0]) * 100 + one[1] - other[1]
