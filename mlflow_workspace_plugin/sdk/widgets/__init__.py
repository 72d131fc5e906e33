"""SDK v1's ``azureml.widgets``: a run that is looked at in a notebook while it goes on."""

from mlflow_workspace_plugin.sdk.widgets.run_details import RunDetails

__all__ = ["RunDetails"]
