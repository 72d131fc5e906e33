"""SDK v1's ``ScriptRunConfig``."""

import copy
import os
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import (
    NotServedError,
    RunConfigurationException,
    UserErrorException,
)
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.arguments import shown, text_of
from mlflow_workspace_plugin.sdk.jobs.configurations.distributed import (
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from mlflow_workspace_plugin.sdk.jobs.configurations.docker_configuration import DockerConfiguration
from mlflow_workspace_plugin.sdk.jobs.configurations.run_configuration import RunConfiguration
from mlflow_workspace_plugin.sdk.jobs.submittable import (
    Submittable,
    check_environment,
    definition_of,
    notes_of,
)
from mlflow_workspace_plugin.sdk.not_served import NotServedOfScriptRunConfig
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_logger = get_logger(__name__)


class ScriptRunConfig(Submittable, NotServedOfScriptRunConfig):
    """A script, and how it is run (SDK v1).

    Args:
        source_directory: the folder of the script, which is copied when it is submitted.
        script: a Python file in it.
        arguments: of the script: texts, numbers, paths, and lists of such; or a line.
        run_config: how it is run, instead of ``compute_target``, ``environment``,
            ``distributed_job_config``, ``max_run_duration_seconds`` and ``docker_runtime_config``;
            or the name under which that was saved.
        compute_target: where; ``local`` by default.
        environment: what is installed; by default it is run in the Python that submits it.
        distributed_job_config: as how many processes.
        resume_from: data, which is not served.
        max_run_duration_seconds: how long it may run.
        command: a command for the shell, instead of a script: a line, or its words.
        docker_runtime_config: kept, and not used.

    Attributes:
        source_directory: the folder of the script.
        script: a Python file in it.
        command: a command for the shell, instead of a script.
        arguments: of the script.
        run_config: how it is run.

    Raises:
        RunConfigurationException: ``distributed_job_config`` or ``docker_runtime_config`` is none.
        UserErrorException: ``environment`` or ``run_config`` is none.
        NotServedError: ``resume_from`` is given.
    """

    MAX_DURATION_SECONDS_DEFAULT = 30 * 24 * 3600

    def __init__(
        self,
        source_directory: "str | os.PathLike[str] | None",
        script: "str | os.PathLike[str] | None" = None,
        arguments: Any = None,
        run_config: "RunConfiguration | str | None" = None,
        _telemetry_values: object = None,
        compute_target: "ComputeTarget | str | None" = None,
        environment: Environment | None = None,
        distributed_job_config: object = None,
        resume_from: object = None,
        max_run_duration_seconds: float | None = MAX_DURATION_SECONDS_DEFAULT,
        command: Any = None,
        docker_runtime_config: object = None,
    ) -> None:
        if resume_from is not None:
            raise NotServedError(
                "resume_from of Azure ML's SDK v1 is not served here. "
                "Pass the path of the model among the arguments."
            )
        self.source_directory = source_directory
        self.script = script
        self.arguments = arguments
        self.command = command
        if run_config is not None:
            ignored = {
                "compute_target": compute_target,
                "environment": environment,
                "distributed_job_config": distributed_job_config,
                "docker_runtime_config": docker_runtime_config,
            }
            names = [name for name, value in ignored.items() if value is not None]
            if max_run_duration_seconds != self.MAX_DURATION_SECONDS_DEFAULT:
                names.append("max_run_duration_seconds")
            self._take(run_config, names)
            return
        self.run_config = RunConfiguration()
        self.run_config.max_run_duration_seconds = max_run_duration_seconds
        if compute_target is not None:
            self.run_config.target = compute_target
        if environment is not None:
            check_environment(environment)
            self.run_config.environment = environment
        if distributed_job_config is not None:
            _distribute(self.run_config, distributed_job_config)
        if docker_runtime_config is not None:
            if not isinstance(docker_runtime_config, DockerConfiguration):
                raise RunConfigurationException(
                    "docker_runtime_config is a DockerConfiguration, and not of the type "
                    f"{type(docker_runtime_config).__name__}."
                )
            self.run_config.docker = docker_runtime_config

    def _take(self, run_config: "RunConfiguration | str", ignored: list[str]) -> None:
        """Be run as a configuration says, but for what was said of the script itself."""
        if isinstance(run_config, str):
            run_config = RunConfiguration.load(self.source_directory, run_config)
        if not isinstance(run_config, RunConfiguration):
            raise UserErrorException(
                f"run_config is {shown(run_config)}. It is a RunConfiguration, or the name of one "
                "that was saved in the source directory."
            )
        if ignored:
            _logger.warning(
                "With run_config, ScriptRunConfig ignores %s (as SDK v1 does). Set it there.",
                ", ".join(ignored),
            )
        self.run_config = run_config
        # What is said here goes before. A script and a command are refused when they are submitted.
        self.script = self.script or run_config.script
        self.arguments = self.arguments or run_config.arguments
        self.command = self.command or run_config.command or None

    @property
    def _source_directory(self) -> str:
        return text_of(self.source_directory or ".", "source_directory")

    def _definition(self, workspace: "Workspace | None" = None) -> Definition:
        return definition_of(get_run_config_from_script_run(self), workspace)

    def _notes(self) -> list[str]:
        return notes_of(self.run_config)

    def __repr__(self) -> str:
        return (
            f"ScriptRunConfig(source_directory={self._source_directory!r}, "
            f"script={self.script!r}, arguments={self.arguments!r}, command={self.command!r}, "
            f"target={self.run_config.target!r})"
        )


def get_run_config_from_script_run(script_run_config: ScriptRunConfig) -> RunConfiguration:
    """Return a copy of how a script is run, with the script and its arguments in it (SDK v1)."""
    config = copy.deepcopy(script_run_config.run_config)
    script, arguments = script_run_config.script, script_run_config.arguments
    config.script = None if script is None else text_of(script, "script")
    config.arguments = [] if arguments is None else arguments
    config.command = script_run_config.command or ""
    return config


def _distribute(config: RunConfiguration, distributed: object) -> None:
    """Run a script as several processes.

    Raises:
        RunConfigurationException: that is no such configuration.
    """
    if isinstance(distributed, MpiConfiguration):
        config.framework, config.communicator = "Python", "IntelMpi"
        config.mpi, config.node_count = distributed, distributed.node_count
    elif isinstance(distributed, PyTorchConfiguration):
        config.framework, config.communicator = "PyTorch", distributed.communication_backend
        config.pytorch, config.node_count = distributed, distributed.node_count
    elif isinstance(distributed, TensorflowConfiguration):
        config.framework, config.communicator = "TensorFlow", "ParameterServer"
        config.tensorflow, config.node_count = distributed, distributed.worker_count
    else:
        raise RunConfigurationException(
            "distributed_job_config is an MpiConfiguration, a PyTorchConfiguration or a "
            f"TensorflowConfiguration, and not of the type {type(distributed).__name__}."
        )
