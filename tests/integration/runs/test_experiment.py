"""SDK v1's Experiment on a hub."""

from html import escape

import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.errors import ExperimentNotEmptyError, UserErrorException
from mlflow_workspace_plugin.runs import search as run_search
from mlflow_workspace_plugin.sdk.experiment import ViewType

pytestmark = pytest.mark.databases


@pytest.fixture
def experiment(workspace):
    return Experiment(workspace, "experiment")


class TestExperiment:
    @pytest.mark.hubs
    def test_it_is_created_once_and_found_again(self, workspace):
        """As in SDK v1, the constructor creates what is not there."""
        first = Experiment(workspace, "experiment")
        again = Experiment(workspace=workspace, name="experiment")
        assert (first.id, first.name, first.workspace) == (again.id, "experiment", workspace)
        assert repr(first) == f"Experiment(Name: experiment,\nWorkspace: {workspace.name})"

    @pytest.mark.parametrize("name", ["", "-x", "a b", "a.b", "a/b", "x" * 256, None])
    def test_bad_name_is_sdk_v1s_exception(self, workspace, name):
        """SDK v1's rule."""
        with pytest.raises((UserErrorException, MlflowException)):
            Experiment(workspace, name)
        assert workspace.experiments == {}

    def test_deleted_experiment_is_named(self, workspace):
        """The message says how to get it back."""
        identity = Experiment(workspace, "gone").id
        workspace.client.delete_experiment(identity)
        with pytest.raises(UserErrorException, match="restore_experiment"):
            Experiment(workspace, "gone")

    def test_workspace_may_be_given_by_name(self):
        """That is one of the default hub, as documents of SDK v1 have it."""
        workspace = Workspace.create("named")
        experiment = Experiment(workspace="named", name="experiment")
        assert list(workspace.experiments) == ["experiment"]
        assert experiment.workspace_object.name == "named"

    def test_experiment_that_is_but_a_name(self, workspace):
        """Nothing is created, and what needs it says so."""
        experiment = Experiment(workspace, "none", _create_in_cloud=False)
        assert (experiment.name, workspace.experiments) == ("none", {})
        with pytest.raises(UserErrorException, match="_create_in_cloud"):
            experiment.tag("a", "b")


class TestRuns:
    @pytest.mark.hubs
    def test_newest_first_and_lazily(self, experiment, monkeypatch):
        """However many pages; children only if asked for; a run started meanwhile repeats none."""
        monkeypatch.setattr(run_search, "_PAGE", 2)
        runs = [experiment.start_logging() for _ in range(5)]
        child = runs[0].child_run()
        found = experiment.get_runs()
        ids = [next(found).id]
        runs.append(experiment.start_logging())
        ids += [each.id for each in found]
        assert sorted(ids) == sorted(each.id for each in runs[:5])
        assert len(set(ids)) == len(ids)
        with_children = [each.id for each in experiment.get_runs(include_children=True)]
        assert len(with_children) == 7
        assert child.id in with_children

    @pytest.mark.hubs
    def test_filters(self, experiment):
        """A key that must be there, or pairs that must be equal; and all of them at once."""
        one = experiment.start_logging(tags={"a": "1", "n": None}, properties={"p": "x"})
        two = experiment.start_logging(tags={"a": "2"})

        def ids(**wanted):
            return {each.id for each in experiment.get_runs(**wanted)}

        assert ids() == {one.id, two.id}
        assert ids(tags="a") == {one.id, two.id}
        assert ids(tags="n") == ids(tags={"n": None}) == {one.id}
        assert ids(tags={"a": "1", "n": None}) == {one.id}
        assert ids(tags={"a": 2}) == {two.id}
        assert ids(properties="p") == ids(properties={"p": "x"}, tags="a") == {one.id}
        assert ids(properties={"p": "y"}) == ids(type="azureml.scriptrun") == set()

    def test_filter_of_another_kind_is_an_error_when_iterated(self, experiment):
        """As in SDK v1."""
        experiment.start_logging()
        found = experiment.get_runs(tags=["a"])
        with pytest.raises(ValueError, match="list"):
            next(found)


class TestTags:
    @pytest.mark.hubs
    def test_set_replaced_and_removed(self, workspace, experiment):
        """Any text; this object knows at once, another when it is refreshed."""
        other = Experiment(workspace, "experiment")
        own = workspace.client.get_experiment(experiment.id).tags
        experiment.set_tags({"a": "1", "a@b": None, "long": "v" * 9000})
        experiment.tag("a", 2)
        assert experiment.tags == {"a": "2", "a@b": None, "long": "v" * 9000}
        assert other.tags == {}
        other.refresh()
        assert other.tags == experiment.tags
        before = workspace.client.get_experiment(experiment.id).tags
        experiment.tag("long", "w" * 9000)
        assert len(workspace.client.get_experiment(experiment.id).tags) == len(before)
        experiment.remove_tags(["a@b", "long", "none"])
        assert experiment.tags == {"a": "2"}
        assert workspace.client.get_experiment(experiment.id).tags == own | {"a": "2"}


class TestList:
    @pytest.mark.hubs
    def test_by_name_view_and_tags(self, workspace, experiment):
        """Archived ones are hidden unless asked for, and those MLflow deleted always."""
        other = Experiment(workspace, "other")
        other.tag("a", "b")
        workspace.client.delete_experiment(Experiment(workspace, "gone").id)
        experiment.archive()

        def names(*args, **kwargs):
            return [each.name for each in Experiment.list(workspace, *args, **kwargs)]

        assert names() == ["other"]
        assert sorted(names(view_type=ViewType.All)) == ["experiment", "other"]
        assert names(view_type="ArchivedOnly") == ["experiment"]
        assert names("experiment") == names(tags="b") == []
        assert names(experiment_name="other", tags={"a": "b"}) == ["other"]


class TestArchive:
    @pytest.mark.hubs
    def test_hidden_and_its_name_free(self, workspace, experiment):
        """Its runs are read as before; writing to the name makes another experiment."""
        run = experiment.start_logging()
        run.log("m", 1)
        experiment.archive()
        experiment.archive()
        assert workspace.experiments == {}
        assert experiment.name == "experiment"
        assert experiment.archived_time is not None
        assert [each.get_metrics() for each in experiment.get_runs()] == [{"m": 1}]
        assert Experiment(workspace, "experiment").id != experiment.id

    @pytest.mark.hubs
    def test_shown_again(self, workspace, experiment):
        """With its runs, under its name, and as if nothing had been."""
        run = experiment.start_logging()
        before = workspace.client.get_experiment(experiment.id).tags
        experiment.archive()
        experiment.reactivate()
        assert Experiment(workspace, "experiment").id == experiment.id
        assert experiment.archived_time is None
        assert [each.id for each in experiment.get_runs()] == [run.id]
        assert workspace.client.get_experiment(experiment.id).tags == before
        experiment.reactivate()

    @pytest.mark.hubs
    def test_not_shown_under_a_name_that_is_taken(self, workspace, experiment):
        """Nor under a new one, as in SDK v1."""
        experiment.archive()
        Experiment(workspace, "experiment")
        with pytest.raises(UserErrorException, match="another one has its name"):
            experiment.reactivate()
        with pytest.raises(UserErrorException, match="Leave new_name out"):
            experiment.reactivate(new_name="new")


class TestDelete:
    @pytest.mark.hubs
    def test_empty_one_goes_and_its_name_is_free(self, workspace, experiment):
        """It is no archived one either."""
        Experiment.delete(workspace, experiment.id)
        assert Experiment.list(workspace, view_type=ViewType.All) == []
        assert Experiment(workspace, "experiment").id != experiment.id

    @pytest.mark.hubs
    def test_one_with_runs_stays(self, workspace, experiment):
        """The message names archive."""
        experiment.start_logging()
        with pytest.raises(ExperimentNotEmptyError, match="archive"):
            Experiment.delete(workspace, experiment.id)
        assert list(workspace.experiments) == ["experiment"]


def test_pages_and_tables(experiment, monkeypatch):
    """The address and the table that notebooks show."""
    url = f"http://127.0.0.1:5000/pages/experiments/{experiment.id}?workspace=team-a"
    assert experiment.get_portal_url() == url
    assert experiment._repr_html_() == (
        '<table style="width:100%"><tr><th>Name</th><th>Workspace</th><th>Report Page</th></tr>'
        f'<tr><td>experiment</td><td>team-a</td><td><a href="{escape(url)}" target="_blank" '
        'rel="noopener">Link to the page</a></td></tr></table>'
    )
    # Where a stock server of MLflow's serves the hub, which has no pages of ours.
    monkeypatch.setenv("MLFLOW_WORKSPACE_LINKS", "mlflow")
    of_mlflow = f"http://127.0.0.1:5000/#/experiments/{experiment.id}?workspace=team-a"
    assert experiment.get_portal_url() == f"{of_mlflow}&workflowType=machine_learning"
