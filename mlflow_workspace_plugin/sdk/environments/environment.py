"""SDK v1's ``Environment``."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.environments.url_secrets import check_stored
from mlflow_workspace_plugin.sdk.config_element import ConfigElement, holds
from mlflow_workspace_plugin.sdk.environments import curated, files
from mlflow_workspace_plugin.sdk.environments.conda_dependencies import (
    PYTHON_DEFAULT_VERSION,
    CondaDependencies,
)
from mlflow_workspace_plugin.sdk.environments.conda_export import exported
from mlflow_workspace_plugin.sdk.environments.databricks import DatabricksSection
from mlflow_workspace_plugin.sdk.environments.image_build import ImageBuildDetails
from mlflow_workspace_plugin.sdk.environments.needs import DEFAULT_NAME, needs
from mlflow_workspace_plugin.sdk.environments.requirements_file import lines_of
from mlflow_workspace_plugin.sdk.environments.sections import (
    ContainerRegistry,
    DockerBuildContext,
    DockerSection,
    PythonSection,
    RSection,
    SparkSection,
)
from mlflow_workspace_plugin.sdk.not_served import NotServedOfEnvironment
from mlflow_workspace_plugin.sdk.wanted import in_workspace
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.jobs.environments import RegisteredEnvironment

_logger = get_logger(__name__)

_LATEST = "latest"


@dataclass(init=False, repr=False, slots=True)
class Environment(ConfigElement, NotServedOfEnvironment):
    """What a script needs installed, under a name (SDK v1).

    Scripts run without images: what is said of Docker, Spark, R and Databricks is kept.

    Args:
        name: of the environment.

    Attributes:
        name: of the environment.
        version: if it is registered, which one of that name it is.
        environment_variables: environment variables of its scripts.
        python: which Python they get, and what is installed for it.
        docker: which image: kept, and not used.
        spark: kept, and not used.
        databricks: kept, and not used.
        r: kept, and not used.
        inferencing_stack_version: kept, and not used.
        asset_id: kept, and not used.

    Raises:
        TypeError: the name is no text.
    """

    name: str | None = None
    version: str | None = None
    environment_variables: dict[str, str] = field(default_factory=dict)
    python: PythonSection = field(
        default_factory=PythonSection, metadata=holds(PythonSection.from_stored)
    )
    docker: DockerSection = field(
        default_factory=DockerSection, metadata=holds(DockerSection.from_stored)
    )
    spark: SparkSection = field(
        default_factory=SparkSection, metadata=holds(SparkSection.from_stored)
    )
    databricks: DatabricksSection = field(
        default_factory=DatabricksSection, metadata=holds(DatabricksSection.from_stored)
    )
    r: RSection | None = field(default=None, metadata=holds(RSection.from_stored))
    inferencing_stack_version: str | None = None
    asset_id: str | None = None

    def __init__(self, name: str, **_kwargs: Any) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"An environment's name is a text, and not {name!r}.")
        self._fill()
        self.name = name

    @staticmethod
    def from_conda_specification(name: str, file_path: "str | os.PathLike[str]") -> "Environment":
        """Return an environment from an environment file of conda's (SDK v1).

        Args:
            name: of the environment.
            file_path: the file.

        Raises:
            UserErrorException: it is no such file.
            FileNotFoundError: there is none.
        """
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        if made.python.conda_dependencies.get_python_version() is None:
            made.python.conda_dependencies.set_python_version(PYTHON_DEFAULT_VERSION)
        return made

    @staticmethod
    def from_pip_requirements(
        name: str, file_path: "str | os.PathLike[str]", pip_version: str | None = None
    ) -> "Environment":
        """Return an environment from a requirements file of pip's (SDK v1).

        Args:
            name: of the environment.
            file_path: the file; what it includes by ``-r`` is read, too.
            pip_version: kept, and not used.

        Raises:
            UserErrorException: it cannot be read.
            FileNotFoundError: there is none.
        """
        made = Environment(name)
        dependencies = made.python.conda_dependencies
        dependencies.set_pip_requirements(lines_of(Path(file_path)))
        dependencies.add_conda_package(f"pip={pip_version}" if pip_version else "pip")
        return made

    @staticmethod
    def from_existing_conda_environment(
        name: str, conda_environment_name: str
    ) -> "Environment | None":
        """Return an environment with the packages of one of this machine's conda (SDK v1).

        Args:
            name: of the environment.
            conda_environment_name: of conda's.

        Returns:
            The environment; None if conda has no such one, which is said.
        """
        content, reason = exported(conda_environment_name)
        if content is None:
            print(f"Conda's environment {conda_environment_name!r} cannot be read: {reason}")  # noqa: T201  as SDK v1 does
            return None
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(_underlying_structure=content)
        return made

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: ContainerRegistry | None = None,
        conda_specification: "str | os.PathLike[str] | None" = None,
        pip_requirements: "str | os.PathLike[str] | None" = None,
    ) -> "Environment":
        """Return an environment on an image (SDK v1). Scripts run without images.

        Args:
            name: of the environment.
            image: its name. One that is not Microsoft's is refused when a script is submitted.
            container_registry: kept, and not used.
            conda_specification: an environment file of conda's; or
            pip_requirements: a requirements file. With neither, nothing is installed.

        Raises:
            UserErrorException: both files are given, or one is no such file.
        """
        made = _installing(name, conda_specification, pip_requirements)
        made.docker.base_image = image
        if container_registry is not None:
            made.docker.base_image_registry = container_registry
        return made

    @staticmethod
    def from_dockerfile(
        name: str,
        dockerfile: "str | os.PathLike[str]",
        conda_specification: "str | os.PathLike[str] | None" = None,
        pip_requirements: "str | os.PathLike[str] | None" = None,
    ) -> "Environment":
        """Return an environment on an image (SDK v1), which is refused when a script is submitted.

        Args:
            name: of the environment.
            dockerfile: a Dockerfile, or its text.
            conda_specification: an environment file of conda's; or
            pip_requirements: a requirements file. With neither, nothing is installed.

        Raises:
            UserErrorException: both files are given, or one is no such file.
        """
        made = _installing(name, conda_specification, pip_requirements)
        text = os.fspath(dockerfile)
        is_file = "\n" not in text and Path(text).is_file()
        made.docker.base_dockerfile = Path(text).read_text(encoding="utf-8") if is_file else text
        return made

    @staticmethod
    def from_docker_build_context(
        name: str, docker_build_context: DockerBuildContext
    ) -> "Environment":
        """Return an environment on an image (SDK v1), which is refused when a script is submitted.

        Args:
            name: of the environment.
            docker_build_context: the folder of its Dockerfile.
        """
        made = Environment(name)
        made.python.user_managed_dependencies = True
        made.docker.build_context = docker_build_context
        return made

    @staticmethod
    @in_workspace
    def get(
        workspace: "Workspace", name: str, version: str | None = None, label: str | None = None
    ) -> "Environment":
        """Return a registered environment (SDK v1).

        Of one of Microsoft's own, such as ``AzureML-sklearn-1.5``, it is a substitute that has the
        packages of that name, and this is said.

        Args:
            workspace: where it is registered.
            name: of the environment.
            version: which one; by default the newest.
            label: ``latest``, which is the newest, too.

        Raises:
            UserErrorException: there is none, or both version and label are given.
        """
        if version is not None and label is not None:
            raise UserErrorException("An environment has a version or a label: give one of them.")
        if label not in (None, _LATEST):
            raise UserErrorException(
                f"Environments here have no label {label!r}: the newest version is {_LATEST!r}."
            )
        wanted = None if version in (None, _LATEST) else str(version)
        stored = None
        if wanted is None or wanted.isdecimal():
            number = None if wanted is None else int(wanted)
            stored = workspace.tracking_store.environment(name, number)
        if stored is not None:
            return _registered(stored.name, stored.version, stored.definition)
        substitute = curated.substitute(name)
        if substitute is not None:
            _logger.warning("%s", substitute.sentence)
            made = Environment(name)
            made.python.conda_dependencies = CondaDependencies.create(
                pip_packages=substitute.packages
            )
            return made
        there = Environment.list(workspace)
        if name in there:
            reason = f"no version {version} of it: the newest is {there[name].version}"
        else:
            reason = f"it holds {', '.join(sorted(there)) or 'none'}"
        raise UserErrorException(
            f"Environment {name!r} is not registered in workspace {workspace.name!r}: {reason}. "
            "Register it with Environment.register(workspace)."
        )

    @staticmethod
    @in_workspace
    def list(workspace: "Workspace") -> "dict[str, Environment]":
        """Return the newest version of each registered environment, by name (SDK v1)."""
        stored = workspace.tracking_store.environments()
        found = {each.name: _readable(each) for each in stored}
        return {name: each for name, each in found.items() if each is not None}

    @in_workspace
    def register(self, workspace: "Workspace") -> "Environment":
        """Keep the environment in a workspace, and return it with its version (SDK v1).

        What is registered with the same content keeps its version.

        Raises:
            UserErrorException: the name is empty or one of Microsoft's, or an index has a password.
        """
        if not self.name:
            raise UserErrorException("An environment without a name cannot be registered.")
        if curated.is_reserved(self.name):
            raise UserErrorException(
                f"{self.name!r} is a name of Microsoft's environments. "
                "Use clone(new_name), and register that."
            )
        requirements = self._requirements()
        for line in (*requirements.pip_options, *requirements.pip):
            check_stored(line)
        definition = self.to_stored()
        del definition["version"]
        version = workspace.tracking_store.put_environment(self.name, definition)
        return _registered(self.name, version, definition)

    def clone(self, new_name: str) -> "Environment":
        """Return a copy under another name, which is not registered (SDK v1).

        Raises:
            UserErrorException: the name is empty.
        """
        if not new_name:
            raise UserErrorException("An environment needs a name.")
        cloned = copy.deepcopy(self)
        cloned.name, cloned.version, cloned.asset_id = new_name, None, None
        return cloned

    def build(
        self,
        workspace: "Workspace",
        image_build_compute: object = None,
    ) -> ImageBuildDetails:
        """Install on this machine what it needs, at once, and return how that went (SDK v1).

        A script that needs the same starts without waiting. Nothing is installed if it is there.

        Args:
            workspace: accepted and ignored.
            image_build_compute: accepted and ignored.

        Raises:
            UserErrorException: what it needs cannot be had here.
            EnvironmentBuildError: it cannot be installed.
        """
        return ImageBuildDetails.of(self._requirements())

    def build_local(
        self,
        workspace: "Workspace",
        platform: object = None,
        **_kwargs: Any,
    ) -> ImageBuildDetails:
        """Do as :meth:`build` does (SDK v1).

        Raises:
            UserErrorException: what it needs cannot be had here.
            EnvironmentBuildError: it cannot be installed.
        """
        return self.build(workspace)

    def save_to_directory(
        self,
        path: "str | os.PathLike[str]",
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """Write the environment as files (SDK v1).

        Args:
            path: the folder, which is made if it is missing.
            overwrite: whether to write into one that is there.

        Raises:
            FileExistsError: it is there, and ``overwrite`` is False.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=overwrite)
        files.write(self.to_stored(), folder)

    @staticmethod
    def load_from_directory(path: "str | os.PathLike[str]") -> "Environment":
        """Return what :meth:`save_to_directory` wrote, or SDK v1's (SDK v1).

        Raises:
            FileNotFoundError: the folder holds no environment.
            UserErrorException: what it holds is none.
        """
        return Environment.from_stored(files.read(Path(path)))

    @classmethod
    def _from_requirements(cls, requirements: Requirements) -> "Environment":
        """Return the environment that a job's requirements are of."""
        made = Environment(requirements.name or DEFAULT_NAME)
        made.version = requirements.version
        made.environment_variables = dict(requirements.variables)
        made.python.user_managed_dependencies = requirements.user_managed
        made.python.interpreter_path = requirements.interpreter
        docker = requirements.docker
        made.docker.enabled = bool(docker.get("enabled"))
        for each in ("base_image", "base_dockerfile"):
            if docker.get(each):
                setattr(made.docker, each, docker[each])
        if requirements.name is None or requirements.user_managed:
            return made
        dependencies = CondaDependencies.create(
            pip_packages=requirements.pip,
            conda_packages=requirements.conda,
            python_version=requirements.python or PYTHON_DEFAULT_VERSION,
        )
        for option in requirements.pip_options:
            dependencies.set_pip_option(option)
        for channel in requirements.channels:
            dependencies.add_channel(channel)
        made.python.conda_dependencies = dependencies
        return made

    def _requirements(self) -> Requirements:
        """Return what it needs installed."""
        return needs(self)

    def __str__(self) -> str:
        """Return its name and version (as in SDK v1)."""
        return f"Environment(Name: {self.name},\nVersion: {self.version})"


@dataclass(init=False, repr=False, slots=True)
class EnvironmentDefinition(Environment):
    """The environment of a script for which none was given (SDK v1)."""

    def __init__(self, name: str = DEFAULT_NAME, **kwargs: Any) -> None:
        Environment.__init__(self, name, **kwargs)


def _installing(
    name: str,
    conda_specification: "str | os.PathLike[str] | None",
    pip_requirements: "str | os.PathLike[str] | None",
) -> Environment:
    """Return an environment from one of two files; with neither, one that installs nothing."""
    if conda_specification is not None and pip_requirements is not None:
        raise UserErrorException(
            "Packages come from conda_specification or from pip_requirements: give one of them."
        )
    if conda_specification is not None:
        return Environment.from_conda_specification(name, conda_specification)
    if pip_requirements is not None:
        return Environment.from_pip_requirements(name, pip_requirements)
    made = Environment(name)
    made.python.user_managed_dependencies = True
    return made


def _readable(stored: "RegisteredEnvironment") -> Environment | None:
    """Return a registered environment; None, which is said, if its definition is none."""
    try:
        return _registered(stored.name, stored.version, stored.definition)
    except UserErrorException as error:
        _logger.warning("%s", error)
        return None


def _registered(name: str, version: int, definition: Mapping[str, Any]) -> Environment:
    try:
        made = Environment.from_stored(definition)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # Anybody may have stored it.
        raise UserErrorException(
            f"Version {version} of environment {name!r} cannot be read: what was stored is no "
            "definition of one. Register it anew."
        ) from error
    made.name, made.version = name, str(version)
    return made
