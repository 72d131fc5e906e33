"""SDK v1's run for code that runs outside of any: it prints what it would have logged."""

import uuid
from types import TracebackType
from typing import Any


class OfflineRun:
    """SDK v1's ``_OfflineRun``: not a ``Run``, stores nothing, checks nothing.

    Args:
        run_id: its id; made up when None.
    """

    def __init__(self, run_id: str | None = None) -> None:
        self._id = run_id or f"OfflineRun_{uuid.uuid4()}"

    @property
    def id(self) -> str:
        """``OfflineRun_`` and a random id."""
        return self._id

    def log(
        self,
        name: str,
        value: Any,
        description: str = "",
        step: int | None = None,
    ) -> None:
        """Print the value."""
        _print(f"Attempted to log scalar metric {name}:\n{value}")

    def tag(self, name: str, value: str | None = None) -> None:
        """Print the tag."""
        _print(f"Attempted to add tag {name} with value {value}")

    def upload_file(
        self,
        name: str,
        path_or_stream: Any,
        datastore_name: str | None = None,
    ) -> None:
        """Print the file."""
        _print(f"Attempted to track file {name} at {path_or_stream}")

    def complete(self) -> None:
        """Do nothing."""

    def fail(self, error_details: Any = None, error_code: str | None = None) -> None:
        """Print the error."""
        _print(f"Run failed with error code {error_code}:\n{error_details}")

    def __enter__(self) -> "OfflineRun":
        _print(f"[START] Run {self.id} context")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _print(f"[STOP] Run {self.id} context")


def _print(text: str) -> None:
    print(text)  # noqa: T201  printing is all that an offline run does
