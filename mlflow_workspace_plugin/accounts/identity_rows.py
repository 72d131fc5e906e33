"""The rows of people whom a provider of identities knows, where accounts themselves change."""

import hashlib

from sqlalchemy import delete, text, update

from mlflow_workspace_plugin.accounts.database import Accounts
from mlflow_workspace_plugin.accounts.token_rows import token_transaction
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import IDENTITIES

_OF_NAME = text("SELECT id, password_hash FROM users WHERE username = :name")


def mark_of(accounts: Accounts, name: str) -> str | None:
    """Return what tells an account from a later one of its name; None if there is none.

    MLflow gives the number of a removed account to the next one. The salt of its password, which
    accounts without one have as well, is nobody else's.

    Args:
        accounts: of the hub.
        name: of the account.
    """
    with accounts.transaction() as connection:
        row = connection.execute(_OF_NAME, {"name": name}).one_or_none()
    if row is None:
        return None
    return hashlib.sha256(f"{row.id} {row.password_hash}".encode()).hexdigest()


def mark_anew(hub: Hub, name: str, before: str | None, after: str | None) -> None:
    """Keep the identities of an account with it, although its password is another one.

    Args:
        hub: the hub.
        name: of the account.
        before: its mark until then.
        after: its mark from then on.
    """
    of_account = (IDENTITIES.c.name == name) & (IDENTITIES.c.account == before)
    with token_transaction(hub) as connection:
        connection.execute(update(IDENTITIES).where(of_account).values(account=after))


def drop_identities(hub: Hub, name: str) -> None:
    """Drop the identities of an account that is no more."""
    with token_transaction(hub) as connection:
        connection.execute(delete(IDENTITIES).where(IDENTITIES.c.name == name))
