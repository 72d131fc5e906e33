"""SDK v1's ``DockerConfiguration``."""

from dataclasses import dataclass, field

from mlflow_workspace_plugin.sdk.config_element import ConfigElement
from mlflow_workspace_plugin.sdk.environments.sections import DEFAULT_SHM_SIZE


@dataclass(init=False, repr=False, slots=True)
class DockerConfiguration(ConfigElement):
    """Whether a script runs in a container (SDK v1). It runs without: all of it is kept.

    Args:
        use_docker: kept, and not used.
        shared_volumes: kept, and not used.
        arguments: kept, and not used.
        shm_size: kept, and not used.
    """

    use_docker: bool = False
    shared_volumes: bool = True
    arguments: list[str] = field(default_factory=list)
    shm_size: str = DEFAULT_SHM_SIZE

    def __init__(
        self,
        use_docker: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        shared_volumes: bool = True,  # noqa: FBT001, FBT002
        arguments: list[str] = [],  # noqa: B006  SDK v1's signature; it is copied
        shm_size: str = DEFAULT_SHM_SIZE,
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = [*arguments]
        self.shm_size = shm_size
