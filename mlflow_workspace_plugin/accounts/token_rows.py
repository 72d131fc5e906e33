"""The rows of log-ins and tokens: how they are found, written and ended, in one's transaction."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    exists,
    insert,
    select,
    update,
)

from mlflow_workspace_plugin.hub.databases.database import transaction, translated_errors
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import CODES, LOG_INS, TOKENS

TokenKind = Literal["access", "refresh", "cookie"]
Kind = Literal["person", "job", "machine", "session"]
"""Of a log-in: at a terminal, of a submitted job, of a machine without refresh, of a browser."""
Why = Literal["reused", "revoked", "gone", "with parent"]
"""Why a log-in ended before its time."""

DAY_MS = 86_400_000
# The order in which log-ins were given.
_OLDEST_FIRST = (LOG_INS.c.created_at, LOG_INS.c.id)
_PREFIXES: dict[TokenKind, str] = {"access": "mws_", "refresh": "mwr_", "cookie": "mwc_"}
_TOKEN = re.compile(r"mw[src]_[A-Za-z0-9_-]{43}")
# Until then it is said why one ended.
_KEPT_MS = 7 * DAY_MS


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def is_token(text: str) -> bool:
    """Whether a text looks like a token of ours, of whatever kind."""
    return _TOKEN.fullmatch(text) is not None


def new_token(kind: TokenKind) -> str:
    """Return a token that nobody has."""
    return _PREFIXES[kind] + secrets.token_urlsafe(32)


def derived_token(key: bytes, text: str, kind: TokenKind) -> str:
    """Return the token that a refresh token is exchanged for.

    Args:
        key: of the log-in, which only the hub has.
        text: the refresh token, which only its owner has.
        kind: of what is asked for.
    """
    made = hmac.new(key, f"{kind} {text}".encode(), hashlib.sha256).digest()
    return _PREFIXES[kind] + base64.urlsafe_b64encode(made).decode().rstrip("=")


def hash_of(text: str) -> str:
    """Return what the hub keeps of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def token_transaction(hub: Hub) -> Iterator[Connection]:
    """Open a connection for a transaction on a hub's rows of log-ins."""
    with translated_errors(hub.path, hub.settings.database), transaction(hub.engine) as opened:
        yield opened


def query_token(text: str, kind: TokenKind | None = None) -> Select[Any]:
    """Return the query for the row of a token, of one kind if that is given."""
    query = select(TOKENS).where(TOKENS.c.hash == hash_of(text))
    return query if kind is None else query.where(TOKENS.c.kind == kind)


def query_log_in(id: str) -> Select[Any]:  # noqa: A002
    """Return the query for the row of a log-in."""
    return select(LOG_INS).where(LOG_INS.c.id == id)


def lock_log_in(connection: Connection, id: str) -> Row[Any] | None:  # noqa: A002
    """Return the row of a log-in, which nobody else changes before the transaction ends."""
    _hold(connection, LOG_INS.c.id == id)
    return connection.execute(query_log_in(id)).one_or_none()


def put_token(
    connection: Connection,
    log_in: str,
    generation: int,
    text: str,
    expires_at: int,
) -> None:
    """Keep a token, as its hash.

    Args:
        connection: in a transaction.
        log_in: the id of what it belongs to.
        generation: how many times that was refreshed before.
        text: the token.
        expires_at: until when it is good, in milliseconds since 1970.
    """
    kind = next(kind for kind, prefix in _PREFIXES.items() if text.startswith(prefix))
    row = {
        "hash": hash_of(text),
        "log_in": log_in,
        "kind": kind,
        "generation": generation,
        "created_at": now_ms(),
        "expires_at": expires_at,
    }
    connection.execute(insert(TOKENS).values(row))


def end_log_ins(connection: Connection, ids: Collection[str], why: Why) -> int:
    """End log-ins with all their tokens, and nothing that came from them.

    Args:
        connection: in a transaction.
        ids: of the log-ins.
        why: what is said of it later.

    Returns:
        How many had not ended.
    """
    in_order = select(LOG_INS.c.id).where(LOG_INS.c.id.in_(ids)).order_by(*_OLDEST_FIRST)
    _hold_all(connection, connection.scalars(in_order).all())
    return _end(connection, ids, why)


def end_with_children(connection: Connection, ids: Collection[str], why: Why) -> int:
    """End log-ins, and all that came from them, also from those that had ended themselves.

    Whoever gives a log-in on the word of another one holds the row of that (:func:`lock_log_in`)
    until the new one is there, or the row of the code that it said yes to. Both are waited for
    here, and the children are looked up again behind that, so none is missed.

    Args:
        connection: in a transaction.
        ids: of the log-ins.
        why: what is said of these later.

    Returns:
        How many had not ended.
    """
    family, held = _with_children(connection, ids), set[str]()
    while left := [each for each in family if each not in held]:
        _hold_all(connection, left)
        held.update(left)
        family = _with_children(connection, ids)
    ended = _end(connection, ids, why) + _end(connection, family, "with parent")
    connection.execute(delete(CODES).where(CODES.c.parent.in_(family)))
    return ended


def end_all_of(
    connection: Connection, name: str, kind: Kind | None = None, *, with_children: bool = True
) -> int:
    """End the log-ins of an account, and what it has said yes to and nobody has fetched yet.

    Args:
        connection: in a transaction.
        name: of the account.
        kind: those of this kind only.
        with_children: and all that came from them, also what is another account's. Where no kind is
            given, that of those too that are over.

    Returns:
        How many had not ended.
    """
    end = end_with_children if with_children else end_log_ins
    of_name = select(LOG_INS.c.id).where(LOG_INS.c.name == name)
    query = of_name.where(LOG_INS.c.ended_at.is_(None), LOG_INS.c.expires_at > now_ms())
    if kind is not None:
        query = query.where(LOG_INS.c.kind == kind)
    ended = 0
    # What came from one that is over goes on until then.
    ids = connection.scalars(of_name if with_children and kind is None else query).all()
    while True:
        # Log-ins before codes, as whoever ends one log-in has it.
        ended += end(connection, ids, "revoked")
        connection.execute(delete(CODES).where(CODES.c.name == name))
        # What was being given on the word of one of these is there once that has ended.
        ids = connection.scalars(query).all()
        if not ids:
            return ended


def drop_ended(connection: Connection) -> None:
    """Drop the log-ins that ended so long ago that nobody asks why, with their tokens.

    One that another came from stays as long as that: it leads there from what it came from itself.
    """
    before = now_ms() - _KEPT_MS
    is_over = (LOG_INS.c.expires_at < before) | (LOG_INS.c.ended_at < before)
    over = select(LOG_INS.c.id).where(is_over)
    connection.execute(delete(TOKENS).where(TOKENS.c.log_in.in_(over)))
    child = LOG_INS.alias()
    has_children = exists().where(child.c.parent == LOG_INS.c.id)
    connection.execute(delete(LOG_INS).where(is_over, ~has_children))


def _with_children(connection: Connection, ids: Collection[str]) -> Sequence[str]:
    """Return the ids of log-ins and of all that came from them, in the order to hold them."""
    columns = select(LOG_INS.c.id, LOG_INS.c.created_at)
    family = columns.where(LOG_INS.c.id.in_(ids)).cte("family", recursive=True)
    # Each once, so that there is an end in any case.
    family = family.union(columns.where(LOG_INS.c.parent == family.c.id))
    query = select(family.c.id).order_by(family.c.created_at, family.c.id)
    return connection.scalars(query).all()


def _hold_all(connection: Connection, ids: Sequence[str]) -> None:
    """Keep others from changing log-ins, and wait for those who are giving others by them.

    Args:
        connection: in a transaction.
        ids: the oldest first: all hold them in that order, so no two wait for each other.
    """
    for each in ids:
        # One that has just expired may still be giving. Those that are dropped are not held.
        may_give = LOG_INS.c.ended_at.is_(None) & (LOG_INS.c.expires_at > now_ms() - DAY_MS)
        _hold(connection, (LOG_INS.c.id == each) & may_give)


def _end(connection: Connection, ids: Collection[str], why: Why) -> int:
    """End log-ins that are held; return how many had not ended."""
    now = now_ms()
    ended = (
        update(LOG_INS)
        .where(LOG_INS.c.id.in_(ids), LOG_INS.c.ended_at.is_(None), LOG_INS.c.expires_at > now)
        .values(ended_at=now, why=why)
    )
    return connection.execute(ended).rowcount


def _hold(connection: Connection, which: ColumnElement[bool]) -> None:
    """Keep others from changing a log-in until the transaction ends."""
    # On SQLite it is the first write that keeps others out.
    connection.execute(update(LOG_INS).where(which).values(seconds=LOG_INS.c.seconds))
