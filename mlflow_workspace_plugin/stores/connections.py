"""Connections of a hub's engine, for what does without one of MLflow's sessions.

A session sends three PRAGMAs and keeps an object for each row. The hot paths need neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from mlflow_workspace_plugin.hub.database import translated_errors
from mlflow_workspace_plugin.hub.hub import Hub

_EXPERIMENT_OF_ACTIVE_RUN = text("""
    SELECT runs.experiment_id FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid = :run_id AND experiments.workspace = :workspace
    AND runs.lifecycle_stage = 'active'
""")


@contextmanager
def mlflow_errors() -> Iterator[None]:
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


class Connections:
    """Gives a store connections to its hub's database."""

    _hub: Hub
    _get_active_workspace: Callable[[], str]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with translated_errors(self._hub.path, self._hub.settings.database), mlflow_errors():
            yield

    @contextmanager
    def _statements(self) -> Iterator[Connection]:
        """Open a connection on which each statement stands for itself: to read, or for one write.

        On PostgreSQL a transaction would cost two more round trips. On SQLite, where reads need
        none, a write belongs in :meth:`_transaction`.
        """
        engine = self._hub.engine
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._errors(), engine.connect() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Open a transaction that writes; committed at the end, rolled back on an error.

        SQLite takes its one write lock at the start: a transaction that reads first and locks later
        fails at once when another one wrote in between, however long it would wait.
        """
        engine = self._hub.engine
        with self._errors(), engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def _experiment_of_active_run(self, connection: Connection, run_id: str) -> int | None:
        """Return the experiment of a run that may be written to: active, and of the workspace."""
        parameters = {"run_id": run_id, "workspace": self._get_active_workspace()}
        found = connection.execute(_EXPERIMENT_OF_ACTIVE_RUN, parameters)
        experiment_id: int | None = found.scalar_one_or_none()
        return experiment_id
