"""What a cluster says of all its jobs, for whoever looks at many of them at once."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")

_FRESH_S = 2.0


class Glance(Generic[Result]):
    """Something that is asked for again only when the last answer is some seconds old.

    Args:
        ask: asks for it.
    """

    def __init__(self, ask: Callable[[], Result]) -> None:
        self._ask = ask
        self._seen: tuple[float, Result] | None = None

    def get(self) -> Result:
        """Return what the last answer was, or a new one; what is raised is that of ``ask``."""
        if self._seen is None or time.monotonic() - self._seen[0] > _FRESH_S:
            answer = self._ask()
            self._seen = time.monotonic(), answer
        return self._seen[1]
