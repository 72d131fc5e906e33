"""A folder in which the files of a dataset seem to be: links, of which none can be written through.

It is no file system of its own: the links lead to the files of a hub in a folder, where those
cannot be written to, and else to copies of them.
"""

import atexit
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.data.files import cache, views
from mlflow_workspace_plugin.data.files.copies import check_relative
from mlflow_workspace_plugin.data.files.found import FoundFile
from mlflow_workspace_plugin.data.storages.local import LocalStorage
from mlflow_workspace_plugin.data.storages.storage import Storage
from mlflow_workspace_plugin.errors import DatasetExecutionError, clause

_LISTED_ONLY, _PRIVATE = 0o500, 0o700
_MEMORY = Path("/dev/shm")  # noqa: S108  a new folder in it is made
_MOST_IN_MEMORY = 200_000
"""Links, each of which takes about a kilobyte."""
_WRITABLE = 0o222


class Mount:
    """A folder in which the files of a dataset seem to be, from its start to its stop.

    Args:
        files: of the dataset.
        target: the folder, empty or not there yet; None is a new one.
        whole: the folder of this machine that holds just these files, if there is one.
    """

    def __init__(
        self, files: Sequence[FoundFile], target: Path | None = None, *, whole: Path | None = None
    ) -> None:
        self._files = files
        self._whole = whole
        self._is_own = target is None
        if target is None:
            target = _new_folder(len(files))
        self.folder = target.resolve()
        """Where the files seem to be."""
        self._views: list[Path] = []
        self._made: list[Path] = []
        self._mode: int | None = None
        self._process: int | None = None

    def __repr__(self) -> str:
        return f"Mount({self.mount_point!r})"

    @property
    def mount_point(self) -> str:
        """Where the files seem to be (SDK v1)."""
        return str(self.folder)

    def start(self) -> None:
        """Make the folder (SDK v1).

        Raises:
            DatasetExecutionError: there is something in it, or it cannot be made.
            AzureMLException: a file that has to be copied cannot be read.
        """
        if self._process is not None:
            return
        try:
            self._prepare()
            self._process = os.getpid()
            # What nobody has stopped goes with the process.
            atexit.register(self.stop)
            if self._whole is None or not self._shown(self._whole, self.folder):
                self._link()
        except OSError as error:
            self.stop()
            raise DatasetExecutionError(
                f"The dataset cannot be mounted at {str(self.folder)!r}: {clause(error)}. Choose "
                "another mount point."
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the folder (SDK v1), or what is in it if it was there; no file of the dataset."""
        process, self._process = self._process, None
        # A child that was forked has the object, and not what it stands for.
        if process != os.getpid():
            return
        atexit.unregister(self.stop)
        while self._views:
            views.close_view(self._views.pop())
        while self._made:
            _remove(self._made.pop())
        if self._mode is not None:
            _empty(self.folder)
            with suppress(OSError):
                self.folder.chmod(self._mode)
            self._mode = None

    close = stop

    def __enter__(self) -> "Mount":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        """Make the folder, unless it is there and empty."""
        if self.folder.is_dir() and next(self.folder.iterdir(), None) is not None:
            is_left = os.path.ismount(self.folder)
            end = f", or end what a process left there: umount {shlex.quote(str(self.folder))}"
            raise DatasetExecutionError(
                f"There is something in {str(self.folder)!r}, and a dataset is mounted in an empty "
                f"folder only. Choose another mount point{end if is_left else '.'}"
            )
        if self._is_own or not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._made.append(self.folder)
        else:
            self._mode = stat.S_IMODE(self.folder.stat().st_mode)

    def _shown(self, folder: Path, at: Path) -> bool:
        """Show a folder read-only, if the kernel does so; return whether it does."""
        if not (views.is_root() and views.open_view(folder, at)):
            return False
        self._views.append(at)
        return True

    def _link(self) -> None:
        """Link each file. The links lead through a folder of a short name.

        The target of a short link is kept within the file system's own tables.
        """
        short = Path(tempfile.mkdtemp(prefix="mw-"))
        self._made.append(short)
        ways = _Ways(self._shown, short)
        # As texts: of very many files paths as objects take longer than the links.
        targets: dict[str, str] = {}
        copied: dict[str, FoundFile] = {}
        for file in self._files:
            check_relative(file.relative)
            target = ways.to(file)
            if target is None:
                copied[file.relative] = file
            else:
                targets[file.relative] = target
        if copied:
            through = ways.through(cache.root())
            names = cache.cached(list(copied.values()))
            targets |= {
                place: f"{through}/{name}" for place, name in zip(copied, names, strict=True)
            }
        folders = {self.folder}
        for below in {place.rpartition("/")[0] for place in targets}:
            each = self.folder / below
            each.mkdir(parents=True, exist_ok=True)
            folders |= {above for above in (each, *each.parents) if self.folder in above.parents}
        for place, target in targets.items():
            os.symlink(target, f"{self.folder}/{place}")  # noqa: PTH211
        # So that nothing is added, either, as if it went to where the files are.
        for each in folders:
            each.chmod(_LISTED_ONLY)


def _new_folder(links: int) -> Path:
    """Return a new folder: in memory, where links are made many times faster than on a disk."""
    is_in_memory = (
        links <= _MOST_IN_MEMORY
        # Who names a place for such folders means it.
        and "TMPDIR" not in os.environ
        and os.access(_MEMORY, os.W_OK | os.X_OK)
        and os.statvfs(_MEMORY).f_favail > 2 * links
    )
    above = _MEMORY if is_in_memory else None
    return Path(tempfile.mkdtemp(prefix="mlflow-workspace-mount-", dir=above))


class _Ways:
    """How links lead to files on this machine that nobody can write to through them."""

    def __init__(self, shown: Callable[[Path, Path], bool], short: Path) -> None:
        self._shown = shown
        self._short = short
        self._of_storages: dict[Storage, str | None] = {}
        self._count = 0

    def to(self, file: FoundFile) -> str | None:
        """Return the target of a link to a file; None if there is none that is safe."""
        storage = file.storage
        if storage not in self._of_storages:
            self._of_storages[storage] = self._open(storage)
        way = self._of_storages[storage]
        if way is None:
            return None
        target = f"{way}/{file.stored.path}"
        return target if views.is_root() or _is_protected(target, storage) else None

    def through(self, folder: Path) -> str:
        """Return a short path that leads to a folder."""
        way = self._short / str(self._count)
        self._count += 1
        way.symlink_to(folder)
        return str(way)

    def _open(self, storage: Storage) -> str | None:
        root = storage.root()
        if root is None:
            return None
        if not views.is_root():
            return self.through(root)
        # What is the user's own is anywhere, on several disks.
        if isinstance(storage, LocalStorage):
            return None
        way = self._short / str(self._count)
        self._count += 1
        way.mkdir()
        return str(way) if self._shown(root, way) else None


def _is_protected(path: str, storage: Storage) -> bool:
    """Whether this user cannot write to a file, which is brought about if it is the hub's own."""
    if not os.access(path, os.W_OK):
        return True
    # The user's own files are changed in no way. Those of a hub are replaced, never written to.
    if isinstance(storage, LocalStorage):
        return False
    with suppress(OSError):
        os.chmod(path, os.stat(path).st_mode & ~_WRITABLE & 0o7777)  # noqa: PTH101, PTH116
    return not os.access(path, os.W_OK)


def _remove(made: Path) -> None:
    _empty(made)
    shutil.rmtree(made, ignore_errors=True)


def _empty(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        with suppress(OSError):
            Path(path).chmod(_PRIVATE)
    with suppress(OSError):
        for each in os.scandir(folder):
            if each.is_dir(follow_symlinks=False):
                shutil.rmtree(each, ignore_errors=True)
            else:
                os.unlink(each)  # noqa: PTH108
