"""What files a dataset had when it was registered, and what became of them."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.bounded import GZIP, TooMuchError, json_of, unpacked
from mlflow_workspace_plugin.data.files.found import FoundFile
from mlflow_workspace_plugin.data.storages.storage import StoredFile

MOST_STORED = 512 << 20
"""So many bytes has a stored manifest at most, and so many its text, as anybody may store one."""

_VERSION = 1
_MOST_VALUES = 32_000_000
"""In JSON, of which a file has six."""
_NAMED = 3


@dataclass(frozen=True)
class Facts:
    """What is known of a file without reading it; None is what its storage does not say.

    Attributes:
        size: in bytes.
        modified_ms: when it was written.
        etag: the storage's own word for what it holds.
        sha256: of what it holds.
    """

    size: int | None = None
    modified_ms: int | None = None
    etag: str | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, file: StoredFile) -> "Facts":
        """Return what a storage says of a file."""
        return cls(file.size, file.modified_ms, file.etag, file.sha256)

    def may_be(self, other: "Facts") -> bool:
        """Whether both may be of the same content: nothing that is known of both says otherwise."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        if _differ(self.size, other.size):
            return False
        if self.etag and other.etag:
            return self.etag == other.etag
        return not _differ(self.modified_ms, other.modified_ms)


@dataclass(frozen=True)
class Changes:
    """What became of the files of a dataset.

    Attributes:
        added: the keys of files that were not there.
        changed: of those that were written since.
        gone: of those that are not there any more.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.gone)

    def __str__(self) -> str:
        kinds = {"added": self.added, "changed": self.changed, "gone": self.gone}
        return "; ".join(
            f"{len(keys):,} {kind}: {_some(keys)}" for kind, keys in kinds.items() if keys
        )


@dataclass(frozen=True)
class Manifest:
    """The files that a dataset had.

    Attributes:
        files: what was known of each, by its key.
    """

    files: dict[str, Facts]

    @classmethod
    def of(cls, found: Iterable[FoundFile]) -> "Manifest":
        """Return what a dataset has now."""
        return cls({each.key: Facts.of(each.stored) for each in found})

    def compare(self, now: "Manifest") -> Changes:
        """Return what became of the files."""
        there, here = self.files, now.files
        return Changes(
            added=sorted(here.keys() - there.keys()),
            changed=sorted(
                key for key in here.keys() & there.keys() if not there[key].may_be(here[key])
            ),
            gone=sorted(there.keys() - here.keys()),
        )

    def to_bytes(self) -> bytes:
        """Return it as it is stored; the same bytes for equal ones."""
        stored = {
            "version": _VERSION,
            "files": [
                [key, facts.size, facts.modified_ms, facts.etag, facts.sha256]
                for key, facts in sorted(self.files.items())
            ],
        }
        text = json.dumps(stored, separators=(",", ":"))
        return gzip.compress(text.encode(), compresslevel=6, mtime=0)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Manifest":
        """Return what was stored.

        Raises:
            ValueError: it is damaged, of a newer version, or holds more than is read.
        """
        try:
            read: Any = json_of(unpacked(stored, MOST_STORED, GZIP), _MOST_VALUES)
            version, files = read["version"], read["files"]
            if version == _VERSION:
                return cls({key: Facts(*facts) for key, *facts in files})
        except TooMuchError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("it is damaged") from error
        raise ValueError(f"it is of version {version!r}, which this version cannot read")


def name_of(stored: bytes) -> str:
    """Return the name of a stored manifest, which equal ones share."""
    return hashlib.sha256(stored).hexdigest()


def _differ(one: int | None, other: int | None) -> bool:
    return None not in (one, other) and one != other


def _some(keys: Sequence[str]) -> str:
    named = ", ".join(map(repr, keys[:_NAMED]))
    return f"{named}, ..." if len(keys) > _NAMED else named
