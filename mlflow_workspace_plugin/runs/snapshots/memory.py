"""What this user's machine remembers of a folder: its last snapshot, and what each file was.

Only to save reading: nothing is believed of the hub, and a file only while its inode, size and
times are the same. It may be removed at any time.
"""

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.private_folder import make_private
from mlflow_workspace_plugin.runs.snapshots.manifest import Manifest
from mlflow_workspace_plugin.runs.snapshots.packs import Read
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_SETTLED_NS = 2 * 10**9
"""A file that was changed less than that before it was read may be changed once more, and have the
same times all the same: those of some file systems are that coarse."""
_FORGOTTEN_S = 30 * 24 * 3600


class Memory:
    """What is remembered of a folder, for a workspace.

    Args:
        target: what names the workspace.
        folder: the folder.
    """

    def __init__(self, target: str, folder: Path) -> None:
        name = hashlib.sha256(os.fsencode(f"{target}\0{folder.resolve()}")).hexdigest()
        self._file = Path(settings.CACHE_DIR.get()) / "snapshots" / f"{name}.json"
        self._files: dict[str, list[Any]] = {}
        self.manifest = Manifest({}, {}, [])
        """The last snapshot of it that was stored."""
        # Whatever is wrong with it, it only saved reading.
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(self._file.read_bytes())
            self.manifest = Manifest.from_json(stored["manifest"])
            self._files = {str(path): list(facts) for path, facts in stored["files"].items()}

    def digest(self, path: str, status: os.stat_result) -> str | None:
        """Return the digest of a file's content if it is what it was when it was read."""
        known = self._files.get(path)
        return str(known[-1]) if known is not None and known[:-1] == _facts(status) else None

    def learn(self, path: str, read: Read) -> None:
        """Remember what was read of a file."""
        if read.status is None or read.read_at - read.status.st_ctime_ns < _SETTLED_NS:
            self._files.pop(path, None)
        else:
            self._files[path] = [*_facts(read.status), read.digest]

    def keep(self, manifest: Manifest) -> None:
        """Write it for the next time, with the snapshot that was stored."""
        self.manifest = manifest
        known = {path: self._files[path] for path in manifest.files if path in self._files}
        content = json.dumps({"files": known, "manifest": manifest.to_json()})
        try:
            make_private(self._file.parent)
            self._forget_old()
            descriptor, unfinished = tempfile.mkstemp(prefix=".", dir=self._file.parent)
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  no path
                file.write(content)
            Path(unfinished).replace(self._file)
        except OSError as error:
            _logger.debug("What is known of a folder could not be kept: %s", error)

    def _forget_old(self) -> None:
        """Remove what is known of folders that nobody has taken a snapshot of for long."""
        oldest = time.time() - _FORGOTTEN_S
        for each in self._file.parent.iterdir():
            # Another process may be about the same.
            with suppress(OSError):
                if each.stat().st_mtime < oldest:
                    each.unlink()


def _facts(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
