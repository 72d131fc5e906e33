"""The rows of log-ins and tokens: how they are found, written and ended, in one's transaction."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection, Iterator
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
Why = Literal["reused", "revoked", "gone", "with parent"]
"""Why a log-in ended before its time."""

DAY_MS = 86_400_000
OLDEST_FIRST = (LOG_INS.c.created_at, LOG_INS.c.id)
"""The order in which log-ins were given."""
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
    now = now_ms()
    ended = (
        update(LOG_INS)
        .where(LOG_INS.c.id.in_(ids), LOG_INS.c.ended_at.is_(None), LOG_INS.c.expires_at > now)
        .values(ended_at=now, why=why)
    )
    return connection.execute(ended).rowcount


def end_with_children(connection: Connection, ids: Collection[str], why: Why) -> int:
    """End log-ins, and all that came from them, also from those that had ended themselves.

    Whoever gives a log-in on the word of another one holds the row of that (:func:`lock_log_in`)
    until the new one is there, or the row of the code that it said yes to. Both are waited for
    here before the children are looked up, so none is missed.

    Args:
        connection: in a transaction.
        ids: of the log-ins, in the order of :data:`OLDEST_FIRST`: all hold them in that order, so
            no two wait for each other.
        why: what is said of these later.

    Returns:
        How many had not ended.
    """
    ended = 0
    while ids:
        for each in ids:
            # One that has just expired may still be giving. Those that are dropped are not held.
            may_give = LOG_INS.c.ended_at.is_(None) & (LOG_INS.c.expires_at > now_ms() - DAY_MS)
            _hold(connection, (LOG_INS.c.id == each) & may_give)
        ended += end_log_ins(connection, ids, why)
        connection.execute(delete(CODES).where(CODES.c.parent.in_(ids)))
        children = select(LOG_INS.c.id).where(LOG_INS.c.parent.in_(ids))
        ids, why = connection.scalars(children.order_by(*OLDEST_FIRST)).all(), "with parent"
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


def _hold(connection: Connection, which: ColumnElement[bool]) -> None:
    """Keep others from changing a log-in until the transaction ends."""
    # On SQLite it is the first write that keeps others out.
    connection.execute(update(LOG_INS).where(which).values(seconds=LOG_INS.c.seconds))
