"""The roles that a workspace has: reader, member, manager, as MLflow's server understands them.

MLflow makes roles of its own, with other names, in the workspaces that are made through its server
only; these are in every workspace, whoever made it.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from sqlalchemy import text

from mlflow_workspace_plugin.accounts.database import Accounts

Role = Literal["reader", "member", "manager"]
ROLES: tuple[Role, ...] = get_args(Role)

# What MLflow has grants for, and people keep in a workspace.
_KINDS = ("experiment", "registered_model", "prompt", "scorer")
_GRANTS: dict[Role, tuple[tuple[str, str], ...]] = {
    "reader": tuple((kind, "READ") for kind in _KINDS),
    "member": (("workspace", "USE"), *((kind, "EDIT") for kind in _KINDS)),
    "manager": (("workspace", "MANAGE"),),
}
_WITH_GRANTS = text("""
    SELECT DISTINCT roles.workspace, roles.name FROM roles
    JOIN role_permissions ON role_permissions.role_id = roles.id
""")
_SENTENCES: dict[Role, str] = {
    "reader": "Reads everything in the workspace.",
    "member": "Reads, creates and logs; deletes what it created.",
    "manager": "Does everything in the workspace, and says who has which role there.",
}


def role_id(accounts: Accounts, workspace: str, role: Role) -> int:
    """Return the number of a role, and make it first if the workspace has none of that name.

    Args:
        accounts: of the hub.
        workspace: the name MLflow knows.
        role: its name.
    """
    store = accounts.store
    try:
        made = store.create_role(role, workspace, _SENTENCES[role])
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        made = store.get_role_by_name(workspace, role)
        if made.permissions:
            # Somebody may have changed what it grants, which is theirs to say.
            return int(made.id)
    for kind, permission in _GRANTS[role]:
        # Another process may make the same role just now.
        with unless_there():
            store.add_role_permission(made.id, kind, "*", permission)
    return int(made.id)


def make_roles(accounts: Accounts, workspaces: Collection[str]) -> None:
    """Make those of the roles that workspaces lack."""
    with accounts.transaction() as connection:
        there = {(row.workspace, row.name) for row in connection.execute(_WITH_GRANTS)}
    for workspace in workspaces:
        for role in ROLES:
            if (workspace, role) not in there:
                role_id(accounts, workspace, role)


@contextmanager
def unless_there() -> Iterator[None]:
    """Let pass that MLflow's store has already what the block adds."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def is_missing(error: MlflowException) -> bool:
    """Whether MLflow's store says that there is no such thing."""
    return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))
