"""Commands in processes of their own."""

import subprocess
from collections.abc import Sequence
from typing import Any


def output_of(command: Sequence[str], *, timeout: float = 200, **options: Any) -> str:
    """Run a command, which has to succeed; return what it printed.

    Args:
        command: the program and its arguments.
        timeout: how long it may take, in seconds.
        options: of ``subprocess.run``, such as ``env`` and ``cwd``.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
