"""What classes of SDK v1 have and ours have not: an error that says what to use instead.

A member that begins to be served goes from here to its class, and nothing else changes.
"""

from typing import Any, NoReturn

from mlflow_workspace_plugin.errors import NotServedError

_NONE = "A hub has none."
_DATA = "Open paths and URLs, and record them with `mlflow.log_input()`."
_SECRETS = "Use environment variables."
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
        raise NotServedError(
            f"{owner.__name__}.{self._name} of Azure ML's SDK v1 is not served here. "
            f"{self.sentence}"
        )


class NotServedOfRun:
    """What SDK v1's ``Run`` has besides."""

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


class NotServedOfExperiment:
    """What SDK v1's ``Experiment`` has besides."""

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
