"""SDK v1's ``Estimator``, and what those of frameworks share with it."""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import NotServedError, TrainingException, UserErrorException
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
    DatasetConsumptionConfig,
)
from mlflow_workspace_plugin.sdk.data.datastores.references import DataReference
from mlflow_workspace_plugin.sdk.environments.conda_dependencies import CondaDependencies, several
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.environments.requirements_file import lines_of
from mlflow_workspace_plugin.sdk.jobs.configurations.distributed import (
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from mlflow_workspace_plugin.sdk.jobs.configurations.run_configuration import RunConfiguration
from mlflow_workspace_plugin.sdk.jobs.estimators.distributed_training import (
    Gloo,
    Mpi,
    Nccl,
    ParameterServer,
)
from mlflow_workspace_plugin.sdk.jobs.submittable import Submittable, definition_of, notes_of

# What an environment that is given says by itself.
_IN_ENVIRONMENT = (
    "pip_packages",
    "pip_requirements_file",
    "pip_requirements_file_path",
    "conda_packages",
    "conda_dependencies_file",
    "conda_dependencies_file_path",
    "custom_docker_image",
    "custom_docker_base_image",
    "image_registry_details",
    "use_gpu",
    "user_managed",
)

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace
_NOT_SERVED = {
    "resume_from": "Pass the path of the model in script_params.",
}
_BACKENDS = {
    "mpi": Mpi,
    "nccl": Nccl,
    "gloo": Gloo,
    "ps": ParameterServer,
}


class BaseEstimator(Submittable):
    """A script and how it is run, said in one call."""

    _packages: tuple[str, ...] = ()
    """What of pip's is installed in any case."""

    def _configure(self, given: Mapping[str, Any]) -> None:
        """Be as the arguments of the constructor say.

        Args:
            given: them by name; one that a constructor has not got is not given.
        """
        for name, remedy in _NOT_SERVED.items():
            if given.get(name) is not None:
                raise NotServedError(
                    f"{name} of Azure ML's SDK v1 is not served here: a script gets no data of a "
                    f"workspace. {remedy}"
                )
        self._source = os.fspath(given["source_directory"] or ".")
        script_params = given.get("script_params") or {}
        if not isinstance(script_params, Mapping):
            raise TrainingException(
                f"script_params is an object of the type {type(script_params).__name__}. It is a "
                "dict, such as {'--alpha': 0.5}; a flag has the value ''."
            )
        self._script_params = dict(script_params)
        self._gpus = 1 if given.get("use_gpu") else 0
        config = RunConfiguration(
            script=_path(given.get("entry_script")), arguments=_arguments(self._script_params)
        )
        # SDK v1 makes a machine for the run, where only a size is given.
        config.target = given.get("compute_target") or (
            "amlcompute" if given.get("vm_size") else "local"
        )
        config.amlcompute.vm_size = given.get("vm_size")
        config.amlcompute.vm_priority = given.get("vm_priority")
        config.environment = self._environment(given)
        config.environment_variables = dict(given.get("environment_variables") or {})
        config.source_directory_data_store = given.get("source_directory_data_store")
        config.max_run_duration_seconds = given.get("max_run_duration_seconds")
        if given.get("shm_size") is not None:
            config.docker.shm_size = given["shm_size"]
        _take_data(config, given.get("inputs") or ())
        _distribute(config, given)
        self._run_config = config

    def _environment(self, given: Mapping[str, Any]) -> Environment:
        defined: Environment | None = given.get("environment_definition")
        if defined is not None:
            if said := [name for name in _IN_ENVIRONMENT if given.get(name)]:
                raise TrainingException(
                    f"environment_definition says what {', '.join(said)} would say. "
                    "Give the one or the other."
                )
            return defined
        environment = RunConfiguration().environment
        environment.python.user_managed_dependencies = bool(given.get("user_managed"))
        environment.python.conda_dependencies = self._dependencies(given)
        image = given.get("custom_docker_image") or given.get("custom_docker_base_image")
        if image:
            environment.docker.base_image = image
        if given.get("image_registry_details") is not None:
            environment.docker.base_image_registry = given["image_registry_details"]
        return environment

    def _dependencies(self, given: Mapping[str, Any]) -> CondaDependencies:
        conda_file = given.get("conda_dependencies_file") or given.get(
            "conda_dependencies_file_path"
        )
        pip_file = given.get("pip_requirements_file") or given.get("pip_requirements_file_path")
        found = CondaDependencies(Path(self._source, conda_file) if conda_file else None)
        lines = lines_of(Path(self._source, pip_file)) if pip_file else []
        packages = several(given.get("pip_packages") or (), "pip_packages")
        for each in (*self._packages, *lines, *packages):
            if each.startswith("-"):
                found.set_pip_option(each)
            else:
                found.add_pip_package(each)
        for each in several(given.get("conda_packages") or (), "conda_packages"):
            found.add_conda_package(each)
        return found

    @property
    def run_config(self) -> RunConfiguration:
        """How the script is run."""
        return self._run_config

    @property
    def source_directory(self) -> str:
        """The folder of the script."""
        return self._source

    @property
    def conda_dependencies(self) -> CondaDependencies:
        """What is installed."""
        return self._run_config.environment.python.conda_dependencies

    @property
    def _estimator_config(self) -> RunConfiguration:
        return self._run_config

    @property
    def _source_directory(self) -> str:
        return self._source

    def _definition(self, workspace: "Workspace | None" = None) -> Definition:
        return definition_of(self._run_config, workspace, gpus=self._gpus)

    def _notes(self) -> list[str]:
        return notes_of(self._run_config)

    def _with(self, script_params: Mapping[str, Any] | None = None) -> "BaseEstimator":
        """Return it with some parameters of the script changed, as ``submit`` may say."""
        changed = copy.copy(self)
        changed._script_params = {**self._script_params, **(script_params or {})}
        changed._run_config = copy.deepcopy(self._run_config)
        changed._run_config.arguments = _arguments(changed._script_params)
        return changed

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._source!r}, entry_script={self._run_config.script!r}, "
            f"script_params={self._script_params!r}, target={self._run_config.target!r})"
        )


class Estimator(BaseEstimator):
    """A script and how it is run, said in one call (SDK v1).

    Args:
        source_directory: the folder of the script, which is copied when it is submitted.
        compute_target: where; by default on this machine.
        vm_size: recorded, and not used.
        vm_priority: recorded, and not used.
        entry_script: a Python file in the folder.
        script_params: arguments of the script by name; one without a value is a flag.
        node_count: on how many nodes; more than one is refused when it is submitted.
        process_count_per_node: as how many processes, if ``distributed_backend`` is given.
        distributed_backend: ``mpi``, instead of ``distributed_training``.
        distributed_training: as which processes.
        use_gpu: whether the script wants a GPU.
        use_docker: accepted and ignored: scripts run without images.
        custom_docker_base_image: as ``custom_docker_image``.
        custom_docker_image: one that is not Microsoft's is refused when it is submitted.
        image_registry_details: kept, and not used.
        user_managed: nothing is installed: it is run in the Python that submits it.
        conda_packages: packages of conda's.
        pip_packages: packages of pip's.
        conda_dependencies_file_path: as ``conda_dependencies_file``.
        pip_requirements_file_path: as ``pip_requirements_file``.
        conda_dependencies_file: an environment file of conda's in the folder.
        pip_requirements_file: a requirements file in the folder.
        environment_variables: of the script.
        environment_definition: what is installed, instead of the packages.
        inputs: datasets with their names, and data references, that the script gets.
        source_directory_data_store: recorded, and not used.
        shm_size: kept, and not used.
        resume_from: data, which is not served.
        max_run_duration_seconds: how long the script may run.

    Raises:
        TrainingException: an environment is given, and packages beside it; or no such processes.
        NotServedError: data is given.
    """

    def __init__(
        self,
        source_directory: "str | os.PathLike[str] | None",
        *,
        compute_target: Any = None,
        vm_size: str | None = None,
        vm_priority: str | None = None,
        entry_script: "str | os.PathLike[str] | None" = None,
        script_params: Mapping[str, Any] | None = None,
        node_count: int = 1,
        process_count_per_node: int = 1,
        distributed_backend: str | None = None,
        distributed_training: object = None,
        use_gpu: bool = False,
        use_docker: bool = True,
        custom_docker_base_image: str | None = None,
        custom_docker_image: str | None = None,
        image_registry_details: object = None,
        user_managed: bool = False,
        conda_packages: list[str] | None = None,
        pip_packages: list[str] | None = None,
        conda_dependencies_file_path: str | None = None,
        pip_requirements_file_path: str | None = None,
        conda_dependencies_file: str | None = None,
        pip_requirements_file: str | None = None,
        environment_variables: Mapping[str, Any] | None = None,
        environment_definition: Environment | None = None,
        inputs: Sequence[Any] | None = None,
        source_directory_data_store: object = None,
        shm_size: str | None = None,
        resume_from: object = None,
        max_run_duration_seconds: float | None = None,
        _disable_validation: bool = True,
        _show_lint_warnings: bool = False,
        _show_package_warnings: bool = False,
    ) -> None:
        self._configure(locals())


def _path(given: "str | os.PathLike[str] | None") -> str | None:
    return None if given is None else os.fspath(given)


def _arguments(script_params: Mapping[str, Any]) -> list[Any]:
    """Return named parameters as a list; one without a value is a flag."""
    arguments: list[Any] = []
    for name, value in script_params.items():
        arguments.append(name)
        if isinstance(value, (list, tuple)):
            arguments += value
        elif value is not None and not (isinstance(value, str) and value == ""):
            arguments.append(value)
    return arguments


def _take_data(config: RunConfiguration, inputs: Sequence[Any]) -> None:
    """Put the data that a script gets beside its arguments into the configuration.

    Raises:
        UserErrorException: one is no input.
    """
    for each in inputs:
        if isinstance(each, DatasetConsumptionConfig):
            config.data[each.name] = each
        elif isinstance(each, DataReference):
            config.data_references[each.data_reference_name] = each.to_config()
        else:
            raise UserErrorException(
                f"{type(each).__name__} cannot be used as input. Use as_named_input('name') of a "
                "dataset, or datastore.path('folder').as_mount()."
            )


def _distribute(config: RunConfiguration, given: Mapping[str, Any]) -> None:
    """Run the script as several processes, if that is said.

    Raises:
        TrainingException: there are no such processes.
    """
    node_count = config.node_count = given.get("node_count", 1)
    per_node = given.get("process_count_per_node", 1)
    training = given.get("distributed_training") or _of_backend(given)
    if training is None and per_node > 1:
        raise TrainingException(
            f"process_count_per_node {per_node} needs distributed_training, such as "
            f"MpiConfiguration(process_count_per_node={per_node})."
        )
    if isinstance(training, (Mpi, MpiConfiguration)):
        config.communicator = "IntelMpi"
        config.mpi = MpiConfiguration(training.process_count_per_node, node_count)
    elif isinstance(training, (Nccl, Gloo)):
        config.framework, config.communicator = "PyTorch", type(training).__name__
        config.pytorch = PyTorchConfiguration(
            type(training).__name__, per_node * node_count, node_count
        )
    elif isinstance(training, PyTorchConfiguration):
        config.framework, config.communicator = "PyTorch", training.communication_backend
        config.pytorch = training
    elif isinstance(training, (ParameterServer, TensorflowConfiguration)):
        config.framework, config.communicator = "TensorFlow", "ParameterServer"
        config.tensorflow = TensorflowConfiguration(
            training.worker_count, training.parameter_server_count
        )
        config.node_count = max(node_count, training.worker_count)
    elif training is not None:
        raise TrainingException(
            "distributed_training is an MpiConfiguration, a PyTorchConfiguration or a "
            f"TensorflowConfiguration, and not of the type {type(training).__name__}."
        )


def _of_backend(given: Mapping[str, Any]) -> object:
    """Return the processes that are said by the name of a backend; None if it is not given.

    Raises:
        TrainingException: there is no such backend.
    """
    backend = given.get("distributed_backend")
    if backend is None:
        return None
    if backend not in _BACKENDS:
        raise TrainingException(
            f"{backend!r} is no distributed_backend: it is {', '.join(sorted(_BACKENDS))}."
        )
    training = _BACKENDS[backend]()
    if isinstance(training, Mpi):
        training.process_count_per_node = given.get("process_count_per_node", 1)
    if isinstance(training, ParameterServer):
        training.worker_count = given.get("worker_count", 1)
    return training
