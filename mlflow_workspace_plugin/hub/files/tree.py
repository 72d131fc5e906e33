"""The one way to the files below a hub's folder, on which no link is followed.

A hub may be shared, and may come from somebody else: what lies in it decides nothing about files
outside of it. So each part of a path is opened by its name in the folder before it, which nobody
can exchange in between; a new file gets a name that nobody can guess, and then the one it is to
have; what is no plain file is never opened, so that none keeps the process waiting. A link is
replaced or removed like a file. SQLite opens its own files itself.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from mlflow_workspace_plugin.errors import ForeignFileError

UNFINISHED = ".artifact.uploading."
"""How the names of files begin that are not whole yet; MLflow's own, which no listing shows."""

Registered = Callable[[PurePosixPath], Path | None]
"""Returns where a link may lead that lies at a path, which is nowhere if that is None."""

# Windows knows none of them.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NO_LINK
_AT_ONCE = _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)

_HELD = 32
"""How many folders, one in the other, are open at a time: a hub's may be nested without an end."""

_LONGEST_PATH = 4000
"""In bytes. With a longer one a file could be stored, and be found by nobody else."""


class Entry(NamedTuple):
    """What lies in a folder: a folder, or a plain file with its size."""

    name: str
    size: int | None
    """None for a folder."""


class OpenFolder:
    """A folder that is held open.

    Args:
        descriptor: of the folder.
        path: what it is called in errors.
        mode: what is made in it gets these rights.
    """

    def __init__(self, descriptor: int, path: Path, mode: int) -> None:
        self.descriptor = descriptor
        self.path = path
        self._mode = mode

    @contextmanager
    def child(self, name: str, *, make: bool = False) -> Iterator["OpenFolder"]:
        """Open a folder in this one, which is made first if that is asked for.

        Raises:
            ForeignFileError: it is a link.
            NotADirectoryError, FileNotFoundError: it is a file, or not there.
        """
        descriptor = self.enter(name, make=make)
        try:
            yield OpenFolder(descriptor, self.path / name, self._mode)
        finally:
            os.close(descriptor)

    def enter(self, name: str, *, make: bool = False) -> int:
        """As :meth:`child`; return a descriptor, which the caller closes."""
        try:
            return self._open(name, _FOLDER)
        except FileNotFoundError:
            if not make:
                raise
        try:
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
        except FileExistsError:
            return self._open(name, _FOLDER)
        descriptor = self._open(name, _FOLDER)
        try:
            # Whatever the umask. It is this process's own: nobody can change another's mode.
            os.fchmod(descriptor, self._mode)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open(self, name: str) -> BinaryIO:
        """Open a plain file for reading.

        Raises:
            ForeignFileError: it is a link, a pipe, a socket or a device.
            IsADirectoryError, FileNotFoundError: it is a folder, or not there.
        """
        return os.fdopen(self._open_file(name, os.O_RDONLY), "rb")

    def continuing(self, name: str) -> BinaryIO:
        """Open a plain file for reading, and writing behind its end; it is made if it is not there.

        Raises:
            ForeignFileError: it is a link, a pipe, a socket or a device, or has another name.
        """
        descriptor = self._open_file(name, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            if os.fstat(descriptor).st_nlink > 1:
                raise self._foreign(name, "a link to a file that has another name")
            return os.fdopen(descriptor, "r+b")
        except BaseException:
            os.close(descriptor)
            raise

    @contextmanager
    def writing(
        self,
        name: str,
        *,
        executable: bool = False,
        read_only: bool = False,
        replace: bool = True,
    ) -> Iterator[BinaryIO]:
        """Yield a new file, which replaces what has the name when the block ends; or nothing does.

        Args:
            name: of the file.
            executable: whether its owner may run it.
            read_only: whether nobody may write it from then on.
            replace: whether it may replace a file; a link it does.

        Raises:
            FileExistsError: a file has the name, and may not be replaced.
            IsADirectoryError: a folder has the name.
        """
        unfinished = _unfinished()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK
        descriptor = os.open(unfinished, flags, 0o600, dir_fd=self.descriptor)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                rights = self._mode & (0o444 if read_only else 0o666)
                os.fchmod(descriptor, rights | (0o100 if executable else 0))
            if replace or not self._is_linked(unfinished, self, name):
                self.rename(unfinished, name)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=self.descriptor)
            raise

    def take(
        self,
        file: BinaryIO,
        source: "OpenFolder",
        old: str,
        name: str,
        *,
        read_only: bool = False,
        replace: bool = True,
    ) -> None:
        """Move a plain file here from another folder of the same disk, at one stroke.

        Args:
            file: it, open.
            source: the folder that it is in.
            old: its name there.
            name: the one that it gets here.
            read_only: whether nobody may write it from then on.
            replace: as of :meth:`writing`.

        Raises:
            FileExistsError: a file has the name, and may not be replaced.
            IsADirectoryError: a folder has the name.
            OSError: the folders are on two disks, say; nothing was done.
        """
        os.fchmod(file.fileno(), self._mode & 0o666)
        if replace or not self._is_linked(old, source, name):
            os.rename(old, name, src_dir_fd=source.descriptor, dst_dir_fd=self.descriptor)
        if read_only:
            # Only now: who comes after a kill has to be able to go on with it.
            os.fchmod(file.fileno(), self._mode & 0o444)

    def _is_linked(self, unfinished: str, source: "OpenFolder", name: str) -> bool:
        """Give a file a name that no other has, at one stroke; return whether that could be done.

        Raises:
            FileExistsError: a file has the name.
        """
        both = {"src_dir_fd": source.descriptor, "dst_dir_fd": self.descriptor}
        try:
            os.link(unfinished, name, follow_symlinks=False, **both)
        except OSError:
            # A link or a folder is there, or the disk gives no file two names.
            with suppress(FileNotFoundError):
                if stat.S_ISREG(self.status(name).st_mode):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from None
            return False
        # Whoever came upon two names may have removed the first.
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=source.descriptor)
        return True

    def append(self, name: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file, which is made if it is not there.

        Args:
            name: of the file.
            lines: begin on a line of their own.
            goes_on: they begin where the file ends, be that within a line.

        Raises:
            ForeignFileError: it is a link, a pipe, a socket or a device.
        """
        flags = os.O_RDWR | os.O_APPEND
        try:
            descriptor = self._open_file(name, flags)
        except FileNotFoundError:
            descriptor = self._open(name, flags | os.O_CREAT | os.O_EXCL | _AT_ONCE)
            os.fchmod(descriptor, self._mode & 0o666)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            status = os.fstat(descriptor)
            is_cut = status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n"
            if is_cut and not goes_on:
                lines = b"\n" + lines
            if status.st_nlink == 1:
                while lines:
                    lines = lines[os.write(descriptor, lines) :]
                return
            # It has another name, which may be in a backup or anywhere else, and stays as it is.
            file.seek(0)
            content = file.read()
        with self.writing(name) as copy:
            copy.write(content + lines)

    def append_at(self, name: str, piece: bytes, at: int) -> bool:
        """Append to a file of a known size; what is there of the piece is not written again.

        Args:
            name: of the file.
            piece: what is to be at its end.
            at: behind how many bytes.

        Returns:
            Whether it is. Else the file was left as it is: it has another size, other bytes there,
            or another name, which may be in a backup.

        Raises:
            ForeignFileError: it is a link, a pipe, a socket or a device.
            IsADirectoryError, FileNotFoundError: it is a folder, or not there.
        """
        descriptor = self._open_file(name, os.O_RDWR)
        try:
            status = os.fstat(descriptor)
            there = os.pread(descriptor, len(piece), at)
            is_ours = at <= status.st_size == at + len(there) and piece.startswith(there)
            if not is_ours or status.st_nlink > 1:
                return False
            at, piece = at + len(there), piece[len(there) :]
            while piece:
                # At its place: the same call may be made twice at once.
                written = os.pwrite(descriptor, piece, at)
                at, piece = at + written, piece[written:]
            return True
        finally:
            os.close(descriptor)

    def check(self, name: str) -> None:
        """Check that a name is a plain file's, or nobody's.

        Raises:
            ForeignFileError: it is a link, a pipe, a socket or a device.
        """
        with suppress(FileNotFoundError):
            os.close(self._open_file(name, os.O_RDONLY))

    def entries(self) -> list[Entry]:
        """Return the folders and plain files in this one, by name; nothing else is to be seen."""
        found = []
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append(Entry(entry.name, None))
                elif entry.is_file(follow_symlinks=False):
                    # It may have been removed just now.
                    with suppress(FileNotFoundError):
                        found.append(Entry(entry.name, entry.stat(follow_symlinks=False).st_size))
        return sorted(found)

    def statuses(self) -> list[tuple[str, os.stat_result]]:
        """Return the names of the folders and plain files in this one, each with its status."""
        found = []
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False):
                    # It may have been removed just now.
                    with suppress(FileNotFoundError):
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
        return found

    def status(self, name: str) -> os.stat_result:
        """Return the status of what has a name; of a link, its own."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def rename(self, name: str, new: str) -> None:
        """Give a file another name in this folder; a file of that name is replaced."""
        os.rename(name, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def link(self, name: str, target: Path) -> None:
        """Make a link in place of another one, of an empty folder, or of nothing.

        Raises:
            OSError: a file or a folder that holds something has the name.
        """
        with suppress(FileNotFoundError):
            if self._is_link(name):
                os.unlink(name, dir_fd=self.descriptor)
            else:
                os.rmdir(name, dir_fd=self.descriptor)
        os.symlink(target, name, dir_fd=self.descriptor)

    def share(self, name: str) -> None:
        """Give a plain file the rights of this folder to read and write.

        Raises:
            ForeignFileError: it is a link, or has another name elsewhere.
        """
        descriptor = self._open_file(name, os.O_RDONLY)
        try:
            if os.fstat(descriptor).st_nlink > 1:
                raise self._foreign(name, "a link to a file that has another name")
            os.fchmod(descriptor, self._mode & 0o666)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file, a link, or a folder with all that is in it, however deep.

        Raises:
            FileNotFoundError: there is no such thing.
        """
        if not self._is_folder(name):
            os.unlink(name, dir_fd=self.descriptor)
            return
        with self.child(name) as folder:
            folder.clear()
        os.rmdir(name, dir_fd=self.descriptor)

    def clear(self) -> None:
        """Remove all that is in this folder, however deep."""
        names = os.listdir(self.descriptor)  # noqa: PTH208  by no path
        # It grows by the folders that were too deep where they were.
        for name in names:
            self._take_apart(name, self, names, _HELD)

    def _take_apart(self, name: str, top: "OpenFolder", moved: list[str], levels: int) -> None:
        """Remove what is in this folder, but move folders that are too deep.

        Args:
            name: of what is to be removed.
            top: where those folders are moved.
            moved: gets the names that they have there.
            levels: how many folders, one in the other, may be opened.
        """
        # Another process may be about the same.
        with suppress(FileNotFoundError):
            if not self._is_folder(name):
                os.unlink(name, dir_fd=self.descriptor)
                return
            if not levels:
                new = _unfinished()
                os.rename(name, new, src_dir_fd=self.descriptor, dst_dir_fd=top.descriptor)
                moved.append(new)
                return
            with self.child(name) as folder:
                for each in os.listdir(folder.descriptor):  # noqa: PTH208  by no path
                    folder._take_apart(each, top, moved, levels - 1)
            os.rmdir(name, dir_fd=self.descriptor)

    def is_mine_alone(self, levels: int = _HELD) -> bool:
        """Whether nobody but this user can change what is in it, and no link is in it now.

        Args:
            levels: how many folders, one in the other, are looked into; what is deeper may be
                anything.
        """
        if not _is_mine(os.fstat(self.descriptor)):
            return False
        with os.scandir(self.descriptor) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                if not levels:
                    return False
                with self.child(entry.name) as folder:
                    if not folder.is_mine_alone(levels - 1):
                        return False
            elif not entry.is_file(follow_symlinks=False):
                return False
        return True

    def _is_folder(self, name: str) -> bool:
        return stat.S_ISDIR(self.status(name).st_mode)

    def _open_file(self, name: str, flags: int) -> int:
        try:
            descriptor = self._open(name, flags | _AT_ONCE)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.EOPNOTSUPP, errno.ENODEV):
                raise
            raise self._foreign(name, "a pipe, a socket or a device") from error
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return descriptor
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path / name))
        raise self._foreign(name, "a pipe, a socket or a device")

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(name, flags, 0o600, dir_fd=self.descriptor)
        except OSError as error:
            error.filename = str(self.path / name)
            # What says that it is a link differs between systems, and between flags.
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK) and self._is_link(name):
                raise self._foreign(name, "a symbolic link") from error
            raise

    def _is_link(self, name: str) -> bool:
        with suppress(OSError):
            return stat.S_ISLNK(self.status(name).st_mode)
        return False

    def _foreign(self, name: str, what: str) -> "ForeignFileError":
        return _foreign_file_error()(
            f"{str(self.path / name)!r} is {what}, and below a hub only plain files and folders "
            "are used: what lies there may be anybody's. Remove it. A workspace's folder on "
            "another disk is made known by: mlflow-workspace hub link NAME FOLDER"
        )


class Tree:
    """All that is below a folder, by paths relative to it.

    Args:
        top: the folder. It may be reached through links, which are resolved now.
        like: what is made below it gets the rights of this folder, whatever the umask.
        registered: says of a link where it may lead; by default none is followed.
    """

    def __init__(
        self, top: Path, like: Path | None = None, registered: Registered = lambda _: None
    ) -> None:
        self.top = top.resolve()
        self._like = like or self.top
        self._registered = registered

    @contextmanager
    def folder(
        self, path: "PurePosixPath | str" = "", *, make: bool = False
    ) -> Iterator[OpenFolder]:
        """Open a folder; it and those that lead to it are made first if that is asked for.

        Raises:
            ForeignFileError: one of them is a link.
            NotADirectoryError, FileNotFoundError: one is a file, or not there.
        """
        parts = _parts(path)
        mode = stat.S_IMODE(self._like.stat().st_mode)
        descriptor = self._open_top(mode, make=make)
        try:
            opened = OpenFolder(descriptor, self.top, mode)
            for number, part in enumerate(parts, start=1):
                place = opened.path / part
                try:
                    below = opened.enter(part, make=make)
                except _foreign_file_error():
                    linked = self._registered(PurePosixPath(*parts[:number]))
                    if linked is None:
                        raise
                    below, place = os.open(linked, _FOLDER), linked
                os.close(descriptor)
                descriptor = below
                opened = OpenFolder(descriptor, place, mode)
            yield opened
        finally:
            os.close(descriptor)

    @contextmanager
    def above(
        self, path: "PurePosixPath | str", *, make: bool = False
    ) -> Iterator[tuple[OpenFolder, str]]:
        """Open the folder that something is in; yield it with the name of that.

        Raises:
            IsADirectoryError: the path is that of the whole tree.
        """
        *before, name = _parts(path) or [""]
        if not name:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.top))
        with self.folder(PurePosixPath(*before), make=make) as folder:
            yield folder, name

    def open(self, path: "PurePosixPath | str") -> BinaryIO:
        """Open a plain file for reading; raises as :meth:`OpenFolder.open` and :meth:`folder`."""
        with self.above(path) as (folder, name):
            return folder.open(name)

    def is_folder(self, path: "PurePosixPath | str") -> bool:
        """Whether there is a folder.

        Raises:
            ForeignFileError: the path leads to or through a link.
        """
        try:
            with self.folder(path):
                return True
        except (FileNotFoundError, NotADirectoryError):
            return False

    def remove(self, path: "PurePosixPath | str") -> None:
        """Remove a file, a link or a folder, if there is one.

        Of a workspace whose folder was registered, what is in that goes, and then the link.

        Raises:
            ForeignFileError: the path leads through a link.
        """
        with suppress(FileNotFoundError, NotADirectoryError), self.above(path) as (folder, name):
            is_link = stat.S_ISLNK(folder.status(name).st_mode)
            if is_link and self._registered(PurePosixPath(*_parts(path))) is not None:
                with self.folder(path) as elsewhere:
                    elsewhere.clear()
            folder.remove(name)

    def remove_if_empty(self, path: "PurePosixPath | str") -> None:
        """Remove a folder that holds nothing; leave one that does."""
        try:
            with suppress(OSError), self.above(path) as (folder, name):
                os.rmdir(name, dir_fd=folder.descriptor)
        except _foreign_file_error():
            return

    def steady(self, path: "PurePosixPath | str") -> Path | None:
        """Return where a file or folder is, for readers that go by paths.

        Returns:
            None where that would not be safe: others can put links there, or have. So it is with
            folders that are nested deeper than is looked into.

        Raises:
            FileNotFoundError, NotADirectoryError: there is no such thing.
            ForeignFileError: it is none of the hub's.
        """
        parts = _parts(path)
        if not _is_mine(self._like.stat()):
            return None
        for number in range(len(parts)):
            with self.folder(PurePosixPath(*parts[:number])) as folder:
                if not _is_mine(os.fstat(folder.descriptor)):
                    return None
        if self.is_folder(path):
            with self.folder(path) as folder:
                return folder.path if folder.is_mine_alone() else None
        with self.above(path) as (folder, name):
            folder.open(name).close()
            return folder.path / name

    def _open_top(self, mode: int, *, make: bool) -> int:
        try:
            return os.open(self.top, _FOLDER)
        except FileNotFoundError:
            if not make:
                raise
        descriptor = os.open(self.top.parent, os.O_RDONLY)
        try:
            return OpenFolder(descriptor, self.top.parent, mode).enter(self.top.name, make=True)
        finally:
            os.close(descriptor)


def _unfinished() -> str:
    """Return a name that nobody can guess, and no listing shows."""
    return f"{UNFINISHED}{secrets.token_hex(8)}"


def _is_mine(folder: os.stat_result) -> bool:
    """Whether nobody but this user, and root, can change what is in a folder."""
    return folder.st_uid in (os.geteuid(), 0) and not folder.st_mode & 0o022


def _parts(path: "PurePosixPath | str") -> list[str]:
    if len(os.fsencode(str(path))) > _LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    parts = PurePosixPath(path).parts
    if ".." in parts or parts[:1] == ("/",):
        from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

        raise UnsafeArtifactPathError(f"Path {str(path)!r} leads out of its place. Correct it.")
    return list(parts)


def _foreign_file_error() -> "type[ForeignFileError]":
    # Only now: errors are MLflow's, which takes a second to import.
    from mlflow_workspace_plugin.errors import ForeignFileError

    return ForeignFileError
