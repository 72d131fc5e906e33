"""The data of the run around a script: where it is, by the names of the inputs and outputs."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.delivery.variables import (
    INPUTS,
    LINKED_OUTPUTS,
    OUTPUTS,
    value_of,
)
from mlflow_workspace_plugin.data.uses import uses_of
from mlflow_workspace_plugin.stores.process.attached import RUN_ID_VARIABLE

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
    from mlflow_workspace_plugin.sdk.workspace import Workspace


class InputDatasets(dict[str, Any]):
    """The inputs of the run around this code (SDK v1): a path, or in direct mode the dataset.

    Args:
        workspace: of the run.
    """

    def __init__(self, workspace: "Workspace") -> None:
        # Only now: a script without data has no use for it.
        from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset

        super().__init__()
        for each in filter(None, os.environ.get(INPUTS, "").split(",")):
            name, _, mode = each.partition(":")
            value = value_of(name, os.environ)
            if value and mode.lower() == "direct":
                told = partial(_told, workspace, name, value)
                self[name] = AbstractDataset._saved(workspace, value, told)
            else:
                self[name] = value


def _told(workspace: "Workspace", name: str, dataset: str) -> tuple[str | None, int | None]:
    """Return under which name and version a dataset is an input of the run around this code."""
    run_id = os.environ.get(RUN_ID_VARIABLE)
    run = None if run_id is None else workspace.tracking_store.get_run(run_id)
    for use in [] if run is None else uses_of(run):
        if not use.is_output and (use.used_as, use.dataset) == (name, dataset):
            return use.name, use.version
    return None, None


class OutputDatasets(dict[str, Any]):
    """The outputs of the run around this code (SDK v1): a path, or what a dataset is linked to.

    Args:
        workspace: of the run.

    Attributes:
        workspace: of the run.
    """

    def __init__(self, workspace: "Workspace") -> None:
        super().__init__()
        self.workspace = workspace
        for name in filter(None, os.environ.get(OUTPUTS, "").split(";")):
            self[name] = value_of(name, os.environ)
        for name in filter(None, os.environ.get(LINKED_OUTPUTS, "").split(";")):
            self[name] = LinkOutput(workspace, name)


class LinkOutput:
    """An output of a run of which the script says which dataset it is (SDK v1).

    Args:
        workspace: of the run.
        name: of the output.

    Attributes:
        workspace: of the run.
        name: of the output.
    """

    def __init__(self, workspace: "Workspace", name: str | None = None) -> None:
        self.workspace = workspace
        self.name = name

    def link(self, dataset: "AbstractDataset", run: Any = None) -> None:
        """Say which dataset the output is (SDK v1).

        Args:
            dataset: the dataset.
            run: the run; that around this code when None.

        Raises:
            RuntimeError: it is no dataset.
        """
        from mlflow_workspace_plugin.data.lineage import record_use
        from mlflow_workspace_plugin.data.uses import OUTPUT
        from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
        from mlflow_workspace_plugin.sdk.data.datasets.noted import used
        from mlflow_workspace_plugin.sdk.runs.run import Run

        if not isinstance(dataset, AbstractDataset):
            raise RuntimeError("link() takes a dataset, such as Dataset.get_by_name() returns.")
        run = Run.get_context() if run is None else run
        record_use(
            self.workspace.tracking_store,
            run.id,
            used(self.workspace, dataset),
            used_as=self.name or "",
            mode="link",
            context=OUTPUT,
        )
