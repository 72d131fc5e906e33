"""Taking the snapshot of a folder: what it holds, and a pack of what is not stored yet."""

from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from mlflow_workspace_plugin.runs.snapshots.found import Found, find
from mlflow_workspace_plugin.runs.snapshots.left_out import LeftOut
from mlflow_workspace_plugin.runs.snapshots.manifest import File, Manifest
from mlflow_workspace_plugin.runs.snapshots.memory import Memory
from mlflow_workspace_plugin.runs.snapshots.packs import PackWriter, read_file


class Taking:
    """The snapshot of a folder that is being taken.

    Args:
        source: the folder or file.
        hub: as for :func:`found.find`.
        memory: what is known of the folder.

    Raises:
        SnapshotException: as :func:`found.find`.
    """

    def __init__(self, source: Path, hub: Path | None, memory: Memory) -> None:
        self.source = source
        self._left_out = LeftOut()
        self._found: Found = find(source, hub, self._left_out)
        self.memory = memory
        self._files: dict[str, File] = {}
        for path, (local, status) in list(self._found.files.items()):
            digest, size = memory.digest(path, status), status.st_size
            if digest is None:
                try:
                    read = read_file(local)
                except OSError as error:
                    self._left_out.say(error)
                    continue
                memory.learn(path, read)
                digest, size = read.digest, read.size
            self._files[path] = File(digest, size, bool(status.st_mode & 0o100))
        self._left_out.say_rest()

    @property
    def manifest(self) -> Manifest:
        """What it holds, as far as is known now: files may be changed before they are stored."""
        return Manifest(dict(self._files), dict(self._found.links), list(self._found.folders))

    def pack(self, stored: Collection[str], target: BinaryIO) -> str | None:
        """Write what is in none of the packs that the last snapshot's contents are in.

        Args:
            stored: the names of the packs that the hub has.
            target: where the new pack goes.

        Returns:
            The name of the pack; None where nothing is new.
        """
        places = {
            each.digest: (each.pack, each.entry)
            for each in self.memory.manifest.files.values()
            if each.pack in stored
        }
        writer = PackWriter(target)
        new = []
        for path, file in list(self._files.items()):
            digest, size = file.digest, file.size
            if digest not in places:
                try:
                    read = writer.add(self._found.files[path][0])
                except OSError as error:
                    self._left_out.say(error)
                    del self._files[path]
                    continue
                self.memory.learn(path, read)
                digest, size = read.digest, read.size
                places[digest] = "", len(writer.digests) - 1
            pack, entry = places[digest]
            if not pack:
                new.append(path)
            self._files[path] = File(digest, size, file.may_run, pack, entry)
        self._left_out.say_rest()
        name = writer.finish()
        for path in new:
            self._files[path] = self._files[path]._replace(pack=name)
        return name if new else None
