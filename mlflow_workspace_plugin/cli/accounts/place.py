"""Where accounts are changed: beneath a hub's server, or by it, as an administrator."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import click
from click.core import ParameterSource

from mlflow_workspace_plugin.cli.options import HubPlace, hub_option

Command = TypeVar("Command", bound=Callable[..., Any])

DAY_S = 86_400


class Place(Protocol):
    """What can be done with accounts and tokens."""

    def users(self) -> list[dict[str, Any]]:
        """Return the accounts: ``name``, ``is_admin`` and ``roles``."""

    def add_user(self, name: str, password: str | None, *, is_admin: bool) -> None:
        """Add an account."""

    def remove_user(self, name: str) -> None:
        """Remove an account."""

    def set_password(self, name: str, password: str, before: str | None) -> None:
        """Give an account another password."""

    def set_admin(self, name: str, *, is_admin: bool) -> None:
        """Make an account an administrator, or none."""

    def grant(self, name: str, workspace: str, role: Any) -> None:
        """Give an account a role."""

    def withdraw(self, name: str, workspace: str) -> None:
        """Take what an account has in a workspace."""

    def identities(self) -> list[dict[str, Any]]:
        """Return whom a provider of identities knows, and their accounts."""

    def bind(self, name: str, issuer: str, subject: str) -> str | None:
        """Let somebody be an account; return the one that they were until now."""

    def unbind(self, issuer: str, subject: str) -> str | None:
        """Take somebody's account from them; return its name."""

    def tokens(self, *, of_all: bool) -> list[dict[str, Any]]:
        """Return the log-ins."""

    def new_token(self, said: Mapping[str, Any]) -> str:
        """Return a machine's token."""

    def revoke(self, id: str) -> bool:  # noqa: A002
        """End a log-in; return whether there was one."""

    def me(self) -> str | None:
        """Return as whom all of that is done; None beneath the server, where nobody is asked."""


class _Folder:
    """Beneath the server: who can write to the hub's folder may do everything."""

    def __init__(self, hub: Path) -> None:
        from mlflow_workspace_plugin.accounts.identities import Identities
        from mlflow_workspace_plugin.accounts.people import People
        from mlflow_workspace_plugin.accounts.tokens import Tokens
        from mlflow_workspace_plugin.hub.hub import open_hub

        self._hub = open_hub(hub)
        self._people = People(self._hub)
        self._identities = Identities(self._hub)
        self._tokens = Tokens(self._hub)

    def users(self) -> list[dict[str, Any]]:
        return [vars(each) for each in self._people.list()]

    def add_user(self, name: str, password: str | None, *, is_admin: bool) -> None:
        self._people.add(name, password, is_admin=is_admin)

    def remove_user(self, name: str) -> None:
        self._people.remove(name)

    def set_password(self, name: str, password: str, before: str | None) -> None:
        del before
        self._people.set_password(name, password)

    def set_admin(self, name: str, *, is_admin: bool) -> None:
        self._people.set_admin(name, is_admin=is_admin)

    def grant(self, name: str, workspace: str, role: Any) -> None:
        self._people.grant(name, workspace, role)

    def withdraw(self, name: str, workspace: str) -> None:
        self._people.withdraw(name, workspace)

    def identities(self) -> list[dict[str, Any]]:
        return [vars(each) for each in self._identities.list()]

    def bind(self, name: str, issuer: str, subject: str) -> str | None:
        return self._identities.bind(name, issuer, subject)

    def unbind(self, issuer: str, subject: str) -> str | None:
        return self._identities.unbind(issuer, subject)

    def tokens(self, *, of_all: bool) -> list[dict[str, Any]]:
        del of_all
        return [vars(each) for each in self._tokens.list()]

    def new_token(self, said: Mapping[str, Any]) -> str:
        workspaces = said["workspaces"]
        if workspaces is not None:
            workspaces = [self._hub.catalog.get(each).name for each in workspaces]
        given = {**said, "workspaces": workspaces}
        return self._tokens.issue(given.pop("name"), kind="machine", **given).access

    def revoke(self, id: str) -> bool:  # noqa: A002
        return self._tokens.revoke(id)

    def me(self) -> str | None:
        return None


class _Server:
    """By the server, as who is logged in there."""

    def __init__(self, address: str) -> None:
        from mlflow_workspace_plugin.remote import logging_in

        self._address = logging_in.address_of(address)
        self._asked = logging_in.asked

    def users(self) -> list[dict[str, Any]]:
        return list(self._get("/users")["users"])

    def add_user(self, name: str, password: str | None, *, is_admin: bool) -> None:
        self._post("/users", name=name, password=password, is_admin=is_admin)

    def remove_user(self, name: str) -> None:
        self._post("/users/remove", name=name)

    def set_password(self, name: str, password: str, before: str | None) -> None:
        self._post("/password", name=name, password=password, before=before)

    def set_admin(self, name: str, *, is_admin: bool) -> None:
        self._post("/users/admin", name=name, is_admin=is_admin)

    def grant(self, name: str, workspace: str, role: Any) -> None:
        self._post(f"/workspaces/{quote(workspace)}/roles", name=name, role=role)

    def withdraw(self, name: str, workspace: str) -> None:
        self._post(f"/workspaces/{quote(workspace)}/roles/remove", name=name)

    def identities(self) -> list[dict[str, Any]]:
        return list(self._get("/users/identities")["identities"])

    def bind(self, name: str, issuer: str, subject: str) -> str | None:
        said = self._post("/users/bind", name=name, issuer=issuer, subject=subject)
        return None if said["before"] is None else str(said["before"])

    def unbind(self, issuer: str, subject: str) -> str | None:
        said = self._post("/users/unbind", issuer=issuer, subject=subject)
        return None if said["name"] is None else str(said["name"])

    def tokens(self, *, of_all: bool) -> list[dict[str, Any]]:
        return list(self._get("/tokens?of=all" if of_all else "/tokens")["tokens"])

    def new_token(self, said: Mapping[str, Any]) -> str:
        return str(self._post("/tokens", **said)["access"])

    def revoke(self, id: str) -> bool:  # noqa: A002
        return bool(self._post("/tokens/revoke", id=id)["ended"])

    def me(self) -> str | None:
        return str(self._get("/me")["name"])

    def _get(self, path: str) -> dict[str, Any]:
        return self._asked(self._address, "GET", path)

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._asked(self._address, "POST", path, body)


def place_options(command: Command) -> Command:
    """Add ``--server`` and ``--hub``, for :func:`open_place`."""
    server = click.option(
        "--server",
        metavar="HOST",
        help="A served hub where you are logged in; without it, the hub that --hub names.",
    )
    return server(hub_option(command))


def open_place(server: str | None, hub: HubPlace) -> Place:
    """Return where accounts are changed.

    Args:
        server: as ``--server`` gives it.
        hub: as ``--hub`` gives it.

    Raises:
        click.UsageError: both were named.
    """
    named = click.get_current_context().get_parameter_source("hub")
    if server is not None and named is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            "--server and --hub name two places. Name the one where the accounts are to be changed."
        )
    if server is None and isinstance(hub, Path):
        return _Folder(hub)
    return _Server(server or str(hub))
