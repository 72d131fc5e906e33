"""What can be submitted: a folder, and how a script of it is run."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Real
from types import NoneType
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import NotServedError, UserErrorException
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.arguments import shown, text_of, texts
from mlflow_workspace_plugin.sdk.jobs.configurations.distributed import (
    MpiConfiguration,
    PyTorchConfiguration,
)
from mlflow_workspace_plugin.sdk.jobs.configurations.run_configuration import RunConfiguration
from mlflow_workspace_plugin.sdk.jobs.script_data import ScriptData

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|CONNECTION_STRING|(?:^|_)KEY$", re.I)
"""What is in the name of an environment variable that holds a secret."""
_MPI = ("mpi", "intelmpi", "openmpi")
_RUN_BASED = "amlcompute"
_RECORDED = (
    "priority",
    "history",
    "spark",
    "hdi",
    "paralleltask",
    "source_directory_data_store",
    "amlcompute",
    "auto_cluster_compute_specification",
    "kubernetescompute",
    "credential_passthrough",
    "services",
)


_TYPES: tuple[tuple[str, Any, str], ...] = (
    ("framework", str, "'Python', 'PyTorch' or 'TensorFlow'"),
    ("communicator", str, "'None', 'IntelMpi', 'Nccl', 'Gloo' or 'ParameterServer'"),
    ("mpi", MpiConfiguration, "an MpiConfiguration"),
    ("pytorch", PyTorchConfiguration, "a PyTorchConfiguration"),
    ("environment_variables", (Mapping, NoneType), "a dict of texts, such as {'NAME': 'value'}"),
    ("max_run_duration_seconds", (Real, NoneType), "a number of seconds, or None for no limit"),
)


class Submittable(ABC):
    """A configuration that ``Experiment.submit`` takes."""

    __slots__ = ()

    @property
    @abstractmethod
    def _source_directory(self) -> str:
        """The folder that the script is run in a copy of."""

    @abstractmethod
    def _definition(self, workspace: "Workspace | None" = None) -> Definition:
        """Return what is run, without the snapshot. Later changes here do not change it.

        Args:
            workspace: where the datasets that the script reads are saved.

        Raises:
            UserErrorException: that cannot be run.
        """

    @abstractmethod
    def _notes(self) -> list[str]:
        """Return what is to be said when it is submitted: what was asked for and is not used."""


def definition_of(
    config: RunConfiguration, workspace: "Workspace | None", *, gpus: int = 0
) -> Definition:
    """Return what a configuration runs.

    Args:
        config: how the script is run.
        workspace: where the datasets that it reads are saved.
        gpus: how many GPUs it wants.

    Raises:
        UserErrorException: it cannot be run.
        NotServedError: it names data caches.
    """
    _check_types(config)
    if config.datacaches:
        raise NotServedError(
            "RunConfiguration.datacaches of Azure ML's SDK v1 is not served here: nothing caches "
            "data. Pass datasets among the arguments."
        )
    data = ScriptData(workspace)
    data.take(config)
    arguments, command = data.text_instead(config.arguments), data.text_instead(config.command)
    processes, framework, node_count = _processes(config)
    given, line = texts(arguments), _command(command)
    data.check([*given, line or ""])
    return Definition(
        script=None if config.script is None else text_of(config.script, "script"),
        command=line,
        arguments=given,
        environment=config.environment._requirements().to_json(),
        variables=_variables(config.environment_variables),
        max_run_duration_seconds=config.max_run_duration_seconds,
        processes=processes,
        framework=framework,
        gpus=gpus,
        node_count=node_count,
        target="local" if config.target == _RUN_BASED else config.target,
        inputs=data.inputs,
        outputs=data.outputs,
    )


def check_environment(environment: object) -> None:
    """Check what is given as the environment of a script.

    Raises:
        UserErrorException: it is none, such as its name.
    """
    if isinstance(environment, Environment):
        return
    remedy = "Make one, with Environment(name), or take one from Environment.get(workspace, name)."
    if isinstance(environment, str):
        remedy = f"Pass Environment.get(workspace, {environment!r})."
    raise UserErrorException(
        f"environment is {shown(environment)}, and not an Environment. {remedy}"
    )


def _check_types(config: RunConfiguration) -> None:
    """Check what is read of a configuration, whose fields take anything.

    Raises:
        UserErrorException: one is of another type.
    """
    check_environment(config.environment)
    for field, kinds, said in _TYPES:
        value = getattr(config, field)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise UserErrorException(f"{field} is {shown(value)}. It is {said}.")


def notes_of(config: RunConfiguration) -> list[str]:
    """Return what is to be said of what a configuration has and nothing uses."""
    usual = RunConfiguration()
    unused = [each for each in _RECORDED if getattr(config, each) != getattr(usual, each)]
    environment, usual_one = config.environment, usual.environment
    unused += [
        f"environment.{each}"
        for each in ("spark", "databricks", "r")
        if getattr(environment, each) != getattr(usual_one, each)
    ]
    if getattr(config.docker, "use_docker", False):
        unused.append("docker")
    notes = []
    if unused:
        notes.append(f"Recorded, and not used here: {', '.join(unused)}.")
    variables = {
        **(environment.environment_variables or {}),
        **(config.environment_variables or {}),
    }
    if secret := sorted(name for name in map(str, variables) if _SECRET.search(name)):
        notes.append(
            f"Stored with the run, where everybody who reads the workspace sees them: the "
            f"environment variables {', '.join(secret)}. Set secrets where the script runs."
        )
    if config.target == _RUN_BASED:
        notes.append("No machine is made for this run: it runs on this one.")
    return notes


def _processes(config: RunConfiguration) -> tuple[int, str, int]:
    """Return how many processes there are on a node, of which framework, and on how many nodes."""
    framework, communicator = config.framework.lower(), config.communicator.lower()
    if framework == "pytorch":
        node_count = max(config.node_count, config.pytorch.node_count)
        count = config.pytorch.process_count or node_count
        processes, remainder = divmod(_count(count, "process_count"), node_count)
        if remainder:
            raise UserErrorException(
                f"process_count is {count}, which node_count {node_count} does not divide."
            )
        return processes, "PyTorch", _count(node_count, "node_count")
    if communicator in _MPI:
        node_count = max(config.node_count, config.mpi.node_count)
        processes = _count(config.mpi.process_count_per_node, "process_count_per_node")
        return processes, "Python", _count(node_count, "node_count")
    return 1, "Python", _count(config.node_count, "node_count")


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserErrorException(f"{what} is {value!r}. It is a whole number, 1 or more.")
    return value


def _command(command: Any) -> str | None:
    """Return a command for the shell: of a list, the words with a space between (as in SDK v1)."""
    if not command:
        return None
    if isinstance(command, str):
        return command
    return " ".join(texts(command))


def _variables(variables: Mapping[str, Any] | None) -> dict[str, str]:
    found = {}
    for name, value in (variables or {}).items():
        if value is not None:
            found[str(name)] = text_of(value, f"environment_variables[{name!r}]")
    return found
