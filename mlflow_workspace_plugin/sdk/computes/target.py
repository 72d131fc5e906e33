"""SDK v1's ``ComputeTarget``: a name of a workspace for where scripts run."""

import builtins
import shlex
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.sdk.computes.configurations import (
    ComputeTargetProvisioningConfiguration,
)
from mlflow_workspace_plugin.sdk.not_served import NotServedOfComputeTarget
from mlflow_workspace_plugin.sdk.wanted import in_workspace

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_SUCCEEDED = "Succeeded"
_RECORDED = "recorded"
_TYPE = "type"
_USUAL_TYPE = "AmlCompute"
"""What a name is that was bound by ``mlflow-workspace compute add``: notebooks ask for it."""


class ComputeTarget(NotServedOfComputeTarget):
    """A name of a workspace for where scripts run (SDK v1).

    No machine is made: a target that a notebook creates is a name for this one, until
    ``mlflow-workspace compute add`` binds the name to a cluster. What there is, is of the class
    that it was created as.

    Args:
        workspace: which has the name.
        name: of the compute target.

    Attributes:
        name: of the compute target.
        type: what SDK v1 calls it, such as ``AmlCompute``.
        location: of the workspace.
        tags: recorded when it was created.
        description: recorded when it was created.
        created_on: when it was created.
        modified_on: when it was last changed.
        provisioning_state: ``Succeeded``.
        provisioning_errors: None.
        cluster_resource_id: where the engine is that runs the scripts; None for this machine.
        cluster_location: of the workspace.
        workspace: which has the name.
        is_attached: whether it was bound by ``mlflow-workspace compute add``.

    Raises:
        ComputeTargetException: the workspace has no such name.
    """

    provisioning_state = _SUCCEEDED
    provisioning_errors = None
    _compute_type = ""
    _classes: ClassVar[dict[str, type["ComputeTarget"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Have what was created as such a compute target be one when it is found."""
        super().__init_subclass__(**kwargs)
        ComputeTarget._classes.setdefault(cls._compute_type, cls)

    @in_workspace
    def __new__(cls, workspace: "Workspace", name: str) -> "ComputeTarget":
        """Find it, and make it of its own class."""
        compute = workspace.tracking_store.compute(name) if isinstance(name, str) else None
        if compute is None:
            raise ComputeTargetException(_not_found(workspace, name))
        return cls._made(compute)

    def __init__(self, workspace: "Workspace", name: str) -> None:
        self.workspace = workspace
        self.name = name
        self.location = self.cluster_location = workspace.location

    @classmethod
    def _made(cls, compute: Compute) -> "ComputeTarget":
        of_type = str(_recorded_of(compute).get(_TYPE))
        usual = cls._classes[_USUAL_TYPE]
        made = object.__new__(cls._classes.get(of_type, usual) if cls is ComputeTarget else cls)
        made._take(compute)
        return made

    @classmethod
    def _of(cls, workspace: "Workspace", compute: Compute) -> "ComputeTarget":
        made = cls._made(compute)
        ComputeTarget.__init__(made, workspace, compute.name)
        return made

    def _take(self, compute: Compute) -> None:
        """Be as the workspace has it."""
        recorded = _recorded_of(compute)
        self._compute = compute
        self._recorded = recorded
        self.type = self._compute_type or recorded.get(_TYPE, _USUAL_TYPE)
        self.tags = recorded.get("tags") or {}
        self.description = recorded.get("description")
        self.created_on = recorded.get("created_on")
        self.modified_on = recorded.get("modified_on", self.created_on)
        self.cluster_resource_id = compute.address
        self.is_attached = _TYPE not in recorded

    @property
    def id(self) -> str:
        """Where SDK v1 would have it."""
        workspace = self.workspace
        return (
            f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"
            f"/computes/{self.name}"
        )

    @staticmethod
    @in_workspace
    def create(
        workspace: "Workspace",
        name: str,
        provisioning_configuration: ComputeTargetProvisioningConfiguration,
    ) -> "ComputeTarget":
        """Make a name for this machine (SDK v1), which is said.

        Sizes are recorded and not used. What has the name already keeps it: it may be bound to a
        cluster.

        Args:
            workspace: which gets the name.
            name: of the compute target.
            provisioning_configuration: what is recorded.

        Raises:
            ComputeTargetException: the name breaks a rule, or no such thing is made here.
        """
        if not isinstance(provisioning_configuration, ComputeTargetProvisioningConfiguration):
            raise ComputeTargetException(
                "A compute target is created from a configuration, such as "
                "AmlCompute.provisioning_configuration(vm_size=..., max_nodes=4), and not from "
                f"an object of the type {type(provisioning_configuration).__name__}."
            )
        provisioning_configuration.validate_configuration()
        if not isinstance(name, str):
            raise ComputeTargetException(f"{name!r} is no name of a compute target: pass a text.")
        recorded = {_TYPE: provisioning_configuration.compute_type, "created_on": _now()}
        recorded |= provisioning_configuration.recorded()
        new = Compute(name, computes.LOCAL, settings={_RECORDED: recorded})
        computes.check(new)
        store = workspace.tracking_store
        compute = store.compute(name)
        if compute is None:
            compute = new
            store.put_compute(compute)
            print(_said_of(workspace, name, recorded))  # noqa: T201  what a notebook has to know
        return ComputeTarget._of(workspace, compute)

    @staticmethod
    @in_workspace
    def attach(workspace: "Workspace", name: str, attach_configuration: object) -> "ComputeTarget":
        """Return the target of that name, if it was bound to a cluster (SDK v1).

        Args:
            workspace: which has the name.
            name: of the compute target.
            attach_configuration: what SDK v1 would reach by itself, which is not done here.

        Raises:
            ComputeTargetException: the name is not bound.
        """
        compute = workspace.tracking_store.compute(name)
        if compute is None:
            address = getattr(attach_configuration, "address", None) or "HOST"
            raise ComputeTargetException(
                f"{name!r} cannot be attached: no machine is reached by SSH or Azure from here. "
                f"Start Ray on it, and bind the name: {_binding(workspace, name, address)}"
            )
        return ComputeTarget._of(workspace, compute)

    @staticmethod
    @in_workspace
    def list(workspace: "Workspace") -> "builtins.list[ComputeTarget]":
        """Return the compute targets of a workspace (SDK v1)."""
        return [ComputeTarget._of(workspace, each) for each in workspace.tracking_store.computes()]

    def wait_for_completion(
        self,
        show_output: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        is_delete_operation: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Return at once: the name is there, or is not any more (SDK v1).

        Args:
            show_output: print that.
            is_delete_operation: whether it was deleted.
        """
        if show_output:
            print("Deleted" if is_delete_operation else self.provisioning_state)  # noqa: T201

    def refresh_state(self) -> None:
        """Read it anew (SDK v1).

        Raises:
            ComputeTargetException: the workspace has no such name any more.
        """
        compute = self.workspace.tracking_store.compute(self.name)
        if compute is None:
            raise ComputeTargetException(_not_found(self.workspace, self.name))
        self._take(compute)

    def get_status(self) -> Any:
        """Return ``Succeeded``, as long as the name is there (SDK v1).

        Raises:
            ComputeTargetException: the workspace has no such name any more.
        """
        self.refresh_state()
        return self.provisioning_state

    def delete(self) -> None:
        """Delete the name (SDK v1). What runs there goes on."""
        self.workspace.tracking_store.drop_compute(self.name)

    def detach(self) -> None:
        """Delete the name (SDK v1). What runs there goes on."""
        self.delete()

    def serialize(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys."""
        return {
            "id": self.id,
            "name": self.name,
            "location": self.location,
            "tags": self.tags,
            "properties": {
                "description": self.description,
                "resourceId": self.cluster_resource_id,
                "computeType": self.type,
                "computeLocation": self.cluster_location,
                "provisioningState": self.provisioning_state,
                "provisioningErrors": self.provisioning_errors,
                "isAttachedCompute": self.is_attached,
                "properties": self._properties(),
            },
        }

    def _properties(self) -> dict[str, Any]:
        """Return what only a compute target of this class has."""
        return {}

    def _record(self, changed: Mapping[str, Any]) -> None:
        """Keep what is recorded with it."""
        recorded = {**self._recorded, **changed, "modified_on": _now()}
        settings = {**self._compute.settings, _RECORDED: recorded}
        compute = Compute(self.name, self._compute.type, self._compute.address, settings)
        self.workspace.tracking_store.put_compute(compute)
        self._take(compute)

    def __repr__(self) -> str:
        where = self._compute.type + (f" {self._compute.address}" if self._compute.address else "")
        return (
            f"{type(self).__name__}(workspace={self.workspace!r}, name={self.name!r}, on={where!r})"
        )


def _recorded_of(compute: Compute) -> Mapping[str, Any]:
    recorded: Any = compute.settings.get(_RECORDED)
    # Anybody may have stored it.
    return recorded if isinstance(recorded, dict) else {}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _binding(workspace: "Workspace", name: str, host: str = "HOST") -> str:
    address = shlex.quote(f"http://{host}:8265")
    return workspace.typed(
        f"compute add {shlex.quote(name)} --type ray --address {address} -w {workspace.name}"
    )


def _not_found(workspace: "Workspace", name: str) -> str:
    there = ", ".join(each.name for each in workspace.tracking_store.computes())
    return (
        f"Workspace {workspace.name!r} has no compute target {name!r}: it has {there or 'none'}. "
        f"Create it with ComputeTarget.create(), or bind the name: {_binding(workspace, str(name))}"
    )


def _said_of(workspace: "Workspace", name: str, recorded: Mapping[str, Any]) -> str:
    sizes = ", ".join(
        f"{key} {recorded[key]}"
        for key in ("vm_size", "min_nodes", "max_nodes")
        if recorded.get(key) not in (None, "")
    )
    unused = f" Recorded, and not used: {sizes}." if sizes else ""
    return (
        f"Compute target {name!r} is this machine: what is submitted to it runs here.{unused} "
        f"To run it on a cluster: {_binding(workspace, name)}"
    )
