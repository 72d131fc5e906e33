"""Requirements files of pip's, read with what they include."""

import re
from pathlib import Path

from mlflow_workspace_plugin.errors import UserErrorException

_INCLUDED = re.compile(r"(?:-r\s*|--requirement[\s=]+)(.+)")


def lines_of(file: Path) -> list[str]:
    """Return the lines of a requirements file, those of the files that it includes in their place.

    Comments are left out, and a line that goes on in the next one is one.

    Raises:
        UserErrorException: it includes itself, or is no text.
        FileNotFoundError: there is no such file.
    """
    return _lines(file, ())


def _lines(file: Path, within: tuple[Path, ...]) -> list[str]:
    if file.resolve() in within:
        raise UserErrorException(f"Requirements file {str(file)!r} includes itself.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserErrorException(
            f"Requirements file {str(file)!r} is no text in UTF-8: {error.reason}. Write it anew."
        ) from error
    found = []
    for raw in re.sub(r"\\\r?\n\s*", "", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        included = _INCLUDED.fullmatch(line)
        if included is None:
            found += [line] if line else []
        else:
            found += _lines(file.parent / included[1].strip(), (*within, file.resolve()))
    return found
