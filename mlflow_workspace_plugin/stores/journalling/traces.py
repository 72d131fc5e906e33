"""Traces, which MLflow's threads store in the background, and which no journal keeps."""

import functools
import time
from collections.abc import Callable
from typing import Any

from mlflow.entities import Span
from mlflow.entities.trace_info import TraceInfo

from mlflow_workspace_plugin.errors import NoAnswerError
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.stores.journalling.beneath import Beneath
from mlflow_workspace_plugin.stores.journalling.patience import Patient, wait_s

_AGAIN_S = 5.0
_PROBE_S = 10.0
"""For what is tried while the database is away, which may answer, but not soon."""

_reminder = Reminder()


class Traces(Patient, Beneath):
    """Over the store beneath: the traces of a process wait for an answer together.

    Hundreds of them may be in MLflow's queue, and a process does not end before all were tried. So
    when one has waited as long as a call may wait, the others are not stored either, until one
    that is tried now and then is.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._outage = _Outage()

    def start_trace(self, trace_info: TraceInfo) -> TraceInfo:
        """Create a trace.

        Raises:
            NoAnswerError: the database is away, for this trace or those before it.
        """
        return self._together(super().start_trace, trace_info)

    def log_spans(
        self, location: str, spans: list[Span], tracking_uri: str | None = None
    ) -> list[Span]:
        """Store spans of traces.

        Args:
            location: the id of an experiment.
            spans: of traces in it.
            tracking_uri: of whoever logs them.

        Raises:
            NoAnswerError: the database is away, for these spans or those before them.
        """
        store = functools.partial(super().log_spans, tracking_uri=tracking_uri)
        stored: list[Span] = self._together(store, location, spans)
        return stored

    def _together(self, method: Callable[..., Any], *args: Any) -> Any:
        seconds = self._outage.wait_s()
        target = self.journal.folder.target
        if seconds is None:
            raise NoAnswerError(f"{target} is away, and this trace is not stored.")
        began = time.monotonic()
        try:
            answer = self._answered(method, *args, within_s=seconds)
        except NoAnswerError:
            if time.monotonic() - began < seconds / 2:
                # One answer was lost.
                raise
            self._outage.lasts()
            _reminder.warn(
                "traces",
                "%s is away, and the traces of this time are not stored: no journal keeps them.",
                target,
            )
            raise
        self._outage.ends()
        return answer


class _Outage:
    """Whether the database was away when it was asked last.

    Several threads may ask: then one more is tried, or not, which harms nothing.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None

    def wait_s(self) -> float | None:
        """Return how long a call may wait; None if it is not to ask now."""
        asked_at = self._asked_at
        if asked_at is None:
            return wait_s()
        if time.monotonic() - asked_at < _AGAIN_S:
            return None
        self._asked_at = time.monotonic()
        return min(_PROBE_S, wait_s())

    def lasts(self) -> None:
        """Take notice that there was no answer."""
        self._asked_at = time.monotonic()

    def ends(self) -> None:
        """Take notice that there was one."""
        self._asked_at = None
