"""The local folders whose files become a run's: ``./outputs`` at its end, ``./logs`` while it goes.

The names that the files get are SDK v1's: the folder as it was given, and the path in it.
"""

import os
import posixpath
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.errors import AzureMLAggregatedException
from mlflow_workspace_plugin.runs.files.artifact_names import path_of
from mlflow_workspace_plugin.runs.files.local import files_below
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_SDK_V1S_OWN_LOGS = "*azureml.log"

_RESCAN_S = 1.0
"""Who reads along is to be a second behind."""
_UPLOADS_SHARE = 1 / 20
"""How much of the time may go into storing the same logs as a whole, and of a processor's into any.
"""
_BYTES_PER_S = 1e6
"""How much may be stored again and again, where what is new cannot be stored alone."""
_SLOWER_S = 10.0
"""A log that is too long for that is stored this often, as long as ten times as much will do."""

_WAITING_S = 60.0
"""While files wait for the run each copy of a log waits, too, and takes room from all others."""


class CapturedOutputs:
    """The files that a run leaves in a folder, which are stored once, when it ends (SDK v1).

    The folder is made if it is missing, and stays the same wherever the script changes to.

    Args:
        run: whose files they become.
        folder: the folder.
        deny: what is left out: patterns, as in a shell, of names such as ``outputs/x.tmp``, in
            addition to the logs of SDK v1 itself.
    """

    def __init__(
        self,
        run: RunFiles,
        folder: "str | os.PathLike[str]" = "./outputs",
        deny: Sequence[str] = (),
    ) -> None:
        self._run = run
        self._name = os.fspath(folder)
        self._folder = Path(folder).absolute()
        self._deny = (_SDK_V1S_OWN_LOGS, *deny)
        # Where it cannot be made, nothing can be in it.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)

    def upload(self) -> None:
        """Store what is in the folder now; a missing folder is an empty one.

        Raises:
            AzureMLAggregatedException: some files could not be stored, with a line for each. All
                others are.
        """
        if not self._folder.is_dir():
            return
        errors: list[str] = []
        for path in files_below(self._folder, on_error=lambda error: errors.append(str(error))):
            name = posixpath.join(self._name, path)
            try:
                if not self._is_denied(path_of(name)):
                    self._run.upload_file(name, self._folder / path)
            except (MlflowException, OSError) as error:
                errors.append(f"{name}: {error}")
        if errors:
            raise AzureMLAggregatedException(errors)

    def _is_denied(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._deny)


class WatchedLogs:
    """The files of a folder, stored again and again while they grow (SDK v1).

    Hidden files are left out. What cannot be stored is said once, and tried again. Of a file that
    goes on little more than what is new is stored; at the end it is compared, and stored as it is.

    Args:
        run: whose files they become.
        folder: the folder; it may come into being later.
        rescan_s: how many seconds lie between two looks, at least.
        name: what it is called among the run's files; as the folder when None.
    """

    def __init__(
        self,
        run: RunFiles,
        folder: "str | os.PathLike[str]" = "./logs",
        rescan_s: float = _RESCAN_S,
        name: str | None = None,
    ) -> None:
        self._run = run
        self._name = name or os.fspath(folder)
        self._folder = Path(folder).absolute()
        self._rescan_s = rescan_s
        self._stored: dict[str, tuple[int, int, int]] = {}
        # Those of which only what was new was stored since they were stored as a whole.
        self._grown: set[str] = set()
        self._warned = False
        # Those of the last look.
        self._errors: list[Exception] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watched-logs", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own; once."""
        self._thread.start()

    def stop(self) -> None:
        """End, after a last look; what the files hold now is stored when this returns."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store_what_grew(is_last=True)

    def store_rest(self) -> None:
        """End, as :meth:`stop` does, and raise what kept a file from being stored.

        Raises:
            MlflowException, OSError: the first such error. Called again, it is tried again.
        """
        self.stop()
        if self._errors:
            raise self._errors[0]

    def _watch(self) -> None:
        pause = self._rescan_s
        while not self._stopped.wait(pause):
            began, computed = time.monotonic(), time.thread_time()
            stored, is_again = self._store_what_grew()
            took, computed = time.monotonic() - began, time.thread_time() - computed
            busy = max(computed, took if is_again else 0) / _UPLOADS_SHARE
            pause = max(self._rescan_s, took, busy, _pause_after(stored))
            with suppress(MlflowException, OSError):
                if stored and self._run._repository().has_waiting:
                    pause = max(pause, _WAITING_S)

    def _store_what_grew(self, *, is_last: bool = False) -> tuple[int, bool]:
        """Store the files that are not stored as they are.

        Returns:
            How many bytes that were, and whether of a file some were stored before.
        """
        self._errors = []
        stored, is_again = 0, False
        if not self._folder.is_dir():
            return stored, is_again
        for path in files_below(self._folder, on_error=self._warn, leave_out=_is_hidden):
            file = self._folder / path
            try:
                status = file.stat()
                state = (status.st_ino, status.st_size, status.st_mtime_ns)
                is_known, is_new = path in self._stored, self._stored.get(path) != state
                if is_new or (is_last and path in self._grown):
                    name = posixpath.join(self._name, path)
                    grown = None
                    # In the end the upload says what is wrong.
                    with suppress(*(MlflowException, OSError) if is_last else ()):
                        grown = self._grow(name, file) if is_known and is_new else None
                    if grown is None or is_last:
                        # In the end most often nothing is sent, as what is there is compared.
                        self._run.upload_file(name, file)
                        self._grown.discard(path)
                        is_again |= is_known
                    else:
                        self._grown.add(path)
                    self._stored[path] = state
                    stored += status.st_size if grown is None else grown
            except FileNotFoundError:
                continue  # a log that was removed, or rotated, just now
            except (MlflowException, OSError) as error:
                self._warn(error)
        return stored, is_again

    def _grow(self, name: str, file: Path) -> int | None:
        with file.open("rb") as source:
            return self._run._repository().grow(path_of(name), source)

    def _warn(self, error: Exception) -> None:
        self._errors.append(error)
        if not self._warned:
            self._warned = True
            _logger.warning(
                "Logs in %s cannot be stored with the run: %s This is tried again.",
                str(self._folder),
                error,
            )


def _is_hidden(path: str) -> bool:
    return posixpath.basename(path.rstrip("/")).startswith(".")


def _pause_after(stored: int) -> float:
    """Return for how many seconds nothing is stored behind so many bytes."""
    return max(min(stored / _BYTES_PER_S, _SLOWER_S), stored / _BYTES_PER_S / _SLOWER_S)
