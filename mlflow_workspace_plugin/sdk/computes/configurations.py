"""What SDK v1 is told of compute targets: kept with them, and not used."""

from dataclasses import dataclass
from typing import Any

from mlflow_workspace_plugin.errors import ComputeTargetException


@dataclass
class ComputeTargetProvisioningConfiguration:
    """How machines are made (SDK v1). None are made here: it is recorded.

    Attributes:
        location: recorded, and not used.
    """

    location = None
    compute_type = ""
    """What SDK v1 calls such a compute target. (Ours.)"""

    def validate_configuration(self) -> None:
        """Check it (SDK v1).

        Raises:
            ComputeTargetException: it contradicts itself.
        """

    def recorded(self) -> dict[str, Any]:
        """Return what is recorded of it: no secret is in it (ours)."""
        return {}


@dataclass
class ScaleSettings:
    """How many nodes a cluster has (SDK v1): recorded, and not used.

    Args:
        minimum_node_count: recorded, and not used.
        maximum_node_count: recorded, and not used.
        idle_seconds_before_scaledown: recorded, and not used.
    """

    minimum_node_count: int | None
    maximum_node_count: int | None
    idle_seconds_before_scaledown: int | None

    def serialize(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys."""
        idle = self.idle_seconds_before_scaledown
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": None if idle is None else f"PT{idle}S",
        }


@dataclass
class AmlComputeProvisioningConfiguration(ComputeTargetProvisioningConfiguration):
    """How a cluster is made (SDK v1). None is made here: it is recorded, without its secrets."""

    vm_size: str = ""
    vm_priority: str = "dedicated"
    min_nodes: int = 0
    max_nodes: int | None = None
    idle_seconds_before_scaledown: int = 1800
    tags: dict[str, str] | None = None
    description: str | None = None

    compute_type = "AmlCompute"

    @property
    def scale_settings(self) -> ScaleSettings:
        """How many nodes there are to be."""
        return ScaleSettings(self.min_nodes, self.max_nodes, self.idle_seconds_before_scaledown)

    def validate_configuration(self) -> None:
        """Check the numbers of nodes (SDK v1).

        Raises:
            ComputeTargetException: there is no largest one, or it is less than the smallest.
        """
        check_nodes(self.min_nodes, self.max_nodes)

    def recorded(self) -> dict[str, Any]:
        """Return what is recorded of it (ours)."""
        return {
            "vm_size": self.vm_size,
            "vm_priority": self.vm_priority,
            "min_nodes": self.min_nodes,
            "max_nodes": self.max_nodes,
            "idle_seconds_before_scaledown": self.idle_seconds_before_scaledown,
            "tags": self.tags,
            "description": self.description,
        }


def check_nodes(smallest: int | None, largest: int | None) -> None:
    """Check how many nodes a cluster is to have.

    Raises:
        ComputeTargetException: there is no largest number, or it is less than the smallest.
    """
    if largest is None:
        raise ComputeTargetException("A cluster needs max_nodes. Pass how many nodes it may have.")
    if largest < (smallest or 0):
        raise ComputeTargetException(
            f"max_nodes {largest} is less than min_nodes {smallest}. Pass at least as many."
        )


@dataclass
class ComputeInstanceProvisioningConfiguration(ComputeTargetProvisioningConfiguration):
    """How a machine is made (SDK v1). None is made here: it is recorded."""

    vm_size: str = ""
    tags: dict[str, str] | None = None
    description: str | None = None

    compute_type = "ComputeInstance"

    def recorded(self) -> dict[str, Any]:
        """Return what is recorded of it (ours)."""
        return {"vm_size": self.vm_size, "tags": self.tags, "description": self.description}


@dataclass
class RemoteComputeAttachConfiguration:
    """A machine that is reached by SSH (SDK v1), which is not served: see :class:`RemoteCompute`.

    Args:
        address: of the machine.
    """

    address: str | None
