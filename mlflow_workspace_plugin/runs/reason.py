"""Why a run failed or was canceled."""

import json
from collections.abc import Mapping
from contextlib import suppress

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.stores.tags.failure import ERROR_TAG, REASON_TAG


def reason_of(tags: Mapping[str, str]) -> str | None:
    """Return why a run failed or was canceled, where its tags say it; it may have several lines.

    Args:
        tags: MLflow's, of the run.
    """
    with suppress(KeyError, TypeError, ValueError):
        record = json.loads(tag_text.value_from_mlflow(ERROR_TAG, tags) or "")
        return str(record["message"]) or None
    # Others may write the tag, too.
    return tags.get(REASON_TAG) or tags.get(ERROR_TAG) or None


def reason_of_ended(run: MlflowRun) -> str | None:
    """Return why a run failed or was canceled; None if it did not, or nobody said why.

    Args:
        run: as MLflow returned it.
    """
    return reason_of(run.data.tags) if run.info.status in ("FAILED", "KILLED") else None
