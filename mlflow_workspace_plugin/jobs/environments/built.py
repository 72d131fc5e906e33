"""The environments that were built on this machine, for jobs of this user."""

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.files.lock import HeldLock
from mlflow_workspace_plugin.private_folder import make_private

FACTS = "environment.json"
"""The file in each environment that says what it is; it is written last."""


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment that was built.

    Attributes:
        key: what it is made of, as a hash.
        name: of the environment that it was built for first.
        python: its version.
        packages: what was asked for.
        path: its folder.
        used_at: when a job began to use it last, in seconds.
    """

    key: str
    name: str | None
    python: str
    packages: list[str]
    path: Path
    used_at: float

    @property
    def size(self) -> int:
        """How much its files hold, in bytes; what uv's cache holds, too, is there once only."""
        found = (each.lstat().st_size for each in self.path.rglob("*") if not each.is_symlink())
        return sum(found)


def root() -> Path:
    """Return the folder of all of them."""
    return Path(settings.CACHE_DIR.get()) / "environments"


def lock_of(key: str) -> Path:
    """Return the lock that is held by who builds or removes an environment."""
    return root() / "locks" / f"{key}.lock"


def find(key: str) -> BuiltEnvironment | None:
    """Return the environment of a key; None if it was not built, or its Python is gone."""
    path = root() / key
    try:
        facts = json.loads((path / FACTS).read_bytes())
        # The Python that it was made of may have been removed.
        (path / "bin" / "python").stat()
        used_at = (path / FACTS).stat().st_mtime
        return BuiltEnvironment(
            key, facts["name"], facts["python"], facts["packages"], path, used_at
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def use(key: str) -> HeldLock:
    """Hold an environment against its removal; who holds its lock does so.

    Raises:
        OSError: there is no room for it.
    """
    (root() / key / FACTS).touch()
    _users(key)
    return HeldLock.create(root() / "locks" / f"{key}.{uuid.uuid4().hex}.use")


def built() -> list[BuiltEnvironment]:
    """Return the environments that were built, the one that was used last first."""
    found = (find(each.name) for each in _folders())
    return sorted((each for each in found if each is not None), key=lambda each: -each.used_at)


def prune(older_than_s: float = 0, *, dry_run: bool = False) -> list[BuiltEnvironment]:
    """Remove the environments that no job uses, and what is left of those that were not finished.

    Args:
        older_than_s: leave those that were used in these last seconds.
        dry_run: remove nothing.

    Returns:
        Those that were removed, or would be.
    """
    oldest = time.time() - older_than_s
    removed = []
    for each in built():
        if each.used_at > oldest:
            continue
        with _unused(each.key) as is_unused:
            if is_unused:
                removed.append(each)
                if not dry_run:
                    _remove(each.path)
    if not dry_run:
        _remove_unfinished()
    return removed


def unfinished(key: str) -> list[Path]:
    """Return the folders in which somebody began to build an environment."""
    return list(root().glob(f"{key}.*.building"))


def _folders() -> list[Path]:
    try:
        return [each for each in root().iterdir() if each.is_dir() and each.name != "locks"]
    except FileNotFoundError:
        return []


@contextmanager
def _unused(key: str) -> Iterator[bool]:
    """Yield whether nobody builds or uses an environment; until the end of the block none does."""
    make_private(root() / "locks")
    lock = HeldLock.take(lock_of(key))
    if lock is None:
        yield False
        return
    try:
        yield not _users(key)
    finally:
        lock.close()


def _users(key: str) -> int:
    """Return how many jobs use an environment; the locks of those that ended are removed."""
    users = 0
    for each in (root() / "locks").glob(f"{key}.*.use"):
        held = HeldLock.take(each)
        if held is None:
            users += 1
        else:
            held.remove()
    return users


def _remove(path: Path) -> None:
    """Remove a folder, from sight at once."""
    gone = path.with_name(f"{path.name}.removed-{uuid.uuid4().hex}")
    with suppress(OSError):
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _remove_unfinished() -> None:
    """Remove what a killed process left of an environment that it built or removed."""
    for each in _folders():
        key, _, what = each.name.partition(".")
        if what.startswith("removed-"):
            shutil.rmtree(each, ignore_errors=True)
        elif what or (each.name != "wheels" and find(key) is None):
            with _unused(key) as is_unused:
                if is_unused:
                    shutil.rmtree(each, ignore_errors=True)
