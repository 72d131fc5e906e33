"""The data among the arguments of a script and in the sections of its configuration."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.delivery import placeholders
from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.data.files.patterns import normalized
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
    DatasetConsumptionConfig,
)
from mlflow_workspace_plugin.sdk.data.consumption.output_configs import OutputDatasetConfig
from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
from mlflow_workspace_plugin.sdk.data.datastores.references import DataReference
from mlflow_workspace_plugin.sdk.jobs.configurations.data import (
    Data,
    DataReferenceConfiguration,
)
from mlflow_workspace_plugin.sdk.jobs.configurations.output_data import OutputData
from mlflow_workspace_plugin.sdk.jobs.configurations.run_configuration import RunConfiguration
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_logger = get_logger(__name__)


class ScriptData:
    """What a script reads and makes, as it is collected from where it was said.

    Args:
        workspace: where its datasets are saved; None refuses data.
    """

    def __init__(self, workspace: "Workspace | None") -> None:
        self._workspace = workspace
        self._inputs: dict[str, DataInput] = {}
        self._outputs: dict[str, DataOutput] = {}

    def take(self, config: RunConfiguration) -> None:
        """Collect what the sections of a configuration name.

        Args:
            config: with ``data``, ``data_references`` and ``output_data``.

        Raises:
            UserErrorException: one of them is none.
        """
        for name, data in config.data.items():
            self._take_input(name, data)
        for name, reference in config.data_references.items():
            self._take_reference(name, reference)
        for name, output in config.output_data.items():
            self._take_output(name, output)

    def text_instead(self, value: Any) -> Any:
        """Return arguments with texts in the place of data, which is collected.

        Args:
            value: an argument, or a list of them.

        Raises:
            UserErrorException: a dataset stands there by itself.
        """
        if isinstance(value, (list, tuple)):
            return [self.text_instead(each) for each in value]
        if isinstance(value, AbstractDataset):
            raise UserErrorException(
                "Dataset cannot be used directly in a run. Write as_named_input('name') behind "
                "it, and then as_mount() or as_download() if the script is to get a path."
            )
        if isinstance(value, (Data, OutputData)):
            raise UserErrorException(
                f"{type(value).__name__} cannot be an argument. Put it into the section of the "
                "configuration, and write what stands for it there: "
                f"{placeholders.of_input('NAME')} or {placeholders.of_output('NAME')}."
            )
        if isinstance(value, DatasetConsumptionConfig):
            if value.name in self._inputs:
                _logger.warning(
                    'There is an input named "%s" in the configuration already, which is used.',
                    value.name,
                )
            else:
                self._take_input(value.name, value)
            return placeholders.of_input(value.name)
        if isinstance(value, OutputDatasetConfig):
            self._take_output(value.name, value)
            return placeholders.of_output(value.name)
        if isinstance(value, DataReference):
            self._take_reference(value.data_reference_name, value)
            return placeholders.of_reference(value.data_reference_name)
        return value

    def check(self, texts: Iterable[str]) -> None:
        """Check what was collected, and warn of what stands for data in texts and was not.

        Args:
            texts: the arguments, and the command.

        Raises:
            UnsafeArtifactPathError: a path leads out of its datastore.
        """
        paths = [each.path for each in self._inputs.values()]
        for path in (*paths, *(each.path for each in self._outputs.values())):
            normalized(path)
        known = {*self._inputs, *self._outputs}
        named = dict.fromkeys(name for text in texts for name in placeholders.names_in(text))
        for name in named:
            if name not in known:
                _logger.warning(
                    "The arguments name the data %r, which the configuration does not have: the "
                    "script gets that text as it is, and no path. Pass the reference or the "
                    "input itself, or put it into run_config.data_references.",
                    name,
                )

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What the script reads, as a job's definition holds it."""
        return [each.to_json() for each in self._inputs.values()]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What the script makes, as a job's definition holds it."""
        return [each.to_json() for each in self._outputs.values()]

    def _take_input(self, name: str, data: Any) -> None:
        if isinstance(data, AbstractDataset):
            raise UserErrorException(
                "Dataset cannot be used without providing a name for the run. Write "
                "as_named_input('name') behind it."
            )
        if isinstance(data, DatasetConsumptionConfig):
            self._inputs[name] = self._of_config(data)
        elif isinstance(data, Data):
            self._inputs[name] = data._input(name)
        else:
            raise UserErrorException(
                f"{type(data).__name__} cannot be used as input. Use as_named_input() of a dataset."
            )

    def _of_config(self, config: DatasetConsumptionConfig) -> DataInput:
        dataset = config.dataset
        if not isinstance(dataset, AbstractDataset):
            raise UserErrorException(
                f"The input {config.name!r} is of a {type(dataset).__name__}, which no script can "
                "read: what one run makes is read by another one after it was registered."
            )
        if self._workspace is None:
            raise UserErrorException(f"The input {config.name!r} needs a workspace to be saved in.")
        dataset_id = dataset._ensure_saved(self._workspace)
        is_newest = dataset._consume_latest
        return DataInput(
            config.name,
            config.mode,  # type: ignore[arg-type]
            dataset=None if is_newest else dataset_id,
            registered_as=dataset.name,
            version=None if is_newest else dataset.version,
            path_on_compute=config.path_on_compute,
        )

    def _take_reference(self, name: str, reference: Any) -> None:
        if isinstance(reference, DataReference):
            reference = reference.to_config()
        if not isinstance(reference, DataReferenceConfiguration):
            raise UserErrorException(
                f"The data reference {name!r} is of the type {type(reference).__name__}. Use "
                "datastore.path('folder').as_mount()."
            )
        if reference.mode == "upload":
            self._outputs[name] = reference._output(name)
        else:
            self._inputs[name] = reference._input(name)

    def _take_output(self, name: str, output: Any) -> None:
        if not isinstance(output, (OutputDatasetConfig, OutputData)):
            raise UserErrorException(
                f"{type(output).__name__} cannot be used as output. Use OutputFileDatasetConfig."
            )
        self._outputs[name] = output._output(name)
