"""What a server counts of itself, in the form of Prometheus, over all of its processes.

Each process writes its numbers to files of a folder that ``PROMETHEUS_MULTIPROC_DIR`` names, and
any of them answers for all.
"""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# By how a path begins; of what is not among them nobody may choose the label.
_PARTS = frozenset({"api", "ajax-api", "hub", "pages", "v1", "graphql", "static-files", "health"})

REQUESTS = Counter(
    "mlflow_workspace_requests",
    "Requests that were answered, by part of the server, method, class of the route and status.",
    ("part", "method", "route", "status"),
)
SECONDS = Histogram(
    "mlflow_workspace_request_seconds",
    "How long answers took, to their last byte.",
    ("part",),
    buckets=_BUCKETS,
)
AWAY = Counter("mlflow_workspace_away", "Answers 503: a database or its storage was away or busy.")
REFUSED = Counter(
    "mlflow_workspace_refused",
    "Requests that were refused before anybody looked who asks.",
    ("reason",),
)


def note(path: str, method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer.

    Args:
        path: of the request.
        method: of the request.
        route: the class of its route, or nothing.
        status: of the answer.
        seconds: how long it took.
    """
    first = path[1:].partition("/")[0]
    part = first if first in _PARTS else "other"
    method = method if method in _METHODS else "other"
    REQUESTS.labels(part, method, route, f"{status}").inc()
    SECONDS.labels(part).observe(seconds)


def as_text() -> bytes:
    """Return all numbers, of all processes, as Prometheus reads them."""
    if FOLDER_VARIABLE not in os.environ:
        return bytes(generate_latest(REGISTRY))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return bytes(generate_latest(registry))
