"""Connections of a hub's engine, for what does without one of MLflow's sessions.

A session sends three PRAGMAs and keeps an object for each row. The hot paths need neither.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from mlflow_workspace_plugin.hub.databases.database import (
    BUSY_TIMEOUT_MS,
    translated_errors,
    uses_of,
)
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.checked_texts import CheckedTexts

_EXPERIMENT_OF_ACTIVE_RUN = text("""
    SELECT runs.experiment_id FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid = :run_id AND experiments.workspace = :workspace
    AND runs.lifecycle_stage = 'active'
""")


@contextmanager
def _mlflow_errors() -> Iterator[None]:
    """Raise the exceptions that MLflow's own sessions raise, with their error codes.

    Raises:
        MlflowException: whatever failed within the block.
    """
    try:
        yield
    except MlflowException:
        raise
    except OperationalError as error:
        raise MlflowException(message=error, error_code=TEMPORARILY_UNAVAILABLE) from error
    except SQLAlchemyError as error:
        raise MlflowException(message=error, error_code=BAD_REQUEST) from error
    except Exception as error:
        raise MlflowException(message=error, error_code=INTERNAL_ERROR) from error


class Connections(CheckedTexts):
    """Gives a store connections to its hub's database."""

    _hub: Hub
    _get_active_workspace: Callable[[], str]
    _check_workspace: Callable[[], None]

    @contextmanager
    def _errors(self, *, is_read: bool = True) -> Iterator[None]:
        database = self._hub.settings.database
        with (
            uses_of(self._hub.engine),
            translated_errors(self._hub.path, database, is_read=is_read),
            _mlflow_errors(),
        ):
            yield

    @functools.cached_property
    def _autocommit_engine(self) -> Engine:
        return self._hub.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _statements(self) -> Iterator[Connection]:
        """Open a connection on which each statement stands for itself.

        On PostgreSQL a transaction would cost two more round trips; on SQLite reads need none.
        """
        engine = self._hub.engine if self._is_sqlite else self._autocommit_engine
        with self._errors(), engine.connect() as connection:
            yield connection

    @contextmanager
    def _transaction(self, lock_wait_ms: int | None = None) -> Iterator[Connection]:
        """Open a transaction that writes; committed at the end, rolled back on an error.

        SQLite takes its one write lock at the start: a transaction that reads first and locks later
        fails at once when another one wrote in between, however long it would wait.

        Args:
            lock_wait_ms: how long to wait for that lock; by default as the connection is set up.
        """
        with (
            self._errors(is_read=False),
            self._hub.engine.connect() as connection,
            self._writing(connection, lock_wait_ms),
        ):
            yield connection

    @contextmanager
    def _writing(self, connection: Connection, lock_wait_ms: int | None = None) -> Iterator[None]:
        """Begin such a transaction on a connection that is in none; see :meth:`_transaction`."""
        if self._is_sqlite and lock_wait_ms is not None:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {lock_wait_ms}")
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        elif self._is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.commit()

    @contextmanager
    def _driver_transaction(self) -> Iterator[Any]:
        """Open the driver's own connection: on SQLite in a transaction, else for one statement.

        What SQLAlchemy does for each statement takes longer than a short write itself, and with
        SQLite keeps all other writers out for that time.
        """
        with self._errors(is_read=False), self._hub.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            try:
                with self._driver_errors():
                    if self._is_sqlite:
                        driver.execute("BEGIN IMMEDIATE")
                        yield driver
                        driver.commit()
                    else:
                        driver.autocommit = True
                        yield driver
                        driver.autocommit = False
            except BaseException as error:
                # Its state is unknown: it may be in autocommit, or have lost the server.
                connection.invalidate(error)
                raise

    @contextmanager
    def _driver_errors(self) -> Iterator[None]:
        """Raise the driver's errors as SQLAlchemy does."""
        dialect = self._hub.engine.dialect
        driver_error = dialect.loaded_dbapi.Error
        try:
            yield
        except driver_error as error:
            raise DBAPIError.instance(None, None, error, driver_error, dialect=dialect) from error

    @property
    def _is_sqlite(self) -> bool:
        return self._hub.engine.dialect.name == "sqlite"

    def _experiment_of_active_run(self, connection: Connection, run_id: str) -> int | None:
        """Return the experiment of a run that may be written to: active, and of the workspace."""
        parameters = {"run_id": run_id, "workspace": self._get_active_workspace()}
        found = connection.execute(_EXPERIMENT_OF_ACTIVE_RUN, parameters)
        experiment_id: int | None = found.scalar_one_or_none()
        return experiment_id
