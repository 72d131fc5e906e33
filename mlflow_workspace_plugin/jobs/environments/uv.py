"""Running uv, which makes environments and installs into them."""

import collections
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import EnvironmentBuildError
from mlflow_workspace_plugin.jobs.environments.url_secrets import shown

POLL_S = 0.5
LONGEST_S = 3600.0
"""How long an environment may take, whoever builds it."""

_LAST_LINES = 20
# The line with which uv begins to say what is wrong; a compiler's words may follow.
_ERROR = re.compile(r"\s*(error:|\u00d7)")
_NOT_BUILT = "Failed to build"
# A line for each package, of which there are a hundred with MLflow alone; what is downloaded for so
# long that people wonder is none.
_OF_A_PACKAGE = re.compile(
    r" [-+~] | Downloaded |Downloading (?!\S+ \((?:\d{3,}\.\d+MiB|\S+GiB)\))"
)
_LATE_S = 10.0
# What says which environment or project uv is to work in; ours are named to it.
_OF_OTHERS = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT", "UV_PYTHON")


def find_uv() -> str:
    """Return where uv is.

    Raises:
        EnvironmentBuildError: it is not installed.
    """
    with suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin

        return str(find_uv_bin())
    if found := shutil.which("uv"):
        return found
    raise EnvironmentBuildError(
        "Environments are built by uv, which is not installed here. Install it with: pip install uv"
    )


def is_of_a_package(line: str) -> bool:
    """Whether a line of uv's is one of the many that say what became of a single package."""
    return _OF_A_PACKAGE.match(line) is not None


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that uv runs in: this one, and what is said of packages."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_OTHERS}
    # A job does not fetch a Python unless the user told uv to.
    return {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"} | kept | dict(variables)


def run_uv(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Path,
    say: Callable[[str], None],
    poll: Callable[[], None],
    secrets: tuple[str, ...],
) -> None:
    """Run uv to its end.

    Args:
        arguments: its own. No secret is in them: processes are listed with theirs.
        variables: environment variables, which say where packages are.
        cwd: where it runs, in which there is no project.
        say: told what it says.
        poll: called now and then; what it raises ends uv, and is raised here.
        secrets: what is not to be said.

    Raises:
        EnvironmentBuildError: it failed; the message has the last that it said.
    """
    process = subprocess.Popen(
        [find_uv(), "--color", "never", *arguments],
        env=environment_of(variables),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # It starts compilers and the like, which end with it.
        start_new_session=True,
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), name="uv-output", daemon=True)
    reader.start()
    last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    errors: list[str] = []

    def say_all() -> None:
        with suppress(queue.Empty):
            while True:
                last.append(shown(lines.get_nowait(), secrets))
                if not errors and _ERROR.match(last[-1]):
                    errors.append(last[-1])
                say(last[-1])

    try:
        _wait(process, poll, say_all)
        # Whatever it started and left may go on writing.
        reader.join(timeout=_LATE_S)
        say_all()
    except BaseException:
        # Only now: after its end another process may have its number.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise
    if process.returncode != 0:
        said = "\n".join([*(each for each in errors if each not in last), *filter(None, last)])
        remedy = "Correct what the job asks for"
        if any(_NOT_BUILT in each for each in errors):
            remedy = "Ask for a version that there is a wheel of for this Python, often a newer one"
        raise EnvironmentBuildError(
            f"The environment could not be built: uv {arguments[0]} ended with "
            f"{process.returncode}. {remedy}, or set {settings.JOBS_IN_THIS_PYTHON.name}=1 to run "
            f"jobs in the Python that is there. uv said:\n{said}"
        )


def _read(process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[str]") -> None:
    if process.stdout is not None:
        with process.stdout:
            for line in process.stdout:
                lines.put(line.rstrip())


def _wait(
    process: "subprocess.Popen[str]", poll: Callable[[], None], say_all: Callable[[], None]
) -> None:
    end = time.monotonic() + LONGEST_S
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
            return
        say_all()
        poll()
        if time.monotonic() > end:
            raise EnvironmentBuildError(
                f"The environment was not built within {LONGEST_S:.0f} seconds. Ask for less, or "
                "for versions that there are wheels of."
            )
