"""Traces and their assessments stay where they are, whoever names their ids.

Clients choose these ids, which are keys of the whole hub. MLflow before 3.18 writes to what has the
id, wherever that is: a trace goes over to the experiment that is named, an assessment to the trace,
and spans to a trace of another experiment. Of what is in another workspace it says nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from mlflow.entities.span import Span
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.store.tracking.dbmodels.models import SqlAssessments, SqlTraceInfo
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

# What each of them is in.
_PLACES = {SqlTraceInfo: "experiment_id", SqlAssessments: "trace_id"}


class _Wanted(NamedTuple):
    """What a call adds spans to."""

    experiment_id: str
    trace_ids: frozenset[str]


_wanted: ContextVar[_Wanted | None] = ContextVar("wanted", default=None)


class TracePlaces(AbstractStore):
    """Refuses spans for traces that are elsewhere; over MLflow's store, which comes next."""

    def log_spans(self, location: str, spans: list[Span], tracking_uri: str | None = None) -> Any:
        """Store spans of traces, refusing those of traces that are not in the experiment.

        Args:
            location: the id of the experiment.
            spans: of one trace or of several.
            tracking_uri: unused, as by MLflow's store.

        Raises:
            MlflowException: a trace is in another experiment, or in another workspace.
        """
        with _adding_to(_Wanted(str(location), frozenset(each.trace_id for each in spans))):
            return super().log_spans(location, spans, tracking_uri)

    def _advance_db_payload_generations_for_db_span_writes(
        self, session: Session, trace_ids: Iterable[str]
    ) -> None:
        # MLflow calls this within the transaction that holds the traces and has written the spans,
        # with the traces that it found or made.
        found = list(trace_ids)
        beneath: Any = super()
        beneath._advance_db_payload_generations_for_db_span_writes(session, found)
        wanted = _wanted.get()
        if wanted is None:
            return
        # The session has them in memory.
        traces = (session.get(SqlTraceInfo, each) for each in found)
        here = {
            each.request_id
            for each in traces
            if each is not None and str(each.experiment_id) == wanted.experiment_id
        }
        elsewhere = wanted.trace_ids - here
        if elsewhere:
            # One that is not there itself was to be made along with one that is.
            ids = select(SqlTraceInfo.request_id).where(SqlTraceInfo.request_id.in_(elsewhere))
            trace_id = session.scalars(ids).first() or min(elsewhere)
            raise _elsewhere(f"Trace {trace_id!r}", "another experiment")


def refuse_moves(session: Session, *_: Any) -> None:
    """Refuse what a session is about to move; listens to ``before_flush`` of sessions.

    Args:
        session: of a store.

    Raises:
        MlflowException: a trace would go to another experiment, an assessment to another trace, or
            an assessment names one of another trace as the one that it overrides.
    """
    for row in session.dirty:
        column = _PLACES.get(type(row))
        if column is None:
            continue
        before = inspect(row).attrs[column].load_history().deleted
        if before and str(before[0]) != str(getattr(row, column)):
            if column == "trace_id":
                raise _elsewhere(f"Assessment {row.assessment_id!r}", "another trace")
            raise _elsewhere(f"Trace {row.request_id!r}", "another experiment")
    # MLflow makes those valid again when what overrides them is deleted.
    overriding = {
        row.overrides: row.trace_id
        for row in (*session.new, *session.dirty)
        if type(row) is SqlAssessments and row.overrides
    }
    if overriding:
        overridden = session.query(SqlAssessments.assessment_id, SqlAssessments.trace_id)
        for found in overridden.filter(SqlAssessments.assessment_id.in_(overriding)):
            if found.trace_id != overriding[found.assessment_id]:
                raise _elsewhere(f"Assessment {found.assessment_id!r}", "another trace")


@contextmanager
def _adding_to(wanted: _Wanted) -> Iterator[None]:
    reset = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(reset)


def _elsewhere(what: str, where: str) -> MlflowException:
    return MlflowException(
        f"{what} is in {where} already, and stays there. Use another id.", INVALID_PARAMETER_VALUE
    )
