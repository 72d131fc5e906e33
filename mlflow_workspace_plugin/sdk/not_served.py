"""What classes of SDK v1 have and ours have not: an error that says what to use instead.

A member that begins to be served goes from here to its class, and nothing else changes.
"""

from typing import Any, NoReturn

_NONE = "A hub has none."
_DEPLOYMENT = "Use `mlflow models serve`, or `mlflow models build-docker`."
_INTERNAL = "It was an internal part of SDK v1, which nothing here has a use for."
_CONNECTIONS = "Use environment variables for what they held."
_DATA = "Open paths and URLs, and record them with `mlflow.log_input()`."
_SECRETS = "Use environment variables."
_SIGN_IN = "A hub asks for no sign-in; for Azure's own services use `azure-identity`."


class NotServedMember:
    """A member that is not served: ``hasattr`` does not find it, and its use is an error.

    Args:
        sentence: what to use instead.
    """

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        # What is not served is known without MLflow, which the errors need.
        from mlflow_workspace_plugin.errors import NotServedError

        raise NotServedError(
            f"{owner.__name__}.{self._name} of Azure ML's SDK v1 is not served here. "
            f"{self.sentence}"
        )


class NotServedOfLogged:
    """What SDK v1's classes have for the log of itself."""

    DELIM = NotServedMember(_INTERNAL)
    identity = NotServedMember("It named the object in SDK v1's own log. Use `id`.")


class NotServedOfPages(NotServedOfLogged):
    """What SDK v1's classes have for the pages of their objects in its portal."""

    portal_url = NotServedMember("Use `get_portal_url()`.")
    get_docs_url = NotServedMember("Use `help()`.")
    EXPERIMENT_ID_PATH = NotServedMember(_INTERNAL)
    EXPERIMENT_NAME_PATH = NotServedMember(_INTERNAL)
    TID_FMT = NotServedMember(_INTERNAL)
    WORKSPACE_FMT = NotServedMember(_INTERNAL)


class NotServedOfRun(NotServedOfPages):
    """What SDK v1's ``Run`` has besides."""

    RUN_PATH = NotServedMember(_INTERNAL)
    _run_dto = NotServedMember("Use `get_details()`, or `workspace.client.get_run(run.id)`.")

    list_by_compute = NotServedMember("Use `mlflow-workspace jobs --compute NAME`.")
    add_type_provider = NotServedMember("Kinds of runs cannot be added.")
    get_secret = NotServedMember(_SECRETS)
    get_secrets = NotServedMember(_SECRETS)
    clean = NotServedMember("A run leaves nothing to clean.")


class NotServedOfExperiment(NotServedOfPages):
    """What SDK v1's ``Experiment`` has besides."""

    from_directory = NotServedMember("Use `Workspace.from_config()` and `Experiment()`.")


class NotServedOfWorkspace:
    """What SDK v1's ``Workspace`` has besides."""

    setup = NotServedMember("Use `Workspace.create()`.")
    images = NotServedMember(_NONE)
    webservices = NotServedMember(_NONE)
    linked_services = NotServedMember(_NONE)
    private_endpoints = NotServedMember(_NONE)
    discovery_url = NotServedMember(_NONE)
    service_context = NotServedMember(_NONE)
    get_default_keyvault = NotServedMember(_SECRETS)
    list_keys = NotServedMember(_NONE)
    sync_keys = NotServedMember(_NONE)
    update = NotServedMember("What a workspace is called and holds is set by `Workspace.create()`.")
    update_dependencies = NotServedMember(_NONE)
    diagnose_workspace = NotServedMember("Use `mlflow-workspace doctor`.")
    add_private_endpoint = NotServedMember(_NONE)
    delete_private_endpoint_connection = NotServedMember(_NONE)
    get_connection = NotServedMember(_CONNECTIONS)
    set_connection = NotServedMember(_CONNECTIONS)
    list_connections = NotServedMember(_CONNECTIONS)
    delete_connection = NotServedMember(_CONNECTIONS)
    get_default_compute_target = NotServedMember("Use `ComputeTarget(workspace, name)`.")
    DEFAULT_CPU_CLUSTER_NAME = NotServedMember(_NONE)
    DEFAULT_CPU_CLUSTER_CONFIGURATION = NotServedMember(_NONE)
    DEFAULT_GPU_CLUSTER_NAME = NotServedMember(_NONE)
    DEFAULT_GPU_CLUSTER_CONFIGURATION = NotServedMember(_NONE)


class NotServedOfEnvironment:
    """What SDK v1's ``Environment`` has besides."""

    __slots__ = ()

    label = NotServedMember("Environments have versions: name one in `Environment.get()`.")
    get_image_details = NotServedMember("Scripts run without images.")
    add_private_pip_wheel = NotServedMember(
        "Name the wheel's path or URL, as the nodes see it, among the pip packages."
    )


class NotServedOfScriptRunConfig:
    """What SDK v1's ``ScriptRunConfig`` has besides."""

    DELIM = NotServedMember(_INTERNAL)
    identity = NotServedMember("It named the object in SDK v1's own log.")


_NO_MACHINES = "No machine is made here."


class NotServedOfComputeTarget:
    """What SDK v1's ``ComputeTarget`` has besides."""

    deserialize = NotServedMember("Use `ComputeTarget(workspace, name)`.")


class NotServedOfAmlCompute(NotServedOfComputeTarget):
    """What SDK v1's ``AmlCompute`` has besides."""

    add_identity = NotServedMember(_NO_MACHINES)
    remove_identity = NotServedMember(_NO_MACHINES)
    list_usages = NotServedMember(_NO_MACHINES)
    list_quotas = NotServedMember(_NO_MACHINES)
    update_quotas = NotServedMember(_NO_MACHINES)
    get_active_runs = NotServedMember("Use `mlflow-workspace jobs`.")


class NotServedOfComputeInstance(NotServedOfComputeTarget):
    """What SDK v1's ``ComputeInstance`` has besides."""

    get_docs_url = NotServedMember("Use `help()`.")
    get_active_runs = NotServedMember("Use `mlflow-workspace jobs`.")
    update_sso_settings = NotServedMember(_NO_MACHINES)
    ssh_public_access = NotServedMember(_NO_MACHINES)
    ssh_port = NotServedMember(_NO_MACHINES)
    admin_username = NotServedMember(_NO_MACHINES)
    admin_user_ssh_public_key = NotServedMember(_NO_MACHINES)
    vnet_resourcegroup_name = NotServedMember(_NO_MACHINES)
    vnet_name = NotServedMember(_NO_MACHINES)
    subnet_name = NotServedMember(_NO_MACHINES)
    subnet_id = NotServedMember(_NO_MACHINES)
    public_ip_address = NotServedMember(_NO_MACHINES)
    private_ip_address = NotServedMember(_NO_MACHINES)
    applications = NotServedMember(_NO_MACHINES)
    errors = NotServedMember(_NO_MACHINES)
    assigned_user_object_id = NotServedMember(_NO_MACHINES)
    assigned_user_tenant_id = NotServedMember(_NO_MACHINES)
    instance_resource_id = NotServedMember(_NO_MACHINES)
    instance_location = NotServedMember(_NO_MACHINES)


class NotServedOfRemoteCompute(NotServedOfComputeTarget):
    """What SDK v1's ``RemoteCompute`` has besides."""

    get_credentials = NotServedMember("No machine is reached by SSH from here.")
    ssh_port = NotServedMember("No machine is reached by SSH from here.")


_CLUSTER = "Bind a name to a cluster of your own: `mlflow-workspace compute add`."


class NotServedOfAksCompute:
    """What SDK v1's ``AksCompute`` has besides."""

    provisioning_configuration = NotServedMember(_DEPLOYMENT)
    attach_configuration = NotServedMember(_DEPLOYMENT)


class NotServedOfCluster:
    """What SDK v1's classes for other machines in Azure have besides."""

    provisioning_configuration = NotServedMember(_CLUSTER)
    attach_configuration = NotServedMember(_CLUSTER)


class NotServedOfService:
    """What SDK v1's classes for services of Azure have besides."""

    provisioning_configuration = NotServedMember("Nothing here makes or reaches it.")
    attach_configuration = NotServedMember("Nothing here makes or reaches it.")


_NO_CACHE = "Mounted files that have to be copied are kept on the machine for the next mount."


class NotServedOfFileDataset:
    """What SDK v1's ``FileDataset`` has besides."""

    filter = NotServedMember("Use a pattern of paths, or a list of them.")
    file_metadata = NotServedMember("Use a pattern of paths, or a list of them.")
    as_cache = NotServedMember(_NO_CACHE)
    hydrate = NotServedMember(_NO_CACHE)


DATABASES = (
    "Read the database with `pandas.read_sql()`, and keep the result: "
    "`Dataset.Tabular.register_pandas_dataframe()`."
)
GEN1 = (
    "Azure Data Lake Storage Gen1 was retired by Azure. Register what it was moved to: "
    "`Datastore.register_azure_data_lake_gen2()`."
)
OTHER_FILES = "Copy the files to `ws.get_default_datastore()`."


class NotServedOfDatastore:
    """What SDK v1's ``Datastore`` has besides."""

    register_azure_data_lake = NotServedMember(GEN1)
    register_azure_sql_database = NotServedMember(DATABASES)
    register_azure_postgre_sql = NotServedMember(DATABASES)
    register_azure_my_sql = NotServedMember(DATABASES)
    register_dbfs = NotServedMember(OTHER_FILES)
    register_hdfs = NotServedMember(OTHER_FILES)


_PROOF = "What signs in is kept by no hub, but where it is found: `credential_type` says its kind."


class NotServedOfAzureBlobDatastore:
    """What SDK v1's ``AzureBlobDatastore`` has besides."""

    workspace_msi_has_access = NotServedMember(_PROOF)
    service_data_access_auth_identity = NotServedMember(_PROOF)


class NotServedOfAzureFileDatastore:
    """What SDK v1's ``AzureFileDatastore`` has besides."""

    file_service = NotServedMember("Use `azure-storage-file-share`, or mount the share.")


class NotServedOfAzureDataLakeGen2Datastore:
    """What SDK v1's ``AzureDataLakeGen2Datastore`` has besides."""

    tenant_id = NotServedMember(_PROOF)
    client_id = NotServedMember(_PROOF)
    client_secret = NotServedMember(_PROOF)
    resource_url = NotServedMember(_PROOF)
    authority_url = NotServedMember(_PROOF)
    service_data_access_auth_identity = NotServedMember(_PROOF)


_FIRST_DATASETS = (
    "It is of SDK v1's first datasets. Use `Dataset.File`, `Dataset.Tabular`, or "
    "`Dataset.get_by_name()`."
)


class NotServedOfDataset:
    """What SDK v1's ``Dataset`` has besides, for the kind of datasets that it had at first."""

    get = NotServedMember("Use `Dataset.get_by_name()`.")
    list = NotServedMember("Use `Dataset.get_all()`.")
    from_pandas_dataframe = NotServedMember("Use `Dataset.Tabular.register_pandas_dataframe()`.")
    from_delimited_files = NotServedMember("Use `Dataset.Tabular.from_delimited_files()`.")
    auto_read_files = NotServedMember("Use `Dataset.Tabular.from_delimited_files()`.")
    from_parquet_files = NotServedMember("Use `Dataset.Tabular.from_parquet_files()`.")
    from_excel_files = NotServedMember("Read them by pandas, and register the frame.")
    from_binary_files = NotServedMember("Use `Dataset.File.from_files()`.")
    from_sql_query = NotServedMember("Read it by pandas, and register the frame.")
    from_json_files = NotServedMember("Use `Dataset.Tabular.from_json_lines_files()`.")
    register = NotServedMember(_FIRST_DATASETS)
    update = NotServedMember(_FIRST_DATASETS)
    update_definition = NotServedMember(_FIRST_DATASETS)
    get_definition = NotServedMember(_FIRST_DATASETS)
    get_definitions = NotServedMember(_FIRST_DATASETS)
    to_pandas_dataframe = NotServedMember(_FIRST_DATASETS)
    to_spark_dataframe = NotServedMember(_FIRST_DATASETS)
    head = NotServedMember(_FIRST_DATASETS)
    create_snapshot = NotServedMember(_FIRST_DATASETS)
    get_snapshot = NotServedMember(_FIRST_DATASETS)
    delete_snapshot = NotServedMember(_FIRST_DATASETS)
    get_all_snapshots = NotServedMember(_FIRST_DATASETS)
    generate_profile = NotServedMember(_FIRST_DATASETS)
    get_profile = NotServedMember(_FIRST_DATASETS)
    deprecate = NotServedMember(_FIRST_DATASETS)
    archive = NotServedMember(_FIRST_DATASETS)
    reactivate = NotServedMember(_FIRST_DATASETS)
    compare_profiles = NotServedMember(_FIRST_DATASETS)
    diff = NotServedMember(_FIRST_DATASETS)
    sample = NotServedMember(_FIRST_DATASETS)
    name = NotServedMember(_FIRST_DATASETS)
    workspace = NotServedMember(_FIRST_DATASETS)
    id = NotServedMember(_FIRST_DATASETS)
    definition_version = NotServedMember(_FIRST_DATASETS)
    definition = NotServedMember(_FIRST_DATASETS)
    is_visible = NotServedMember(_FIRST_DATASETS)
    tags = NotServedMember(_FIRST_DATASETS)
    description = NotServedMember(_FIRST_DATASETS)
    state = NotServedMember(_FIRST_DATASETS)


class NotServedOfModel:
    """What SDK v1's ``Model`` has besides."""

    deploy = NotServedMember(_DEPLOYMENT)
    package = NotServedMember(_DEPLOYMENT)
    profile = NotServedMember(_DEPLOYMENT)
    print_configuration = NotServedMember(_DEPLOYMENT)
    get_sas_urls = NotServedMember("Use `download()`.")
    add_dataset_references = NotServedMember("Use `datasets=` of `Model.register()`.")
    deserialize = NotServedMember("Use `Model(workspace, name, version=version)`.")


class NotServedOfAuthentication:
    """What SDK v1's classes for signing in have besides."""

    get_authentication_header = NotServedMember(_SIGN_IN)
    get_token = NotServedMember(_SIGN_IN)
    signed_session = NotServedMember(_SIGN_IN)


_PROFILE = "Use `to_pandas_dataframe().describe()`."
_STREAMS = "Use `Dataset.File.from_files()` for files that are to be brought here."


class NotServedOfTabularDataset:
    """What SDK v1's ``TabularDataset`` has besides."""

    partition_by = NotServedMember(
        "Use `to_pandas_dataframe()`, pandas' `to_parquet(partition_cols=...)` and "
        "`Dataset.File.upload_directory()`, then `from_parquet_files(partition_format=...)`."
    )
    to_dask_dataframe = NotServedMember(
        "Use `to_parquet_files().download()` and `dask.dataframe.read_parquet()`."
    )
    to_spark_dataframe = NotServedMember(
        "Use `to_parquet_files().download()` and `spark.read.parquet()`."
    )
    submit_profile_run = NotServedMember(_PROFILE)
    get_profile = NotServedMember(_PROFILE)
    get_profile_runs = NotServedMember(_PROFILE)
    download = NotServedMember(_STREAMS)
    mount = NotServedMember(_STREAMS)


class NotServedOfTabularDatasetFactory:
    """What SDK v1's ``Dataset.Tabular`` has besides."""

    from_sql_query = NotServedMember(
        "Read the query by `pandas.read_sql()`, and keep the rows by "
        "`Dataset.Tabular.register_pandas_dataframe()`."
    )
    register_spark_dataframe = NotServedMember(
        "Write it as Parquet, then use `Dataset.File.upload_directory()` and "
        "`Dataset.Tabular.from_parquet_files()`."
    )
    register_dask_dataframe = NotServedMember(
        "Write it as Parquet, then use `Dataset.File.upload_directory()` and "
        "`Dataset.Tabular.from_parquet_files()`."
    )


class NotServedOfDataType:
    """What SDK v1's ``DataType`` has besides."""

    to_stream = NotServedMember(_STREAMS)
