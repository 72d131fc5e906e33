"""Where what is made of a run is written: a file, or the standard output."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_STANDARD = Path("-")
_ODD = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 100
"""In bytes."""


def output_option(what: str) -> Callable[..., Any]:
    """Return the option that says where to.

    Args:
        what: is written, and how it is named by default.
    """
    return click.option(
        "--output",
        "-o",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"The file to write, {what}, here. - is standard output.",
    )


def write_output(content: bytes, output: Path | None, name: str, ending: str) -> Path | None:
    """Write what was made; return the file, None if there is none.

    Args:
        content: what was made.
        output: what the option says.
        name: what the file is named for by default, any text.
        ending: of its name.
    """
    if output == _STANDARD:
        sys.stdout.buffer.write(content)
        return None
    path = output or Path(_file_name(name) + ending)
    path.write_bytes(content)
    return path


def _file_name(name: str) -> str:
    whole = _ODD.sub("-", name).strip("-.")
    return whole.encode("utf-8", "replace")[:_LONGEST_NAME].decode(errors="ignore") or "run"
