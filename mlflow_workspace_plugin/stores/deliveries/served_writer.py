"""The writer of a journal that is sent to a served hub, as the hub's database knows it."""

import hashlib
import hmac
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode
from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from mlflow_workspace_plugin.errors import (
    AzureMLException,
    JournalBehindError,
    JournalNotYoursError,
    clause,
)
from mlflow_workspace_plugin.hub.databases.storable import storable
from mlflow_workspace_plugin.hub.tables import REFUSALS
from mlflow_workspace_plugin.journal.files.records import AWAITED, Record
from mlflow_workspace_plugin.protocol.journal import Refused, Reply, journal_of
from mlflow_workspace_plugin.stores.tags.warnings import add_warning

_NEW = text("""
    INSERT INTO workspace_plugin_journals (workspace, writer, secret, sequence)
    VALUES (:workspace, :writer, :secret, 0) ON CONFLICT DO NOTHING
""")
_FOUND = """
    SELECT secret, sequence FROM workspace_plugin_journals
    WHERE workspace = :workspace AND writer = :writer
"""
_STORED = text("""
    UPDATE workspace_plugin_journals SET sequence = :sequence
    WHERE workspace = :workspace AND writer = :writer AND sequence < :sequence
""")
# Of somebody who has the database: what is counted under its id is not to be mixed with others'.
_OF_HUB = text("SELECT 1 FROM workspace_plugin_writers WHERE writer = :writer")

_DROP_OLD = text(
    "DELETE FROM workspace_plugin_refusals WHERE workspace = :workspace AND created_at < :before"
)
_RUNS = text("""
    SELECT runs.run_uuid FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid IN :ids AND experiments.workspace = :workspace
    AND runs.lifecycle_stage = 'active'
""").bindparams(bindparam("ids", expanding=True))

_KEPT_MS = 90 * 24 * 3_600_000
# Each reply says all of it, and the next request can acknowledge it: of some thousand records.
_MOST_TOLD = 64 << 10
_SHOWN = 1_000
_NOTES_AT_ONCE = 100


class ServedWriter:
    """A writer whose records come with the secret of its journal.

    Args:
        workspace: that it logs to.
        writer: its id, or one that is used in its place.
        secret: of its journal. Who has it goes on with what was begun, whatever their name.
    """

    def __init__(self, workspace: str, writer: str, secret: str) -> None:
        self.id = writer
        self._workspace = workspace
        self._secret = hashlib.sha256(secret.encode()).hexdigest()
        self.follows = 0
        """Up to which record the sender was told that all was dealt with."""
        self.refused: Mapping[int, tuple[Record, Exception]] = {}
        """By sequence: what is refused though the store sees nothing of it."""
        self._kept: list[tuple[Record, Exception]] = []
        self._last = 0

    def reply(self, connection: Connection) -> Reply:
        """Return how far the writer is, and what is refused of it that its sender may not know.

        Raises:
            JournalNotYoursError: it is known by another secret.
        """
        sequence = self._found(connection)
        refused = [
            Refused(each["code"], each["message"], tuple(each["sequences"]), each["error"])
            for each in self._refusals(connection)
        ]
        return Reply(sequence, refused)

    def check(self, connection: Connection) -> int:
        """Return the sequence of the last record that is stored, for one who goes on behind it.

        Raises:
            JournalNotYoursError: it is known by another secret.
            JournalBehindError: there is less than the sender was told.
        """
        sequence = self._found(connection)
        if self.follows > sequence:
            raise JournalBehindError.of(self.id, self.follows, sequence)
        return sequence

    def has_room(self, connection: Connection) -> bool:
        """Whether more may be refused of the writer before its sender acknowledges what was."""
        length = func.sum(func.length(cast(REFUSALS.c.refused, Text)))
        kept = connection.scalar(select(length).where(self._is_ours))
        return (kept or 0) < _MOST_TOLD

    def unheard_notes(
        self, connection: Connection, sequence: int, unheard: Collection[int]
    ) -> list[tuple[str, str]]:
        """Return what is to be noted, and on which runs: of refused records no call waited for.

        Args:
            connection: to the hub's database.
            sequence: up to which record.
            unheard: the sequences of those records.

        Raises:
            JournalNotYoursError: the journal is known by another secret.
        """
        self._found(connection)
        wanted = set(map(str, unheard))
        return [
            (each["notes"][number][0], each["notes"][number][1])
            for each in self._refusals(connection, up_to=sequence)
            for number in sorted(wanted.intersection(each["notes"]), key=int)
        ]

    def acknowledge(
        self, connection: Connection, sequence: int, notes: Iterable[tuple[str, str]]
    ) -> None:
        """Forget what was refused up to a record.

        Args:
            connection: in a transaction.
            sequence: of the record.
            notes: what is noted, and on which runs, which the sender may write to.

        Raises:
            JournalNotYoursError: the journal is known by another secret.
        """
        self._found(connection)
        for run_id, note in self._of_active(connection, list(notes)):
            add_warning(connection, run_id, note)
        connection.execute(delete(REFUSALS).where(self._is_ours, REFUSALS.c.sequence <= sequence))

    def last(self, connection: Connection) -> int:
        """Return the sequence of the last record that is stored, and lock it; 0 if none is.

        Raises:
            JournalNotYoursError: it is known by another secret.
            JournalBehindError: there is less than the sender was told.
        """
        self._kept = []
        self.check(connection)
        for writer in dict.fromkeys((journal_of(self.id), self.id)):
            new = {"workspace": self._workspace, "writer": writer, "secret": self._secret}
            connection.execute(_NEW, new)
        # Again, for another may have been first.
        self._last = self._found(connection, is_locked=True)
        return self._last

    def keep(self, record: Record, error: Exception) -> bool:
        """Keep why a record is refused, until the sender says that it knows it.

        Returns:
            False: whether a call waits for the record the sender says then.
        """
        self._kept.append((record, error))
        return False

    def note(self, connection: Connection, sequence: int) -> None:
        """Note up to which record all are stored by the end of the transaction, or refused."""
        connection.execute(_STORED, self._place | {"sequence": sequence})
        seen = [self.refused[each] for each in self.refused if self._last < each <= sequence]
        refused = list(_grouped([*seen, *self._kept]))
        if not refused:
            return
        now = time.time_ns() // 1_000_000
        connection.execute(_DROP_OLD, self._place | {"before": now - _KEPT_MS})
        connection.execute(
            REFUSALS.insert(),
            self._place | {"sequence": sequence, "refused": refused, "created_at": now},
        )

    @property
    def _is_ours(self) -> ColumnElement[bool]:
        columns = REFUSALS.c
        return and_(columns.workspace == self._workspace, columns.writer == self.id)

    def _refusals(self, connection: Connection, up_to: int | None = None) -> list[dict[str, Any]]:
        rows = select(REFUSALS.c.refused).where(self._is_ours).order_by(REFUSALS.c.sequence)
        if up_to is not None:
            rows = rows.where(REFUSALS.c.sequence <= up_to)
        return [each for row in connection.execute(rows).scalars() for each in row]

    @property
    def _place(self) -> dict[str, Any]:
        return {"workspace": self._workspace, "writer": self.id}

    def _found(self, connection: Connection, *, is_locked: bool = False) -> int:
        """Return the sequence of the last record that is stored; 0 if none is."""
        of_base = self._row(connection, journal_of(self.id), is_locked=is_locked)
        if of_base is None:
            of_hub = connection.execute(_OF_HUB, {"writer": journal_of(self.id)})
            if of_hub.scalar() is not None:
                raise self._not_yours()
        found = of_base
        if self.id != journal_of(self.id):
            found = self._row(connection, self.id, is_locked=is_locked)
        return 0 if found is None else found

    def _row(self, connection: Connection, writer: str, *, is_locked: bool) -> int | None:
        lock = " FOR UPDATE" if is_locked and connection.dialect.name == "postgresql" else ""
        place = {"workspace": self._workspace, "writer": writer}
        row = connection.execute(text(_FOUND + lock), place).one_or_none()
        if row is None:
            return None
        if not hmac.compare_digest(row.secret, self._secret):
            raise self._not_yours()
        return int(row.sequence)

    def _not_yours(self) -> JournalNotYoursError:
        return JournalNotYoursError(
            f"Journal {self.id!r} was begun with another secret than yours. Send it from the "
            "folder of journals that it was written to, whose file 'secret' belongs to it."
        )

    def _of_active(
        self, connection: Connection, notes: list[tuple[str, str]]
    ) -> Iterator[tuple[str, str]]:
        parameters = {"ids": [run_id for run_id, _ in notes], "workspace": self._workspace}
        active = set(connection.execute(_RUNS, parameters).scalars()) if notes else set()
        return ((run_id, note) for run_id, note in notes if run_id in active)


def _grouped(refused: list[tuple[Record, Exception]]) -> Iterator[dict[str, Any]]:
    """Yield what was refused, as it is kept: many records for one reason most often."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    notes = 0
    for record, error in sorted(refused, key=lambda each: each[0].sequence):
        code, message = _said(error)
        name = type(error).__name__ if isinstance(error, AzureMLException) else ""
        group = groups.setdefault(
            (code, message),
            {"code": code, "message": message, "error": name, "sequences": [], "notes": {}},
        )
        group["sequences"].append(record.sequence)
        if record.kind in AWAITED and notes < _NOTES_AT_ONCE:
            notes += 1
            said = storable(f"{record.kind} {record.content}"[:_SHOWN])
            group["notes"][str(record.sequence)] = record.run_id, f"{said}: {message}"
    yield from groups.values()


def _said(error: Exception) -> tuple[str, str]:
    """Return the code and the message of an error, without a statement of SQL."""
    if isinstance(error, MlflowException) and not isinstance(error.__cause__, SQLAlchemyError):
        return str(error.error_code), storable(str(error))[:_SHOWN]
    return ErrorCode.Name(INVALID_PARAMETER_VALUE), storable(clause(error))[:_SHOWN]
