"""What a snapshot holds, and where the contents are: the file that is stored for each."""

import gzip
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlflow_workspace_plugin.bounded import GZIP, TooMuchError, check_values, json_of, unpacked
from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.runs.snapshots.links import target_within

MOST_STORED = 128 << 20
"""So many bytes has a stored manifest at most, and so many its text, as anybody may store one."""

MOST_RESTORED = 16 << 30
"""So many bytes has a snapshot at most that is taken or restored: a few kB that name one content of
zeros again and again would be terabytes."""

MOST_FILES = 570_000
"""So many files has a manifest at most, as :data:`_MOST_VALUES` has it."""

LONGEST_PATH = 4_096
"""So many bytes has a path on Linux at most."""

_VERSION = 1
_MOST_VALUES = 4_000_000
"""In JSON, of which a file has seven."""


class File(NamedTuple):
    """A file of a snapshot.

    Attributes:
        digest: the SHA-256 of its content, in hex.
        size: in bytes.
        may_run: whether its owner may run it.
        pack: the name of the pack that holds the content, and
        entry: the number of the content in it; both are nothing before it is stored.
    """

    digest: str
    size: int
    may_run: bool
    pack: str = ""
    entry: int = 0


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds, by paths with ``/`` that need not be valid text.

    Attributes:
        files: the files.
        links: what each link says, all of which stay inside.
        folders: those that hold nothing.
    """

    files: dict[str, File]
    links: dict[str, str]
    folders: list[str]

    @property
    def id(self) -> str:
        """The id, which is made of the content: equal folders have one."""
        files = [[path, each.digest, each.may_run] for path, each in sorted(self.files.items())]
        content = [files, sorted(self.links.items()), sorted(self.folders)]
        digest = hashlib.sha256(json.dumps(content).encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=5))

    @property
    def packs(self) -> set[str]:
        """The names of the packs that hold its contents."""
        return {each.pack for each in self.files.values()}

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        packs = sorted(self.packs)
        numbers = {name: number for number, name in enumerate(packs)}
        return {
            "version": _VERSION,
            "packs": packs,
            "files": [
                [path, each.digest, each.size, int(each.may_run), numbers[each.pack], each.entry]
                for path, each in self.files.items()
            ],
            "links": sorted(self.links.items()),
            "folders": self.folders,
        }

    @classmethod
    def from_json(cls, stored: Any) -> "Manifest":
        """Return what was stored, which may be anybody's.

        Raises:
            ValueError: it is none, or names what lies outside of it.
        """
        try:
            if stored["version"] != _VERSION:
                raise ValueError(f"it is of version {stored['version']!r}, not {_VERSION}")
            packs = [_pack(each) for each in stored["packs"]]
            files = {
                str(path): File(str(digest), int(size), bool(may_run), packs[pack], int(entry))
                for path, digest, size, may_run, pack, entry in stored["files"]
            }
            links = {str(path): str(text) for path, text in stored["links"]}
            manifest = cls(files, links, [str(each) for each in stored["folders"]])
        except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError("it is no manifest") from error
        if any(each.size < 0 for each in files.values()):
            raise ValueError("it has sizes below nothing")
        if len(files) != len(stored["files"]) or len(links) != len(stored["links"]):
            raise ValueError("it names a path twice")
        manifest._check_paths()
        return manifest

    def to_bytes(self) -> bytes:
        """Return it as it is stored.

        Raises:
            SnapshotException: it holds more than is read again.
        """
        text = json.dumps(self.to_json(), separators=(",", ":")).encode()
        try:
            check_values(text, _MOST_VALUES)
            if len(text) > MOST_STORED:
                raise TooMuchError(f"it has {len(text):,} bytes")
        except TooMuchError as error:
            raise SnapshotException(
                f"A snapshot of {len(self.files):,} files is too large: {error} as a list. Name "
                "what is not code in a .amlignore file."
            ) from None
        return gzip.compress(text, mtime=0)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Manifest":
        """Return what was stored; raises as :meth:`from_json`."""
        try:
            content = json_of(unpacked(stored, MOST_STORED, GZIP), _MOST_VALUES)
        except TooMuchError:
            raise
        except ValueError as error:
            raise ValueError("it is damaged") from error
        return cls.from_json(content)

    def _check_paths(self) -> None:
        # Nothing else has their paths, and nothing is below them.
        leaves = {*self.files, *self.links}
        if len(leaves) != len(self.files) + len(self.links) or leaves.intersection(self.folders):
            raise ValueError("it names a path twice")
        for path in (*leaves, *self.folders):
            if len(path) > LONGEST_PATH:
                raise TooMuchError(f"it holds paths longer than {LONGEST_PATH:,}")
            parts = path.split("/")
            if not all(parts) or "\0" in path or not {".", ".."}.isdisjoint(parts):
                raise ValueError(f"path {path!r} leads out of it")
        last = ""
        # In this order what is below a path comes right behind it.
        for path in sorted(f"{each}/" for each in (*leaves, *self.folders)):
            if last and path.startswith(last):
                raise ValueError(f"path {path[:-1]!r} is below a file or link")
            if path[:-1] in leaves:
                last = path
        for path, text in self.links.items():
            if len(text) > LONGEST_PATH or target_within(path, text) is None:
                raise ValueError(f"link {path!r} leads out of it")


def _pack(name: Any) -> str:
    """Return the name of a pack, which is made of letters and digits."""
    if not isinstance(name, str) or not name.isalnum() or not name.isascii():
        raise ValueError(f"there is no pack {name!r}")
    return name
