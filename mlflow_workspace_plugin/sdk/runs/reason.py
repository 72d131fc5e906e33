"""Why a run failed or was canceled."""

import json
from contextlib import suppress

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.sdk import tag_text
from mlflow_workspace_plugin.stores.failure import ERROR_TAG, REASON_TAG

_WITH_REASON = ("FAILED", "KILLED")


def reason_of(run: MlflowRun) -> str | None:
    """Return why a run failed or was canceled, as far as that is known.

    Args:
        run: as MLflow returned it.

    Returns:
        The reason, which may have several lines; None if the run did not fail, or nobody said why.
    """
    if run.info.status not in _WITH_REASON:
        return None
    tags = run.data.tags
    with suppress(ValueError, TypeError, KeyError):
        record = json.loads(tag_text.value_from_mlflow(ERROR_TAG, tags) or "")
        return str(record["message"]) or None
    return tags.get(REASON_TAG) or None
