"""Log-ins of terminals that a browser says yes to, by a code that is shown here and typed there.

What the terminal asks with, and what it shows, are two texts. Who reads the screen cannot ask for
the token, and who asks for it cannot have said yes.
"""

import secrets
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from mlflow_workspace_plugin.accounts.principal import Principal
from mlflow_workspace_plugin.accounts.token_rows import hash_of, now_ms, token_transaction
from mlflow_workspace_plugin.accounts.tokens import Issued, Tokens, while_good
from mlflow_workspace_plugin.errors import LogInEndedError
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import CODES, LABEL_LENGTH

SECONDS = 600
"""For how long a code is good."""
ASK_EACH_S = 2.0
"""How long a terminal waits before it asks again."""

# Without vowels, which make words, and without what is read as something else.
_SIGNS = "BCDFGHJKLMNPQRSTVWXZ"
_HALF = 4
_MOST = 1000
_TYPED = {*" -\t"}


class Code(NamedTuple):
    """What a terminal is given.

    Attributes:
        secret: what it asks with.
        shown: what it shows.
        seconds: for how long both are good.
    """

    secret: str
    shown: str
    seconds: int


class Codes:
    """Gives codes, and log-ins for those that somebody said yes to.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._tokens = Tokens(hub)

    def new(self, label: str) -> Code:
        """Return a new code.

        Args:
            label: says to whom it is shown which terminal it is.

        Raises:
            LogInEndedError: too many wait already.
        """
        now = now_ms()
        secret = secrets.token_urlsafe(32)
        signs = [secrets.choice(_SIGNS) for _ in range(2 * _HALF)]
        shown = f"{''.join(signs[:_HALF])}-{''.join(signs[_HALF:])}"
        row = {
            "hash": hash_of(secret),
            "shown": shown,
            "label": label[:LABEL_LENGTH],
            "expires_at": now + SECONDS * 1000,
        }
        with token_transaction(self._hub) as connection:
            connection.execute(delete(CODES).where(CODES.c.expires_at < now))
            if len(connection.execute(select(CODES.c.hash).limit(_MOST)).all()) == _MOST:
                raise LogInEndedError("Too many log-ins wait for a yes. Try again in ten minutes.")
            connection.execute(insert(CODES).values(row))
        return Code(secret, shown, SECONDS)

    def waiting(self, typed: str) -> str | None:
        """Return which terminal shows a code that was typed; None if none does, or not any more."""
        of_code = (CODES.c.shown == _shown(typed)) & (CODES.c.expires_at > now_ms())
        with token_transaction(self._hub) as connection:
            query = select(CODES.c.label).where(of_code, CODES.c.name.is_(None))
            return connection.scalar(query)

    def allow(self, typed: str, principal: Principal) -> bool:
        """Say yes to a code; return whether there was one that waited for it.

        Raises:
            LogInEndedError: who says so is not logged in any more.
        """
        yes = (
            update(CODES)
            .where(CODES.c.shown == _shown(typed), CODES.c.expires_at > now_ms())
            .where(CODES.c.name.is_(None))
            .values(name=principal.name, parent=principal.token)
        )
        with token_transaction(self._hub) as connection:
            while_good(principal.token)(connection)
            return connection.execute(yes).rowcount > 0

    def redeem(self, secret: str) -> Issued | None:
        """Log a terminal in; None as long as nobody said yes.

        Asked again at once because the answer was lost, it gives the same log-in.

        Raises:
            LogInEndedError: its code is good no more.
        """
        of_code = CODES.c.hash == hash_of(secret)
        with token_transaction(self._hub) as connection:
            row = connection.execute(
                select(CODES).where(of_code, CODES.c.expires_at > now_ms())
            ).one_or_none()
        if row is None:
            return self._again(secret, "is good no more")
        if row.name is None:
            return None

        def take(connection: Connection) -> None:
            # Of two that ask at once, one takes it; and none if what said yes is ended meanwhile.
            if connection.execute(delete(CODES).where(of_code)).rowcount == 0:
                raise _GoneError

        try:
            return self._tokens.issue(
                row.name, label=row.label, parent=row.parent, only_if=take, secret=secret
            )
        except _GoneError:
            return self._again(secret, "was used")

    def _again(self, secret: str, what: str) -> Issued:
        """Return the log-in that was just given for a code.

        Raises:
            LogInEndedError: none was.
        """
        issued = self._tokens.issued_for(secret)
        if issued is None:
            raise LogInEndedError(f"This code {what}. Log in again.")
        return issued


class _GoneError(Exception):
    """The row of a code is not there any more."""


def _shown(typed: str) -> str:
    signs = "".join(each for each in typed.upper() if each not in _TYPED)[: 2 * _HALF]
    return f"{signs[:_HALF]}-{signs[_HALF:]}"
