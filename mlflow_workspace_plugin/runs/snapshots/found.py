"""What there is in a folder, as its snapshot is to hold it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.runs.snapshots.ignored import Ignored
from mlflow_workspace_plugin.runs.snapshots.left_out import LeftOut
from mlflow_workspace_plugin.runs.snapshots.links import is_within, target_within
from mlflow_workspace_plugin.runs.snapshots.manifest import MOST_RESTORED
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

# SDK v1 refuses more.
_MAX_BYTES = 300 * 2**20
_MAX_FILES = 2000


@dataclass
class Found:
    """What is in a folder and not left out, by paths with ``/`` below it.

    Attributes:
        files: where each is, with its status; what a link to elsewhere leads to is among them.
        links: what each of those says that stay inside.
        folders: those that hold nothing.
    """

    files: dict[str, tuple[str, os.stat_result]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


def find(source: Path, hub: Path | None, left_out: LeftOut) -> Found:
    """Look into a folder. What cannot be read, and a link that leads nowhere, is said.

    The rules are SDK v1's: one ignore file at the top, ``.amlignore`` before ``.gitignore``;
    without one, everything. Pipes and sockets are no files.

    Args:
        source: the folder, or a single file.
        hub: the real path of the hub's folder, which is left out.
        left_out: told what cannot be kept.

    Raises:
        SnapshotException: there is no such folder or file, its ignore file cannot be used, or it
            has more bytes than a snapshot may have.
    """
    try:
        if source.is_file():
            return Found({source.name: (str(source), source.stat())})
        is_folder = source.is_dir()
    except OSError:
        is_folder = False
    if not is_folder:
        raise SnapshotException(
            f"There is no folder {str(source)!r} to take a snapshot of. Name the folder of the "
            "script, or take none with snapshot_directory=None."
        )
    found = _Search(source, hub, left_out).found()
    _check_size(source, found)
    return found


class _Search:
    """Looks into a folder and those below it."""

    def __init__(self, source: Path, hub: Path | None, left_out: LeftOut) -> None:
        self._left_out = left_out
        self._top = os.path.realpath(source)
        self._hub = None if hub is None else str(hub)
        self._ignored = Ignored(source)
        self._found = Found()
        # Folders left to look into: where, below the top, their real path and those above, and
        # whether they lie in it, and not behind a link to elsewhere.
        self._left: list[tuple[str, str, tuple[str, ...], bool]] = [
            (str(source), "", (self._top,), True)
        ]

    def found(self) -> Found:
        visited = []
        while self._left:
            folder, prefix, above, is_inside = self._left.pop()
            if prefix and not self._ignored.matches(prefix):
                visited.append(prefix[:-1])
            for entry in self._entries(folder):
                self._look_at(entry, prefix + entry.name, above, is_inside=is_inside)
        found = self._found
        holding = {
            path.rpartition("/")[0] for path in (*found.files, *found.links, *visited) if path
        }
        found.folders = sorted(each for each in visited if each not in holding)
        found.files = dict(sorted(found.files.items()))
        found.links = dict(sorted(found.links.items()))
        return found

    def _look_at(
        self, entry: "os.DirEntry[str]", path: str, above: tuple[str, ...], *, is_inside: bool
    ) -> None:
        try:
            self._add(entry, path, above, is_inside=is_inside)
        except OSError as error:
            self._left_out.say(error)

    def _entries(self, folder: str) -> "Iterator[os.DirEntry[str]]":
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as error:
            self._left_out.say(error)

    def _add(
        self, entry: "os.DirEntry[str]", path: str, above: tuple[str, ...], *, is_inside: bool
    ) -> None:
        is_link, is_folder = entry.is_symlink(), entry.is_dir()
        if self._ignored.prunes(f"{path}/" if is_folder else path):
            return
        if is_link:
            text = os.readlink(entry.path)  # noqa: PTH115  as it is written
            if is_inside and self._stays_inside(path, text, entry.path):
                self._found.links[path] = text
                return
            if not os.path.exists(entry.path):  # noqa: PTH110  a text is at hand
                self._left_out.say(f"link {entry.path!r} leads nowhere")
                return
        if is_folder:
            real = os.path.realpath(entry.path) if is_link else os.path.join(above[-1], entry.name)  # noqa: PTH118
            # The hub would bring all snapshots before this one.
            if real not in above and real != self._hub:
                self._left.append(
                    (entry.path, f"{path}/", (*above, real), is_inside and not is_link)
                )
        elif entry.is_file():
            self._found.files[path] = entry.path, entry.stat()

    def _stays_inside(self, path: str, text: str, local: str) -> bool:
        """Whether a link leads to something that the snapshot holds, too."""
        target = target_within(path, text)
        real = os.path.realpath(local)
        if target is None or not is_within(real, self._top):
            return False
        if not (os.path.isfile(real) or os.path.isdir(real)):  # noqa: PTH112, PTH113
            return False
        if self._hub is not None and is_within(real, self._hub):
            return False
        meant = os.path.relpath(real, self._top)
        return not (self._is_in_pruned(target) or self._is_in_pruned(meant))

    def _is_in_pruned(self, path: str) -> bool:
        if path in ("", "."):
            return False
        parts = path.split("/")
        above = ("/".join(parts[:length]) for length in range(1, len(parts)))
        is_folder = os.path.isdir(os.path.join(self._top, path))  # noqa: PTH112, PTH118
        return any(self._ignored.matches(f"{each}/") for each in above) or self._ignored.matches(
            f"{path}/" if is_folder else path
        )


def _check_size(source: Path, found: Found) -> None:
    size = sum(status.st_size for _, status in found.files.values())
    if size > MOST_RESTORED:
        raise SnapshotException(
            f"A snapshot of {str(source)!r} would hold {size:,} bytes, and {MOST_RESTORED:,} are "
            "the most. Name what is not code in a .amlignore file there, or take none with "
            "snapshot_directory=None."
        )
    if len(found.files) > _MAX_FILES or size > _MAX_BYTES:
        _logger.warning(
            "The snapshot of %r holds %s files of %s MiB. Name what is not code in a .amlignore "
            "file there, or keep the code in a folder of its own; "
            "start_logging(snapshot_directory=None) keeps none.",
            str(source),
            f"{len(found.files):,}",
            f"{size / 2**20:,.0f}",
        )
