"""What SDK v1's ``Environment`` is made of."""

import os
from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.sdk.config_element import SECRET, ConfigElement, holds
from mlflow_workspace_plugin.sdk.environments.conda_dependencies import CondaDependencies
from mlflow_workspace_plugin.sdk.environments.images import DEFAULT_CPU_IMAGE

DEFAULT_SHM_SIZE = "2g"


def _conda_dependencies(stored: Any) -> CondaDependencies:
    return CondaDependencies(_underlying_structure=stored)


@dataclass(init=False, repr=False, slots=True)
class PythonSection(ConfigElement):
    """Which Python a script gets, and what is installed for it (SDK v1).

    Attributes:
        user_managed_dependencies: nothing is installed: the interpreter is used as it is.
        interpreter_path: of such an interpreter; ``python`` is the one that submits.
        conda_dependencies_file: an environment file of conda's, instead of ``conda_dependencies``.
        base_conda_environment: kept, and not used.
        conda_dependencies: what is installed otherwise.
    """

    user_managed_dependencies: bool = False
    interpreter_path: str = "python"
    conda_dependencies_file: str | None = None
    base_conda_environment: str | None = None
    conda_dependencies: CondaDependencies = field(
        default_factory=CondaDependencies, metadata=holds(_conda_dependencies)
    )

    def __init__(self, **_kwargs: Any) -> None:
        self._fill()


@dataclass(repr=False, slots=True)
class RegistryIdentity(ConfigElement):
    """An identity of Azure's, which is kept and not used (SDK v1).

    Attributes:
        resource_id: kept, and not used.
        client_id: kept, and not used.
    """

    resource_id: str | None = None
    client_id: str | None = None


@dataclass(repr=False, slots=True)
class ContainerRegistry(ConfigElement):
    """Where an image is: kept, and not used (SDK v1).

    Attributes:
        address: kept, and not used.
        username: kept, and not used.
        password: never stored, nor shown.
        registry_identity: kept, and not used.
    """

    address: str | None = None
    username: str | None = None
    password: str | None = field(default=None, metadata=SECRET)
    registry_identity: RegistryIdentity | None = field(
        default=None, metadata=holds(RegistryIdentity.from_stored)
    )


@dataclass(repr=False, slots=True)
class DockerImagePlatform(ConfigElement):
    """What an image is for: kept, and not used (SDK v1).

    Attributes:
        os: kept, and not used.
        architecture: kept, and not used.
    """

    os: str = "Linux"
    architecture: str = "amd64"


@dataclass(repr=False, slots=True)
class DockerBuildContext(ConfigElement):
    """A folder that an image is built from (SDK v1). Scripts run without images: it is refused.

    Args:
        location_type: kept, and not used.
        location: kept, and not used.
        dockerfile_path: kept, and not used.
    """

    location_type: str | None = None
    location: str | None = None
    dockerfile_path: str = "Dockerfile"

    @staticmethod
    def from_local_directory(
        workspace: object,
        path: "str | os.PathLike[str]",
        dockerfile_path: str = "Dockerfile",
    ) -> "DockerBuildContext":
        """Return one for a folder, which is not copied (SDK v1)."""
        return DockerBuildContext("local", os.fspath(path), dockerfile_path)


_ONE_OF = ("base_image", "base_dockerfile", "build_context")


@dataclass(init=False, repr=False, slots=True)
class DockerSection(ConfigElement):
    """Which image a script gets (SDK v1). Scripts run without images.

    Microsoft's own images are kept and not used; another one is refused when a script is submitted.
    Of image, Dockerfile and build context one is kept: the last that is set.

    Attributes:
        enabled: kept, and not used.
        base_image: the image.
        base_dockerfile: the text of a Dockerfile.
        build_context: a folder with a Dockerfile.
        shared_volumes: kept, and not used.
        shm_size: kept, and not used.
        arguments: kept, and not used.
        base_image_registry: kept, and not used.
        platform: kept, and not used.
    """

    enabled: bool = False
    base_image: str | None = DEFAULT_CPU_IMAGE
    base_dockerfile: str | None = None
    build_context: DockerBuildContext | None = field(
        default=None, metadata=holds(DockerBuildContext.from_stored)
    )
    shared_volumes: bool = True
    shm_size: str | None = DEFAULT_SHM_SIZE
    arguments: list[str] = field(default_factory=list)
    base_image_registry: ContainerRegistry = field(
        default_factory=ContainerRegistry, metadata=holds(ContainerRegistry.from_stored)
    )
    platform: DockerImagePlatform = field(
        default_factory=DockerImagePlatform, metadata=holds(DockerImagePlatform.from_stored)
    )

    def __init__(self, **_kwargs: Any) -> None:
        self._fill()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; of those that exclude each other, the others are none then."""
        if name in _ONE_OF and value is not None:
            for each in _ONE_OF:
                object.__setattr__(self, each, None)
        object.__setattr__(self, name, value)

    @property
    def gpu_support(self) -> bool:
        """Whether GPUs are used, which needs no saying (SDK v1). Setting it does nothing."""
        return True

    @gpu_support.setter
    def gpu_support(self, value: bool) -> None:
        pass


@dataclass(repr=False, slots=True)
class SparkPackage(ConfigElement):
    """A package of Spark's: kept, and not used (SDK v1).

    Args:
        group: kept, and not used.
        artifact: kept, and not used.
        version: kept, and not used.
    """

    group: str | None = None
    artifact: str | None = None
    version: str | None = None


@dataclass(init=False, repr=False, slots=True)
class SparkSection(ConfigElement):
    """What Spark is told: kept, and not used (SDK v1).

    Attributes:
        repositories: kept, and not used.
        packages: kept, and not used.
        precache_packages: kept, and not used.
    """

    repositories: list[str] = field(default_factory=list)
    packages: list[SparkPackage] = field(
        default_factory=list, metadata=holds(SparkPackage.from_stored, each=True)
    )
    precache_packages: bool = True

    def __init__(self, **_kwargs: Any) -> None:
        self._fill()


@dataclass(repr=False, slots=True)
class RCranPackage(ConfigElement):
    """A package of R's: kept, and not used (SDK v1).

    Attributes:
        name: kept, and not used.
        version: kept, and not used.
        repository: kept, and not used.
    """

    name: str | None = None
    version: str | None = None
    repository: str | None = None


@dataclass(repr=False, slots=True)
class RGitHubPackage(ConfigElement):
    """A package of R's on GitHub: kept, and not used (SDK v1).

    Attributes:
        repository: kept, and not used.
        auth_token: never stored, nor shown.
    """

    repository: str | None = None
    auth_token: str | None = field(default=None, metadata=SECRET)


@dataclass(repr=False, slots=True)
class RSection(ConfigElement):
    """What R is told: kept, and not used (SDK v1). Scripts of R are commands of their own.

    Attributes:
        r_version: kept, and not used.
        user_managed: kept, and not used.
        rscript_path: kept, and not used.
        snapshot_date: kept, and not used.
        cran_packages: kept, and not used.
        github_packages: kept, and not used.
        custom_url_packages: kept, and not used.
        bioconductor_packages: kept, and not used.
    """

    r_version: str | None = None
    user_managed: bool = False
    rscript_path: str | None = None
    snapshot_date: str | None = None
    cran_packages: list[RCranPackage] = field(
        default_factory=list, metadata=holds(RCranPackage.from_stored, each=True)
    )
    github_packages: list[RGitHubPackage] = field(
        default_factory=list, metadata=holds(RGitHubPackage.from_stored, each=True)
    )
    custom_url_packages: list[str] = field(default_factory=list)
    bioconductor_packages: list[str] = field(default_factory=list)
