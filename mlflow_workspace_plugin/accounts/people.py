"""The accounts of a hub: people and machines, and the roles that they have in workspaces."""

import re
import secrets
from dataclasses import dataclass, field

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.accounts.identity_rows import drop_identities, mark_anew, mark_of
from mlflow_workspace_plugin.accounts.roles import ROLES, Role, is_missing, role_id, unless_there
from mlflow_workspace_plugin.accounts.tokens import Tokens
from mlflow_workspace_plugin.errors import AccountError, AccountNotFoundError
from mlflow_workspace_plugin.hub.hub import Hub

SHORTEST_PASSWORD = 12
"""As MLflow demands."""
_LONGEST_PASSWORD = 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
# Of the role that MLflow has for what was granted to one account.
_OF_ONE = re.compile(r"__user_\d+__")


@dataclass(frozen=True)
class Person:
    """An account.

    Attributes:
        name: by which it logs in.
        is_admin: whether it may do everything on the hub.
        roles: the names of its roles, by workspace.
    """

    name: str
    is_admin: bool = False
    roles: dict[str, list[str]] = field(default_factory=dict)


class People:
    """Adds and removes accounts, and gives roles.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._accounts = accounts_of(hub)
        self._tokens = Tokens(hub)

    def add(self, name: str, password: str | None = None, *, is_admin: bool = False) -> None:
        """Add an account.

        Args:
            name: letters, digits and ``. _ @ + -``.
            password: what it logs in with; None for a machine, which has tokens only.
            is_admin: whether it may do everything on the hub.

        Raises:
            AccountError: the name is taken or none, or the password is too short.
        """
        if not _NAME.fullmatch(name):
            raise AccountError(
                f"{name[:100]!r} cannot be the name of an account. Use up to 100 letters, digits "
                "and the signs . _ @ + - behind the first one."
            )
        # MLflow's server may have removed an account of the name, and its number is free again.
        if all(each.name != name for each in self.list()):
            self._tokens.revoke_all(name)
            drop_identities(self._hub, name)
        # Nobody knows it, so nobody logs in by it.
        secret = secrets.token_urlsafe(32) if password is None else _checked(password)
        try:
            self._accounts.store.create_user(name, secret, is_admin)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            raise AccountError(
                f"There is an account {name!r} already. Choose another name, or change it by: "
                "mlflow-workspace user"
            ) from error

    def remove(self, name: str) -> None:
        """Remove an account with its roles, and end what it is logged in by.

        Raises:
            AccountNotFoundError: there is none of that name.
            AccountError: nobody else is an administrator.
        """
        person = self.get(name)
        if person.is_admin:
            self._refuse_last_admin(name, "removed")
        # Before as well: where that fails, the account is there to be removed again.
        self._tokens.revoke_all(name)
        self._accounts.store.delete_user(name)
        self._tokens.revoke_all(name)
        drop_identities(self._hub, name)

    def set_password(self, name: str, password: str) -> None:
        """Give an account another password; browsers that it is logged in by are logged out.

        Raises:
            AccountNotFoundError: there is none of that name.
            AccountError: the password is too short.
        """
        self.get(name)
        before = mark_of(self._accounts, name)
        self._accounts.store.update_user(name, password=_checked(password))
        mark_anew(self._hub, name, before, mark_of(self._accounts, name))
        self._tokens.revoke_all(name, kind="session")

    def set_admin(self, name: str, *, is_admin: bool) -> None:
        """Make an account an administrator, or make it none.

        Raises:
            AccountNotFoundError: there is none of that name.
            AccountError: nobody else would be one.
        """
        person = self.get(name)
        if person.is_admin and not is_admin:
            self._refuse_last_admin(name, "made less")
        self._accounts.store.update_user(name, is_admin=is_admin)

    def get(self, name: str) -> Person:
        """Return an account.

        Raises:
            AccountNotFoundError: there is none of that name.
        """
        found = next((each for each in self.list() if each.name == name), None)
        if found is None:
            raise _not_found(name)
        return found

    def list(self) -> list[Person]:
        """Return the accounts by name, each with its roles."""
        found = []
        for user, roles in self._accounts.store.list_users_with_roles():
            of_workspaces: dict[str, list[str]] = {}
            for role in roles:
                shown = "single grants" if _OF_ONE.fullmatch(role.name) else role.name
                of_workspaces.setdefault(role.workspace, []).append(shown)
            sorted_roles = {key: sorted(of_workspaces[key]) for key in sorted(of_workspaces)}
            found.append(Person(user.username, bool(user.is_admin), sorted_roles))
        return sorted(found, key=lambda each: each.name)

    def grant(self, name: str, workspace: str, role: Role) -> None:
        """Give an account a role in a workspace, in the place of another one of ours.

        Args:
            name: of the account.
            workspace: the name of the workspace, as people write it.
            role: ``reader``, ``member`` or ``manager``.

        Raises:
            AccountNotFoundError: there is no account of that name.
            WorkspaceNotFoundError: there is no such workspace.
        """
        store, of_mlflow = self._accounts.store, self._hub.catalog.get(workspace).name
        user = self._user(name)
        given = role_id(self._accounts, of_mlflow, role)
        with unless_there():
            store.assign_role_to_user(user, given)
        for each in store.list_user_roles_for_workspace(user, of_mlflow):
            if each.name in ROLES and each.id != given:
                store.unassign_role_from_user(user, each.id)

    def withdraw(self, name: str, workspace: str) -> None:
        """Take all that an account has in a workspace, whoever gave it.

        Args:
            name: of the account.
            workspace: the name of the workspace, as people write it, or of one that is gone.

        Raises:
            AccountNotFoundError: there is no account of that name.
        """
        store, user, of_mlflow = self._accounts.store, self._user(name), names.fold(workspace)
        for each in store.list_user_roles_for_workspace(user, of_mlflow):
            if _OF_ONE.fullmatch(each.name):
                store.delete_role(each.id)
            else:
                store.unassign_role_from_user(user, each.id)

    def own(self, name: str, workspace: str, experiment_id: str) -> None:
        """Let an account do everything with an experiment that it created, as MLflow's server does.

        Args:
            name: of the account.
            workspace: the name MLflow knows.
            experiment_id: of the experiment.
        """
        store = self._accounts.store
        with store.ManagedSessionMaker(read_only=False) as session:
            role = store._get_or_create_synthetic_user_role(session, self._user(name), workspace)
            of_one = role.id
        with unless_there():
            store.add_role_permission(of_one, "experiment", experiment_id, "MANAGE")

    def _user(self, name: str) -> int:
        try:
            return int(self._accounts.store.get_user(name).id)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise _not_found(name) from None

    def _refuse_last_admin(self, name: str, what: str) -> None:
        if not any(each.is_admin for each in self.list() if each.name != name):
            raise AccountError(
                f"Account {name!r} is the only administrator of the hub, and was not {what}. Make "
                "another one first: mlflow-workspace user add NAME --admin"
            )


def _checked(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise AccountError(
            f"The password has {len(password)} characters. Choose one with {SHORTEST_PASSWORD} to "
            f"{_LONGEST_PASSWORD}."
        )
    return password


def _not_found(name: str) -> AccountNotFoundError:
    return AccountNotFoundError(
        f"There is no account {name[:100]!r} on this hub. mlflow-workspace user list shows them."
    )
