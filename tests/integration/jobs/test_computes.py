"""Compute targets, in SDK v1's words: names for where scripts run."""

import json

import pytest

import mlflow_workspace_plugin.azureml  # noqa: F401  serves the name azureml

# isort: split
from azureml.core import ComputeTarget as TargetOfCore
from azureml.core.compute import (
    AksCompute,
    AmlCompute,
    ComputeInstance,
    ComputeTarget,
    DatabricksCompute,
    RemoteCompute,
)
from azureml.core.compute_target import ComputeTargetException

from mlflow_workspace_plugin.errors import NotServedError
from mlflow_workspace_plugin.jobs.engines.engine import Compute


def created(workspace, name="cpu-cluster", **sizes):
    """The block that most notebooks have."""
    try:
        target = ComputeTarget(workspace=workspace, name=name)
        print("Found existing cluster, use it.")  # noqa: T201  as notebooks do
    except ComputeTargetException:
        configuration = AmlCompute.provisioning_configuration(
            vm_size="STANDARD_D2_V2", **{"max_nodes": 4, **sizes}
        )
        target = ComputeTarget.create(workspace, name, configuration)
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    return target


class TestNotebooksBlock:
    @pytest.mark.databases
    def test_it_makes_a_name_for_this_machine_and_says_so_once(self, workspace, capsys):
        """Sizes are recorded, and said to be unused; the second time the name is found."""
        target = created(workspace)
        said = capsys.readouterr().out
        assert "'cpu-cluster' is this machine" in said
        assert "not used: vm_size STANDARD_D2_V2, min_nodes 0, max_nodes 4" in said
        assert "mlflow-workspace compute add cpu-cluster --type ray --address" in said
        assert said.rstrip().endswith("Succeeded")
        created(workspace)
        assert capsys.readouterr().out == "Found existing cluster, use it.\nSucceeded\n"
        assert workspace.tracking_store.compute("cpu-cluster").type == "local"
        assert (target.vm_size, target.provisioning_state) == ("STANDARD_D2_V2", "Succeeded")
        assert target.scale_settings.maximum_node_count == 4

    def test_other_block_asks_for_the_class(self, workspace):
        """Notebooks look into ws.compute_targets, and at the type of what is there."""
        assert workspace.compute_targets == {}
        created(workspace, "gpu-cluster")
        found = workspace.compute_targets["gpu-cluster"]
        assert type(found) is AmlCompute
        assert isinstance(found, TargetOfCore)
        assert (found.name, found.type) == ("gpu-cluster", "AmlCompute")
        assert [each.name for each in ComputeTarget.list(workspace)] == ["gpu-cluster"]

    def test_status_is_serialized(self, workspace, monkeypatch):
        """It has SDK v1's keys, and says what there is here: slots, of which none is taken."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "3")
        status = created(workspace).get_status().serialize()
        assert json.loads(json.dumps(status)) == status
        assert status["provisioningState"] == "Succeeded"
        assert status["allocationState"] == "Steady"
        assert status["scaleSettings"] == {
            "minNodeCount": 0,
            "maxNodeCount": 4,
            "nodeIdleTimeBeforeScaleDown": "PT1800S",
        }
        assert (status["currentNodeCount"], status["errors"]) == (3, None)
        assert status["nodeStateCounts"]["idleNodeCount"] == 3

    def test_cluster_of_ones_own_is_found_by_the_unchanged_block(self, workspace, capsys):
        """What compute add has bound is found, as a cluster; creating it changes nothing."""
        bound = Compute("cpu-cluster", "ray", "http://10.0.0.1:8265", {"slots": 2})
        workspace.tracking_store.put_compute(bound)
        target = created(workspace)
        assert "Found existing" in capsys.readouterr().out
        assert type(target) is AmlCompute
        assert target.cluster_resource_id == "http://10.0.0.1:8265"
        again = ComputeTarget.create(
            workspace, "cpu-cluster", AmlCompute.provisioning_configuration(max_nodes=1)
        )
        assert again.is_attached
        assert workspace.tracking_store.compute("cpu-cluster") == bound
        assert "this machine" not in capsys.readouterr().out

    def test_cluster_that_this_user_does_not_trust_is_not_asked(self, workspace):
        """What a hub's row says is contacted only after this user has said that it may be."""
        bound = Compute("cpu-cluster", "ray", "http://10.0.0.1:8265")
        workspace.tracking_store.put_compute(bound)
        status = created(workspace).get_status().serialize()
        assert (status["currentNodeCount"], status["provisioningState"]) == (None, "Succeeded")
        assert "compute trust" in status["errors"][0]["message"]


class TestTarget:
    def test_missing_one_says_how_to_get_it(self, workspace):
        """SDK v1's exception; its text names what is there, and the command."""
        created(workspace, "one")
        with pytest.raises(
            ComputeTargetException, match=r"has no compute target 'two': it has one"
        ):
            ComputeTarget(workspace, "two")
        with pytest.raises(ComputeTargetException, match="compute add two"):
            AmlCompute(workspace, "two")
        with pytest.raises(ComputeTargetException, match="no compute target"):
            AksCompute(workspace, "two")

    @pytest.mark.databases
    def test_sizes_are_changed_and_the_name_deleted(self, workspace):
        """What was found before sees it when it is read anew."""
        created(workspace)
        first, second = (ComputeTarget(workspace, "cpu-cluster") for _ in range(2))
        first.update(max_nodes=8, idle_seconds_before_scaledown=60)
        second.refresh_state()
        assert second.scale_settings.maximum_node_count == 8
        assert second.serialize()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 8
        with pytest.raises(ComputeTargetException, match="less than"):
            first.update(max_nodes=1, min_nodes=2)
        first.delete()
        assert workspace.compute_targets == {}
        with pytest.raises(ComputeTargetException, match="no compute target"):
            second.refresh_state()

    @pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "é", "a" * 256, None])
    def test_bad_name_is_refused(self, workspace, name):
        """As `compute add` refuses it."""
        configuration = AmlCompute.provisioning_configuration(max_nodes=1)
        with pytest.raises(ComputeTargetException):
            ComputeTarget.create(workspace, name, configuration)
        with pytest.raises(ComputeTargetException, match="no compute target"):
            ComputeTarget(workspace, name)
        assert workspace.compute_targets == {}

    @pytest.mark.parametrize("sizes", [{}, {"min_nodes": 3, "max_nodes": 2}])
    def test_sizes_that_cannot_be_are_refused(self, sizes):
        """As in SDK v1."""
        with pytest.raises(ComputeTargetException, match="max_nodes"):
            AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", **sizes)

    def test_passwords_are_not_stored(self, workspace):
        """What SDK v1 would set a machine up with is dropped."""
        configuration = AmlCompute.provisioning_configuration(
            max_nodes=1, admin_username="me", admin_user_password="hunter2"
        )
        ComputeTarget.create(workspace, "cluster", configuration)
        assert "hunter2" not in repr(workspace.tracking_store.compute("cluster"))

    def test_machine_of_a_notebook(self, workspace):
        """A compute instance is found as what it was created as."""
        configuration = ComputeInstance.provisioning_configuration(vm_size="STANDARD_D3_V2")
        ComputeInstance.create(workspace, "ci", configuration)
        found = workspace.compute_targets["ci"]
        assert type(found) is ComputeInstance
        assert found.get_status().serialize()["state"] == "Running"
        found.stop(wait_for_completion=True, show_output=True)
        found.delete(wait_for_completion=True)
        assert workspace.compute_targets == {}

    def test_machine_over_ssh_has_to_be_bound(self, workspace):
        """It is not taken for this machine: the error names the command; bound, it is found."""
        configuration = RemoteCompute.attach_configuration(
            address="10.0.0.2", ssh_port=22, username="me", password="hunter2"
        )
        with pytest.raises(ComputeTargetException, match=r"compute add vm .*10\.0\.0\.2") as said:
            ComputeTarget.attach(workspace, "vm", configuration)
        assert "hunter2" not in str(said.value)
        workspace.tracking_store.put_compute(Compute("vm", "ray", "http://10.0.0.2:8265"))
        assert ComputeTarget.attach(workspace, "vm", configuration).name == "vm"
        assert RemoteCompute(workspace, "vm").address == "http://10.0.0.2:8265"

    def test_services_of_azure_say_what_they_were(self, workspace):
        """They can be imported and looked for; what makes one says what to use instead."""
        with pytest.raises(NotServedError, match="mlflow models serve"):
            AksCompute.provisioning_configuration(agent_count=3)
        with pytest.raises(NotServedError, match="makes or reaches"):
            DatabricksCompute.attach_configuration(resource_group="group")
        with pytest.raises(ComputeTargetException, match=r"provisioning_configuration\("):
            ComputeTarget.create(workspace, "aks", None)
