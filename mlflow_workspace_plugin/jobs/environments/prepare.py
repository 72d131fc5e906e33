"""The Python that a job runs in, on the machine that runs it: found, or built the first time.

An environment is built aside and then given its name, which is a hash of all it is made of, while
who else needs it waits. So it is there whole or not at all, and is never changed afterwards.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.errors import EnvironmentBuildError, clause
from mlflow_workspace_plugin.jobs.environments import built
from mlflow_workspace_plugin.jobs.environments.check import OWN_NAME, check
from mlflow_workspace_plugin.jobs.environments.lines import local_path
from mlflow_workspace_plugin.jobs.environments.own_wheel import extras, own_wheel
from mlflow_workspace_plugin.jobs.environments.pip_settings import PackageIndex, package_index
from mlflow_workspace_plugin.jobs.environments.pythons import Python, nearest
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.environments.url_secrets import shown
from mlflow_workspace_plugin.jobs.environments.uv import LONGEST_S, POLL_S, run_uv
from mlflow_workspace_plugin.journal.files.lock import HeldLock
from mlflow_workspace_plugin.private_folder import make_private

_CHECK_S = 60
_HAS_BOTH = (
    "import importlib.util as u, sys; "
    "sys.exit(not all(map(u.find_spec, ('mlflow', 'mlflow_workspace_plugin'))))"
)
Say = Callable[[str], None]
Poll = Callable[[], None]


@dataclass(frozen=True)
class Prepared:
    """The Python that a job runs in. As long as this is kept, it is not removed.

    Attributes:
        python: the path of the interpreter.
        variables: environment variables of the job's processes.
    """

    python: str
    variables: dict[str, str]
    held: Any = field(default=None, repr=False, compare=False)


def prepare(
    requirements: Requirements,
    say: Say,
    *,
    folder: Path | None = None,
    poll: Poll = lambda: None,
    say_of_build: Say | None = None,
) -> Prepared:
    """Return the Python that has what a job needs; it is built if there is none.

    Args:
        requirements: what it needs, as :func:`check.check` returned it, or as the user gave it.
        say: told in lines, without secrets, what is done.
        folder: the restored snapshot, which paths of packages are relative to.
        poll: called about twice a second while something takes long; what it raises ends that, and
            is raised here.
        say_of_build: told what is said while an environment is made, such as uv's own lines; by
            default `say`.

    Raises:
        EnvironmentBuildError: it cannot be had; the message has the reason, such as the last that
            the resolver said.
        UserErrorException: the job asks for what is refused.
    """
    requirements, notes = check(requirements, folder)
    for note in notes:
        say(note)
    if requirements.user_managed:
        return _prepared(requirements, _given(requirements.interpreter))
    python = nearest(requirements.python)
    if requirements.python and python.version != requirements.python:
        say(f"Python {python.version} is used for {requirements.python}: {python.path}")
    if python.is_this and not requirements.pip:
        return _prepared(requirements, sys.executable)
    try:
        recipe = _Recipe.of(requirements, python, folder)
        environment, held = _built(recipe, say_of_build or say, poll)
    except OSError as error:
        raise EnvironmentBuildError(
            f"The environment could not be built in {str(built.root())!r}: {clause(error)}. Make "
            "room there, or name another folder in MLFLOW_WORKSPACE_CACHE_DIR."
        ) from error
    path = str(environment.path / "bin" / "python")
    return _prepared(requirements, path, {"VIRTUAL_ENV": str(environment.path)}, held)


@dataclass(frozen=True)
class _Recipe:
    """All that an environment is made of."""

    name: str | None
    python: Python
    lines: list[str]
    constraints: list[str]
    index: PackageIndex
    key: str

    @classmethod
    def of(cls, requirements: Requirements, python: Python, folder: Path | None) -> "_Recipe":
        index = package_index(requirements.pip_options)
        wheel = own_wheel(built.root() / "wheels")
        some = ",".join(extras())
        own = [
            f"mlflow=={requirements.mlflow}",
            f"{OWN_NAME}{f'[{some}]' if some else ''} @ {wheel.as_uri()}",
        ]
        local: list[str] = []
        lines = [_absolute(line, folder, local) for line in requirements.pip]
        constraints = [
            *requirements.constraints,
            *(line for each in index.constraints for line in _lines_of(each)),
        ]
        content = [
            sorted([*requirements.pip, *local, *own]),
            sorted(constraints),
            [index.said, index.lines, sorted(set(index.variables) - {"UV_HTTP_TIMEOUT"})],
            [python.version, os.path.realpath(python.path), sys.implementation.cache_tag],
            [platform.system(), platform.machine(), *platform.libc_ver()],
        ]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
        return cls(requirements.name, python, [*lines, *own], constraints, index, key)

    def build(self, aside: Path, say: Say, poll: Poll) -> Path:
        """Make the environment in an empty folder; return where in it."""
        say(f"Environment {self.key[:8]} is built, with packages from {self.index.said}")

        def run(*arguments: str) -> None:
            run_uv(
                arguments,
                self.index.variables,
                cwd=aside,
                say=say,
                poll=poll,
                secrets=self.index.secrets,
            )

        # Files rather than arguments, which everybody on the machine may read.
        requirements, constraints = aside / "requirements.txt", aside / "constraints.txt"
        target = aside / self.key
        requirements.write_text("\n".join([*self.index.lines, *self.lines, ""]), encoding="utf-8")
        constraints.write_text("\n".join([*self.constraints, ""]), encoding="utf-8")
        run("venv", "--quiet", "--relocatable", "--python", self.python.path, str(target))
        run(
            *("pip", "install", "--python", str(target / "bin" / "python")),
            *("--requirements", str(requirements), "--constraints", str(constraints)),
        )
        facts = {"name": self.name, "python": self.python.version, "packages": self.lines[:-2]}
        (target / built.FACTS).write_text(json.dumps(facts), encoding="utf-8")
        return target


def _built(recipe: _Recipe, say: Say, poll: Poll) -> tuple[built.BuiltEnvironment, HeldLock]:
    """Return the environment, built now if nobody did, and what holds it."""
    make_private(built.root() / "locks")
    lock = _lock(recipe.key, say, poll)
    try:
        found = built.find(recipe.key)
        if found is None:
            place = built.root() / recipe.key
            # One whose Python is gone.
            shutil.rmtree(place, ignore_errors=True)
            began = time.monotonic()
            with tempfile.TemporaryDirectory(
                prefix=f"{recipe.key}.", suffix=".building", dir=built.root()
            ) as aside:
                recipe.build(Path(aside), say, poll).rename(place)
            # What killed processes left, whose uv went on for a while.
            for each in built.unfinished(recipe.key):
                shutil.rmtree(each, ignore_errors=True)
            say(f"Environment {recipe.key[:8]} was built in {time.monotonic() - began:.1f} s.")
            found = built.find(recipe.key)
            if found is None:
                raise EnvironmentBuildError(
                    f"The environment in {str(place)!r} was removed as it was built. Try again."
                )
        return found, built.use(recipe.key)
    finally:
        lock.close()


def _lock(key: str, say: Say, poll: Poll) -> HeldLock:
    path, is_said, end = built.lock_of(key), False, time.monotonic() + LONGEST_S
    while (lock := HeldLock.take(path)) is None:
        if not is_said:
            say(f"Environment {key[:8]} is built by another process, which is waited for.")
            is_said = True
        time.sleep(POLL_S)
        poll()
        if time.monotonic() > end:
            raise EnvironmentBuildError(
                f"The environment was not built within {LONGEST_S:.0f} seconds by the process that "
                f"holds {str(path)!r}. End that, and try again."
            )
    return lock


def _given(interpreter: str) -> str:
    """Return the path of an interpreter that the user manages."""
    if interpreter in ("", "python"):
        return sys.executable
    found = shutil.which(os.path.expanduser(interpreter))  # noqa: PTH111  a name, or a path
    if found is None:
        raise EnvironmentBuildError(
            f"There is no interpreter {interpreter!r} on {platform.node()}. Name one that is there "
            "as interpreter_path, or leave it out for the Python that runs the job."
        )
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [found, "-c", _HAS_BOTH], capture_output=True, timeout=_CHECK_S, check=False
        )
        if done.returncode == 0:
            return found
    raise EnvironmentBuildError(
        f"Interpreter {found!r} cannot import mlflow and mlflow_workspace_plugin, which log what "
        f"the job does. Install them there with: {found} -m pip install {OWN_NAME}"
    )


def _prepared(
    requirements: Requirements,
    python: str,
    variables: dict[str, str] | None = None,
    held: HeldLock | None = None,
) -> Prepared:
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    return Prepared(python, {"PATH": path, **(variables or {}), **requirements.variables}, held)


def _absolute(line: str, folder: Path | None, digests: list[str]) -> str:
    """Return a requirement with its file's whole path; learn what is in the file."""
    path = local_path(line)
    if path is None:
        return line
    file = Path(path).expanduser() if folder is None else folder / Path(path).expanduser()
    if not file.is_file():
        raise EnvironmentBuildError(
            f"Requirement {shown(line)!r} names no file that is there: {str(file)!r}. Name it "
            "relative to the folder of the script, and see that .amlignore does not leave it out."
        )
    digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return f"{file.absolute()}{line[len(path) :]}"


def _lines_of(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise EnvironmentBuildError(
            f"pip's settings name constraints file {file!r}, which cannot be read: "
            f"{error.strerror}. Correct them: pip config list"
        ) from error
