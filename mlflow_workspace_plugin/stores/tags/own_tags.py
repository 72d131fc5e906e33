"""Tags of ours on runs and experiments. MLflow's UI hides what begins with ``mlflow.``."""

import json
from typing import Any

CONFLICT_TAG = "mlflow.workspace.refused"
"""What was refused after its call had returned."""

CREATION_TAG = "mlflow.workspace.creation"
"""Of an experiment: what the call drew that created it at a served hub, to know it by again."""

DESCRIPTOR_PREFIX = "mlflow.workspace.metric."
"""Of the tags that say what the numbers of a metric stand for. A search leaves them out."""

EXIT_CODE_TAG = "mlflow.workspace.exit_code"
"""The exit code of a job's command."""

JOB_TAG = "mlflow.workspace.job"
"""Says of a run that it is a job, by its own id: who copies the tags of a run copies this, too."""

_COLUMN_PARTS = 3


def is_descriptor(text: str) -> bool:
    """Whether the value of a tag describes a metric: anybody who may write to a run may set it."""
    try:
        declared_at, name, kind, columns = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return False
    return (
        type(declared_at) is int
        and isinstance(name, str)
        and isinstance(kind, str)
        and isinstance(columns, list)
        and all(_is_column(each) for each in columns)
    )


def _is_column(given: Any) -> bool:
    # Its name, the key of the metric that holds it, and its type.
    return (
        isinstance(given, list)
        and len(given) == _COLUMN_PARTS
        and all(isinstance(part, str) for part in given)
    )
