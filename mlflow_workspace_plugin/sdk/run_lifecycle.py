"""The part of SDK v1's ``Run`` that is about how it goes and ends."""

import json
from types import TracebackType
from typing import TypeVar

from mlflow_workspace_plugin.sdk.run_base import RunBase

ERROR_TAG = "mlflow.workspace.error"
"""Why a run failed, as JSON. MLflow's UI hides tags that begin with ``mlflow.``."""

Entered = TypeVar("Entered", bound="RunLifecycle")


class RunLifecycle(RunBase):
    """The status of a run, and its end."""

    def complete(self, _set_status: bool = True) -> None:  # noqa: FBT001, FBT002  SDK v1's
        """End the run as finished."""
        if _set_status:
            self._client.set_terminated(self.id, "FINISHED")

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """End the run as failed.

        Args:
            error_details: what happened, as text or as the exception.
            error_code: a word for it; ``UserError`` when None (SDK v1).

        Raises:
            TypeError: ``error_details`` is neither; the run has ended as failed all the same.
        """
        try:
            self._record_error(error_details, error_code)
        finally:
            if _set_status:
                self._client.set_terminated(self.id, "FAILED")

    def __enter__(self: Entered) -> Entered:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        left_in_peace = isinstance(error, SystemExit) and error.code in (None, 0)
        if error is None or left_in_peace:
            self.complete()
        else:
            self.fail(error)

    def _record_error(self, details: str | BaseException | None, code: str | None) -> None:
        if details is None:
            return
        if isinstance(details, BaseException):
            message = f"User program failed with {type(details).__name__}: {details}"
        elif isinstance(details, str):
            message = details
        else:
            raise TypeError(
                f"error_details is of type {type(details).__name__}. Pass text or an exception."
            )
        record = {"code": code or "UserError", "message": message}
        self._client.set_tag(self.id, ERROR_TAG, json.dumps(record, ensure_ascii=False))
