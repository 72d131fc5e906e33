"""Tags, properties and names of SDK v1's Run on a hub."""

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.errors import ImmutablePropertyError

pytestmark = pytest.mark.databases


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging()


# Of no class: hypothesis wants each example of a test to run on one object.
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own run
)
@given(
    tags=st.dictionaries(
        st.text() | st.just("k@" * 250), st.none() | st.text() | st.just("v" * 9000), max_size=4
    )
)
def test_any_text_round_trips(workspace, tags):
    """As key and as value, of tags and of properties, at the start and later."""
    experiment = Experiment(workspace, "experiment")
    run = experiment.start_logging(tags=tags, properties=tags)
    assert (run.tags, run.properties) == (tags, tags)
    later = experiment.start_logging()
    later.set_tags(tags)
    later.add_properties(tags)
    assert (later.get_tags(), later.get_properties()) == (tags, tags)
    later.remove_tags(list(tags))
    assert later.tags == {}


class TestTags:
    @pytest.mark.hubs
    def test_set_replaced_and_removed(self, workspace, run):
        """Other tags stay; a tag may have no value; an unknown one is removed without a word."""
        run.tag("a", "b")
        run.set_tags({"a": "c", "n": None})
        run.tag("key")
        run.set_tags("alone")
        assert run.tags == run.get_tags() == {"a": "c", "n": None, "key": None, "alone": None}
        assert workspace.client.get_run(run.id).data.tags["a"] == "c"
        run.remove_tags(["a", "n", "none"])
        assert run.tags == {"key": None, "alone": None}

    def test_nothing_stays_of_a_long_value(self, workspace, run):
        """Neither when it is replaced by another, nor when it is removed."""
        before = workspace.client.get_run(run.id).data.tags
        for letter in "ab":
            run.tag("long", letter * 20_000)
        assert run.tags["long"] == "b" * 20_000
        assert len(workspace.client.get_run(run.id).data.tags) == len(before) + 1 + 3
        run.remove_tags(["long"])
        assert workspace.client.get_run(run.id).data.tags == before

    @pytest.mark.hubs
    def test_more_tags_than_mlflow_takes_at_once(self, run):
        """MLflow takes a hundred."""
        run.set_tags({f"t{number}": "v" for number in range(250)})
        assert len(run.tags) == 250

    def test_what_mlflow_notes_by_itself_is_none(self, workspace, run):
        """The script, the user and the name, for which SDK v1 had other places."""
        stored = workspace.client.get_run(run.id).data.tags
        assert stored["mlflow.source.type"] == "LOCAL"
        assert "mlflow.user" in stored
        assert run.tags == {}
        workspace.client.set_tag(run.id, "estimator_name", "LogisticRegression")
        assert run.tags == {"estimator_name": "LogisticRegression"}


class TestProperties:
    def test_added_and_hidden_from_tags(self, run):
        """Nothing to add is no error."""
        run.add_properties({"a": "b", "n": None})
        run.add_properties({"c": 1})
        run.add_properties(None)
        run.add_properties({})
        assert run.properties == run.get_properties() == {"a": "b", "n": None, "c": "1"}
        assert run.tags == {}

    @pytest.mark.hubs
    def test_never_change(self, run):
        """The error names both values, and nothing is added; the same again is no error."""
        run.add_properties({"a": "b"})
        run.add_properties({"a": "b"})
        with pytest.raises(ImmutablePropertyError, match=r"'a' .* is 'b' and cannot become 'c'"):
            run.add_properties({"new": "x", "a": "c"})
        assert run.properties == {"a": "b"}

    def test_git_facts_of_the_snapshots_folder(self, workspace, tmp_path, monkeypatch):
        """Under SDK v1's names, without the password in the repository's address."""
        folder = tmp_path / "code"
        folder.mkdir()

        def git(*arguments):
            identity = ("-c", "user.name=n", "-c", "user.email=e")
            subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)

        git("init", "--quiet", "--initial-branch", "trunk")
        git("commit", "--quiet", "--allow-empty", "--message", "m")
        git("remote", "add", "origin", "https://user:secret@example.org/r.git")
        monkeypatch.setenv("AZUREML_GIT_BUILD_ID", "7")
        start = Experiment(workspace, "experiment").start_logging
        properties = start(snapshot_directory=str(folder), properties={"own": "p"}).properties
        assert properties.pop("ContentSnapshotId")
        commit = properties["azureml.git.commit"]
        assert properties == {
            "azureml.git.repository_uri": "https://example.org/r.git",
            "mlflow.source.git.repoURL": "https://example.org/r.git",
            "azureml.git.branch": "trunk",
            "mlflow.source.git.branch": "trunk",
            "azureml.git.commit": commit,
            "mlflow.source.git.commit": commit,
            "azureml.git.dirty": "False",
            "azureml.git.build_id": "7",
            "own": "p",
        }
        (tmp_path / "elsewhere").mkdir()
        properties = start(snapshot_directory=str(tmp_path / "elsewhere")).properties
        assert properties.keys() == {"ContentSnapshotId", "azureml.git.build_id"}


class TestNames:
    @pytest.mark.hubs
    def test_display_name_and_description(self, workspace, run):
        """As MLflow's UI shows them; ``name`` is another word for the first."""
        assert run.display_name == run.name == workspace.client.get_run(run.id).info.run_name
        assert run.description is None
        run.display_name = "new name"
        run.description = "d" * 9000
        assert (run.name, run.description) == ("new name", "d" * 9000)
        assert workspace.client.get_run(run.id).info.run_name == "new name"
        note = workspace.client.get_run(run.id).data.tags["mlflow.note.content"]
        assert note.startswith("d" * 1000)
        assert run.tags == {}

    @pytest.mark.hubs
    def test_given_at_the_start(self, workspace):
        """``name`` by position, ``display_name`` before it."""
        start = Experiment(workspace, "experiment").start_logging
        assert start("first").name == "first"
        run = start("first", display_name="shown", description="why")
        assert (run.display_name, run.description) == ("shown", "why")
