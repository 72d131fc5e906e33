"""SDK v1's ``ComputeInstance``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.sdk.computes.configurations import (
    ComputeInstanceProvisioningConfiguration,
)
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.not_served import NotServedOfComputeInstance

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_USUAL_SIZE = "Standard_DS3_V2"


@dataclass
class ComputeInstanceStatus:
    """How a machine does (SDK v1): it runs.

    Attributes:
        vm_size: recorded, and not used.
        creation_time: when the name was made.
        modified_time: when what is recorded was changed.
        state: ``Running``.
    """

    vm_size: str
    creation_time: str | None
    modified_time: str | None
    state: str = "Running"
    created_by_user_name: str | None = None
    created_by_user_id: str | None = None
    created_by_user_org: str | None = None
    errors: list[dict[str, str]] | None = None

    def serialize(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys."""
        return {
            "errors": self.errors,
            "creationTime": self.creation_time,
            "createdBy": {
                "userObjectId": self.created_by_user_id,
                "userTenantId": self.created_by_user_org,
                "userName": self.created_by_user_name,
            },
            "modifiedTime": self.modified_time,
            "state": self.state,
            "vmSize": self.vm_size,
        }


class ComputeInstance(NotServedOfComputeInstance, ComputeTarget):
    """A machine (SDK v1): here, a name for this one, or for a cluster of one's own.

    Args:
        workspace: which has the name.
        name: of the compute target.

    Raises:
        ComputeTargetException: the workspace has no such name.
    """

    _compute_type = "ComputeInstance"

    @staticmethod
    def provisioning_configuration(  # noqa: D417  what is not recorded is described in one sentence
        vm_size: str = "",
        ssh_public_access: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        admin_user_ssh_public_key: str | None = None,
        vnet_resourcegroup_name: str | None = None,
        vnet_name: str | None = None,
        subnet_name: str | None = None,
        tags: dict[str, str] | None = None,
        description: str | None = None,
        assigned_user_object_id: str | None = None,
        assigned_user_tenant_id: str | None = None,
    ) -> ComputeInstanceProvisioningConfiguration:
        """Return what is recorded of a machine when it is created (SDK v1).

        Args:
            vm_size: recorded, and not used.
            tags: recorded.
            description: recorded.

        The other arguments speak of machines in Azure, and mean nothing here.
        """
        return ComputeInstanceProvisioningConfiguration(vm_size or _USUAL_SIZE, tags, description)

    @property
    def vm_size(self) -> str:
        """Recorded when it was created, and not used."""
        size: str = self._recorded.get("vm_size", _USUAL_SIZE)
        return size

    @property
    def status(self) -> ComputeInstanceStatus:
        """How it does, as :meth:`get_status` says it."""
        return self.get_status()

    def get(self) -> dict[str, Any]:
        """Return it as a dict under SDK v1's keys, read anew."""
        self.refresh_state()
        return self.serialize()

    def get_status(self) -> ComputeInstanceStatus:
        """Return how it does (SDK v1): it runs, as long as the name is there.

        Raises:
            ComputeTargetException: the workspace has no such name any more.
        """
        self.refresh_state()
        return ComputeInstanceStatus(self.vm_size, self.created_on, self.modified_on)

    def delete(
        self,
        wait_for_completion: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        show_output: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Delete the name (SDK v1). What runs there goes on.

        Args:
            wait_for_completion: accepted and ignored: it is deleted at once.
            show_output: print that.
        """
        ComputeTarget.delete(self)
        if show_output:
            self.wait_for_completion(show_output=True, is_delete_operation=True)

    def start(
        self,
        wait_for_completion: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        show_output: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Do nothing: no machine is started or stopped (SDK v1).

        Args:
            wait_for_completion: accepted and ignored.
            show_output: print how it does.
        """
        if show_output:
            print(self.get_status().state)  # noqa: T201

    stop = start
    restart = start

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
        return {"vmSize": self.vm_size}
