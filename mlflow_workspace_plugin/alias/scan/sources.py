"""The Python code of files and notebooks, as syntax trees."""

import ast
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_ENDINGS = (".py", ".ipynb")
_NOT_THEIRS = ("node_modules", "site-packages", "__pycache__")
_OF_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
# What a cell may begin with, and be Python from the next line on.
_PYTHON_CELLS = ("capture", "prun", "python", "python3", "time", "timeit")
_WRITTEN_FILE = re.compile(r"%%(?:writefile|file)\s+(?:-a\s+)?(?P<path>\S+\.py)\s*$")
# A line for the shell or for IPython; what it returns may be assigned.
_MAGIC = re.compile(r"(?P<indent>\s*)(?:(?P<target>[\w, ]+=)\s*)?(?:!|%(?!=)|\?)(?P<rest>.*)")


class Part(NamedTuple):
    """A piece of code that is parsed as one.

    Attributes:
        tree: its syntax tree.
        cell: the number of its notebook's cell, from 1; None in a file.
        first_line: how many lines of the cell come before it.
        is_apart: whether its names are its own: a file that a cell writes.
    """

    tree: ast.Module
    cell: int | None = None
    first_line: int = 0
    is_apart: bool = False


class UnreadableError(Exception):
    """A file, or a cell, holds no Python that can be parsed."""


def files_below(given: Iterable[Path]) -> Iterator[Path]:
    """Yield files of Python code and notebooks, in order, each once.

    Folders that are hidden, caches, and environments of Python are left out, as are links to
    folders.

    Args:
        given: folders, and files, which are taken whatever they are called.
    """
    seen = set()
    for path in given:
        for file in _walk(path) if path.is_dir() else [path]:
            if file.absolute() not in seen:
                seen.add(file.absolute())
                yield file


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        inside = Path(place)
        folders[:] = sorted(each for each in folders if _is_theirs(inside / each))
        for name in sorted(files):
            if name.endswith(_ENDINGS):
                yield inside / name


def _is_theirs(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _NOT_THEIRS:
        return False
    return not any((folder / each).exists() for each in _OF_ENVIRONMENTS)


def parts_of(file: Path, word: str) -> tuple[list[Part], list[str]]:
    """Return the code of a file that holds a word, and what of it cannot be read.

    Args:
        file: a file of Python code, or a notebook.
        word: what is looked for; a file without it is not parsed.

    Raises:
        UnreadableError: nothing of it can be read.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    if word.encode() not in content:
        return [], []
    if file.suffix == ".ipynb":
        return _notebook(content, word)
    return [Part(_parsed(content))], []


def _notebook(content: bytes, word: str) -> tuple[list[Part], list[str]]:
    parts, faults = [], []
    for number, text in enumerate(_cells(content), start=1):
        try:
            part = _cell(text, number)
        except UnreadableError as error:
            if word in text:
                faults.append(f"cell {number}: {error}")
            continue
        if part is not None:
            parts.append(part)
    return parts, faults


def _cells(content: bytes) -> list[str]:
    """Return the text of all cells of a notebook, empty for those that are no code."""
    try:
        notebook: Any = json.loads(content)
        # Notebooks of version 3 have worksheets, and call the source input.
        sheets = notebook.get("worksheets") or [notebook]
        found = [cell for sheet in sheets for cell in sheet.get("cells", [])]
        return [
            "".join(cell.get("source", cell.get("input", "")))
            if cell.get("cell_type") == "code"
            else ""
            for cell in found
        ]
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise UnreadableError(f"it is no notebook: {error}") from error


def _cell(text: str, number: int) -> Part | None:
    """Return the Python code of a cell; None if it has none."""
    lines = text.splitlines()
    before = 0
    while before < len(lines) and not lines[before].strip():
        before += 1
    is_apart = False
    if before < len(lines) and lines[before].startswith("%%"):
        written = _WRITTEN_FILE.match(lines[before])
        magic = lines[before][2:].split()
        if written is None and not (magic and magic[0] in _PYTHON_CELLS):
            return None
        is_apart = written is not None
        before += 1
    code = lines[before:] if is_apart else [_without_magic(line) for line in lines[before:]]
    return Part(_parsed("\n".join(code)), number, before, is_apart)


def _without_magic(line: str) -> str:
    """Return a line of a cell as Python has it."""
    if line.rstrip().endswith("?") and "#" not in line:
        return line[: len(line) - len(line.lstrip())] + "pass"
    magic = _MAGIC.fullmatch(line)
    if magic is None:
        return line
    return magic["indent"] + (f"{magic['target']} None" if magic["target"] else "pass")


def _parsed(code: "str | bytes") -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except SyntaxError as error:
        raise UnreadableError(f"line {error.lineno}: {error.msg}") from error
    except (MemoryError, RecursionError, ValueError) as error:
        raise UnreadableError(f"Python cannot parse it: {error}") from error
