"""SDK v1's ``RunConfiguration``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.config_element import ConfigElement, holds
from mlflow_workspace_plugin.sdk.environments.conda_dependencies import CondaDependencies
from mlflow_workspace_plugin.sdk.environments.environment import Environment, EnvironmentDefinition
from mlflow_workspace_plugin.sdk.jobs.configurations import run_configuration_files as files
from mlflow_workspace_plugin.sdk.jobs.configurations.data import Data, DataReferenceConfiguration
from mlflow_workspace_plugin.sdk.jobs.configurations.distributed import (
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from mlflow_workspace_plugin.sdk.jobs.configurations.docker_configuration import DockerConfiguration
from mlflow_workspace_plugin.sdk.jobs.configurations.output_data import OutputData
from mlflow_workspace_plugin.sdk.jobs.configurations.recorded import (
    AmlComputeConfiguration,
    HdiConfiguration,
    HistoryConfiguration,
    KubernetesComputeConfiguration,
    ParallelTaskConfiguration,
    SparkConfiguration,
)


class _Saved:
    """Where a configuration was loaded from, which is no part of it."""

    __slots__ = ("_name", "_path")

    _name: str | None
    _path: str | None


def _environment(stored: Mapping[str, Any]) -> EnvironmentDefinition:
    return EnvironmentDefinition.from_stored(stored)


@dataclass(init=False, repr=False, slots=True)
class RunConfiguration(ConfigElement, _Saved):
    """How a script is run (SDK v1).

    Args:
        script: a Python file.
        arguments: of the script.
        framework: ``Python``, or ``PyTorch`` for its distributed package.
        communicator: how several processes speak with each other.
        conda_dependencies: what is installed.
        _history_enabled: accepted and ignored.
        _path: where :meth:`save` writes by default.
        _name: the name that :meth:`save` writes by default.
        command: a command for the shell, instead of a script.

    Attributes:
        target: the name of the compute target; ``local`` is this machine.
        max_run_duration_seconds: how long the script may run; None is no limit.
        node_count: on how many nodes; more than one is refused when it is submitted.
        priority: kept, and not used.
        environment: what is installed.
        history: kept, and not used: outputs, logs and the snapshot are always kept.
        spark: kept, and not used.
        docker: kept, and not used.
        hdi: kept, and not used.
        tensorflow: on how many nodes TensorFlow works.
        mpi: how many processes there are.
        pytorch: how many processes PyTorch's distributed package has.
        paralleltask: kept, and not used.
        data_references: paths of datastores that the script gets, by their names.
        data: datasets that the script gets, by their names.
        datacaches: data, with which a script is not submitted.
        output_data: what the script makes for datastores, by the names of the outputs.
        source_directory_data_store: kept, and not used.
        amlcompute: kept, and not used.
        auto_cluster_compute_specification: kept, and not used.
        kubernetescompute: kept, and not used.
        credential_passthrough: kept, and not used.
        environment_variables: of the script.
        services: kept, and not used.
    """

    script: str | None = None
    arguments: Any = field(default_factory=list)
    target: Any = "local"
    framework: str = "Python"
    communicator: str = "None"
    max_run_duration_seconds: float | None = None
    node_count: int = 1
    priority: int | None = None
    environment: Environment = field(
        default_factory=EnvironmentDefinition, metadata=holds(_environment)
    )
    history: HistoryConfiguration = field(
        default_factory=HistoryConfiguration, metadata=holds(HistoryConfiguration.from_stored)
    )
    spark: SparkConfiguration = field(
        default_factory=SparkConfiguration, metadata=holds(SparkConfiguration.from_stored)
    )
    docker: Any = field(
        default_factory=DockerConfiguration, metadata=holds(DockerConfiguration.from_stored)
    )
    hdi: HdiConfiguration = field(
        default_factory=HdiConfiguration, metadata=holds(HdiConfiguration.from_stored)
    )
    tensorflow: TensorflowConfiguration = field(
        default_factory=TensorflowConfiguration, metadata=holds(TensorflowConfiguration.from_stored)
    )
    mpi: MpiConfiguration = field(
        default_factory=MpiConfiguration, metadata=holds(MpiConfiguration.from_stored)
    )
    pytorch: PyTorchConfiguration = field(
        default_factory=PyTorchConfiguration, metadata=holds(PyTorchConfiguration.from_stored)
    )
    paralleltask: ParallelTaskConfiguration = field(
        default_factory=ParallelTaskConfiguration,
        metadata=holds(ParallelTaskConfiguration.from_stored),
    )
    data_references: dict[str, Any] = field(
        default_factory=dict, metadata=holds(DataReferenceConfiguration.from_stored, each=True)
    )
    data: dict[str, Any] = field(default_factory=dict, metadata=holds(Data.from_stored, each=True))
    datacaches: list[Any] = field(default_factory=list)
    output_data: dict[str, Any] = field(
        default_factory=dict, metadata=holds(OutputData.from_stored, each=True)
    )
    source_directory_data_store: str | None = None
    amlcompute: AmlComputeConfiguration = field(
        default_factory=AmlComputeConfiguration,
        metadata=holds(AmlComputeConfiguration.from_stored),
    )
    auto_cluster_compute_specification: Any = None
    kubernetescompute: KubernetesComputeConfiguration = field(
        default_factory=KubernetesComputeConfiguration,
        metadata=holds(KubernetesComputeConfiguration.from_stored),
    )
    credential_passthrough: bool = False
    command: Any = ""
    environment_variables: dict[str, Any] = field(default_factory=dict)
    services: dict[str, Any] = field(default_factory=dict, metadata={"key": "applicationEndpoints"})

    def __init__(
        self,
        script: str | None = None,
        arguments: Any = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: CondaDependencies | None = None,
        _history_enabled: bool | None = None,  # noqa: FBT001  SDK v1's signature
        _path: "str | os.PathLike[str] | None" = None,
        _name: str | None = None,
        command: Any = None,
    ) -> None:
        self._fill()
        self.script = script
        self.arguments = [] if arguments is None else arguments
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.command = command or ""
        self._path = None if _path is None else os.fspath(_path)
        self._name = _name

    def _fill(self) -> None:
        ConfigElement._fill(self)
        self._path = self._name = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a compute target may be given itself, and by its name."""
        if name == "target":
            value = value.name if isinstance(value, ComputeTarget) else value
            if not isinstance(value, str):
                # As in SDK v1, where notebooks set what they have not got.
                return
        object.__setattr__(self, name, value)

    @property
    def auto_prepare_environment(self) -> bool:
        """Whether the environment is prepared, which needs no saying (SDK v1)."""
        return True

    @auto_prepare_environment.setter
    def auto_prepare_environment(self, auto_prepare_environment: bool) -> None:
        pass

    def save(
        self,
        path: "str | os.PathLike[str] | None" = None,
        name: str | None = None,
        separate_environment_yaml: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """Write it as files of SDK v1's (SDK v1).

        Args:
            path: the folder of a project, below which it is written into ``.azureml``; or a file.
            name: of the file below ``.azureml``.
            separate_environment_yaml: whether the environment is a file of its own.

        Raises:
            UserErrorException: there is no such folder, or no name is given.
        """
        saved = files.place(path or self._path, name or self._name)
        files.write(self.to_stored(), saved, is_environment_apart=separate_environment_yaml)

    @staticmethod
    def load(path: "str | os.PathLike[str] | None", name: str | None = None) -> "RunConfiguration":
        """Return a configuration that was saved, here or by SDK v1 (SDK v1).

        Args:
            path: the folder of a project, or the file.
            name: of the file below ``.azureml``.

        Raises:
            UserErrorException: there is none, or it is none.
        """
        file, stored = files.read(path, name)
        loaded = RunConfiguration.from_stored(stored)
        loaded._path, loaded._name = os.fspath(path or "."), name or file.stem
        return loaded

    @staticmethod
    def delete(path: "str | os.PathLike[str]", name: str) -> None:
        """Delete the file of a configuration (SDK v1).

        Raises:
            UserErrorException: there is none.
        """
        files.find(path, name).unlink()
