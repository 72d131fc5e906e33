"""What an account is and may do, as MLflow's tables have it: read by one statement, then reckoned.

MLflow's own functions reckon, so that a route of ours answers as one of MLflow's would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import text

from mlflow_workspace_plugin.accounts.database import Accounts, mlflow_auth
from mlflow_workspace_plugin.accounts.principal import Level

if TYPE_CHECKING:
    from mlflow.server.auth.requirements import Requirement
    from mlflow.server.auth.sqlalchemy_store import RoleGrantRow

_OF_NAME = text("""
    SELECT users.id, users.is_admin, roles.workspace, roles.name,
        role_permissions.resource_type, role_permissions.resource_pattern,
        role_permissions.permission
    FROM users
    LEFT JOIN user_role_assignments ON user_role_assignments.user_id = users.id
    LEFT JOIN roles ON roles.id = user_role_assignments.role_id
    LEFT JOIN role_permissions ON role_permissions.role_id = roles.id
    WHERE users.username = :name
""")
_OF_ONE = "__user_"
_NOTHING = "NO_PERMISSIONS"
_DENY = "DENY"
_WRITING: tuple[Level, ...] = ("edit", "manage")

Resource = Literal["experiment", "run", "logged_model"]
"""What something is done with, as MLflow calls it: an experiment, or what is in it."""

_ACTIONS = {"read": "read", "edit": "update", "manage": "manage"}


@dataclass(frozen=True)
class Standing:
    """What an account is and may do.

    Attributes:
        user_id: MLflow's number of it.
        is_admin: whether it may do everything.
        grants: what it was granted, by workspace.
        seen: the workspaces in which it may see something, if only one experiment.
    """

    user_id: int
    is_admin: bool
    grants: "Mapping[str, Sequence[RoleGrantRow]]"
    seen: frozenset[str]

    def level(self, workspace: str) -> Level:
        """Return what it may do with what belongs to a workspace as a whole."""
        if self.is_admin:
            return "manage"
        of_workspace = {
            each.permission
            for each in self.grants.get(workspace, ())
            if each.resource_type == "workspace"
        }
        if "MANAGE" in of_workspace:
            return "manage"
        if "USE" in of_workspace:
            return "edit"
        return "read" if workspace in self.seen else "none"

    def writes_somewhere(self, workspace: str) -> bool:
        """Whether it may change runs of a workspace, if only those of one experiment."""
        return self.level(workspace) in _WRITING or any(
            each.resource_type in ("experiment", "run") and each.permission in ("EDIT", "MANAGE")
            for each in self.grants.get(workspace, ())
        )

    def reads_shared(self, workspace: str) -> bool:
        """Whether it may read what belongs to all in a workspace: data, code, saved views.

        A grant of all experiments is one of these, too, whatever single ones are denied; one of
        single experiments is not, nor is a role that grants nothing.
        """
        return self.level(workspace) in _WRITING or any(
            each.resource_type == "experiment"
            and each.resource_pattern == "*"
            and each.permission not in (_DENY, _NOTHING)
            for each in self.grants.get(workspace, ())
        )

    def sees_all(self, workspace: str) -> bool:
        """Whether it may read every experiment and run of a workspace."""
        if self.level(workspace) == "manage":
            return True
        grants = self.grants.get(workspace, ())
        of_all = [each for each in grants if each.resource_type in ("experiment", "run")]
        is_granted = any(
            each.resource_type == "experiment" and each.resource_pattern == "*" for each in of_all
        )
        return is_granted and not any(each.permission == _DENY for each in of_all)

    def may(
        self,
        workspace: str,
        experiment_id: str,
        level: Level,
        resource: Resource = "experiment",
    ) -> bool:
        """Whether it may do something with an experiment, or with the runs or models in it.

        Args:
            workspace: where the experiment is.
            experiment_id: of the experiment.
            level: what: ``read``, ``edit``, or ``manage``, which deleting files takes.
            resource: with what; for runs and logged models there may be other grants.
        """
        requirements = mlflow_auth("requirements")
        action = _ACTIONS[level]
        experiment = ("experiment", experiment_id)
        if resource == "experiment":
            wanted = [requirements.Requirement(*experiment, action)]
        else:
            wanted = [
                requirements.Requirement(*experiment, "read"),
                requirements.Requirement(resource, "*", action, (experiment,)),
            ]
        return self._holds(workspace, wanted)

    def reads_registered(self, workspace: str, name: str) -> bool:
        """Whether it may read a registered model of a workspace."""
        requirement = mlflow_auth("requirements").Requirement
        return self._holds(workspace, [requirement("registered_model", name, "read")])

    def _holds(self, workspace: str, wanted: "list[Requirement]") -> bool:
        """Whether what it was granted is what something takes."""
        if self.is_admin:
            return True
        requirements = mlflow_auth("requirements")
        grants = self.grants.get(workspace, ())
        if any(requirements.is_workspace_admin_grant(each) for each in grants):
            return True
        keys = requirements.requirements_to_grant_load_keys(wanted)
        held = {key: requirements.fold_grants_for_key(grants, key) for key in keys}
        nothing = mlflow_auth("permissions").get_permission(_NOTHING)
        return all(
            requirements.requirement_satisfied(each, held, _NOTHING, nothing) for each in wanted
        )


def read_standing(accounts: Accounts, name: str) -> Standing | None:
    """Return what an account is and may do; None if there is none of that name."""
    grant = mlflow_auth("sqlalchemy_store").RoleGrantRow
    with accounts.transaction() as connection:
        rows = connection.execute(_OF_NAME, {"name": name}).all()
    if not rows:
        return None
    grants: dict[str, list[RoleGrantRow]] = {}
    seen = set()
    for row in rows:
        if row.workspace is None:
            continue
        if row.permission is not None:
            found = grant(row.resource_type, row.resource_pattern, row.permission)
            grants.setdefault(row.workspace, []).append(found)
            if row.permission not in (_DENY, _NOTHING):
                seen.add(row.workspace)
        # MLflow's server shows a workspace to whoever has a role there, whatever it grants.
        if not row.name.startswith(_OF_ONE):
            seen.add(row.workspace)
    return Standing(int(rows[0].id), bool(rows[0].is_admin), grants, frozenset(seen))
