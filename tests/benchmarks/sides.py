"""The two sides of a comparison: MLflow's own store, and a workspace on the same database."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from mlflow import MlflowClient
from sqlalchemy import Engine, make_url

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.hub import create_hub
from tests.postgres import PostgreSQL, for_mlflow

WORKSPACE = "bench"
EXPERIMENT = "benchmark"
MLFLOW, OURS = "MLflow", "workspace"


@dataclass(frozen=True)
class Side:
    """One of the two stores.

    Args:
        name: ``MLFLOW`` or ``OURS``.
        database_url: where its rows are, for SQLAlchemy.
        hub: the folder of our hub; None for MLflow's own store.
    """

    name: str
    database_url: str
    hub: str | None = None

    @classmethod
    def from_json(cls, text: str) -> "Side":
        """Return the side that another process named."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Name this side to another process."""
        return json.dumps(asdict(self))

    def create(self) -> None:
        """Make the store, with an experiment in it."""
        if self.hub is not None:
            if self.sqlite_file is None:
                create_hub(Path(self.hub), database=self.database_url)
            Workspace.create(WORKSPACE, hub=self.hub, show_output=False)
        self.client.create_experiment(EXPERIMENT)

    @property
    def uri(self) -> str:
        """The tracking URI."""
        if self.hub is None:
            return for_mlflow(self.database_url)
        return self.workspace.get_mlflow_tracking_uri()

    @cached_property
    def workspace(self) -> Workspace:
        """Our workspace; MLflow's side has none."""
        return Workspace.get(WORKSPACE, hub=self.hub)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client of this store."""
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @property
    def store(self) -> Any:
        """The store that the client calls."""
        return self.client._tracking_client.store

    @cached_property
    def experiment(self) -> str:
        """The id of the experiment."""
        return self.client.get_experiment_by_name(EXPERIMENT).experiment_id

    def new_run(self) -> str:
        """Start a run and return its id."""
        return self.client.create_run(self.experiment).info.run_id

    @property
    def sqlite_file(self) -> str | None:
        """The file of the database, if it is SQLite's."""
        url = make_url(self.database_url)
        return url.database if url.get_backend_name() == "sqlite" else None

    @contextmanager
    def driver(self) -> Iterator[Any]:
        """Connect past the store, by the database's driver; commits at the end."""
        if self.sqlite_file:
            with closing(sqlite3.connect(self.sqlite_file)) as connection, connection:
                yield connection
        else:
            with psycopg.connect(self.database_url.replace("+psycopg", "")) as connection:
                yield connection

    def stored_values(self, run_id: str) -> int:
        """Return how many values of a run another connection sees."""
        mark = "?" if self.sqlite_file else "%s"
        with self.driver() as connection:
            statement = f"SELECT count(*) FROM metrics WHERE run_uuid = {mark}"
            return connection.execute(statement, (run_id,)).fetchone()[0]

    def settings(self) -> str:
        """Return what a connection of the store says about journal and fsync."""
        names = ("journal_mode", "synchronous") if self.sqlite_file else ("fsync", SYNC_COMMIT)
        verb = "PRAGMA" if self.sqlite_file else "SHOW"
        engine: Engine = self.store.engine
        with engine.connect() as connection:
            values = {n: connection.exec_driver_sql(f"{verb} {n}").scalar() for n in names}
        if "synchronous" in values:
            values["synchronous"] = SYNCHRONOUS[values["synchronous"]]
        return ", ".join(f"{name}={value}" for name, value in values.items())

    def version(self) -> str:
        """Return the version of the database."""
        query = "SELECT sqlite_version()" if self.sqlite_file else "SHOW server_version"
        with self.driver() as connection:
            return connection.execute(query).fetchone()[0]


SYNC_COMMIT = "synchronous_commit"
SYNCHRONOUS = (
    "OFF (no fsync)",
    "NORMAL (fsync at each checkpoint of the log)",
    "FULL (fsync at each commit)",
    "EXTRA (fsync at each commit)",
)


def sides_in(folder: Path, server: PostgreSQL | None) -> list[Side]:
    """Return the two sides of a comparison, which need not exist.

    Args:
        folder: where to keep them.
        server: where the databases are to be, under the name of the folder; None for SQLite.
    """
    hub = folder / "hub"
    if server is None:
        urls = [f"sqlite:///{folder / 'mlflow.db'}", f"sqlite:///{hub / 'hub.db'}"]
    else:
        urls = [server.url(f"{folder.name}_{side}") for side in ("mlflow", "ours")]
    return [Side(MLFLOW, urls[0]), Side(OURS, urls[1], str(hub))]


def prepare(folder: Path, sides: list[Side], server: PostgreSQL | None) -> None:
    """Make an empty place for each of two sides."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if server is not None:
        for side in sides:
            server.create_database(str(make_url(side.database_url).database))
