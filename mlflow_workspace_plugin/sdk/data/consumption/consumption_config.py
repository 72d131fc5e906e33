"""SDK v1's ``DatasetConsumptionConfig``: a dataset, and how a script gets it."""

from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.delivery import placeholders
from mlflow_workspace_plugin.errors import NotServedError, UserErrorException
from mlflow_workspace_plugin.sdk.data.consumption.names import checked_name, new_name

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_MODES = ("direct", "download", "hdfs", "mount")
_OF_FILES = ("download", "hdfs", "mount")


class DatasetConsumptionConfig:
    """A dataset, and how a script gets it (SDK v1).

    The script finds it in ``Run.get_context().input_datasets``, in the variable of its name, and
    where this object stands among its arguments.

    Args:
        name: of the input; of letters, digits and underscores. None or empty makes one.
        dataset: the dataset; or ``(workspace, name)`` of one that is registered, of which the
            script gets the newest version when it starts; or ``(workspace, name, version)``.
        mode: ``direct`` gives the dataset itself, ``download`` and ``mount`` a path of its files.
        path_on_compute: that path: an absolute one, or one in the folder that the script runs in.

    Attributes:
        dataset: the dataset.
        mode: how the script gets it.
        path_on_compute: where.
        arg_val: the text that stands for it in a command.

    Raises:
        UserErrorException: no such mode, or none for rows; the name is none; there is no such
            dataset, or it is none.
    """

    def __init__(
        self,
        name: str | None,
        dataset: Any,
        mode: str = "direct",
        path_on_compute: str | None = None,
    ) -> None:
        mode = mode.lower()
        if isinstance(dataset, tuple):
            dataset = _registered(*dataset)
        _check(dataset, mode)
        self.dataset = dataset
        dataset_id = getattr(dataset, "id", None)
        self._name = checked_name(name, "input") if name else new_name("input", dataset_id)
        self.arg_val = placeholders.of_input(self._name)
        self.mode = mode
        self.path_on_compute = path_on_compute

    @property
    def name(self) -> str:
        """The name of the input."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = checked_name(value, "input")
        self.arg_val = placeholders.of_input(self._name)

    def as_download(self, path_on_compute: str | None = None) -> "DatasetConsumptionConfig":
        """Return it so that the script gets a copy of the files (SDK v1).

        Args:
            path_on_compute: where: an absolute path, or one in the folder that the script runs in.

        Raises:
            UserErrorException: it is of rows.
        """
        return self._in_mode("download", path_on_compute)

    def as_mount(self, path_on_compute: str | None = None) -> "DatasetConsumptionConfig":
        """Return it so that the script gets a folder of the files (SDK v1).

        Args:
            path_on_compute: where: an absolute path, or one in the folder that the script runs in.

        Raises:
            UserErrorException: it is of rows.
        """
        return self._in_mode("mount", path_on_compute)

    def as_hdfs(self) -> "DatasetConsumptionConfig":
        """Raise ``NotServedError``: no script runs on Azure's Spark here."""
        raise NotServedError(
            "as_hdfs() of Azure ML's SDK v1 is not served here: no script runs on Azure's Spark. "
            "Use as_mount(), or as_download()."
        )

    def _in_mode(self, mode: str, path_on_compute: str | None) -> "DatasetConsumptionConfig":
        return DatasetConsumptionConfig(self.name, self.dataset, mode, path_on_compute)

    def __repr__(self) -> str:
        return f"DatasetConsumptionConfig(name={self._name!r}, mode={self.mode!r})"


def _check(dataset: Any, mode: str) -> None:
    # Only now: the classes of datasets offer this one.
    from mlflow_workspace_plugin.sdk.data.consumption.output_configs import (
        LinkTabularOutputDatasetConfig,
        OutputDatasetConfig,
        OutputTabularDatasetConfig,
    )
    from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
    from mlflow_workspace_plugin.sdk.data.datasets.tabular.dataset import TabularDataset

    if mode not in _MODES:
        raise UserErrorException(
            f"Invalid mode '{mode}'. Mode can only be mount, download, hdfs, link, or direct"
        )
    if not isinstance(dataset, (AbstractDataset, OutputDatasetConfig)):
        raise UserErrorException(
            f"An input is a dataset, and was given a {type(dataset).__name__}. Get one by "
            "Dataset.get_by_name(workspace, name), or give (workspace, name)."
        )
    of_rows = (TabularDataset, OutputTabularDatasetConfig, LinkTabularOutputDatasetConfig)
    if isinstance(dataset, of_rows) and mode in _OF_FILES:
        raise UserErrorException(
            f"{type(dataset)} does not support {mode}. Only FileDataset supports {mode}. Use "
            "as_named_input() alone, which gives the script the dataset itself."
        )


def _registered(workspace: "Workspace", name: str, version: Any = "latest") -> "AbstractDataset":
    from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset

    found = AbstractDataset.get_by_name(workspace, name, version)
    if version == "latest":
        found._consume_latest = True
    return found
