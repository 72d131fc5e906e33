"""What keeps a process's files while they wait, and the thread that sends them."""

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import PurePosixPath
from typing import BinaryIO

from mlflow_workspace_plugin.artifacts.staging.sending import OpenAt, send
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.errors import HubUnreachableError, WorkspaceUnknownError
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.journal.reminder import Reminder

_LONGEST_PAUSE_S = 5.0
_LOOK_S = 0.2

# The hubs whose files' place has taken one of this process.
_accepting: set[str] = set()


class FileSender:
    """Sends the files that wait for a workspace, for a process that has some.

    Args:
        files: what waits.
        open_at: opens where it belongs.
    """

    what = "files"
    is_last = True

    def __init__(self, files: StagedFiles, open_at: OpenAt) -> None:
        self.files = files
        self.folder = files.journal
        self._open_at = open_at
        # All its workspaces' files are in one place.
        self._hub = files.journal.target.rpartition("/")[0]
        self._reminder = Reminder()
        self._reset()
        _renew_after_fork(self)

    def _reset(self) -> None:
        """Be as new: at the start, and in a forked child."""
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()
        self._mine: set[str] = set()
        self._away = False
        self._is_unknown = False
        self._moved_at = -inf
        # By location, with the time at which it began to be asked for; None is of all.
        self._refusals: dict[PurePosixPath | None, tuple[float, Exception]] = {}

    @property
    def away(self) -> bool:
        """Whether the place of the files did not answer when it was asked last."""
        return self._away

    @property
    def was_accepted(self) -> bool:
        """Whether the place of the hub's files has taken one of this process."""
        return self._hub in _accepting

    def note_accepted(self) -> None:
        """Take notice that the place of the files took one."""
        _accepting.add(self._hub)

    @property
    def waiting(self) -> int:
        """How many files of this process wait."""
        with self._lock:
            self._mine.intersection_update(self.files.names())
            return len(self._mine)

    def add(self, location: PurePosixPath, path: str, stream: BinaryIO) -> None:
        """Keep a file until it is sent; see :meth:`StagedFiles.add`."""
        name = self.files.add(location, path, stream)
        with self._lock:
            self._mine.add(name)
        self.start()

    def note_away(self, error: Exception) -> None:
        """Take notice that the place of the files does not answer."""
        self._away = True
        self._reminder.warn(
            "away",
            "%s What is logged waits in %s and is sent when it can be, or by "
            "mlflow-workspace sync. %d files (%.1f MB) wait.",
            error,
            self.files.path,
            len(self.files.names()),
            self.files.size() / 1e6,
        )

    def flush(self, location: PurePosixPath, timeout_s: float) -> bool:
        """Wait until what waits for a location is sent; return whether it is.

        Raises:
            Exception: it was refused now.
        """
        start = time.monotonic()

        def waits() -> bool:
            if not self.files.names(location):
                return False
            for each in (location, None):
                began, refusal = self._refusals.get(each, (-inf, None))
                # What was refused before may have been put right.
                if refusal is not None and began >= start:
                    raise refusal
            return True

        return self._sent_within(timeout_s, waits)

    def flush_all(self, timeout_s: float) -> bool:
        """Wait until what this process logged is sent; return whether it is."""
        return self._sent_within(timeout_s, lambda: bool(self.waiting))

    def close(self, wait: EndWait) -> Remains:
        """Wait until what this process logged is sent; return what is left."""
        wait.note_moved(self._moved_at)
        # One that is away was asked all the while that the end has waited for others in vain.
        least, moved_at = self.waiting, wait.moved_at if self._away else time.monotonic()
        while waiting := self.waiting:
            now = time.monotonic()
            if waiting < least or not (self._away or self._is_unknown or self._refusals):
                least, moved_at = waiting, now
            # A large file takes long, and nothing is wrong with that while parts of it are taken.
            moved_at = max(moved_at, self._moved_at)
            if not wait.left_s or now - moved_at >= wait.patience_s:
                break
            if wait.quiet_s <= 0:
                wait.say(f"{waiting} {self.what} for {self.folder.target}")
            self.start()
            self._hurry.set()
            time.sleep(min(wait.left_s, _LOOK_S))
        wait.note_moved(self._moved_at)
        return self.remains

    @property
    def remains(self) -> Remains:
        """What of it waits: all of it is in files."""
        return Remains(self.waiting)

    @property
    def is_interrupted(self) -> bool:
        """What is kept is in files of its own, so no signal comes in between: False."""
        return False

    def start(self) -> None:
        """Send what waits, in a thread."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._work, name="staged-files", daemon=True)
                # When the interpreter ends no thread can be started.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _sent_within(self, timeout_s: float, waits: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + timeout_s
        while waits():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.start()
            self._hurry.set()
            # Another process may be the one that sends.
            time.sleep(min(left, _LOOK_S))
        return True

    def _work(self) -> None:
        pause = _LOOK_S
        with suppress(OSError):
            self.files.remove_unfinished()
        while True:
            if self._send_all():
                pause = _LOOK_S
            with self._lock:
                if not self.files.names():
                    self._thread = None
                    return
            self._hurry.wait(pause)
            self._hurry.clear()
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _send_all(self) -> bool:
        """Send what waits; return whether any of it was sent."""
        is_sent = False
        began = time.monotonic()
        try:
            for outcome in send(self.files, self._open_at, progress=self._note_progress):
                self._away = self._is_unknown = False
                if outcome.error is None:
                    is_sent = True
                    self._moved_at = time.monotonic()
                    self.note_accepted()
                else:
                    self._warn(outcome.error)
                    if not outcome.is_aside:
                        self._refusals[outcome.place[0]] = began, outcome.error
        except WorkspaceUnknownError as error:
            # That says nothing of the place of the files, where new ones can be stored.
            self._is_unknown = True
            self._warn(error)
        except HubUnreachableError as error:
            self.note_away(error)
        except Exception as error:  # noqa: BLE001  the thread goes on, and the files wait
            self._warn(error)
            self._refusals[None] = began, error
        return is_sent

    def _note_progress(self, _: int) -> None:
        """Take notice that the place of the files took a part of one."""
        self._away = False
        self._moved_at = time.monotonic()

    def _warn(self, error: Exception) -> None:
        self._reminder.warn(
            str(error), "A file that waits in %s cannot be sent: %s", self.files.path, error
        )


def _renew_after_fork(sender: FileSender) -> None:
    reference = weakref.ref(sender)

    def _in_child() -> None:
        inherited = reference()
        if inherited is not None:
            inherited.files.let_go()
            inherited._reset()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)
