"""Storing logs among a run's files while they grow: what is new is appended, and nothing twice."""

import os
import posixpath
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.terminal import get_logger

_EVERY_S = 1.0
_MOST_BYTES = 4 * 2**20
_LONGEST_PAUSE_S = 10.0

_logger = get_logger(__name__)


class GrowingFile:
    """A local file that grows, and its copy among the files of a run.

    Args:
        path: the local file.
        name: the path of the copy.
        behind: returns what comes behind the end of the file, once that grows no more.
    """

    def __init__(self, path: Path, name: str, behind: Callable[[], bytes] = lambda: b"") -> None:
        self._path = path
        self._name = name
        self._behind = behind
        # It can be read though somebody removes it.
        self._file = self._opened()
        self._shipped = 0
        # How many bytes the copy had before; None is not known.
        self._before: int | None = None
        self._is_certain = False

    def ship(self, repository: HubRepository) -> bool:
        """Append what is new to the copy; return whether there is nothing more.

        Raises:
            MlflowException, OSError: it cannot be stored.
        """
        self._file = self._file or self._opened()
        if self._file is None:
            return True
        behind = self._behind()
        size = os.fstat(self._file.fileno()).st_size
        if size + len(behind) == self._shipped:
            return True
        if not self._is_certain:
            # An append whose answer was lost may have been made.
            stored = self._stored_bytes(repository)
            if self._before is None:
                self._before = stored
            self._shipped = max(self._shipped, stored - self._before)
        self._file.seek(self._shipped)
        piece = self._file.read(_MOST_BYTES) or behind[max(0, self._shipped - size) :]
        self._is_certain = False
        if piece:
            repository.append(self._name, piece, goes_on=True)
            self._shipped += len(piece)
        self._is_certain = True
        return self._shipped >= size + len(behind)

    def _opened(self) -> BinaryIO | None:
        return self._path.open("rb", buffering=0) if self._path.exists() else None

    def _stored_bytes(self, repository: HubRepository) -> int:
        folder, base = posixpath.split(self._name)
        # A file that takes no more appends goes on in one with a number behind its name.
        parts = re.compile(rf"{re.escape(base)}(\.\d+)?")
        found = repository.list_artifacts(folder)
        return sum(
            each.file_size or 0 for each in found if parts.fullmatch(posixpath.basename(each.path))
        )


class Shipping:
    """Ships growing files, in a thread, until it is stopped.

    Args:
        open_repository: opens where the run's files are, without what waits for it.
        files: the files.
        before: called before each look at them.
    """

    def __init__(
        self,
        open_repository: Callable[[], HubRepository],
        files: Sequence[GrowingFile],
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._open = open_repository
        self._files = files
        self._before = before
        self._repository: HubRepository | None = None
        self._is_warned = False
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._ship_until_ended, name="mlflow-workspace-shipping", daemon=True
        )

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is not stored by then, :meth:`ship` stores."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def ship(self) -> None:
        """Store all that is there now.

        Raises:
            MlflowException, OSError: it cannot be stored now. What is stored is not stored again.
        """
        if self._repository is None:
            self._repository = self._open()
        for each in self._files:
            while not each.ship(self._repository):
                pass

    def _ship_until_ended(self) -> None:
        pause = _EVERY_S
        while not self._ended.wait(pause):
            began = time.monotonic()
            self._before()
            try:
                self.ship()
                pause = max(0.1, _EVERY_S - (time.monotonic() - began))
            except (MlflowException, OSError) as error:
                pause = min(2 * max(pause, _EVERY_S), _LONGEST_PAUSE_S)
                if not self._is_warned:
                    self._is_warned = True
                    _logger.warning("Logs are stored later: %s", error)
