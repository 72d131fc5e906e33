"""Why a run failed or was canceled, as it is kept with the run.

MLflow's UI shows no reason of its own. So there are two tags: one with all of it, which the UI
hides, in SDK v1's form; and one to be seen among the tags of the run.
"""

import json
import sys
from collections.abc import Mapping

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from mlflow_workspace_plugin.errors import AzureMLException, ServiceException, UserErrorException
from mlflow_workspace_plugin.hub.databases.storable import storable

ERROR_TAG = "mlflow.workspace.error"
"""Why a run failed, as JSON. MLflow's UI hides tags of this prefix."""

REASON_TAG = "workspace.reason"
"""The same as MLflow's UI shows it."""

_SEEN = 500
_KEPT = 2_000


def record_of(details: str | BaseException, code: str | None = None) -> dict[str, str]:
    """Return the code and the message of an error, as SDK v1 has them.

    Args:
        details: what happened, as text or as the exception.
        code: a word for it; ``UserError`` when None. An exception of SDK v1's tree has a word of
            its own.
    """
    if isinstance(details, (AzureMLException, ServiceException)):
        code = "UserError" if isinstance(details, UserErrorException) else details.error_code
        message = details.message
    elif isinstance(details, BaseException):
        message = f"User program failed with {type(details).__name__}: {_text_of(details)}"
    else:
        message = details
    return {"code": code or "UserError", "message": message}


def seen_tag(message: str) -> dict[str, str]:
    """Return the tag by which a reason is seen in MLflow's UI; none, if there is nothing to see."""
    seen = storable(message).strip()
    if len(seen) > _SEEN:
        seen = f"{seen[:_SEEN]}..."
    return {REASON_TAG: seen} if seen else {}


def tags_of_current_exception() -> dict[str, str]:
    """Return the tags that keep the exception that is being dealt with; none, if none is."""
    error = sys.exc_info()[1]
    return {} if error is None else tags_of_cause(error)


def tags_of_cause(cause: str | BaseException) -> dict[str, str]:
    """Return the tags that keep why a run failed or was canceled.

    Args:
        cause: what happened, as text or as the exception.
    """
    record = record_of(cause)
    record["message"] = storable(record["message"])[:_KEPT]
    kept = json.dumps(record, ensure_ascii=False)
    tags = seen_tag(record["message"])
    return tags | {ERROR_TAG: kept} if len(kept) <= MAX_TAG_VAL_LENGTH else tags


def is_kept(tags: Mapping[str, str]) -> bool:
    """Whether a run's tags hold a reason."""
    return ERROR_TAG in tags or REASON_TAG in tags


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  an exception of the user's
        return "(it has no text)"
