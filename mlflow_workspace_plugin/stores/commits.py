"""What a database may have stored of a call: told by the sessions and the commits of its store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from mlflow_workspace_plugin.errors import HubBusyError
from mlflow_workspace_plugin.stores.journalling.in_call import in_call
from mlflow_workspace_plugin.stores.on_hub import OnHub, SessionMaker


def watch_commits(store: OnHub) -> None:
    """Let sessions of a store tell whether what they wrote may be stored."""
    store.ManagedSessionMaker = _watched_sessions(store.ManagedSessionMaker)
    if not event.contains(store._hub.engine, "commit", _note_commit):
        event.listen(store._hub.engine, "commit", _note_commit)


def _watched_sessions(session_maker: SessionMaker) -> SessionMaker:
    """Wrap one of MLflow's session makers: the call learns whether what it wrote may be stored."""

    @contextmanager
    def session(*args: Any, read_only: bool = True, **kwargs: Any) -> Iterator[Any]:
        outer, before = in_call.writing, in_call.may_have_stored
        try:
            with session_maker(*args, read_only=read_only, **kwargs) as opened:
                in_call.writing = None if read_only else opened.connection()
                yield opened
        except HubBusyError:
            # An answer: this one is not stored.
            in_call.may_have_stored = before
            raise
        finally:
            in_call.writing = outer

    return session


def _note_commit(connection: Connection) -> None:
    """Take notice that from here on the database may have stored what a session wrote."""
    if connection is in_call.writing:
        in_call.may_have_stored = True
