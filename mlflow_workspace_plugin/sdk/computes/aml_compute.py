"""SDK v1's ``AmlCompute``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.late_imports import late_imports
from mlflow_workspace_plugin.sdk.computes.configurations import (
    AmlComputeProvisioningConfiguration,
    ScaleSettings,
    check_nodes,
)
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.not_served import NotServedOfAmlCompute

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace


@dataclass
class AmlComputeNodeStateCounts:
    """How many nodes do what (SDK v1). Here a node is a slot: room for one script."""

    idle_node_count: int | None = None
    leaving_node_count: int = 0
    preempted_node_count: int = 0
    preparing_node_count: int = 0
    running_node_count: int | None = None
    unusable_node_count: int = 0

    def serialize(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys."""
        return {
            "preparingNodeCount": self.preparing_node_count,
            "runningNodeCount": self.running_node_count,
            "idleNodeCount": self.idle_node_count,
            "unusableNodeCount": self.unusable_node_count,
            "leavingNodeCount": self.leaving_node_count,
            "preemptedNodeCount": self.preempted_node_count,
        }


@dataclass
class AmlComputeStatus:
    """How much room there is (SDK v1). Here a node is a slot: room for one script.

    Attributes:
        allocation_state: ``Steady``.
        current_node_count: how many slots there are; None if that is not known.
        target_node_count: how many slots there are; None if that is not known.
        node_state_counts: how many of them are taken.
        errors: why it is not known.
        provisioning_state: ``Succeeded``.
        scale_settings: recorded, and not used.
        vm_priority: recorded, and not used.
        vm_size: recorded, and not used.
    """

    current_node_count: int | None
    node_state_counts: AmlComputeNodeStateCounts
    scale_settings: ScaleSettings
    vm_priority: str
    vm_size: str
    creation_time: str | None
    modified_time: str | None
    errors: list[dict[str, str]] | None = None
    allocation_state: str = "Steady"
    allocation_state_transition_time: str | None = None
    provisioning_state: str = "Succeeded"
    provisioning_state_transition_time: str | None = None

    @property
    def target_node_count(self) -> int | None:
        """How many slots there are."""
        return self.current_node_count

    def serialize(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys."""
        return {
            "currentNodeCount": self.current_node_count,
            "targetNodeCount": self.target_node_count,
            "nodeStateCounts": self.node_state_counts.serialize(),
            "allocationState": self.allocation_state,
            "allocationStateTransitionTime": self.allocation_state_transition_time,
            "errors": self.errors,
            "creationTime": self.creation_time,
            "modifiedTime": self.modified_time,
            "provisioningState": self.provisioning_state,
            "provisioningStateTransitionTime": self.provisioning_state_transition_time,
            "scaleSettings": self.scale_settings.serialize(),
            "vmPriority": self.vm_priority,
            "vmSize": self.vm_size,
        }


class AmlCompute(NotServedOfAmlCompute, ComputeTarget):
    """A cluster (SDK v1): here, a name for this machine, or for a cluster of one's own.

    Args:
        workspace: which has the name.
        name: of the compute target.

    Attributes:
        admin_username: None: no machine is made.
        admin_user_password: None: no machine is made.
        admin_user_ssh_key: None: no machine is made.
        vnet_resourcegroup_name: None: no machine is made.
        vnet_name: None: no machine is made.
        subnet_name: None: no machine is made.
        remote_login_port_public_access: ``NotSpecified``.
        identity_type: None: no machine is made.
        identity_id: None: no machine is made.

    Raises:
        ComputeTargetException: the workspace has no such name.
    """

    _compute_type = "AmlCompute"

    admin_username = None
    admin_user_password = None
    admin_user_ssh_key = None
    vnet_resourcegroup_name = None
    vnet_name = None
    subnet_name = None
    remote_login_port_public_access = "NotSpecified"
    identity_type = None
    identity_id = None

    @staticmethod
    def provisioning_configuration(  # noqa: D417  what is not recorded is described in one sentence
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: int = 1800,
        admin_username: str | None = None,
        admin_user_password: str | None = None,
        admin_user_ssh_key: str | None = None,
        vnet_resourcegroup_name: str | None = None,
        vnet_name: str | None = None,
        subnet_name: str | None = None,
        tags: dict[str, str] | None = None,
        description: str | None = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: str | None = None,
        identity_id: list[str] | None = None,
        location: str | None = None,
        enable_node_public_ip: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> AmlComputeProvisioningConfiguration:
        """Return what is recorded of a cluster when it is created (SDK v1).

        Args:
            vm_size: recorded, and not used.
            vm_priority: recorded, and not used.
            min_nodes: recorded, and not used.
            max_nodes: recorded, and not used.
            idle_seconds_before_scaledown: recorded, and not used.
            tags: recorded.
            description: recorded.

        The other arguments speak of machines in Azure, and mean nothing here.

        Raises:
            ComputeTargetException: there is no ``max_nodes``, or it is less than ``min_nodes``.
        """
        made = AmlComputeProvisioningConfiguration(
            vm_size,
            vm_priority,
            min_nodes,
            max_nodes,
            idle_seconds_before_scaledown,
            tags,
            description,
        )
        made.validate_configuration()
        return made

    @property
    def vm_size(self) -> str:
        """Recorded when it was created, and not used."""
        size: str = self._recorded.get("vm_size", "")
        return size

    @property
    def vm_priority(self) -> str:
        """Recorded when it was created, and not used."""
        priority: str = self._recorded.get("vm_priority", "dedicated")
        return priority

    @property
    def scale_settings(self) -> ScaleSettings:
        """Recorded when it was created, and not used."""
        recorded = self._recorded
        return ScaleSettings(
            recorded.get("min_nodes"),
            recorded.get("max_nodes"),
            recorded.get("idle_seconds_before_scaledown"),
        )

    @property
    def status(self) -> AmlComputeStatus:
        """How much room there is, as :meth:`get_status` says it."""
        return self.get_status()

    def wait_for_completion(  # type: ignore[override]  # SDK v1's signature, which differs from its base's
        self,
        show_output: bool = False,  # noqa: FBT001, FBT002
        min_node_count: int | None = None,
        timeout_in_minutes: float = 25,
        is_delete_operation: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Return at once: the name is there, or is not any more (SDK v1).

        Args:
            show_output: print that.
            min_node_count: accepted and ignored: no nodes are started.
            timeout_in_minutes: accepted and ignored.
            is_delete_operation: whether it was deleted.
        """
        ComputeTarget.wait_for_completion(self, show_output, is_delete_operation)

    def get(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys, read anew."""
        self.refresh_state()
        return self.serialize()

    def get_status(self) -> AmlComputeStatus:
        """Return how much room there is (SDK v1). What cannot be asked now is None, and said.

        Raises:
            ComputeTargetException: the workspace has no such name any more.
        """
        self.refresh_state()
        counts = AmlComputeNodeStateCounts()
        slots, errors = None, None
        try:
            slots, busy = self._room()
            counts.running_node_count = busy
            if slots is not None and busy is not None:
                counts.idle_node_count = max(0, slots - busy)
        except ComputeTargetException as error:
            errors = [{"message": error.message}]
        return AmlComputeStatus(
            current_node_count=slots,
            node_state_counts=counts,
            scale_settings=self.scale_settings,
            vm_priority=self.vm_priority,
            vm_size=self.vm_size,
            creation_time=self.created_on,
            modified_time=self.modified_on,
            errors=errors,
        )

    def _room(self) -> tuple[int | None, int | None]:
        """Return how many slots there are, and how many are taken.

        Raises:
            ComputeTargetException: the engine cannot be reached, or this user has not said that it
                may be.
        """
        with late_imports():
            from mlflow_workspace_plugin.jobs.computes import compute_named
            from mlflow_workspace_plugin.jobs.engines.find import engine_of
        compute = compute_named(self.workspace.tracking_store, self.name)
        capacity = engine_of(compute).capacity()
        return capacity.slots, capacity.busy

    def update(
        self,
        min_nodes: int | None = None,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: int | None = None,
    ) -> None:
        """Record other sizes, which are not used (SDK v1).

        Args:
            min_nodes: recorded, if given.
            max_nodes: recorded, if given.
            idle_seconds_before_scaledown: recorded, if given.

        Raises:
            ComputeTargetException: ``max_nodes`` is less than ``min_nodes``.
        """
        given = {
            "min_nodes": min_nodes,
            "max_nodes": max_nodes,
            "idle_seconds_before_scaledown": idle_seconds_before_scaledown,
        }
        changed = {key: value for key, value in given.items() if value is not None}
        recorded = {**self._recorded, **changed}
        if recorded.get("max_nodes") is not None:
            check_nodes(recorded.get("min_nodes"), recorded["max_nodes"])
        self._record(changed)

    def list_nodes(self) -> "list[dict[str, Any]]":
        """Return none: no nodes are started (SDK v1)."""
        return []

    @staticmethod
    def supported_vmsizes(
        workspace: "Workspace", location: str | None = None
    ) -> "list[dict[str, Any]]":
        """Return none: no machines are made (SDK v1).

        Args:
            workspace: accepted and ignored.
            location: accepted and ignored.
        """
        return []

    def _properties(self) -> dict[str, Any]:
        return {
            "vmSize": self.vm_size,
            "vmPriority": self.vm_priority,
            "scaleSettings": self.scale_settings.serialize(),
        }
