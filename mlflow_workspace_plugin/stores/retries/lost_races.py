"""Calls that lost a race: somebody else wrote the same at the same time, and was quicker."""

import functools
import inspect
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from sqlalchemy.orm.exc import StaleDataError

from mlflow_workspace_plugin.stores.on_hub import SessionMaker

_PAUSES_S = [0.001 * 2**tried for tried in range(8)]
_LOST_STATES = ("23505", "40001", "40P01")  # a unique key, a serialization, a deadlock
_NOT_UNIQUE = "UNIQUE constraint failed"


class _Commits(threading.local):
    """How many sessions that write this thread has committed."""

    count = 0


AnyStore = TypeVar("AnyStore", bound=type)
_commits = _Commits()


def counted_sessions(session_maker: SessionMaker) -> SessionMaker:
    """Wrap one of MLflow's session makers, so that a call can tell whether it stored anything."""

    @contextmanager
    def session(*args: Any, read_only: bool = True, **kwargs: Any) -> Iterator[Any]:
        with session_maker(*args, read_only=read_only, **kwargs) as opened:
            yield opened
        _commits.count += not read_only

    return session


def written_again(beneath: type) -> Callable[[AnyStore], AnyStore]:
    """Let the public methods of a store of MLflow's write again after a lost race.

    MLflow reads what there is, and then inserts what is missing, so that of two calls at a time one
    hits the other's row. Nothing of that call is stored; made again, it finds the row. What was to
    be created and is there is no such race, but MLflow's answer.

    Args:
        beneath: MLflow's class.

    Returns:
        A decorator for a subclass of it.
    """

    def decorated(store: AnyStore) -> AnyStore:
        for name, _ in inspect.getmembers(beneath, inspect.isfunction):
            is_static = isinstance(inspect.getattr_static(store, name), staticmethod)
            if not is_static and not name.startswith("_") and "async" not in name:
                setattr(store, name, _again(getattr(store, name)))
        return store

    return decorated


def _again(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        for pause in _PAUSES_S:
            before = _commits.count
            try:
                return method(*args, **kwargs)
            except MlflowException as error:
                if _commits.count != before or not _is_lost_race(error):
                    raise
            time.sleep(random.uniform(0, pause))  # noqa: S311
        return method(*args, **kwargs)

    return call


def _is_lost_race(error: BaseException | None) -> bool:
    """Whether an error of a store says that somebody else wrote the same row just then."""
    if isinstance(error, MlflowException) and error.error_code == ErrorCode.Name(
        RESOURCE_ALREADY_EXISTS
    ):
        return False
    while error is not None:
        if isinstance(error, StaleDataError) or _is_of_a_race(error):
            return True
        error = error.__cause__
    return False


def _is_of_a_race(error: BaseException) -> bool:
    """Whether an error of SQLAlchemy's, or of a driver, is one that a second call may not meet.

    What names the hub is raised from the driver's own error.
    """
    driver = getattr(error, "orig", None) or error
    is_unique = isinstance(driver, sqlite3.IntegrityError) and _NOT_UNIQUE in str(driver)
    return is_unique or getattr(driver, "sqlstate", None) in _LOST_STATES
