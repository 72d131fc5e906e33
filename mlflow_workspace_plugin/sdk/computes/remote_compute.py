"""SDK v1's ``RemoteCompute``."""

from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.sdk.computes.configurations import RemoteComputeAttachConfiguration
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.not_served import NotServedOfRemoteCompute
from mlflow_workspace_plugin.sdk.wanted import in_workspace

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace


class RemoteCompute(NotServedOfRemoteCompute, ComputeTarget):
    """A machine of one's own (SDK v1): a name that ``mlflow-workspace compute add`` binds to it.

    No machine is reached by SSH from here: Ray or Slurm runs there, and starts the scripts.

    Args:
        workspace: which has the name.
        name: of the compute target.

    Attributes:
        vm_size: None: it is not known.

    Raises:
        ComputeTargetException: the workspace has no such name.
    """

    _compute_type = "VirtualMachine"

    vm_size = None

    @property
    def address(self) -> str | None:
        """Where Ray is, say."""
        return self._compute.address

    @staticmethod
    def attach_configuration(  # noqa: D417  what means nothing here is described in one sentence
        username: str,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        vm_name: str | None = None,
        resource_id: str | None = None,
        address: str | None = None,
        ssh_port: int = 22,
        password: str = "",
        private_key_file: str = "",
        private_key_passphrase: str = "",
    ) -> RemoteComputeAttachConfiguration:
        """Return what says which machine is meant (SDK v1). Nothing of it is kept.

        Args:
            username: accepted and ignored.
            vm_name: the machine; or
            address: the machine.

        The other arguments speak of how SDK v1 reaches it, and mean nothing here.

        Raises:
            ComputeTargetException: no machine is named.
        """
        if not (address or resource_id or (subscription_id and resource_group and vm_name)):
            raise ComputeTargetException("No machine is named. Pass its address.")
        return RemoteComputeAttachConfiguration(address or vm_name)

    @staticmethod
    @in_workspace
    def attach(  # type: ignore[override]  # noqa: D417  SDK v1's signature
        workspace: "Workspace",
        name: str,
        username: object,
        address: str,
        ssh_port: int = 22,
        password: str = "",
        private_key_file: str = "",
        private_key_passphrase: str = "",
    ) -> ComputeTarget:
        """Return the target of that name, if it was bound to a machine (SDK v1).

        Args:
            workspace: which has the name.
            name: of the compute target.
            username: accepted and ignored.
            address: the machine.

        The other arguments speak of how SDK v1 reaches it, and mean nothing here.

        Raises:
            ComputeTargetException: the name is not bound.
        """
        return ComputeTarget.attach(workspace, name, RemoteComputeAttachConfiguration(address))

    def _properties(self) -> dict[str, Any]:
        return {"address": self.address}
