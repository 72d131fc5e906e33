"""In whose name records are stored, and up to which of them all are."""

from typing import Protocol

from sqlalchemy import Connection, text

from mlflow_workspace_plugin.errors import JournalBehindError

_NEW = text(
    "INSERT INTO workspace_plugin_writers (writer, sequence) VALUES (:writer, 0) "
    "ON CONFLICT DO NOTHING"
)
# The lock keeps two processes that send one journal apart; SQLite's covers the whole database.
_LAST = "SELECT sequence FROM workspace_plugin_writers WHERE writer = :writer"
_STORED = text(
    "UPDATE workspace_plugin_writers SET sequence = :sequence "
    "WHERE writer = :writer AND sequence < :sequence"
)


class Writer(Protocol):
    """The writer of some records."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    def last(self, connection: Connection) -> int:
        """Return the sequence of the last record that is stored, and lock it; 0 if none is.

        Args:
            connection: in a transaction that stores more.
        """
        ...

    def note(self, connection: Connection, sequence: int) -> None:
        """Note up to which record all are stored by the end of the transaction."""
        ...


class HubWriter:
    """The writer of a journal of somebody who has the hub's database.

    Args:
        writer: its id.
        follows: up to which record this process has seen all stored.
    """

    def __init__(self, writer: str, follows: int = 0) -> None:
        self.id = writer
        self._follows = follows

    def last(self, connection: Connection) -> int:
        """Return the sequence of the last record that is stored, and lock it; 0 if none is.

        Raises:
            JournalBehindError: there is less than was stored.
        """
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        connection.execute(_NEW, {"writer": self.id})
        found = connection.execute(text(_LAST + lock), {"writer": self.id})
        sequence = int(found.scalar_one())
        if sequence < self._follows:
            raise JournalBehindError.of(self.id, self._follows, sequence)
        return sequence

    def note(self, connection: Connection, sequence: int) -> None:
        """Note up to which record all are stored by the end of the transaction."""
        connection.execute(_STORED, {"writer": self.id, "sequence": sequence})


def last_of_hub_writer(connection: Connection, writer: str) -> int:
    """Return the sequence of the last record of a writer that is stored; 0 if none is."""
    found = connection.execute(text(_LAST), {"writer": writer})
    return int(found.scalar_one_or_none() or 0)
