"""All that a store does about data."""

from mlflow_workspace_plugin.stores.data.datasets import Datasets
from mlflow_workspace_plugin.stores.data.datastores import Datastores
from mlflow_workspace_plugin.stores.retries.lost_races import written_again


class _Data(Datastores, Datasets):
    """All of it, by one transaction a call."""


@written_again(_Data)
class Data(_Data):
    """Keeps the datastores and the datasets of a workspace.

    Each call is stored when it returns, whatever waits in a journal, and may be made again after
    its answer was lost.
    """
