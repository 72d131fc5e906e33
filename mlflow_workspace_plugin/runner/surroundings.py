"""What a runner leaves of the environment that it was started in, before MLflow reads it."""

from collections.abc import MutableMapping

from mlflow_workspace_plugin.jobs.engines.local.launch import SLOT

_OF_ANOTHER_RUN = ("MLFLOW_", "AZUREML_", "_MLFLOW_WORKSPACE_OUTER_RUN")
_OF_MLFLOW = "MLFLOW_WORKSPACE_STORE_URI"
# What a machine says of itself, whichever run is on it.
_OF_THE_MACHINE = ("MLFLOW_WORKSPACE_", "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_HTTP_REQUEST_")


def leave_surroundings(environment: MutableMapping[str, str]) -> None:
    """Take from an environment what it says of another run, server or workspace.

    A cluster hands the environment of whoever started it on to every job. This machine's queue
    hands on that of who submitted the job, without what it says of a run: it is left as it is.
    """
    if SLOT in environment:
        return
    for name in list(environment):
        is_kept = name.startswith(_OF_THE_MACHINE) and name != _OF_MLFLOW
        if name.startswith(_OF_ANOTHER_RUN) and not is_kept:
            del environment[name]
