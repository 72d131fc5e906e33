"""Tags of ours on runs. MLflow's UI hides what begins with ``mlflow.``."""

CONFLICT_TAG = "mlflow.workspace.refused"
"""What was refused after its call had returned."""

DESCRIPTOR_PREFIX = "mlflow.workspace.metric."
"""Of the tags that say what the numbers of a metric stand for. A search leaves them out."""

EXIT_CODE_TAG = "mlflow.workspace.exit_code"
"""The exit code of a job's command."""

JOB_TAG = "mlflow.workspace.job"
"""Says of a run that it is a job, by its own id: who copies the tags of a run copies this, too."""
