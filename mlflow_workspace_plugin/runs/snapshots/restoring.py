"""Bringing a snapshot back: into a folder, or into one zip.

Its manifest and packs may be anybody's. So nothing is written but below the folder, no link is
followed on the way, and each content is compared with what the manifest says of it.
"""

import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from mlflow_workspace_plugin.hub.files.tree import Tree
from mlflow_workspace_plugin.runs.snapshots.manifest import File, Manifest
from mlflow_workspace_plugin.runs.snapshots.packs import pack_reader

Packs = Callable[[str], AbstractContextManager[Path]]
"""Yields where the pack of a name is on this machine."""


def write_folder(manifest: Manifest, packs: Packs, target: Path) -> None:
    """Write what a snapshot holds into an empty folder.

    Raises:
        DamagedPackError: a pack does not hold what it should.
        OSError: the folder cannot be written.
    """
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
                            reader.copy(file, written)
    for path, text in manifest.links.items():
        with tree.above(path, make=True) as (opened, name):
            opened.link(name, Path(text))


def write_zip(manifest: Manifest, packs: Packs, target: BinaryIO) -> None:
    """Write what a snapshot holds as a zip, in which links are followed; raises as above."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for pack, files in _by_pack(manifest.with_links_followed()):
            with packs(pack) as where, pack_reader(where) as reader:
                for path, file in files:
                    # A zip's names are Unicode.
                    name = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    entry = zipfile.ZipInfo(name)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    mode = stat.S_IFREG | (0o755 if file.may_run else 0o644)
                    entry.external_attr = mode << 16
                    with archive.open(entry, "w", force_zip64=True) as written:
                        reader.copy(file, written)  # type: ignore[arg-type]


def _by_pack(files: dict[str, File]) -> Iterator[tuple[str, list[tuple[str, File]]]]:
    in_order = sorted(files.items(), key=lambda each: (each[1].pack, each[0].rpartition("/")))
    for pack, found in groupby(in_order, key=lambda each: each[1].pack):
        yield pack, list(found)
