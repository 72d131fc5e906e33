"""SDK v1's older words for a script that an estimator starts as several processes."""

from dataclasses import dataclass


class DistributedTraining:
    """A way to start several processes."""

    def validate(self, estimator_name: str) -> None:
        """Do nothing: what is refused is refused when it is submitted (SDK v1)."""


@dataclass
class Mpi(DistributedTraining):
    """Several processes on a node (SDK v1).

    Args:
        process_count_per_node: how many.
    """

    process_count_per_node: int = 1


@dataclass
class Nccl(DistributedTraining):
    """PyTorch's distributed package, on GPUs (SDK v1)."""


@dataclass
class Gloo(DistributedTraining):
    """PyTorch's distributed package (SDK v1)."""


@dataclass
class ParameterServer(DistributedTraining):
    """TensorFlow on several nodes (SDK v1).

    Args:
        worker_count: on how many nodes; more than one is refused when it is submitted.
        parameter_server_count: kept, and not used.
    """

    worker_count: int = 1
    parameter_server_count: int = 1
