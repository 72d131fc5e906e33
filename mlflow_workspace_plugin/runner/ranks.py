"""Several processes of one job on one node: what tells them which of them they are."""

import contextlib
import socket
from collections.abc import Iterator

_LOOPBACK = "127.0.0.1"


def variables_of_ranks(processes: int, framework: str) -> Iterator[dict[str, str]]:
    """Yield the variables of each process of a job, by which libraries find the others.

    Args:
        processes: how many there are.
        framework: ``PyTorch`` has those that torchrun sets; otherwise several processes have those
            of Open MPI's ``mpirun``, which frameworks read.
    """
    if framework.lower() == "pytorch":
        port = str(_free_port())
        for rank in range(processes):
            yield {
                "MASTER_ADDR": _LOOPBACK,
                "MASTER_PORT": port,
                "WORLD_SIZE": str(processes),
                "LOCAL_WORLD_SIZE": str(processes),
                "NODE_RANK": "0",
                "GROUP_RANK": "0",
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
            }
        return
    for rank in range(processes):
        if processes == 1:
            yield {}
            return
        yield {
            "OMPI_COMM_WORLD_SIZE": str(processes),
            "OMPI_COMM_WORLD_LOCAL_SIZE": str(processes),
            "OMPI_COMM_WORLD_RANK": str(rank),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
            "OMPI_COMM_WORLD_NODE_RANK": str(rank),
        }


def _free_port() -> int:
    """Return a port that nobody listens on now; the first process of the job does so soon."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
