"""All that a store does about jobs."""

from mlflow_workspace_plugin.stores.jobs.changes import JobChanges
from mlflow_workspace_plugin.stores.jobs.computes import Computes
from mlflow_workspace_plugin.stores.jobs.creation import JobCreation
from mlflow_workspace_plugin.stores.jobs.environments import Environments
from mlflow_workspace_plugin.stores.jobs.reads import JobReads
from mlflow_workspace_plugin.stores.retries.lost_races import written_again


class _Jobs(JobCreation, JobChanges, JobReads, Computes, Environments):
    """All of it, by one transaction a call."""


@written_again(_Jobs)
class Jobs(_Jobs):
    """Keeps the jobs, the compute targets and the environments of a workspace.

    Each call is stored when it returns, whatever waits in a journal.
    """
