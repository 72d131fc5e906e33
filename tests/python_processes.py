"""Python processes that start at once: forks of one that has imported MLflow, and nothing else.

``import mlflow`` takes seconds of CPU, and what most tests claim of a process is not how it
starts. To these processes all is as if Python had been started: they have the arguments, the
environment, the working directory and the streams they are given, a ``__main__`` of their own, no
thread and no store of anybody's, and they end as Python does, with the traceback, the exit
handlers and the exit status.

``multiprocessing`` has a server that forks, too. Its children have the server's environment,
directory and streams, and end with the exit functions of ``multiprocessing`` and ``os._exit``, so
that what this package does at the end of a process would not be tested.

Where the start is the claim, as of entry points, or variables that Python reads as it starts,
``subprocess`` runs a new interpreter.
"""

import atexit
import functools
import gc
import importlib
import os
import pickle
import runpy
import selectors
import socket
import struct
import subprocess
import sys
import threading
import types
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PRELOADED = (
    "mlflow",
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.store.workspace.sqlalchemy_store",
    "alembic.command",
    "filelock",
    "git",
    "pathspec",
    "psycopg",
    "rich.console",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
_NUMBER = struct.Struct("!i")

# That of no test.
_ENVIRONMENT = {name: os.environ[name] for name in os.environ if not name.startswith("MLFLOW_")}
_ENVIRONMENT["MLFLOW_DISABLE_TELEMETRY"] = "true"


class Popen(subprocess.Popen):
    """``subprocess.Popen`` of Python, given Python's arguments: ``["-c", code, "argument"]``.

    Of the options, those for the streams, ``text``, ``env`` and ``cwd`` have an effect.
    """

    def _execute_child(self, args, *given):
        cwd, env, pipes = given[4], given[5], given[9:15]
        stdin, stdout, stderr = pipes[0], pipes[3], pipes[5]
        environment = dict(os.environ if env is None else env)
        # Pytest's own marker makes MLflow check its sessions.
        environment.pop("PYTEST_CURRENT_TEST", None)
        assert _read_at_start(environment) == _read_at_start(_ENVIRONMENT), (
            "That needs a new interpreter."
        )
        self._told, theirs = socket.socketpair()
        with theirs:
            streams = [own if fd == -1 else fd for own, fd in enumerate((stdin, stdout, stderr))]
            socket.send_fds(_server().requests, [b"\0"], [*streams, theirs.fileno()])
        with self._told.makefile("wb") as request:
            arguments = [os.fspath(argument) for argument in args]
            pickle.dump((arguments, environment, os.fspath(cwd or Path.cwd())), request)
        self.pid = self._next_number()
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _next_number(self):
        told = self._told.recv(_NUMBER.size)
        assert told, "The process that forks has died."
        return _NUMBER.unpack(told)[0]

    def _internal_poll(self, **_):
        with suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _wait(self, timeout):
        if self.returncode is None:
            with selectors.PollSelector() as ready:
                ready.register(self._told, selectors.EVENT_READ)
                if not ready.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout)
            with self._told:
                self.returncode = self._next_number()
        return self.returncode


def run(
    arguments: Sequence[str | Path], *, timeout: float = 300, **options: Any
) -> subprocess.CompletedProcess:
    """Run Python to its end.

    Args:
        arguments: Python's, such as ``["-c", code, "argument"]``.
        timeout: after how many seconds it is killed.
        options: of ``Popen``.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    with Popen(arguments, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


WAIT_FOR_THE_OTHERS = """
import sys
print(flush=True)
sys.stdin.read()
"""


def run_at_once(commands: Sequence[Sequence[str | Path]], timeout: float = 240) -> None:
    """Run several Pythons, all of which have to succeed.

    Args:
        commands: the arguments of each, whose code holds ``WAIT_FOR_THE_OTHERS``.
        timeout: after how many seconds it is a failure.
    """
    waiting, go = os.pipe()
    pipe = subprocess.PIPE
    processes = [
        Popen(command, stdin=waiting, stdout=pipe, stderr=pipe, text=True) for command in commands
    ]
    os.close(waiting)
    for process in processes:
        process.stdout.readline()
    os.close(go)
    for process in processes:
        _, said = process.communicate(timeout=timeout)
        assert process.returncode == 0, said[-4000:]


class _Server:
    """The process that forks: started for the first that is asked for, it ends with this one."""

    def __init__(self) -> None:
        self.requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=_ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self.requests.shutdown(socket.SHUT_RDWR)
        self._process.wait()


_server = functools.cache(_Server)


def _read_at_start(environment: dict[str, str]) -> dict[str, str]:
    """What Python itself reads as it starts: a fork has what the forking process had."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _fork_on_request(requests: socket.socket) -> list[int] | None:
    """Fork, and tell who asked the child's id and later its exit status, until nobody asks.

    Returns:
        In a child its streams, and the socket on which it is told what to do; else None.
    """
    with selectors.DefaultSelector() as ready:
        ready.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is not requests:
                    pid, asker = key.data
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    with asker, suppress(BrokenPipeError):
                        asker.sendall(_NUMBER.pack(status))
                    continue
                _, fds, *_ = socket.recv_fds(requests, 1, 4)
                if not fds:
                    return None
                pid = os.fork()
                if pid == 0:
                    for other in list(ready.get_map().values()):
                        if other.fileobj is not requests:
                            os.close(other.fd)
                            other.data[1].close()
                    requests.close()
                    return fds
                for fd in fds[:3]:
                    os.close(fd)
                asker = socket.socket(fileno=fds[3])
                asker.sendall(_NUMBER.pack(pid))
                ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, asker))


def _be_python(streams: list[int], request: int) -> None:
    """Do what Python does with its arguments, in the given environment."""
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)
    with socket.socket(fileno=request) as asker, asker.makefile("rb") as told:
        arguments, environment, folder = pickle.load(told)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    match arguments:
        case "-c", code, *rest:
            sys.path.insert(0, "")
            sys.argv = ["-c", *rest]
            exec(compile(code, "<string>", "exec"), vars(main))
        case "-m", name, *rest:
            sys.path.insert(0, folder)
            sys.argv = [name, *rest]
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        case script, *_:
            sys.path.insert(0, str(Path(script).resolve().parent))
            sys.argv = arguments
            runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    del sys.path[0]  # this folder
    for module in PRELOADED:
        importlib.import_module(module)
    assert threading.active_count() == 1, threading.enumerate()
    gc.freeze()  # what is imported is no garbage of the children's
    if (fds := _fork_on_request(socket.socket(fileno=int(sys.argv[1])))) is not None:
        _be_python(fds[:3], fds[3])
