"""SDK v1's datastores that nothing here reaches: they can be named, and are never made."""

from mlflow_workspace_plugin.errors import NotServedError
from mlflow_workspace_plugin.sdk.data.datastores.base import AbstractDatastore
from mlflow_workspace_plugin.sdk.not_served import DATABASES, GEN1, OTHER_FILES


class _Unreachable(AbstractDatastore):
    """A datastore that is not served."""

    _instead = DATABASES

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise NotServedError(
            f"{type(self).__name__} of Azure ML's SDK v1 is not served here. {self._instead}"
        )


class AzureDataLakeDatastore(_Unreachable):
    """A data lake of the first generation (SDK v1)."""

    _instead = GEN1


class AzureSqlDatabaseDatastore(_Unreachable):
    """An Azure SQL database (SDK v1)."""


class AzurePostgreSqlDatastore(_Unreachable):
    """A PostgreSQL database in Azure (SDK v1)."""


class AzureMySqlDatastore(_Unreachable):
    """A MySQL database in Azure (SDK v1)."""


class DBFSDatastore(_Unreachable):
    """The file system of Databricks (SDK v1)."""

    _instead = OTHER_FILES


class HDFSDatastore(_Unreachable):
    """A file system of Hadoop's (SDK v1)."""

    _instead = OTHER_FILES
