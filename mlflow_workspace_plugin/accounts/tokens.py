"""Log-ins at a served hub, and the tokens that stand for them: given, renewed, ended.

A token is 32 random bytes, of which the hub keeps the SHA-256. That of a person or a job is good
for an hour and comes with a refresh token, which is exchanged for the next pair. What it is
exchanged for is made out of it and of a key of the log-in: asked again because the answer was lost,
the hub gives the same, and keeps neither. What is given for a code is made in the same way. A
refresh token that is used although its successor is in use was copied, and ends the log-in.

A log-in may give others: to jobs, to machines, to terminals whose code it says yes to. Whoever
revokes it, or has copied it, ends those as well, and theirs. That it is not used any more, or logs
out, does not: a job goes on.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.accounts.principal import Cap
from mlflow_workspace_plugin.accounts.roles import is_missing
from mlflow_workspace_plugin.accounts.token_rows import (
    DAY_MS,
    Kind,
    derived_token,
    drop_ended,
    end_all_of,
    end_log_ins,
    end_with_children,
    hash_of,
    lock_log_in,
    new_token,
    now_ms,
    put_token,
    query_token,
    token_transaction,
)
from mlflow_workspace_plugin.errors import AccountNotFoundError, LogInEndedError
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import LABEL_LENGTH, LOG_INS, TOKENS

Condition = Callable[[Connection], None]
"""What has to be so when a log-in is given; raises, in the same transaction, if it is not."""

SECONDS = 3600
"""For how long an access token is good, where nothing else is said."""
SESSION_SECONDS = 12 * 3600
"""For how long a browser stays logged in."""
IDLE_DAYS = 30
"""A log-in that is not refreshed for so long ends; one that is, goes on."""
AGAIN_S = 60.0
"""For how long a refresh token that was used gives the same answer again, whoever asks."""

_UNKNOWN = "is not known to the hub, or ended long ago"
_ENDED = {
    "reused": "was ended, because an old token of it was used: it may have been copied",
    "revoked": "was ended by its owner or an administrator",
    "gone": "was ended, because its account is no more",
    "with parent": "was ended with the log-in that it came from",
    None: f"ended, because it was not used for {IDLE_DAYS} days",
}


class Issued(NamedTuple):
    """What is given to who logs in.

    Attributes:
        id: of the log-in; no secret.
        access: the access token, or the text of a browser's cookie.
        refresh: the refresh token; None for a machine or a browser.
        expires_at: when ``access`` ends, in milliseconds since 1970.
        seconds: for how long it is good from now.
    """

    id: str
    access: str
    refresh: str | None
    expires_at: int
    seconds: float


@dataclass(frozen=True)
class LogIn:
    """A log-in as it is listed; no secret is in it. Times are in milliseconds since 1970.

    ``parent`` is the id of the log-in that it came from, which may have ended; None if somebody
    gave a password, or it was made beneath the server.
    """

    id: str
    name: str
    kind: Kind
    label: str
    workspaces: list[str] | None
    cap: Cap | None
    run_id: str | None
    created_at: int
    used_at: int | None
    expires_at: int
    parent: str | None


class Tokens:
    """Gives tokens, renews and ends them.

    Args:
        hub: the hub.
        again_s: see :data:`AGAIN_S`.
    """

    def __init__(self, hub: Hub, *, again_s: float = AGAIN_S) -> None:
        self._hub = hub
        self._again_ms = again_s * 1000

    def issue(
        self,
        name: str,
        *,
        kind: Kind = "person",
        seconds: int = SECONDS,
        workspaces: Collection[str] | None = None,
        cap: Cap | None = None,
        run_id: str | None = None,
        label: str = "",
        parent: str | None = None,
        only_if: Condition | None = None,
        secret: str | None = None,
    ) -> Issued:
        """Log an account in.

        Args:
            name: of the account.
            kind: see :data:`Kind`. A person's and a job's come with a refresh token.
            seconds: the life of an access token.
            workspaces: it may be used in these only, by the names MLflow knows.
            cap: it may do no more than this, whatever the roles allow.
            run_id: it may write to this run only, and to what that makes below it.
            label: says to people what it is for.
            parent: the id of the log-in on whose word it is given, and with which it is revoked.
            only_if: what has to be so in that moment; :func:`while_good` of the parent.
            secret: what only who logs in has, and asks with. It is not kept; the tokens are made
                out of it, for :meth:`issued_for`.

        Raises:
            AccountNotFoundError: there is no account of that name.
        """
        now = now_ms()
        id_ = secrets.token_hex(16) if secret is None else _id_for(secret)
        key, access_ends = secrets.token_bytes(32), now + seconds * 1000
        is_refreshed = kind in ("person", "job")
        ends = max(access_ends, now + IDLE_DAYS * DAY_MS) if is_refreshed else access_ends
        row = {
            "id": id_,
            "name": name,
            "user_id": self._user_id(name),
            "kind": kind,
            "label": label[:LABEL_LENGTH],
            "workspaces": None if workspaces is None else sorted(workspaces),
            "cap": cap,
            "run_uuid": run_id,
            "key": key,
            "seconds": seconds,
            "created_at": now,
            "expires_at": ends,
            "parent": parent,
        }
        access = new_token("cookie" if kind == "session" else "access")
        refresh = new_token("refresh") if is_refreshed else None
        if secret is not None:
            access, refresh = _pair(key, secret)
        with token_transaction(self._hub) as connection:
            if only_if is not None:
                only_if(connection)
            drop_ended(connection)
            connection.execute(insert(LOG_INS).values(row))
            put_token(connection, id_, 0, access, access_ends)
            if refresh is not None:
                put_token(connection, id_, 0, refresh, ends)
        return Issued(id_, access, refresh, access_ends, float(seconds))

    def issued_for(self, secret: str) -> Issued | None:
        """Return what a person was given for a secret before, as the answer may have been lost.

        None if nothing was, if it has ended, or if somebody has used it, and :data:`AGAIN_S` later.

        Args:
            secret: as :meth:`issue` was given it.
        """
        with token_transaction(self._hub) as connection:
            log_in = lock_log_in(connection, _id_for(secret))
            now = now_ms()
            if log_in is None or log_in.ended_at is not None:
                return None
            of_log_in = TOKENS.c.log_in == log_in.id
            was_used = TOKENS.c.used_at.is_not(None) | (TOKENS.c.generation > 0)
            used = connection.execute(select(TOKENS.c.hash).where(of_log_in, was_used)).first()
            if used is not None or now - log_in.created_at > self._again_ms:
                return None
            return _repeated(connection, log_in, secret, now)

    def refresh(self, text: str) -> Issued:
        """Exchange a refresh token for the next pair.

        The same token gives the same pair again for :data:`AGAIN_S`, and for as long as nobody has
        used that pair: its answer may have been lost.

        Raises:
            LogInEndedError: the log-in has ended, now perhaps because an old token was used, or
                the text is no refresh token of this hub.
        """
        with token_transaction(self._hub) as connection:
            found = connection.execute(query_token(text, "refresh")).one_or_none()
            # Of two that ask at once, one waits here until the other has its answer.
            log_in = None if found is None else lock_log_in(connection, found.log_in)
            now = now_ms()
            if log_in is None:
                raise _ended(_UNKNOWN)
            if log_in.ended_at is not None or log_in.expires_at <= now:
                raise _ended(_ENDED[log_in.why])
            token = connection.execute(query_token(text)).one()
            of_log_in = select(func.max(TOKENS.c.generation)).where(TOKENS.c.log_in == log_in.id)
            newest = connection.scalar(of_log_in)
            if token.generation == newest:
                return _renewed(connection, log_in, token, text, now)
            if self._may_ask_again(connection, token, newest, now):
                return _repeated(connection, log_in, text, now)
            # Not undone by raising what says so.
            end_with_children(connection, [log_in.id], "reused")
        raise _ended(_ENDED["reused"])

    def revoke(self, id: str, name: str | None = None) -> bool:  # noqa: A002
        """End a log-in, and all that came from it.

        Args:
            id: of the log-in. It may have ended, and what came from it go on.
            name: only if it is of this account.

        Returns:
            Whether there was any that had not ended.
        """
        query = select(LOG_INS.c.id).where(LOG_INS.c.id == id)
        if name is not None:
            query = query.where(LOG_INS.c.name == name)
        with token_transaction(self._hub) as connection:
            return end_with_children(connection, connection.scalars(query).all(), "revoked") > 0

    def revoke_all(self, name: str, kind: Kind | None = None, *, with_children: bool = True) -> int:
        """End the log-ins of an account.

        Neither begins one that the account has said yes to, and that nobody has fetched yet.

        Args:
            name: of the account.
            kind: those of this kind only.
            with_children: and all that came from them, also what is another account's. Where no
                kind is given, that of those too that are over.

        Returns:
            How many had not ended.
        """
        with token_transaction(self._hub) as connection:
            return end_all_of(connection, name, kind, with_children=with_children)

    def end(self, text: str) -> bool:
        """End the log-in that a token belongs to, whichever of its tokens it is.

        What came from it goes on: who logs out leaves jobs running.
        """
        with token_transaction(self._hub) as connection:
            row = connection.execute(query_token(text)).one_or_none()
            return row is not None and end_log_ins(connection, [row.log_in], "revoked") > 0

    def list(self, name: str | None = None) -> list[LogIn]:
        """Return the log-ins that have not ended, the newest first.

        Args:
            name: of one account only.
        """
        used = select(TOKENS.c.log_in, func.max(TOKENS.c.used_at).label("used_at"))
        last = used.group_by(TOKENS.c.log_in).subquery()
        query = (
            select(LOG_INS, last.c.used_at)
            .outerjoin(last, last.c.log_in == LOG_INS.c.id)
            .where(LOG_INS.c.ended_at.is_(None), LOG_INS.c.expires_at > now_ms())
            .order_by(LOG_INS.c.created_at.desc(), LOG_INS.c.id)
        )
        if name is not None:
            query = query.where(LOG_INS.c.name == name)
        with token_transaction(self._hub) as connection:
            return [
                LogIn(
                    row.id,
                    row.name,
                    row.kind,
                    row.label,
                    row.workspaces,
                    row.cap,
                    row.run_uuid,
                    row.created_at,
                    row.used_at,
                    row.expires_at,
                    row.parent,
                )
                for row in connection.execute(query)
            ]

    def _may_ask_again(
        self, connection: Connection, token: Row[Any], newest: int, now: int
    ) -> bool:
        if now - token.used_at <= self._again_ms:
            return True
        if token.generation != newest - 1:
            return False
        of_next = (TOKENS.c.log_in == token.log_in) & (TOKENS.c.generation == newest)
        used = select(TOKENS.c.hash).where(of_next, TOKENS.c.used_at.is_not(None))
        return connection.execute(used).first() is None

    def _user_id(self, name: str) -> int:
        try:
            return int(accounts_of(self._hub).store.get_user(name).id)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise AccountNotFoundError(
                f"There is no account {name[:100]!r} on this hub. Add it by: mlflow-workspace user "
                "add NAME"
            ) from None


def while_good(log_in: str | None) -> Condition:
    """Return the condition that a log-in has not ended, although it is believed for some seconds.

    Args:
        log_in: its id; None is that of a password, which is always so.
    """

    def check(connection: Connection) -> None:
        if log_in is None:
            return
        row = lock_log_in(connection, log_in)
        if row is None or row.ended_at is not None:
            raise _ended(_UNKNOWN if row is None else _ENDED[row.why])

    return check


def _renewed(
    connection: Connection, log_in: Row[Any], token: Row[Any], text: str, now: int
) -> Issued:
    """Return the next pair, which nobody has yet, and keep it."""
    access, refresh = _pair(log_in.key, text)
    access_ends = now + log_in.seconds * 1000
    ends = max(access_ends, now + IDLE_DAYS * DAY_MS)
    # What was used up before this one, and has ended, proves nothing any more.
    is_over = (TOKENS.c.generation < token.generation) & (TOKENS.c.expires_at < now)
    connection.execute(delete(TOKENS).where(TOKENS.c.log_in == log_in.id, is_over))
    connection.execute(update(TOKENS).where(TOKENS.c.hash == token.hash).values(used_at=now))
    put_token(connection, log_in.id, token.generation + 1, access, access_ends)
    put_token(connection, log_in.id, token.generation + 1, refresh, ends)
    of_log_in = LOG_INS.c.id == log_in.id
    connection.execute(update(LOG_INS).where(of_log_in).values(expires_at=ends))
    return Issued(log_in.id, access, refresh, access_ends, float(log_in.seconds))


def _repeated(connection: Connection, log_in: Row[Any], text: str, now: int) -> Issued:
    """Return the pair that was given for a token before."""
    access, refresh = _pair(log_in.key, text)
    row = connection.execute(query_token(access)).one_or_none()
    # Its time may be over, and then it is refreshed again.
    ends = now if row is None else row.expires_at
    return Issued(log_in.id, access, refresh, ends, max(ends - now, 0) / 1000)


def _pair(key: bytes, text: str) -> tuple[str, str]:
    return derived_token(key, text, "access"), derived_token(key, text, "refresh")


def _id_for(secret: str) -> str:
    # It is shown to many, and says nothing of the secret.
    return hash_of(f"log-in {secret}")[:32]


def _ended(what: str) -> LogInEndedError:
    return LogInEndedError(f"This log-in {what}. Log in again: mlflow-workspace login HOST")
