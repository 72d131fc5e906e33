"""The environment variables that tell a process which run it is in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.environment_variables import (
    MLFLOW_EXPERIMENT_ID,
    MLFLOW_EXPERIMENT_NAME,
    MLFLOW_REGISTRY_URI,
    MLFLOW_RUN_ID,
    MLFLOW_TRACKING_TOKEN,
    MLFLOW_TRACKING_URI,
)

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
from mlflow_workspace_plugin.stores.process.attached import RUN_ID_VARIABLE

OUTPUTS = "./outputs"
"""The folder of a run's own files, below its working directory (SDK v1)."""

STARTUP = Path(__file__).parent / "startup"
"""Holds the ``sitecustomize.py`` that every Python of a run executes when it starts."""


@dataclass(frozen=True)
class RunFacts:
    """What a process is told of its run.

    Attributes:
        uri: of its workspace.
        workspace: as it was created.
        experiment_id: MLflow's.
        experiment_name: SDK v1's name of it, too.
        run_id: MLflow's id of the run.
    """

    uri: str
    workspace: WorkspaceRecord
    experiment_id: str
    experiment_name: str
    run_id: str


def environment_of(run: RunFacts, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which MLflow and ``Run.get_context`` find a run.

    Of SDK v1's variables those are set that say where the code runs. Those of its service
    (``AZUREML_RUN_TOKEN``, ``AZUREML_SERVICE_ENDPOINT``) are not: there is none, and the real SDK
    would try to call it.

    Args:
        run: the run.
        environment: what the process would have otherwise.
    """
    return {
        "PYTHONUNBUFFERED": "1",  # so that what is printed is seen while it is printed
        **environment,
        **_of_mlflow(run),
        **_without_token_of_others(run, environment),
        **_of_sdk_v1(run),
        "PYTHONPATH": _python_path(environment.get("PYTHONPATH", "")),
    }


def _of_mlflow(run: RunFacts) -> dict[str, str]:
    variables = {
        MLFLOW_TRACKING_URI.name: run.uri,
        MLFLOW_REGISTRY_URI.name: run.uri,
        MLFLOW_RUN_ID.name: run.run_id,
        MLFLOW_EXPERIMENT_NAME.name: run.experiment_name,
        MLFLOW_EXPERIMENT_ID.name: run.experiment_id,
    }
    parsed = uris.parse(run.uri)
    if isinstance(parsed, uris.WorkspaceUri):
        # Where Workspace.get and a config file of Azure's look workspaces up.
        variables[settings.HUB.name] = str(parsed.hub)
    elif isinstance(parsed, uris.ServedWorkspaceUri):
        variables[settings.HUB.name] = parsed.address
    return variables


def _without_token_of_others(run: RunFacts, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what takes the token away that this process has for another server."""
    name = MLFLOW_TRACKING_TOKEN.name
    token, parsed = os.environ.get(name), uris.parse(run.uri)
    if not token or environment.get(name) != token:
        return {}
    if not isinstance(parsed, uris.ServedWorkspaceUri):
        return {}
    # Only now: most hubs are folders.
    from mlflow_workspace_plugin.remote.credentials import credentials_of

    return {} if credentials_of(parsed.address).of_environment() else {name: ""}


def _of_sdk_v1(run: RunFacts) -> dict[str, str]:
    return {
        RUN_ID_VARIABLE: run.run_id,
        "AZUREML_ARM_SUBSCRIPTION": run.workspace.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": run.workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": run.workspace.display_name,
        "AZUREML_ARM_PROJECT_NAME": run.experiment_name,
        "AZUREML_EXPERIMENT_ID": run.experiment_id,
        "AZUREML_WORKSPACE_ID": run.workspace.name,
        "AZUREML_OUTPUT_DIRECTORY": OUTPUTS,
    }


def _python_path(given: str) -> str:
    folders = [each for each in given.split(os.pathsep) if each and each != str(STARTUP)]
    return os.pathsep.join([str(STARTUP), *folders])
