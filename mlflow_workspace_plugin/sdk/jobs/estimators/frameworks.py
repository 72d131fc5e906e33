"""SDK v1's estimators of frameworks: an ``Estimator`` that installs one."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.estimators.estimator import BaseEstimator


class FrameworkEstimator(BaseEstimator):
    """An estimator that installs a framework.

    SDK v1's versions of it are for Python 3.6 and cannot be had any more: the newest is installed
    in their place, and this is said. Any other version is installed.
    """

    FRAMEWORK_NAME: str
    DEFAULT_VERSION: str
    _supported: tuple[str, ...]
    _framework: tuple[str, ...]
    """What of pip's is installed, the framework first."""

    def _configure(self, given: Mapping[str, Any]) -> None:
        version = given.get("framework_version")
        self._version = version or self.DEFAULT_VERSION
        first, *others = self._framework
        is_had = version is not None and version not in self._supported
        self._packages = (f"{first}=={version}.*" if is_had else first, *others)
        super()._configure(given)

    @property
    def framework_version(self) -> str:
        """The version that was asked for."""
        return self._version

    @classmethod
    def get_supported_versions(cls) -> list[str]:
        """Return the versions that SDK v1 installs (SDK v1)."""
        return [*cls._supported]

    def _notes(self) -> list[str]:
        notes = super()._notes()
        python = self.run_config.environment.python
        is_installed = self._packages[0] in self.conda_dependencies.pip_packages
        if is_installed and not python.user_managed_dependencies and "=" not in self._packages[0]:
            notes.append(
                f"{self.FRAMEWORK_NAME} {self._version} of SDK v1 is for Python 3.6: "
                "the newest is installed."
            )
        return notes


class PyTorch(FrameworkEstimator):
    """A script that PyTorch is installed for, and how it is run (SDK v1).

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
        framework_version: which version; of SDK v1's own the newest stands in.

    Raises:
        TrainingException: an environment is given, and packages beside it; or no such processes.
        NotServedError: data is given.
    """

    FRAMEWORK_NAME = "PyTorch"
    DEFAULT_VERSION = "1.4"
    _supported = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6")
    _framework = ("torch", "torchvision")

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
        framework_version: str | None = None,
        _enable_optimized_mode: bool = False,
        _disable_validation: bool = True,
        _show_lint_warnings: bool = False,
        _show_package_warnings: bool = False,
    ) -> None:
        self._configure(locals())


class TensorFlow(FrameworkEstimator):
    """A script that TensorFlow is installed for, and how it is run (SDK v1).

    Args:
        source_directory: the folder of the script, which is copied when it is submitted.
        compute_target: where; by default on this machine.
        vm_size: recorded, and not used.
        vm_priority: recorded, and not used.
        entry_script: a Python file in the folder.
        script_params: arguments of the script by name; one without a value is a flag.
        node_count: on how many nodes; more than one is refused when it is submitted.
        process_count_per_node: as how many processes, if ``distributed_backend`` is given.
        worker_count: on how many nodes, if ``distributed_backend`` is ``ps``.
        parameter_server_count: kept, and not used.
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
        framework_version: which version; of SDK v1's own the newest stands in.

    Raises:
        TrainingException: an environment is given, and packages beside it; or no such processes.
        NotServedError: data is given.
    """

    FRAMEWORK_NAME = "TensorFlow"
    DEFAULT_VERSION = "1.13"
    _supported = ("1.10", "1.12", "1.13", "2.0", "2.1", "2.2", "2.3")
    _framework = ("tensorflow",)

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
        worker_count: int = 1,
        parameter_server_count: int = 1,
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
        framework_version: str | None = None,
        _enable_optimized_mode: bool = False,
        _disable_validation: bool = True,
        _show_lint_warnings: bool = False,
        _show_package_warnings: bool = False,
    ) -> None:
        self._configure(locals())


class Chainer(FrameworkEstimator):
    """A script that Chainer is installed for, and how it is run (SDK v1).

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
        framework_version: which version; of SDK v1's own the newest stands in.

    Raises:
        TrainingException: an environment is given, and packages beside it; or no such processes.
        NotServedError: data is given.
    """

    FRAMEWORK_NAME = "Chainer"
    DEFAULT_VERSION = "5.1.0"
    _supported = ("5.1.0", "7.0.0")
    _framework = ("chainer",)

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
        framework_version: str | None = None,
        _enable_optimized_mode: bool = False,
        _disable_validation: bool = True,
        _show_lint_warnings: bool = False,
        _show_package_warnings: bool = False,
    ) -> None:
        self._configure(locals())


class SKLearn(FrameworkEstimator):
    """A script that scikit-learn is installed for, and how it is run (SDK v1).

    Args:
        source_directory: the folder of the script, which is copied when it is submitted.
        compute_target: where; by default on this machine.
        vm_size: recorded, and not used.
        vm_priority: recorded, and not used.
        entry_script: a Python file in the folder.
        script_params: arguments of the script by name; one without a value is a flag.
        use_docker: accepted and ignored: scripts run without images.
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
        shm_size: kept, and not used.
        resume_from: data, which is not served.
        max_run_duration_seconds: how long the script may run.
        framework_version: which version; of SDK v1's own the newest stands in.

    Raises:
        TrainingException: an environment is given, and packages beside it; or no such processes.
        NotServedError: data is given.
    """

    FRAMEWORK_NAME = "SKLearn"
    DEFAULT_VERSION = "0.20.3"
    _supported = ("0.20.3",)
    _framework = ("scikit-learn", "scipy", "joblib")

    def __init__(
        self,
        source_directory: "str | os.PathLike[str] | None",
        *,
        compute_target: Any = None,
        vm_size: str | None = None,
        vm_priority: str | None = None,
        entry_script: "str | os.PathLike[str] | None" = None,
        script_params: Mapping[str, Any] | None = None,
        use_docker: bool = True,
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
        shm_size: str | None = None,
        resume_from: object = None,
        max_run_duration_seconds: float | None = None,
        framework_version: str | None = None,
        _enable_optimized_mode: bool = False,
        _disable_validation: bool = True,
        _show_lint_warnings: bool = False,
        _show_package_warnings: bool = False,
    ) -> None:
        self._configure(locals())
