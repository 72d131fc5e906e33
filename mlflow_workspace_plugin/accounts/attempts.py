"""Passwords that are tried out, and log-ins begun or failed: after some the next has to wait.

What counts is in the hub's database, so that all workers of a server count together.
"""

import hashlib
import ipaddress
import math
from collections.abc import Iterable

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.accounts.token_rows import now_ms, token_transaction
from mlflow_workspace_plugin.errors import TooManyAttemptsError
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import ATTEMPTS

_OF_ONE = 5
"""So many may be wrong for an account from one place."""
_OF_ALL = 30
"""So many may be wrong for an account from wherever, and from one place for whatever account."""
_CODES_OF_ONE = 100
"""So many log-ins by a code may be begun from one place: all places share those that may wait."""
_REFUSED_OF_ONE = 100
"""So many log-ins from one place may be asked of a provider of identities, and not be taken: they
use the hub's own secret there, and the places of those who wait for an answer."""
_LONGEST_S = 60
_FORGOTTEN_MS = 15 * 60_000


class Attempts:
    """Counts wrong passwords, log-ins by a code that are begun, and those a provider refuses.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def check(self, name: str, client: str | None) -> None:
        """Refuse to look at a password now, if too many were wrong.

        Args:
            name: of the account.
            client: the address that asks, if that is known.

        Raises:
            TooManyAttemptsError: they were; its ``retry_after_s`` says how long to wait.
        """
        wait_s = self._wait_s(_limits(name, client))
        if wait_s > 0:
            raise _too_many("passwords were wrong", wait_s, "give the right one")

    def count_code(self, client: str | None) -> None:
        """Count a log-in by a code that is begun, unless there were too many.

        Args:
            client: the address that asks, if that is known.

        Raises:
            TooManyAttemptsError: there were; its ``retry_after_s`` says how long to wait.
        """
        of_place = _hash("code and place", _place(client))
        wait_s = self._wait_s({of_place: _CODES_OF_ONE})
        if wait_s > 0:
            raise _too_many("log-ins were begun from here", wait_s, "try again")
        self._count([of_place])

    def check_provider(self, client: str | None) -> None:
        """Refuse to ask a provider of identities now, if too much from a place was wrong.

        Args:
            client: the address that asks, if that is known.

        Raises:
            TooManyAttemptsError: it was; its ``retry_after_s`` says how long to wait.
        """
        wait_s = self._wait_s({_of_provider(client): _REFUSED_OF_ONE})
        if wait_s > 0:
            raise _too_many("log-ins from here were refused", wait_s, "begin again")

    def failed_provider(self, client: str | None) -> None:
        """Count a log-in that a provider of identities was asked for, and that let nobody in."""
        self._count([_of_provider(client)])

    def _wait_s(self, limits: dict[str, int]) -> float:
        with token_transaction(self._hub) as connection:
            query = select(ATTEMPTS).where(ATTEMPTS.c.hash.in_(limits))
            waits = [_left_s(row, limits[row.hash]) for row in connection.execute(query)]
        return max(waits, default=0.0)

    def failed(self, name: str, client: str | None) -> None:
        """Count a password that was wrong."""
        self._count(_limits(name, client))

    def _count(self, hashes: Iterable[str]) -> None:
        now = now_ms()
        dialect = postgresql if self._hub.engine.dialect.name == "postgresql" else sqlite
        new = dialect.insert(ATTEMPTS)
        count = new.on_conflict_do_update(
            index_elements=["hash"], set_={"failed": ATTEMPTS.c.failed + 1, "last_at": now}
        )
        with token_transaction(self._hub) as connection:
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.last_at < now - _FORGOTTEN_MS))
            # In one order, lest two wait for each other.
            for each in sorted(hashes):
                connection.execute(count, {"hash": each, "failed": 1, "last_at": now})

    def succeeded(self, name: str, client: str | None) -> None:
        """Forget what was wrong for an account from one place, as its password was right now."""
        own = _hash("account and place", name, _place(client))
        with token_transaction(self._hub) as connection:
            if connection.execute(select(ATTEMPTS.c.hash).where(ATTEMPTS.c.hash == own)).first():
                connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.hash == own))


def _of_provider(client: str | None) -> str:
    return _hash("provider and place", _place(client))


def _too_many(what: str, wait_s: float, remedy: str) -> TooManyAttemptsError:
    error = TooManyAttemptsError(f"Too many {what}. Wait for {math.ceil(wait_s)} s, and {remedy}.")
    error.retry_after_s = wait_s
    return error


def _limits(name: str, client: str | None) -> dict[str, int]:
    """Return what a password counts for, and how many of each may be wrong."""
    limits = {
        _hash("account and place", name, _place(client)): _OF_ONE,
        _hash("account", name): _OF_ALL,
    }
    if client is not None:
        limits[_hash("place", _place(client))] = _OF_ALL
    return limits


def _place(client: str | None) -> str:
    """Return what counts as one place: of IPv6 the network of an address, all of which one has."""
    try:
        address = ipaddress.ip_address(client or "")
    except ValueError:
        return client or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _left_s(row: Row[tuple[str, int, int]], limit: int) -> float:
    age_ms = now_ms() - row.last_at
    if row.failed < limit or age_ms > _FORGOTTEN_MS:
        return 0.0
    wait_s = min(2.0 ** min(row.failed - limit, 10), _LONGEST_S)
    return float(max(wait_s - age_ms / 1000, 0.0))
