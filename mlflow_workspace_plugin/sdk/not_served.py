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
_JOBS = "Submitting jobs is not served yet: `mlflow-workspace run script.py`."


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

    list_by_compute = NotServedMember(_NONE)
    add_type_provider = NotServedMember("There is one kind of run.")
    submit_child = NotServedMember(_JOBS)
    get_environment = NotServedMember(_JOBS)
    get_secret = NotServedMember(_SECRETS)
    get_secrets = NotServedMember(_SECRETS)
    clean = NotServedMember("A run leaves nothing to clean.")


class NotServedOfSubmittedRun:
    """What SDK v1's ``_SubmittedRun`` has besides."""

    input_datasets = NotServedMember(_DATA)
    output_datasets = NotServedMember(_DATA)


class NotServedOfExperiment(NotServedOfPages):
    """What SDK v1's ``Experiment`` has besides."""

    from_directory = NotServedMember("Use `Workspace.from_config()` and `Experiment()`.")

    submit = NotServedMember(_JOBS)


class NotServedOfWorkspace:
    """What SDK v1's ``Workspace`` has besides."""

    setup = NotServedMember("Use `Workspace.create()`.")
    environments = NotServedMember(_JOBS)
    compute_targets = NotServedMember(_NONE)
    datastores = NotServedMember(_DATA)
    datasets = NotServedMember(_DATA)
    images = NotServedMember(_NONE)
    webservices = NotServedMember(_NONE)
    linked_services = NotServedMember(_NONE)
    private_endpoints = NotServedMember(_NONE)
    discovery_url = NotServedMember(_NONE)
    service_context = NotServedMember(_NONE)
    get_default_datastore = NotServedMember(_DATA)
    set_default_datastore = NotServedMember(_DATA)
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
    get_default_compute_target = NotServedMember(_NONE)
    DEFAULT_CPU_CLUSTER_NAME = NotServedMember(_NONE)
    DEFAULT_CPU_CLUSTER_CONFIGURATION = NotServedMember(_NONE)
    DEFAULT_GPU_CLUSTER_NAME = NotServedMember(_NONE)
    DEFAULT_GPU_CLUSTER_CONFIGURATION = NotServedMember(_NONE)


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
