"""The tables of accounts and roles, which are MLflow's: made, opened, and read by its own store."""

import functools
import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.util import CommandError
from mlflow.store.db.utils import _get_managed_session_maker
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import sessionmaker

from mlflow_workspace_plugin.errors import HubSettingsError, HubTooNewError
from mlflow_workspace_plugin.hub.accounts import accounts_url
from mlflow_workspace_plugin.hub.databases.database import (
    create_engine,
    set_journal_mode,
    translated_errors,
    translated_sessions,
    uses_of,
)
from mlflow_workspace_plugin.hub.files.folder import HubSettings
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.lock import locked_hub

if TYPE_CHECKING:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

INSTALL_SERVER = "pip install 'Flask-WTF>=1.0' 'prometheus-client>=0.16' 'uvicorn>=0.37'"
"""What installs all that the extra ``server`` is."""


class Accounts:
    """The accounts of a hub; see :func:`accounts_of`.

    Args:
        hub: the hub.
        engine: of the database that holds them.
    """

    def __init__(self, hub: Hub, engine: Engine) -> None:
        self._hub = hub
        self._engine = engine
        self.store = _store(engine, self._sessions)
        """MLflow's own store, which checks what it is given as its server does."""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a connection for a transaction on the tables."""
        with self._errors(), uses_of(self._engine), self._engine.begin() as connection:
            yield connection

    def _errors(self) -> AbstractContextManager[None]:
        return translated_errors(self._hub.path, self._hub.settings.database)

    def _sessions(self, maker: Callable[..., Any]) -> Callable[..., AbstractContextManager[Any]]:
        return translated_sessions(maker, self._engine, self._hub.path, self._hub.settings.database)


@functools.lru_cache(maxsize=32)
def accounts_of(hub: Hub) -> Accounts:
    """Return the accounts of a hub, and make their tables first, or bring them up to date.

    Any number of processes may call it at a time.

    Raises:
        HubSettingsError: what MLflow needs for accounts is not installed.
        HubTooNewError: a newer MLflow made them.
        HubError: the database cannot be used; the subclass says why.
    """
    url = accounts_url(hub.folder, hub.settings.database)
    with locked_hub(hub), translated_errors(hub.path, hub.settings.database):
        if hub.settings.database is None:
            # It holds what passwords are checked against.
            os.close(os.open(hub.folder.accounts, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            engine = create_engine(url, HubSettings(hub.settings.journal_mode))
            set_journal_mode(engine, hub.settings.journal_mode)
        else:
            engine = hub.engine
        _make_tables(hub, url)
    return Accounts(hub, engine)


def _make_tables(hub: Hub, url: str) -> None:
    # Its steps open the database by themselves, so the URL must hold all that they need.
    config = mlflow_auth("db.utils")._get_alembic_config(url)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise HubTooNewError(
            f"The accounts of hub {str(hub.path)!r} were made by a newer MLflow ({error}). Install "
            "that one with pip install -U mlflow."
        ) from error


def _store(
    engine: Engine, sessions: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> "SqlAlchemyStore":
    store: SqlAlchemyStore = mlflow_auth("sqlalchemy_store").SqlAlchemyStore()
    store.engine = engine
    store.read_engine = None
    store.db_type = engine.dialect.name
    maker = _get_managed_session_maker(sessionmaker(bind=engine), engine.dialect.name)
    store.ManagedSessionMaker = sessions(maker)
    return store


def mlflow_auth(module: str) -> Any:
    """Return a module of MLflow's accounts, which needs what a server needs.

    Raises:
        HubSettingsError: that is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Of what MLflow's server imports, which is MLflow's to change.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", message=".*wsgi is deprecated")
            return importlib.import_module(f"mlflow.server.auth.{module}")
    except ImportError as error:
        raise HubSettingsError(
            f"Accounts of a hub are kept by MLflow, which cannot do so here: {error}. Install what "
            f"it needs with: {INSTALL_SERVER}"
        ) from error
