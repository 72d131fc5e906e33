"""The part of SDK v1's ``Run`` that is about the job it is: where it stands, and its end."""

from functools import cached_property
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.watch import JobWatch
from mlflow_workspace_plugin.runs.lifecycle import RunLifecycle
from mlflow_workspace_plugin.sdk.runs.parts.of_experiment import OfExperiment

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.environments.environment import Environment


class RunJob(OfExperiment, RunLifecycle):
    """A run that somebody may run as a job, whose state is finer than MLflow's status then."""

    def get_status(self) -> str:
        """Return SDK v1's word for the status: Queued, Running, Completed, Failed or Canceled.

        Of a job it may be NotStarted, Preparing, Starting, CancelRequested, Finalizing or
        NotResponding, too.
        """
        job = self._watch.read()
        return super().get_status() if job is None else job.state

    def get_detailed_status(self) -> dict[str, str | None]:
        """Return the status, and under ``details`` what a queued job waits for, where it does."""
        job = self._watch.read()
        if job is None:
            return super().get_detailed_status()
        return {"status": job.state, "details": self._watch.waits_for(job)}

    def cancel(self) -> None:
        """End the run as canceled, then store what was logged (SDK v1).

        Of a job this asks for its end: what waits is canceled at once. What runs is told to stop
        within seconds, and its outputs are kept.
        """
        if self._watch.read() is None:
            super().cancel()
        else:
            self._watch.cancel()

    def get_environment(self) -> "Environment":
        """Return the environment that the run was submitted with (SDK v1).

        Raises:
            UserErrorException: it was not submitted.
        """
        from mlflow_workspace_plugin.sdk.environments.environment import Environment

        job = self._watch.read()
        if job is None:
            raise UserErrorException(
                f"Run {self.id!r} has no environment: it was not submitted. That is known of runs "
                "that experiment.submit() returns."
            )
        environment = Definition.from_json(job.definition).environment
        return Environment._from_requirements(Requirements.from_json(environment))

    @cached_property
    def _watch(self) -> JobWatch:
        return JobWatch(self._store, self.id)
