"""What this user has said, in a file of his own that nobody else may have written or may read."""

import json
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.private_folder import make_private

_LOCK_WAIT_S = 30
_LEAST_SIZE = 4096


@dataclass(frozen=True)
class UserRecord:
    """A file of JSON that is this user's, and his alone."""

    file: Path
    what: str
    """It is the record of that, in errors."""
    remedy: str
    """How it comes into being again."""

    def read(self, empty: Any) -> Any:
        """Return what it holds.

        Args:
            empty: returned if there is no such file.

        Raises:
            HubSettingsError: it cannot be used.
        """
        try:
            descriptor = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return empty
        except OSError as error:
            raise self.unusable(error.strerror or "") from error
        try:
            self._check_owner(os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as opened:
                content = opened.read()
        finally:
            os.close(descriptor)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self.damaged() from None

    def change(self, changed: Callable[[], Any]) -> None:
        """Write it anew, while no other process does; whole or not at all.

        Args:
            changed: returns what it is to hold; None leaves it as it is. It is called once there is
                room for that: what it asks of others is not done in vain.

        Raises:
            OSError: it cannot be written.
            Exception: what ``changed`` raises.
        """
        # Only now: who only reads has no use for it.
        from filelock import FileLock

        make_private(self.file.parent)
        lock = self.file.with_name(f"{self.file.name}.lock")
        with FileLock(lock, timeout=_LOCK_WAIT_S, mode=0o600):
            self._write(changed)

    def damaged(self) -> HubSettingsError:
        """Return the error for one that holds something else."""
        return self.unusable("it is damaged")

    def unusable(self, reason: str) -> HubSettingsError:
        """Return the error for one that cannot be used."""
        return HubSettingsError(
            f"The record of {self.what}, {str(self.file)!r}, cannot be used: {reason}. Remove it, "
            f"then {self.remedy}"
        )

    def _check_owner(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self.unusable("it is no file")
        if status.st_uid != os.geteuid():
            raise self.unusable("it is another user's")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise self.unusable("others may read or write it (chmod 600, if it is as you left it)")

    def _write(self, changed: Callable[[], Any]) -> None:
        # Readable by its owner only, from the first moment.
        descriptor, unfinished = tempfile.mkstemp(
            prefix=f".{self.file.name}.", dir=self.file.parent
        )
        try:
            with open(descriptor, "w", encoding="utf-8") as opened:  # noqa: PTH123  no path
                opened.write(" " * self._usual_size())
                _sync(opened)
                content = changed()
                if content is not None:
                    opened.seek(0)
                    json.dump(content, opened, indent=2)
                    opened.write("\n")
                    opened.truncate()
                    _sync(opened)
            if content is not None:
                os.replace(unfinished, self.file)  # noqa: PTH105  the name says what it does
        finally:
            Path(unfinished).unlink(missing_ok=True)

    def _usual_size(self) -> int:
        try:
            return max(self.file.stat().st_size, _LEAST_SIZE)
        except FileNotFoundError:
            return _LEAST_SIZE


def _sync(opened: TextIO) -> None:
    opened.flush()
    os.fsync(opened.fileno())
