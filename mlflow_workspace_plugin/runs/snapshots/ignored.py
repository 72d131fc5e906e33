"""What a folder says is to be left out of its snapshots."""

from collections.abc import Callable
from pathlib import Path

from mlflow_workspace_plugin.errors import SnapshotException

IGNORE_FILES = (".amlignore", ".gitignore")
"""The first of them that there is says what is left out."""


class Ignored:
    """Which paths of a folder are left out: one ignore file at its top, in git's syntax.

    Args:
        folder: the folder; without an ignore file nothing of it is.

    Raises:
        SnapshotException: its ignore file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._match: Callable[[str], bool] = lambda _path: False
        self._takes_back = False
        file = next((folder / name for name in IGNORE_FILES if (folder / name).is_file()), None)
        if file is None:
            return
        # Only now: few folders have such a file.
        import pathspec

        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
            spec = pathspec.GitIgnoreSpec.from_lines(lines)
        except (OSError, ValueError) as error:
            raise SnapshotException(
                f"Ignore file {str(file)!r} cannot be used: {error}. Correct or remove it."
            ) from error
        self._match = spec.match_file
        self._takes_back = any(pattern.include is False for pattern in spec.patterns)

    def matches(self, path: str) -> bool:
        """Whether a path is left out itself; a folder's ends with ``/``."""
        return self._match(path)

    def prunes(self, path: str) -> bool:
        """Whether a path is left out with all that is below it.

        With ``!`` a pattern may take back a file of a folder that another leaves out.
        """
        return self._match(path) and not (self._takes_back and path.endswith("/"))
