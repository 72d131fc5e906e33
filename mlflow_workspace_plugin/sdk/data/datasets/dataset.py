"""SDK v1's ``azureml.core.Dataset``."""

from mlflow_workspace_plugin.sdk.data.datasets.abstract import AbstractDataset
from mlflow_workspace_plugin.sdk.data.datasets.factories import Factory
from mlflow_workspace_plugin.sdk.not_served import NotServedOfDataset


class Dataset(NotServedOfDataset):
    """Where SDK v1's scripts make and find datasets.

    What it makes and finds is a ``FileDataset`` or a ``TabularDataset``.
    """

    class Scenario:
        """What a model's dataset was used for (SDK v1)."""

        TRAINING = "training"
        VALIDATION = "validation"
        INFERENCING = "inferencing"

    File = Factory("file_factory:FileDatasetFactory")
    Tabular = Factory("tabular.factory:TabularDatasetFactory")

    get_by_name = staticmethod(AbstractDataset.get_by_name)
    get_by_id = staticmethod(AbstractDataset.get_by_id)
    get_all = staticmethod(AbstractDataset.get_all)
