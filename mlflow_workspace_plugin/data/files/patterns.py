"""Patterns of paths: ``*`` stays within a folder, ``**`` goes through all below it."""

import fnmatch
import posixpath
import re
from collections.abc import Sequence

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

_ALL = "**"
# To ``fnmatch``, and not in these patterns.
_SPECIAL = re.compile(r"([?\[])")


def normalized(path: str) -> str:
    """Return a path below the root of a storage in the one form that is stored.

    Args:
        path: as the user gave it. Slashes at its ends mean nothing.

    Raises:
        UnsafeArtifactPathError: it leads out of the storage.
    """
    plain = posixpath.normpath(path.strip("/") or ".")
    if plain == ".." or plain.startswith("../"):
        raise UnsafeArtifactPathError(
            f"Path {path!r} leads out of its datastore. Give a path below the datastore's root."
        )
    check_path(plain)
    return "" if plain == "." else plain


def is_pattern(path: str) -> bool:
    """Whether a path may match several files, and is not only the name of one."""
    return "*" in path


class Pattern:
    """A pattern of paths.

    Args:
        path: with slashes, relative to a root.
    """

    def __init__(self, path: str) -> None:
        parts = path.split("/")
        plain = next((n for n, part in enumerate(parts) if is_pattern(part)), len(parts))
        self.folder = "/".join(parts[:plain])
        """What all matches are below: what comes before the first part that is no name."""
        self._parts = _compiled(parts[plain:])

    def matches(self, path: str) -> bool:
        """Whether the path of a file, relative to :attr:`folder`, matches."""
        return _matches(self._parts, path.split("/"))


def _compiled(parts: Sequence[str]) -> list[re.Pattern[str] | None]:
    """Return an expression for each part; None for any number of folders."""
    found: list[re.Pattern[str] | None] = []
    for part in parts:
        if part.startswith(_ALL):
            # "**.csv" is every such file, however deep.
            found.append(None)
            part = part.lstrip("*") and f"*{part.lstrip('*')}"
        if part:
            found.append(re.compile(fnmatch.translate(_SPECIAL.sub(r"[\1]", part))))
    # Behind the last folders come files.
    return [*found, re.compile(".*", re.DOTALL)] if found and found[-1] is None else found


def _matches(parts: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Match with one place to come back to, as of a single ``**``: the last one seen is enough."""
    part = name = 0
    back: tuple[int, int] | None = None
    while name < len(names):
        if part < len(parts) and parts[part] is None:
            back = (part, name)
            part += 1
            continue
        expression = parts[part] if part < len(parts) else None
        if expression is not None and expression.match(names[name]):
            part += 1
            name += 1
        elif back is not None:
            back = (back[0], back[1] + 1)
            part, name = back[0] + 1, back[1]
        else:
            return False
    return part == len(parts)
