"""The files of a snapshot as who follows its links sees them.

A manifest may be anybody's, and a few links that lead to each other multiply what is behind them.
So what is found is counted, and is never more than a manifest may list.
"""

from typing import Union

from mlflow_workspace_plugin.bounded import TooMuchError
from mlflow_workspace_plugin.runs.snapshots.links import target_within
from mlflow_workspace_plugin.runs.snapshots.manifest import (
    LONGEST_PATH,
    MOST_FILES,
    MOST_STORED,
    File,
    Manifest,
)

_MOST_BEHIND = 40
"""So many links are followed one behind the other, as Linux does."""

_Folder = dict[str, Union[File, "_Link", "_Folder"]]


class _Link:
    """A link: where it says that it leads, from the top."""

    def __init__(self, path: str, text: str) -> None:
        self.parts = _parts(target_within(path, text) or "")


def with_links_followed(manifest: Manifest) -> dict[str, File]:
    """Return the files by their paths, but for those in folders within themselves.

    Those behind a link to a folder are there once more, below the path of the link.

    Args:
        manifest: what the snapshot holds.

    Raises:
        TooMuchError: the links multiply, or lead too far.
    """
    return dict(sorted(_Following(manifest).files().items()))


class _Following:
    """Follows the links of a manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self._top: _Folder = {}
        self._folders = 0
        for path, file in manifest.files.items():
            self._add(path, file)
        for path, text in manifest.links.items():
            self._add(path, _Link(path, text))
        for path in manifest.folders:
            self._add(path, {})
        # Those that are being followed lead nowhere: they would come by themselves again.
        self._behind: dict[_Link, File | _Folder | None] = {}

    def files(self) -> dict[str, File]:
        found: dict[str, File] = {}
        length = 0
        # Where each folder is, and which folders it is in, itself among them.
        left: list[tuple[str, _Folder, tuple[int, ...]]] = [("", self._top, (id(self._top),))]
        while left:
            prefix, folder, above = left.pop()
            for name, each in folder.items():
                path = prefix + name
                length += len(path)
                if len(path) > LONGEST_PATH or length > MOST_STORED:
                    raise TooMuchError("its links multiply, or lead to paths that are too long")
                behind = self._end_of(each, 0) if isinstance(each, _Link) else each
                if isinstance(behind, File):
                    found[path] = behind
                    _check_number(len(found))
                elif behind is not None and id(behind) not in above:
                    left.append((f"{path}/", behind, (*above, id(behind))))
        return found

    def _add(self, path: str, what: "File | _Link | _Folder") -> None:
        *above, name = path.split("/")
        folder = self._top
        for each in above:
            if each not in folder:
                folder[each] = {}
                self._folders += 1
                _check_number(self._folders)
            inner = folder[each]
            assert isinstance(inner, dict)  # noqa: S101  nothing of a manifest is below a leaf
            folder = inner
        folder.setdefault(name, what)

    def _end_of(self, link: _Link, depth: int) -> File | _Folder | None:
        """Return what is behind a link in the end; None is nothing."""
        if link in self._behind:
            return self._behind[link]
        if depth == _MOST_BEHIND:
            raise TooMuchError(f"more than {_MOST_BEHIND} of its links lead to each other")
        self._behind[link] = None
        at: File | _Folder | None = self._top
        for part in link.parts:
            inner = at.get(part) if isinstance(at, dict) else None
            at = self._end_of(inner, depth + 1) if isinstance(inner, _Link) else inner
        self._behind[link] = at
        return at


def _check_number(number: int) -> None:
    if number > MOST_FILES:
        raise TooMuchError(f"with its links it has more than {MOST_FILES:,} files or folders")


def _parts(path: str) -> list[str]:
    return path.split("/") if path else []
