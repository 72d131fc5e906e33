"""SDK v1's words for a script that is started as several processes."""

from dataclasses import dataclass

from mlflow_workspace_plugin.errors import RunConfigurationException
from mlflow_workspace_plugin.sdk.config_element import ConfigElement

SUPPORTED_PYTORCH_BACKENDS = ["nccl", "gloo"]


@dataclass(repr=False, slots=True)
class MpiConfiguration(ConfigElement):
    """A script that is started as several processes (SDK v1).

    Args:
        process_count_per_node: how many.
        node_count: on how many nodes; more than one is refused when it is submitted.
    """

    process_count_per_node: int = 1
    node_count: int = 1


@dataclass(repr=False, slots=True)
class PyTorchConfiguration(ConfigElement):
    """A script that is started as the processes of PyTorch's distributed package (SDK v1).

    Args:
        communication_backend: ``Nccl`` or ``Gloo``.
        process_count: how many processes on all nodes; None is one on each.
        node_count: on how many nodes; more than one is refused when it is submitted.

    Raises:
        RunConfigurationException: there is no such backend.
    """

    communication_backend: str = "Nccl"
    process_count: int | None = None
    node_count: int = 1

    def __post_init__(self) -> None:
        self.communication_backend = str(self.communication_backend).lower()
        if self.communication_backend not in SUPPORTED_PYTORCH_BACKENDS:
            raise RunConfigurationException(
                f"{self.communication_backend!r} is no backend of PyTorch's. "
                "The communication_backend is 'Nccl' or 'Gloo'."
            )


@dataclass(repr=False, slots=True)
class TensorflowConfiguration(ConfigElement):
    """A script that TensorFlow distributes over nodes (SDK v1).

    Args:
        worker_count: on how many nodes; more than one is refused when it is submitted.
        parameter_server_count: kept, and not used.
    """

    worker_count: int = 1
    parameter_server_count: int = 1
