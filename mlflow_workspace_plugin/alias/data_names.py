"""Which class of ours each of SDK v1's names for data is."""

from mlflow_workspace_plugin.data.delivery import placeholders

_DATA = "mlflow_workspace_plugin.sdk.data"

_PLACES = {
    "consumption.consumption_config": ("DatasetConsumptionConfig",),
    "consumption.output_configs": (
        "HDFSOutputDatasetConfig",
        "LinkFileOutputDatasetConfig",
        "LinkTabularOutputDatasetConfig",
        "OutputDatasetConfig",
        "OutputFileDatasetConfig",
        "OutputTabularDatasetConfig",
        "TransformationMixin",
    ),
    "datasets.abstract": ("AbstractDataset",),
    "datasets.dataset": ("Dataset",),
    "datasets.file_dataset": ("FileDataset",),
    "datasets.file_factory": ("FileDatasetFactory",),
    "datasets.tabular.data_type": ("DataType",),
    "datasets.tabular.dataset": ("TabularDataset",),
    "datasets.tabular.enumerations": (
        "FileEncoding",
        "FileType",
        "HistogramCompareMethod",
        "PromoteHeadersBehavior",
        "SkipLinesBehavior",
    ),
    "datasets.tabular.factory": ("TabularDatasetFactory",),
    "datastores.base": ("AbstractDatastore",),
    "datastores.data_path": ("DataPath", "DataPathComputeBinding"),
    "datastores.datastore": ("Datastore",),
    "datastores.others": (
        "AzureDataLakeDatastore",
        "AzureMySqlDatastore",
        "AzurePostgreSqlDatastore",
        "AzureSqlDatabaseDatastore",
        "DBFSDatastore",
        "HDFSDatastore",
    ),
    "datastores.references": ("DataReference",),
    "datastores.storage_accounts": (
        "AbstractADLSDatastore",
        "AbstractAzureStorageDatastore",
        "AzureBlobDatastore",
        "AzureDataLakeGen2Datastore",
        "AzureFileDatastore",
    ),
}

NAMES = {name: f"{_DATA}.{module}:{name}" for module, names in _PLACES.items() for name in names}
"""Wherever SDK v1 has one of these names, but in its sections of configurations."""

OF_RUN = {
    name: f"{_DATA}.consumption.of_run:{name}"
    for name in ("InputDatasets", "LinkOutput", "OutputDatasets")
}
"""What a script finds its data in."""

_SECTIONS = "mlflow_workspace_plugin.sdk.jobs.configurations"
SECTIONS = {
    name: f"{_SECTIONS}.data:{name}"
    for name in (
        "Data",
        "DataLocation",
        "DataPath",
        "DataReferenceConfiguration",
        "Dataset",
        "SUPPORTED_DATAREF_MODES",
        "SUPPORTED_DELIVERY_MECHANISM",
        "Uri",
    )
} | {
    name: f"{_SECTIONS}.output_data:{name}"
    for name in (
        "DatasetRegistrationOptions",
        "GlobsOptions",
        "MountOptions",
        "OutputData",
        "OutputOptions",
        "RegistrationOptions",
        "UploadOptions",
    )
}
"""Sections of a run's configuration, which are other things than classes of the same names."""

CONSTANTS: dict[str, object] = {
    "ACCOUNT_KEY": "AccountKey",
    "AZURE_BLOB": "AzureBlob",
    "AZURE_DATA_LAKE": "AzureDataLake",
    "AZURE_DATA_LAKE_GEN2": "AzureDataLakeGen2",
    "AZURE_FILE": "AzureFile",
    "AZURE_MYSQL": "AzureMySql",
    "AZURE_POSTGRESQL": "AzurePostgreSql",
    "AZURE_SQL_DATABASE": "AzureSqlDatabase",
    "DIRECT_MODE": "direct",
    "DOWNLOAD_MODE": "download",
    "HDFS_MODE": "hdfs",
    "LINK_MODE": "link",
    "MANAGED_DATASET": "managed-dataset",
    "MOUNT_MODE": "mount",
    "UPLOAD_MODE": "upload",
    "WORKSPACE_BLOB_DATASTORE": "workspaceblobstore",
    "WORKSPACE_FILE_DATASTORE": "workspacefilestore",
    "_DATASET_ARGUMENT_TEMPLATE": placeholders.of_input("{}"),
    "_DATASET_OUTPUT_ARGUMENT_TEMPLATE": placeholders.of_output("{}"),
}
"""Values of ``azureml.data.constants`` that code outside of SDK v1 uses."""
