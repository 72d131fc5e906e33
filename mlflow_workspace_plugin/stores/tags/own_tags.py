"""Tags of ours on runs. MLflow's UI hides what begins with ``mlflow.``."""

CONFLICT_TAG = "mlflow.workspace.refused"
"""What was refused after its call had returned."""

DESCRIPTOR_PREFIX = "mlflow.workspace.metric."
"""Of the tags that say what the numbers of a metric stand for. A search leaves them out."""
