"""What a run says of the data that it used, in MLflow's dataset inputs of it."""

import json
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

INPUT, OUTPUT = "input", "output"
"""MLflow's context of a dataset: what the run read, and what it made."""

OWN = "workspace"
"""Of what of ours an MLflow dataset's source tells beside where it is."""
NAME_TAG = "mlflow_workspace.input"
MODE_TAG = "mlflow_workspace.mode"


@dataclass(frozen=True)
class Use:
    """How a run used a dataset, as it was told.

    Attributes:
        dataset: the id of the dataset; None of a path of a datastore.
        name: of the registered dataset.
        version: of the registered dataset.
        used_as: the name of the input or output.
        mode: how the script got it.
        is_output: whether the run made it.
    """

    dataset: str | None
    name: str | None
    version: int | None
    used_as: str
    mode: str
    is_output: bool


def uses_of(run: Run) -> list[Use]:
    """Return what a run said of the data that it used."""
    found = []
    for each in [] if run.inputs is None else run.inputs.dataset_inputs:
        tags = {tag.key: tag.value for tag in each.tags}
        if NAME_TAG not in tags:
            continue
        own = _own(each.dataset.source)
        found.append(
            Use(
                own.get("dataset"),
                own.get("name"),
                own.get("version"),
                tags[NAME_TAG],
                tags.get(MODE_TAG, ""),
                tags.get(MLFLOW_DATASET_CONTEXT) == OUTPUT,
            )
        )
    return found


def _own(source: str) -> dict[str, Any]:
    """Return what of ours a source tells; nothing where somebody else wrote it."""
    try:
        own = json.loads(source).get(OWN)
    except (ValueError, AttributeError):
        return {}
    return own if isinstance(own, dict) else {}
