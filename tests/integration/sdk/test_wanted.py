"""What is no workspace, experiment, datastore or dataset where one is wanted."""

import pytest

from mlflow_workspace_plugin import Experiment, Run
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.computes.aml_compute import AmlCompute
from mlflow_workspace_plugin.sdk.computes.remote_compute import RemoteCompute
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import DatasetConsumptionConfig
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.data.datastores.data_path import DataPath
from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.models.model import Model

OF_WORKSPACES = {
    "Experiment.list": lambda given: Experiment.list(given),
    "Experiment.delete": lambda given: Experiment.delete(given, "1"),
    "Run.get": lambda given: Run.get(given, "0" * 32),
    "Model": lambda given: Model(given, "m"),
    "Model.list": lambda given: Model.list(given),
    "Model.register": lambda given: Model.register(given, __file__, "m"),
    "Environment.get": lambda given: Environment.get(given, "e"),
    "Environment.list": lambda given: Environment.list(workspace=given),
    "Environment.register": lambda given: Environment("e").register(given),
    "ComputeTarget": lambda given: ComputeTarget(given, "c"),
    "ComputeTarget.list": lambda given: ComputeTarget.list(given),
    "ComputeTarget.create": lambda given: ComputeTarget.create(
        given, "c", AmlCompute.provisioning_configuration("S", max_nodes=1)
    ),
    "ComputeTarget.attach": lambda given: ComputeTarget.attach(
        given, "c", RemoteCompute.attach_configuration(address="h", username="u")
    ),
    "Datastore": lambda given: Datastore(given),
    "Datastore.get": lambda given: Datastore.get(given, "n"),
    "Datastore.get_default": lambda given: Datastore.get_default(workspace=given),
    "Datastore.register_azure_blob_container": lambda given: (
        Datastore.register_azure_blob_container(given, "n", "container", "account")
    ),
    "Datastore.register_azure_file_share": lambda given: Datastore.register_azure_file_share(
        given, "n", "share", "account"
    ),
    "Datastore.register_azure_data_lake_gen2": lambda given: (
        Datastore.register_azure_data_lake_gen2(given, "n", "container", "account")
    ),
    "Dataset.get_by_name": lambda given: Dataset.get_by_name(given, "n"),
    "Dataset.get_by_id": lambda given: Dataset.get_by_id(given, "n"),
    "Dataset.get_all": lambda given: Dataset.get_all(given),
    "Dataset.register": lambda given: Dataset.File.from_files(__file__).register(given, "n"),
}


@pytest.mark.parametrize("name", OF_WORKSPACES)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("team-a", r"was given 'team-a'\. Give what Workspace\.get\('team-a'\)"),
        (None, r"was given None\. Give what Workspace\.from_config\(\)"),
        ([], "was given a list"),
    ],
)
def test_something_else_than_a_workspace(name, given, said):
    """What was called is named, what it was given, and where a workspace is from."""
    with pytest.raises(UserErrorException, match=said) as raised:
        OF_WORKSPACES[name](given)
    assert raised.value.message.startswith(f"{name}() wants a workspace")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Experiment(None, "e"), r"Experiment\(\) wants a workspace, and was given None"),
        (lambda: Run("e", "0" * 32), r"Give Experiment\(workspace, 'e'\)"),
        (lambda: DataPath("store", "path"), "given a str.*Datastore.get"),
        (lambda: DatasetConsumptionConfig("n", "weather"), "given a str.*Dataset.get_by_name"),
        (lambda: DatasetConsumptionConfig("n", None), "given a NoneType"),
        (lambda: DatasetConsumptionConfig("n", ("team-a", "weather")), "wants a workspace"),
    ],
)
def test_something_else_than_what_it_is_of(call, said):
    """No attribute of a text is missed."""
    with pytest.raises(UserErrorException, match=said):
        call()
