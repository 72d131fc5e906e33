"""What is kept for some seconds, so that not every request asks the database for it."""

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values that are found again for some seconds, from any thread.

    Args:
        seconds: for how long.
        limit: how many there may be; then all are forgotten, for whoever asks often is back soon.
    """

    def __init__(self, seconds: float, limit: int = 10_000) -> None:
        self._seconds = seconds
        self._limit = limit
        self._values: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """Return the value of a key; None if there is none any more."""
        found = self._values.get(key)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def put(self, key: Key, value: Value, asked_at: float) -> None:
        """Keep a value.

        Args:
            key: of the value.
            value: the value.
            asked_at: when it was asked for, by the monotonic clock: from then on it may be wrong.
        """
        if len(self._values) >= self._limit:
            self._values.clear()
        self._values[key] = (asked_at + self._seconds, value)
