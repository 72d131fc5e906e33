"""What is said of runs that are shown otherwise than where they come from."""

from collections.abc import Mapping

from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.search import PROPERTY_PREFIX, TYPE_TAG

_AUTOML = "automl"
_SOURCE = "azureml.runsource"
_OF_AUTOML = (
    "This is a run of automated machine learning, which is shown as any other: with what was "
    "logged to it, its files and its child runs, and without charts of its own."
)


def remark_of(stored: Mapping[str, str]) -> str | None:
    """Return what has to be said of how a run is shown; None of most.

    Args:
        stored: the tags of the run, as MLflow has them.
    """
    source = tag_text.from_mlflow(stored, PROPERTY_PREFIX).get(_SOURCE)
    return _OF_AUTOML if _AUTOML in (stored.get(TYPE_TAG), source) else None
