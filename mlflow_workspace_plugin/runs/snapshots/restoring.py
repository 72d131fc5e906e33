"""Bringing a snapshot back: into a folder, or into one zip.

Its manifest and packs may be anybody's. So nothing is written but below the folder, no link is
followed on the way, and each content is compared with what the manifest says of it.
"""

import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path

from mlflow_workspace_plugin.bounded import TooMuchError
from mlflow_workspace_plugin.hub.files.tree import Tree
from mlflow_workspace_plugin.runs.snapshots.followed import with_links_followed
from mlflow_workspace_plugin.runs.snapshots.manifest import MOST_RESTORED, File, Manifest
from mlflow_workspace_plugin.runs.snapshots.packs import pack_reader

_PIECE = 2**18

Packs = Callable[[str], AbstractContextManager[Path]]
"""Yields where the pack of a name is on this machine."""


def write_folder(manifest: Manifest, packs: Packs, target: Path) -> None:
    """Write what a snapshot holds into an empty folder.

    Raises:
        TooMuchError: it is more than is restored.
        DamagedPackError: a pack does not hold what it should.
        OSError: the folder cannot be written.
    """
    _check_size(manifest.files.values())
    tree = Tree(target)
    for path in manifest.folders:
        with tree.folder(path, make=True):
            pass
    for pack, files in _by_pack(manifest.files):
        with packs(pack) as where, pack_reader(where) as reader:
            for folder, inside in groupby(files, key=lambda each: each[0].rpartition("/")[0]):
                with tree.folder(folder, make=True) as opened:
                    for path, file in inside:
                        name = path.rpartition("/")[2]
                        with opened.writing(name, executable=file.may_run) as written:
                            written.writelines(reader.pieces(file))
    for path, text in manifest.links.items():
        with tree.above(path, make=True) as (opened, name):
            opened.link(name, Path(text))


def pieces_of_zip(manifest: Manifest, packs: Packs) -> Iterator[bytes]:
    """Yield what a snapshot holds as a zip, in which links are followed, while it is being made.

    No more than a few pieces are in memory.

    Raises:
        TooMuchError: it is more than is restored, which is found before anything is read.
        DamagedPackError: a pack does not hold what it should.
        OSError: a pack cannot be read.
    """
    files = with_links_followed(manifest)
    _check_size(files.values())
    made = _Made()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for pack, inside in _by_pack(files):
            with packs(pack) as where, pack_reader(where) as reader:
                for path, file in inside:
                    # A zip's names are Unicode.
                    name = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    entry = zipfile.ZipInfo(name)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    mode = stat.S_IFREG | (0o755 if file.may_run else 0o644)
                    entry.external_attr = mode << 16
                    with archive.open(entry, "w", force_zip64=True) as written:
                        for piece in reader.pieces(file):
                            written.write(piece)
                            if made.size >= _PIECE:
                                yield made.taken()
    yield made.taken()


class _Made:
    """Takes what a zip is made of, which goes on without going back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing: all of it is here."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        made = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return made


def _check_size(files: Iterable[File]) -> None:
    size = sum(each.size for each in files)
    if size > MOST_RESTORED:
        raise TooMuchError(f"its files have {size:,} bytes, and {MOST_RESTORED:,} are the most")


def _by_pack(files: dict[str, File]) -> Iterator[tuple[str, list[tuple[str, File]]]]:
    in_order = sorted(files.items(), key=lambda each: (each[1].pack, each[0].rpartition("/")))
    for pack, found in groupby(in_order, key=lambda each: each[1].pack):
        yield pack, list(found)
