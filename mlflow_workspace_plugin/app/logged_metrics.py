"""MLflow's ``runs/log-metric``, and ``runs/log-batch`` with nothing but metrics, without its app.

Scripts send them all day. MLflow makes Python objects of a request by protobuf's reflection, and
with accounts twice, which takes several times as long as storing the values. What is usual is read
and stored here; what is not, or may not be done, is left to MLflow's app, which knows what to say.
"""

import json
import math
import re
from typing import Any, NamedTuple, TypeGuard

from anyio import to_thread
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_METRICS_PER_BATCH
from mlflow.utils.workspace_context import set_server_request_workspace
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_workspace_plugin.app.usual_requests import (
    JSON,
    MayRun,
    UsualRequests,
    everybody_may,
    refusal,
)

_ROUTE = re.compile(r"/(?:ajax-)?api/2\.0/mlflow/runs/(log-batch|log-metric)")
_MOST_BYTES = 2**20
_LIMIT = 1 << 63
_REQUIRED = frozenset(("key", "value", "timestamp"))
_NULL = frozenset(("model_id", "dataset_name", "dataset_digest", "run_id"))
"""What is usual of a metric if it is null, as in JSON made of MLflow's own ``Metric``."""
_KNOWN = _REQUIRED | _NULL | {"step"}


class Logged(NamedTuple):
    """Metrics of a run."""

    run_id: str
    metrics: list[Metric]


class Asked(NamedTuple):
    """A request that may be answered here."""

    workspace: str
    is_batch: bool


class LoggedMetrics:
    """Stores metrics that are logged; hands on what else is asked.

    Args:
        app: MLflow's app.
        usual: what of it may be answered here.
        may_write: what decides; everybody may where nobody has to log in.
    """

    def __init__(
        self,
        app: ASGIApp,
        usual: UsualRequests,
        may_write: MayRun = everybody_may,
    ) -> None:
        self._app = app
        self._usual = usual
        self._may_write = may_write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = self._asked(scope)
        if asked is not None:
            messages = await _begin(receive)
            receive = _from(messages, receive)
            body = b"".join(each.get("body", b"") for each in messages)
            if not messages[-1].get("more_body", False):
                answer = await to_thread.run_sync(self._answer, asked, body)
                if answer is not None:
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _answer(self, asked: Asked, body: bytes) -> Response | None:
        logged = usual_batch(body) if asked.is_batch else usual_metric(body)
        if logged is None or not self._may_write(asked.workspace, logged.run_id):
            return None
        try:
            # Of this request only: each has a context of its own.
            set_server_request_workspace(asked.workspace)
            if asked.is_batch:
                self._usual.store.log_batch(logged.run_id, logged.metrics, [], [])
            else:
                self._usual.store.log_metric(logged.run_id, logged.metrics[0])
        except MlflowException as error:
            return refusal(error, "Metrics were not stored")
        return Response("{}", media_type=JSON)

    def _asked(self, scope: Scope) -> Asked | None:
        """Return what is asked, if it may be answered here."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        route = _ROUTE.fullmatch(scope["path"])
        if route is None:
            return None
        content_type = Headers(scope=scope).get("content-type", "").partition(";")[0]
        if content_type.strip().lower() != JSON:
            return None
        workspace = self._usual.workspace(scope)
        return None if workspace is None else Asked(workspace, route[1] == "log-batch")


def usual_metric(body: bytes) -> Logged | None:
    """Return the value that a request logs; None if it is not as MLflow's clients send one.

    Args:
        body: what was sent.
    """
    sent = _object(body)
    # MLflow's clients name the run twice.
    run_id = sent.pop("run_id", None)
    if not _is_run_id(run_id) or sent.pop("run_uuid", run_id) != run_id or not _is_usual(sent):
        return None
    return Logged(run_id, [_metric(sent)])


def usual_batch(body: bytes) -> Logged | None:
    """Return what a request logs; None if it is not as MLflow's clients send metrics.

    Args:
        body: what was sent.
    """
    sent = _object(body)
    if not sent.keys() <= {"run_id", "metrics", "params", "tags"}:
        return None
    run_id, metrics = sent.get("run_id"), sent.get("metrics")
    is_more = any(sent.get(each, []) != [] for each in ("params", "tags"))
    if is_more or not _is_run_id(run_id):
        return None
    if not isinstance(metrics, list) or not 0 < len(metrics) <= MAX_METRICS_PER_BATCH:
        return None
    if not all(map(_is_usual, metrics)):
        return None
    return Logged(run_id, list(map(_metric, metrics)))


def _object(body: bytes) -> dict[str, Any]:
    """Return the object that was sent; an empty one if it is none."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return sent if isinstance(sent, dict) else {}


def _metric(sent: dict[str, Any]) -> Metric:
    return Metric(sent["key"], float(sent["value"]), sent["timestamp"], sent.get("step", 0))


def _is_run_id(run_id: Any) -> TypeGuard[str]:
    return isinstance(run_id, str) and run_id.isalnum()


def _is_usual(metric: Any) -> bool:
    return (
        isinstance(metric, dict)
        and _REQUIRED <= metric.keys() <= _KNOWN
        and isinstance(metric["key"], str)
        and _is_text(metric["key"])
        and _is_number(metric["value"])
        and _is_integer(metric["timestamp"])
        and _is_integer(metric.get("step", 0))
        and all(metric[each] is None for each in _NULL & metric.keys())
    )


def _is_text(key: str) -> bool:
    return bool(key) and (key.isascii() or key.isprintable())


def _is_number(value: Any) -> bool:
    return _is_integer(value) or (type(value) is float and math.isfinite(value))


def _is_integer(number: Any) -> bool:
    # True is one to Python, too.
    return type(number) is int and -_LIMIT <= number < _LIMIT


async def _begin(receive: Receive) -> list[Message]:
    """Return what was sent, or a beginning of it that is longer than what is usual."""
    messages, size = [], 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > _MOST_BYTES or not message.get("more_body", False):
            return messages


def _from(messages: list[Message], receive: Receive) -> Receive:
    """Return what gives messages once more, and then what comes after them."""
    left = iter(messages)

    async def call() -> Message:
        return next(left, None) or await receive()

    return call
