"""People whom a provider of identities knows, and the account that each of them has on the hub.

Somebody is an issuer and a subject of that issuer's, and never an e-mail address or a name: those
are given to others in time, and some providers let people choose them.
"""

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mlflow_workspace_plugin.accounts.account_names import new_name
from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.accounts.identity_rows import mark_of
from mlflow_workspace_plugin.accounts.people import People
from mlflow_workspace_plugin.accounts.token_rows import (
    Kind,
    end_all_of,
    hash_of,
    now_ms,
    token_transaction,
)
from mlflow_workspace_plugin.accounts.tokens import Condition
from mlflow_workspace_plugin.errors import AccountError, IdentityRefusedError
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.lock import locked_hub
from mlflow_workspace_plugin.hub.tables import (
    IDENTITIES,
    ISSUER_LENGTH,
    LABEL_LENGTH,
    STATES,
    SUBJECT_LENGTH,
)

STATE_SECONDS = 600
"""For how long somebody may be at the provider's."""
_STATE_KEPT_MS = 4 * STATE_SECONDS * 1000
_LOCK_S = 10.0
_TRIES = 3


@dataclass(frozen=True)
class Identity:
    """Somebody whom a provider knows. Times are in milliseconds since 1970.

    Attributes:
        issuer: the provider.
        subject: its name for them, which nobody else ever has there.
        name: of their account on the hub.
        shown: what the provider calls them; it may call others so, too.
        created_at: when they got the account.
        used_at: when they last logged in.
    """

    issuer: str
    subject: str
    name: str
    shown: str
    created_at: int
    used_at: int | None


class Identities:
    """Says which account is whose, and makes one for who is there for the first time.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._accounts = accounts_of(hub)

    def use_up(self, state: str) -> None:
        """Let a log-in be finished this once.

        Args:
            state: tells it from all others.

        Raises:
            IdentityRefusedError: it was finished before.
        """
        now = now_ms()
        row = {"hash": hash_of(state), "expires_at": now + _STATE_KEPT_MS}
        with token_transaction(self._hub) as connection:
            connection.execute(delete(STATES).where(STATES.c.expires_at < now))
            try:
                connection.execute(insert(STATES).values(row))
            except IntegrityError:
                raise IdentityRefusedError(
                    "This log-in was finished already. Begin it again."
                ) from None

    def account_of(self, issuer: str, subject: str, shown: str) -> str:
        """Return the name of somebody's account, which is made if there is none.

        Args:
            issuer: the provider.
            subject: its name for them.
            shown: what the provider calls them, of which the name of a new account is made.

        Raises:
            IdentityRefusedError: the account is not what it was when it became theirs.
        """
        _check(issuer, subject)
        found = self._found(issuer, subject)
        if found is None:
            # Of two browsers of theirs, one makes it.
            with locked_hub(self._hub, _LOCK_S):
                found = self._found(issuer, subject) or self._made(issuer, subject, shown)
        values = {"used_at": now_ms(), "shown": _storable(shown)}
        with token_transaction(self._hub) as connection:
            who = _is(issuer, subject)
            connection.execute(update(IDENTITIES).where(who).values(values))
        return found

    def while_theirs(self, issuer: str, subject: str, name: str) -> Condition:
        """Return the condition that an account is somebody's still.

        Who takes it from them ends what it is logged in by then, and not what comes after.

        Args:
            issuer: the provider.
            subject: its name for them.
            name: of the account.
        """
        theirs = _is(issuer, subject) & (IDENTITIES.c.name == name)

        def check(connection: Connection) -> None:
            # A write: until the end of the transaction nobody else changes the row.
            found = connection.execute(update(IDENTITIES).where(theirs).values(used_at=now_ms()))
            if found.rowcount == 0:
                raise IdentityRefusedError(
                    "This account was taken from you, or you were given another, while you logged "
                    "in. Log in again."
                )

        return check

    def bind(self, name: str, issuer: str, subject: str) -> str | None:
        """Let somebody be an account that there is; return the one that they were until now.

        What they were logged in by as that one is ended.

        Args:
            name: of the account.
            issuer: the provider.
            subject: its name for them.

        Raises:
            AccountNotFoundError: there is no account of that name.
            AccountError: an issuer or a subject cannot be so.
        """
        try:
            _check(issuer, subject)
        except IdentityRefusedError as error:
            raise AccountError(error.message) from None
        People(self._hub).get(name)
        row = {
            "issuer": issuer,
            "subject": subject,
            "name": name,
            "account": mark_of(self._accounts, name),
            "shown": "",
            "created_at": now_ms(),
        }
        with locked_hub(self._hub, _LOCK_S), token_transaction(self._hub) as connection:
            who = _is(issuer, subject)
            before = connection.execute(select(IDENTITIES).where(who)).one_or_none()
            if before is not None:
                row["shown"] = before.shown
            connection.execute(delete(IDENTITIES).where(who))
            connection.execute(insert(IDENTITIES).values(row))
            if before is None or before.name == name:
                return None
            # What machines and jobs have goes on: it is of the same person.
            for kind in _BY_HAND:
                end_all_of(connection, str(before.name), kind, with_children=False)
        return str(before.name)

    def unbind(self, issuer: str, subject: str) -> str | None:
        """Take somebody's account from them; return its name, None if they had none.

        What it is logged in by is ended, and so are its tokens of machines and jobs. They get a new
        one when they log in again.
        """
        who = _is(issuer, subject)
        with locked_hub(self._hub, _LOCK_S), token_transaction(self._hub) as connection:
            name = connection.scalar(select(IDENTITIES.c.name).where(who))
            connection.execute(delete(IDENTITIES).where(who))
            if name is not None:
                # Whoever was logged in may have got tokens for machines and jobs, too.
                end_all_of(connection, str(name))
        return name

    def list(self) -> list[Identity]:
        """Return all of them, by account."""
        query = select(IDENTITIES).order_by(*(IDENTITIES.c[each] for each in _ORDER))
        with token_transaction(self._hub) as connection:
            return [
                Identity(row.issuer, row.subject, row.name, row.shown, row.created_at, row.used_at)
                for row in connection.execute(query)
            ]

    def _found(self, issuer: str, subject: str) -> str | None:
        who = _is(issuer, subject)
        with token_transaction(self._hub) as connection:
            row = connection.execute(select(IDENTITIES).where(who)).one_or_none()
        if row is None:
            return None
        mark = mark_of(self._accounts, row.name)
        if mark is None:
            # An account that was removed is not theirs when it is made anew.
            # Only this row: they may have another one by now.
            same = (IDENTITIES.c.name == row.name) & (IDENTITIES.c.account == row.account)
            with token_transaction(self._hub) as connection:
                connection.execute(delete(IDENTITIES).where(who & same))
            return None
        if mark != row.account:
            raise IdentityRefusedError(
                f"Account {row.name!r} was made anew, or its password was changed, by other means "
                "than mlflow-workspace user, so it may be another's now. An administrator says "
                f"whose it is by: mlflow-workspace user bind {row.name}"
            )
        return str(row.name)

    def _made(self, issuer: str, subject: str, shown: str) -> str:
        name = self._added(shown)
        try:
            row = {
                "issuer": issuer,
                "subject": subject,
                "name": name,
                "account": mark_of(self._accounts, name),
                "shown": _storable(shown),
                "created_at": now_ms(),
            }
            with token_transaction(self._hub) as connection:
                connection.execute(insert(IDENTITIES).values(row))
        except BaseException:
            # It would be nobody's, under the name that its owner is looked for by.
            with suppress(Exception):
                self._accounts.store.delete_user(name)
            raise
        return name

    def _added(self, shown: str) -> str:
        """Add an account, and return its name."""
        people = People(self._hub)
        for left in reversed(range(_TRIES)):
            name = new_name(shown, [each.name for each in people.list()])
            try:
                people.add(name)
            except AccountError:
                # Who adds accounts by hand does not wait for the lock of the hub.
                if not left:
                    raise
            else:
                break
        return name


_BY_HAND: tuple[Kind, ...] = ("person", "session")
_ORDER = ("name", "issuer", "subject")


def _is(issuer: str, subject: str) -> ColumnElement[bool]:
    return (IDENTITIES.c.issuer == issuer) & (IDENTITIES.c.subject == subject)


def _check(issuer: str, subject: str) -> None:
    for text, longest, what in (
        (issuer, ISSUER_LENGTH, "issuer"),
        (subject, SUBJECT_LENGTH, "subject"),
    ):
        if not 0 < len(text) <= longest or not text.isascii() or not text.isprintable():
            raise IdentityRefusedError(
                f"The {what} of an identity is a text of 1 to {longest} ASCII characters, and this "
                "one is not. Ask who runs the provider."
            )


def _storable(shown: str) -> str:
    return storable.NO_DATABASE_TAKES.sub("", shown)[:LABEL_LENGTH]
