"""The data that a run used, as ``run.get_details()`` tells it (SDK v1)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.uses import Use

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_DATASET = "dataset"


class UsedDataset(dict[str, Any]):
    """How a run used a dataset, which is looked up when it is asked for by its key.

    Written as JSON it has the dataset's id.

    Args:
        workspace: of the run.
        use: what was told of it.
        how: the entries beside the dataset.
    """

    def __init__(self, workspace: "Workspace", use: Use, how: dict[str, Any]) -> None:
        super().__init__({_DATASET: {"id": use.dataset}, **how})
        self._workspace = workspace
        self._use = use

    def __getitem__(self, key: str) -> Any:
        if key != _DATASET:
            return super().__getitem__(key)
        from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset

        use = self._use
        return AbstractDataset._saved(
            self._workspace, str(use.dataset), lambda: (use.name, use.version)
        )


def inputs_of_run(workspace: "Workspace", uses: Iterable[Use]) -> list[UsedDataset]:
    """Return which datasets a run read.

    Args:
        workspace: of the run.
        uses: all that it used.
    """
    return [
        UsedDataset(workspace, each, {"consumptionDetails": _consumption(each)})
        for each in uses
        if each.dataset and not each.is_output
    ]


def outputs_of_run(workspace: "Workspace", uses: Iterable[Use]) -> list[UsedDataset]:
    """Return which datasets a run made.

    Args:
        workspace: of the run.
        uses: all that it used.
    """
    return [
        UsedDataset(workspace, each, _output(each))
        for each in uses
        if each.dataset and each.is_output
    ]


def _consumption(use: Use) -> dict[str, str]:
    if not use.mode:
        return {"type": "Reference"}
    mechanism = use.mode.capitalize()
    return {"type": "RunInput", "inputName": use.used_as, "mechanism": mechanism}


def _output(use: Use) -> dict[str, Any]:
    return {
        "identifier": {"savedId": use.dataset, "version": use.version},
        "outputType": "RunOutput",
        "outputDetails": {"outputName": use.used_as, "mechanism": use.mode.capitalize()},
    }
