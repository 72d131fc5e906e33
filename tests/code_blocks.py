"""The code blocks of the documentation: found, run in order, and compared with what is shown.

A page's blocks run as a reader would run them, one after the other in one folder:

- ``python``: a program of its own;
- ``sh``: a script for bash, whose working directory and exported variables the later ones have;
- ``console``: lines behind ``$`` are commands, and the others are what they print;
- ``text``, behind one of these: what it prints;
- whatever has a ``title``: a file of that name, which a later block uses.

A block that is not run has a comment before it, ``<!-- not run: the reason -->``.
"""

import os
import pickle
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import python_processes

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: +title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_COMMENTS = re.compile(r"(?:^ *<!--(?:(?!-->).)*-->\s*)+\Z", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->", re.DOTALL)
_UNITS = ("ms", "s", "min", "h")
_AGO = re.compile(rf"\b[0-9]+ (?:{'|'.join(_UNITS)}) ago\b")
_FAILURE = re.compile(r"^(Error: |(\w+\.)*\w*(Error|Exception): )", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Args:
        line: where it begins.
        language: what stands behind its fence.
        text: what is in it.
        title: the file that it is.
        reason: why it is not run.
    """

    line: int
    language: str
    text: str
    title: str | None = None
    reason: str | None = None


def pages() -> list[Path]:
    """Return the pages that are written by hand."""
    found = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/README.md")]
    return sorted(found)


def blocks_of(markdown: str) -> Iterator[Block]:
    """Find the code blocks of a page."""
    for found in _BLOCK.finditer(markdown):
        before = markdown[: found.start()]
        comments = _COMMENTS.search(before)
        reason = _NOT_RUN.search(comments[0]) if comments else None
        yield Block(
            before.count("\n") + 1,
            found["language"],
            re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            found["title"],
            reason and " ".join(reason[1].split()),
        )


class Reader:
    """Somebody who does what a page says, in a folder of his own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._environment = os.environ | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            # Nobody reads tables that are broken into the width of no terminal.
            "COLUMNS": "200",
        }
        self._environment.pop("PYTEST_CURRENT_TEST", None)
        self._said = ""

    def read(self, block: Block) -> None:
        """Do what a block says.

        Raises:
            AssertionError: it does something else than the page shows.
        """
        if block.reason is not None:
            return
        if block.title is not None:
            path = self._folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "python":
            self._said = self._run(f"python -c {shlex.quote(block.text)}")
        elif block.language == "sh":
            self._said = self._run(block.text)
        elif block.language == "console":
            for command, shown in _commands(block.text):
                compare(shown, self._run(command, fails=bool(_FAILURE.search(shown))))
        elif block.language == "text":
            compare(block.text, self._said)
        else:
            raise AssertionError("It is neither run nor says why: <!-- not run: the reason -->")

    def _run(self, script: str, *, fails: bool = False) -> str:
        with tempfile.TemporaryDirectory() as scratch:
            left = Path(scratch) / "left"
            # At the end: what the next block starts with.
            script = f"trap 'pwd > {left}; env -0 >> {left}' EXIT\n{script}"
            done = subprocess.run(
                ["bash", "-ec", script],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            folder, _, variables = left.read_text().partition("\n")
        self._folder = Path(folder)
        self._environment = dict(
            each.split("=", 1) for each in variables.split("\0") if "=" in each
        )
        assert (done.returncode != 0) == fails, f"Exit status {done.returncode}:\n{done.stdout}"
        return done.stdout


def _commands(console: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def compare(shown: str, said: str) -> None:
    """Compare what a page shows with what was printed, which may be more.

    Each line that is shown has to be there, in this order. A word with a digit or a slash in it,
    such as an id, a time or a path, may be another such word, a unit another unit, what was a while
    ago just now, and ``...`` is anything.

    Raises:
        AssertionError: a line is not there.
    """
    lines = iter(said.splitlines())
    for line in filter(str.strip, shown.splitlines()):
        parts = _AGO.sub(" ago ", line).split()
        pattern = re.compile(r"\s*".join(map(_pattern, parts)))
        assert any(pattern.search(each) for each in lines), f"{line!r} is not in:\n{said}"


def _pattern(word: str) -> str:
    if word == "...":
        return ".*"
    if word == "ago":
        return rf"(?:just now|[0-9]+ (?:{'|'.join(_UNITS)}) ago)"
    if word in _UNITS:
        return f"(?:{'|'.join(_UNITS)})"
    if re.search(r"[0-9/]", word):
        return r"\S*[0-9/]\S*"
    return re.escape(word)


_CLIENT = """\
#!{python} -IS
import os, pickle, socket, sys
with socket.socket(socket.AF_UNIX) as asker:
    asker.connect({address!r})
    request = pickle.dumps((sys.argv, dict(os.environ), os.getcwd()))
    socket.send_fds(asker, [request[:1000]], [0, 1, 2])
    asker.sendall(request[1000:])
    asker.shutdown(socket.SHUT_WR)
    sys.exit(int(asker.recv(16)))
"""


@contextmanager
def quick_programs() -> Iterator[Path]:
    """Make a folder of programs that are what this environment has, but start at once.

    Each asks this process, which lets ``tests.python_processes`` fork one.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as asked:
        address = str(Path(folder) / "socket")
        asked.bind(address)
        asked.listen()
        programs = Path(folder) / "bin"
        programs.mkdir()
        for name in ("python", "mlflow-workspace", "mlflow"):
            program = programs / name
            program.write_text(_CLIENT.format(python=sys.executable, address=address))
            program.chmod(0o755)
        threading.Thread(target=_serve, args=[asked], daemon=True).start()
        yield programs
        asked.shutdown(socket.SHUT_RDWR)


def _serve(asked: socket.socket) -> None:
    while True:
        try:
            asker, _ = asked.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=[asker], daemon=True).start()


def _answer(asker: socket.socket) -> None:
    with asker:
        request, streams, *_ = socket.recv_fds(asker, 1000, 3)
        while more := asker.recv(1 << 16):
            request += more
        (program, *arguments), environment, folder = pickle.loads(request)
        if Path(program).name != "python":
            arguments.insert(0, str(Path(sys.executable).parent / Path(program).name))
        stdin, stdout, stderr = streams
        try:
            with python_processes.Popen(
                arguments, env=environment, cwd=folder, stdin=stdin, stdout=stdout, stderr=stderr
            ) as process:
                status = process.wait()
        finally:
            for each in streams:
                os.close(each)
        asker.sendall(str(status if status >= 0 else 128 - status).encode())
