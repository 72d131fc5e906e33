"""SDK v1's run for code that runs outside of any: it prints what it would have logged."""

import uuid
from types import TracebackType
from typing import Any

from mlflow_workspace_plugin.sdk.not_served import NotServedOfLogged
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


class _OfflineRun(NotServedOfLogged):
    """SDK v1's ``_OfflineRun``: not a ``Run``, stores nothing, checks nothing.

    What a method would need a service for is missing, as in SDK v1, where scripts ask
    ``hasattr(run, "experiment")``.

    Args:
        parent_logger: accepted and ignored.
        run_id: its id; made up when None.
    """

    def __init__(
        self, parent_logger: object = None, run_id: str | None = None, **kwargs: Any
    ) -> None:
        self._id = run_id or f"OfflineRun_{uuid.uuid4()}"

    @property
    def id(self) -> str:
        """``OfflineRun_`` and a random id."""
        return self._id

    def log(
        self,
        name: str,
        value: Any,
        description: str = "",
        step: int | None = None,
    ) -> None:
        """Print the value. SDK v1's has no ``step``."""
        _print_metric("scalar", name, value)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Print the values."""
        _print_metric("list", name, value)

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Print the table."""
        _print_metric("table", name, value)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Print the row."""
        _print_metric("row", name, kwargs)

    def log_image(
        self, name: str, path: Any = None, plot: Any = None, description: str = ""
    ) -> None:
        """Print what the image is from."""
        _print_metric("image", name, plot or path)

    def log_residuals(self, name: str, value: Any, description: str | None = None) -> None:
        """Print the residuals."""
        _print_metric("residual", name, value)

    def log_predictions(self, name: str, value: Any, description: str | None = None) -> None:
        """Print the predictions."""
        _print_metric("predictions", name, value)

    def log_accuracy_table(self, name: str, value: Any, description: str | None = None) -> None:
        """Print the table."""
        _print_metric("accuracy_table", name, value)

    def log_confusion_matrix(self, name: str, value: Any, description: str | None = None) -> None:
        """Print the matrix."""
        _print_metric("confusion_matrix", name, value)

    def tag(self, name: str, value: str | None = None) -> None:
        """Print the tag."""
        _print(f"Attempted to add tag {name} with value {value}")

    def set_tags(self, tags: Any) -> None:
        """Print the tags."""
        _print(f"Attempted to set tags {tags}")

    def add_properties(self, properties: Any) -> None:
        """Print the properties."""
        _print(f"Attempted to add properties {properties}")

    def upload_file(
        self,
        name: str,
        path_or_stream: Any,
        datastore_name: str | None = None,
    ) -> None:
        """Print the file."""
        _print(f"Attempted to track file {name} at {path_or_stream}")

    def upload_files(
        self,
        name: Any,
        paths: Any,
        return_artifacts: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        timeout_seconds: int | None = None,
        datastore_name: str | None = None,
    ) -> None:
        """Print the files. The first parameter is ``names`` in ``Run`` (SDK v1)."""
        _print(f"Attempted to track files {name} at {paths}")

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        """Print the folder."""
        _print(f"Attempted to track folder {name} at {path}")

    def child_run(
        self, name: str | None = None, run_id: str | None = None, outputs: Any = None
    ) -> "_OfflineRun":
        """Return another offline run, whose id begins with this one's."""
        return _OfflineRun(run_id=run_id or f"{self.id}.{name or uuid.uuid4()}")

    def complete(self) -> None:
        """Do nothing."""
        _logger.debug("Attempted to complete run %s.", self.id)

    def fail(self, error_details: Any = None, error_code: str | None = None) -> None:
        """Print the error."""
        _print(f"Run failed with error code {error_code}:\n{error_details}")

    def cancel(self) -> None:
        """Do nothing."""
        _logger.debug("Attempted to cancel run %s.", self.id)

    def flush(self) -> None:
        """Print that it was asked for."""
        _print(f"Attempted to flush run with id {self.id}")

    def __enter__(self) -> "_OfflineRun":
        _print(f"[START] Run {self.id} context")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _print(f"[STOP] Run {self.id} context")


def _print_metric(kind: str, name: str, value: Any) -> None:
    _print(f"Attempted to log {kind} metric {name}:\n{value}")


def _print(text: str) -> None:
    print(text)  # noqa: T201  printing is all that an offline run does
