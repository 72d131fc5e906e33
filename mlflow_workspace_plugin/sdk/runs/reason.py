"""Why a run failed or was canceled."""

import json
from collections.abc import Mapping

from mlflow_workspace_plugin.sdk import tag_text
from mlflow_workspace_plugin.sdk.runs.lifecycle import ERROR_TAG


def reason_of(tags: Mapping[str, str]) -> str | None:
    """Return why a run failed or was canceled, where its tags say it; it may have several lines.

    Args:
        tags: MLflow's, of the run.
    """
    record = tag_text.value_from_mlflow(ERROR_TAG, tags)
    try:
        return str(json.loads(record or "")["message"]) or None
    except (KeyError, TypeError, ValueError):
        # Others may write the tag, too.
        return record
