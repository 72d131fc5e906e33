"""The step and timestamp of each value of a metric, so that log order is read order."""

import time

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock

# One for all of them: it is held for a moment only.
_lock = fork_safe_lock()


class MetricOrder:
    """Hands out (timestamp, step) pairs that strictly increase within one metric.

    MLflow keeps two values of a metric apart only if they differ in value, step or millisecond,
    and reads them back by timestamp, then step. A value without a step gets the running index as
    its step; a timestamp moves forward only where the pair would not increase otherwise.

    Args:
        last_step: the highest step of the metric so far; -1 when it has no values.
    """

    def __init__(self, last_step: int = -1) -> None:
        self._next_index = last_step + 1
        self._last = (0, 0)

    def next(self, step: int | None = None) -> tuple[int, int]:
        """Return the timestamp in milliseconds since 1970, and the step, of the next value."""
        with _lock:
            taken = self._next_index if step is None else step
            self._next_index = max(self._next_index, taken + 1)
            last_timestamp, last_step = self._last
            timestamp = max(time.time_ns() // 1_000_000, last_timestamp)
            if timestamp == last_timestamp and taken <= last_step:
                timestamp += 1
            self._last = (timestamp, taken)
            return self._last
