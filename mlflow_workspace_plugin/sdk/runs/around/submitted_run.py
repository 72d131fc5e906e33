"""SDK v1's run for code that somebody else runs: it is theirs to start and to end."""

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property

from mlflow_workspace_plugin.sdk.data.consumption.of_run import InputDatasets, OutputDatasets
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


class _SubmittedRun(Run):
    """A run that somebody else started and will end; the class has SDK v1's name."""

    def complete(self, _set_status: bool = True) -> None:  # noqa: FBT001, FBT002  SDK v1's
        """Store what was logged, and leave the status to whoever started the run (SDK v1)."""
        self._store_rest()

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """Record the error, and leave the status to whoever started the run (SDK v1)."""
        self._store_rest()
        self._record_error(error_details, error_code)

    def cancel(self) -> None:
        """Do nothing but say so (SDK v1)."""
        _logger.warning(
            "Run %s is not canceled by run.cancel() from inside: whoever started it ends it.",
            self.id,
        )

    @cached_property
    def input_datasets(self) -> InputDatasets:
        """The data that the script got, by the names of the inputs (SDK v1).

        A path, where it was mounted or downloaded; else the dataset.
        """
        return InputDatasets(self.experiment.workspace)

    @cached_property
    def output_datasets(self) -> OutputDatasets:
        """Where the script makes its data, by the names of the outputs (SDK v1)."""
        return OutputDatasets(self.experiment.workspace)

    def _watched(self) -> AbstractContextManager[None]:
        # Whoever started the run keeps what it prints.
        return nullcontext()

    def _end(self, error: BaseException | None) -> None:
        # As in SDK v1, whatever happened.
        self.complete()
