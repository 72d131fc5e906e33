"""The part of SDK v1's ``Run`` that tells what is known of it, and what it printed."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.data.uses import uses_of
from mlflow_workspace_plugin.drawing.texts import moment
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.files.logs import log_names
from mlflow_workspace_plugin.runs.files.transfer import fetch
from mlflow_workspace_plugin.runs.search import PROPERTY_PREFIX
from mlflow_workspace_plugin.sdk.data.consumption.recorded import inputs_of_run, outputs_of_run
from mlflow_workspace_plugin.sdk.runs.parts.job import RunJob
from mlflow_workspace_plugin.sdk.runs.parts.run_definition import run_definition
from mlflow_workspace_plugin.stores.tags.failure import ERROR_TAG
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG


class RunDetails(RunJob):
    """What is known of a run, under SDK v1's keys, and its logs."""

    def get_details(self) -> dict[str, Any]:
        """Return what is known of the run, under SDK v1's keys.

        Returns:
            ``runId``, ``target``, ``status``, ``startTimeUtc``, ``services``, ``properties``,
            ``inputDatasets``, ``outputDatasets``, ``logFiles`` (where MLflow's UI shows each log),
            ``submittedBy``, and if there are any ``endTimeUtc``, ``error``, ``warnings``, and of a
            job ``runDefinition``. A job that has not started has no ``startTimeUtc``.
        """
        return self._details({name: self._page_of(name) for name in self._log_names()})

    def get_details_with_logs(self) -> dict[str, Any]:
        """Return what :meth:`get_details` does, with the text of each log (SDK v1)."""
        return self._details({name: self._log_text(name) for name in self._log_names()})

    def get_all_logs(self, destination: "str | os.PathLike[str] | None" = None) -> list[str]:
        """Copy all logs of the run into a folder (SDK v1).

        Args:
            destination: the folder; ``assets/RUN_ID`` in the working directory when None.

        Returns:
            The paths of the copies.

        Raises:
            UserErrorException: the destination is a file.
        """
        folder = Path("assets", self.id) if destination is None else Path(destination)
        if folder.is_file():
            raise UserErrorException(
                f"Logs cannot be written to {str(folder)!r}: it is a file. Pass a folder."
            )
        copies = []
        for name in self._log_names():
            copy = folder / name
            fetch(self._repository(), name, copy)
            copies.append(str(copy))
        return copies

    def get_portal_url(self) -> str:
        """Return the address of the run's page, as ``mlflow-workspace ui`` serves it."""
        return self._page()

    def get_workspace_url(self) -> str:
        """Return the address of the workspace's page, as ``mlflow-workspace ui`` serves it.

        Documents of SDK v1 name this method, which it did not have.
        """
        return self._experiment.workspace.portal_url("")

    def _details(self, logs: dict[str, str]) -> dict[str, Any]:
        job = self._watch.read()
        run = self._mlflow_run()
        stored = run.data.tags
        workspace, uses = self._experiment.workspace, uses_of(run)
        details = {
            "runId": self.id,
            "target": "local" if job is None else job.compute,
            "status": run_status.of_mlflow(run.info.status) if job is None else job.state,
            "startTimeUtc": _iso(run.info.start_time if job is None else job.started_at),
            "endTimeUtc": _iso(run.info.end_time),
            "services": {},
            "error": None if run.info.status == "FINISHED" else _error(stored),
            "warnings": _warnings(stored),
            "properties": tag_text.from_mlflow(stored, PROPERTY_PREFIX),
            "inputDatasets": inputs_of_run(workspace, uses),
            "outputDatasets": outputs_of_run(workspace, uses),
            "runDefinition": None
            if job is None
            else run_definition(Definition.from_json(job.definition)),
            "logFiles": logs,
        }
        known = {key: value for key, value in details.items() if value is not None}
        return known | {"submittedBy": run.info.user_id or None}

    def _log_names(self) -> list[str]:
        return log_names(self._repository())

    def _log_text(self, name: str) -> str:
        with quietly(), self._repository().local(name) as file:
            return file.read_text(encoding="utf-8", errors="replace")

    def _page_of(self, name: str) -> str:
        return self._page(f"/artifacts/{quote(name)}")

    def _page(self, part: str = "") -> str:
        return self._page_of_run(f"{self.id}{part}")

    def _page_of_run(self, run_id: str) -> str:
        page = f"experiments/{self._experiment.id}/runs/{run_id}"
        return self._experiment.workspace.portal_url(page)


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return moment(milliseconds).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _error(stored: dict[str, str]) -> dict[str, Any] | None:
    record = tag_text.value_from_mlflow(ERROR_TAG, stored)
    return None if record is None else {"error": json.loads(record)}


def _warnings(stored: dict[str, str]) -> list[dict[str, str]] | None:
    refused = stored.get(CONFLICT_TAG)
    return None if refused is None else [{"source": "MLflow", "message": refused}]
