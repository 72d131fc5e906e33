"""Saved views: what one may be, who may change it, and how it goes from workspace to workspace."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    UserErrorException,
    ViewChangedError,
    ViewNotFoundError,
    ViewNotYoursError,
)
from mlflow_workspace_plugin.overview.runs import views
from mlflow_workspace_plugin.overview.runs.facts import ATTRIBUTES
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.stores.views import View

pytestmark = pytest.mark.store

RUN = "0123456789abcdef0123456789abcdef"
NASTY = ["</script><b>x</b>", "日本語 🚀", "a\nb\t\"'", "x" * 250]

_NAMES = st.text(min_size=1, max_size=40)
_STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_COLUMNS = st.one_of(
    st.tuples(st.sampled_from(["param", "metric", "tag", "property"]), _NAMES),
    st.tuples(st.just("attribute"), st.sampled_from(ATTRIBUTES)),
).map(list)
_SETTINGS = {
    "x": st.sampled_from(["step", "relative", "time"]),
    "smoothing": st.floats(0, 0.99),
    "log_scale": st.booleans(),
}
_CHARTS = st.fixed_dictionaries({"metric": _NAMES}, optional=_SETTINGS)
_RUNS = st.one_of(
    st.fixed_dictionaries({"ids": st.lists(st.uuids().map(lambda each: each.hex), max_size=4)}),
    st.fixed_dictionaries(
        {},
        optional={
            "experiment": st.none() | _NAMES,
            "filter": _NAMES,
            "order_by": _NAMES,
            "limit": st.integers(1, 100),
        },
    ),
)
_RANGES = st.builds(
    lambda x, low, width: {"x": x, "from": low, "to": low + max(width, abs(low) / 1e9)},
    st.sampled_from(["step", "relative", "time", None]),
    st.floats(-1e300, 1e300),
    st.floats(1e-3, 1e300),
)
DEFINITIONS = st.fixed_dictionaries(
    {"runs": _RUNS},
    optional={
        "charts": st.none() | st.lists(_CHARTS, max_size=4),
        "columns": st.none() | st.lists(_COLUMNS, max_size=4),
        "ranges": st.dictionaries(_NAMES, _RANGES, min_size=1, max_size=3),
        "may_change": st.sampled_from(["owner", "everybody"]),
        **_SETTINGS,
    },
)


@pytest.fixture
def source(workspace):
    return source_of(workspace.get_mlflow_tracking_uri())


@pytest.fixture
def other(workspace, hub_path):
    """Another workspace of the hub."""
    return source_of(Workspace.create("team-b", hub=hub_path).get_mlflow_tracking_uri())


def of_somebody_else(source, **definition):
    """A view that another user has saved."""
    made = views.checked({"runs": {"ids": [RUN]}, **definition})
    return source.store.put_view(View("f" * 32, "theirs", "somebody-else", made))


class TestDefinition:
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(definition=DEFINITIONS)
    def test_a_checked_one_is_as_it_was_given_and_stays_so(self, definition):
        """What is missing is filled in; nothing else changes, also when it is checked again."""
        made = views.checked(definition)
        assert made == views.checked(json.loads(json.dumps(made)))
        assert definition.items() <= (made | {"runs": definition["runs"]}).items()

    @pytest.mark.parametrize(
        "definition",
        [
            None,
            [],
            {},
            {"runs": {"ids": ["../etc/passwd"]}},
            {"runs": {"ids": [RUN], "filter": ""}},
            {"runs": {"ids": "all"}},
            {"runs": {"limit": 0}},
            {"runs": {"limit": True}},
            {"runs": {"limit": 101}},
            {"runs": {"filter": 1}},
            {"runs": {}, "script": "x"},
            {"runs": {}, "x": "steps"},
            {"runs": {}, "smoothing": float("nan")},
            {"runs": {}, "smoothing": 1},
            {"runs": {}, "log_scale": "yes"},
            {"runs": {}, "may_change": "nobody"},
            {"runs": {}, "ranges": []},
            {"runs": {}, "ranges": {"loss": [0, 1]}},
            {"runs": {}, "ranges": {"loss": {"from": 0}}},
            {"runs": {}, "ranges": {"loss": {"from": 1, "to": 1}}},
            {"runs": {}, "ranges": {"loss": {"from": 0, "to": float("inf")}}},
            {"runs": {}, "ranges": {"loss": {"from": 0, "to": 10**400}}},
            {"runs": {}, "ranges": {"loss": {"from": 0, "to": 1, "x": "steps"}}},
            {"runs": {}, "charts": [{}]},
            {"runs": {}, "charts": [{"metric": "loss", "html": "<b>"}]},
            {"runs": {}, "columns": [["html", "x"]]},
            {"runs": {}, "columns": [["attribute", "secret"]]},
            {"runs": {}, "columns": ["loss"]},
            {"runs": {}, "charts": [{"metric": "x" * 3_000}] * 100},
        ],
    )
    def test_what_is_none_is_refused_and_why_is_said(self, definition):
        """Nothing that pages do not know reaches them."""
        with pytest.raises(UserErrorException, match=r"no view|no column"):
            views.checked(definition)


class TestWhoMayChangeIt:
    def test_the_owner_renames_changes_and_deletes_it(self, source):
        """Several views may be called the same; the link stays the same, whatever it is called."""
        first = views.create(source, "loss", {"runs": {"ids": [RUN]}})
        second = views.create(source, "loss", {"runs": {"filter": "metrics.loss < 1"}})
        views.change(source, first.id, name="loss by lr", definition={"runs": {}, "x": "time"})
        changed = views.shown(views.found(source, first.id))
        assert changed["name"] == "loss by lr"
        assert changed["definition"]["x"] == "time"
        assert changed["may_change"]
        assert "alone may change it" in changed["who_may_change"]
        views.drop(source, first.id)
        assert [each["id"] for each in views.listed(source)] == [second.id]
        with pytest.raises(ViewNotFoundError, match="may have been deleted"):
            views.drop(source, first.id)

    def test_somebody_elses_is_seen_and_copied_but_not_changed(self, source):
        """It says whose it is, before anybody tries."""
        view = of_somebody_else(source)
        assert not views.shown(view)["may_change"]
        assert "somebody-else, who alone may change it" in views.shown(view)["who_may_change"]
        for attempt in (
            lambda: views.change(source, view.id, name="mine"),
            lambda: views.change(source, view.id, definition={"runs": {}}),
            lambda: views.drop(source, view.id),
        ):
            with pytest.raises(ViewNotYoursError, match="Save a copy"):
                attempt()
        assert views.found(source, view.id) == view
        copy = views.create(source, "mine", view.definition)
        assert views.shown(copy)["may_change"]

    def test_what_everybody_may_change_stays_so_unless_its_owner_says_else(self, source):
        """Nobody closes to the others what is not his."""
        view = of_somebody_else(source, may_change="everybody")
        definition = {"runs": {"ids": [RUN]}, "x": "time", "may_change": "owner"}
        changed = views.shown(views.change(source, view.id, definition=definition))
        assert changed["owner"] == "somebody-else"
        assert changed["definition"]["x"] == "time"
        assert changed["definition"]["may_change"] == "everybody"
        assert "Everybody" in changed["who_may_change"]

    def test_what_was_changed_meanwhile_is_not_overwritten(self, source):
        """Who has opened it before is told, and may save a copy."""
        view = views.create(source, "v", {"runs": {}})
        views.change(source, view.id, definition={"runs": {}, "x": "time"})
        later = view.changed_at - 1
        with pytest.raises(ViewChangedError, match="Save a copy, or open it again"):
            views.change(source, view.id, definition={"runs": {}}, seen_at=later)
        now = views.found(source, view.id)
        assert now.definition["x"] == "time"
        views.change(source, view.id, definition={"runs": {}}, seen_at=now.changed_at)

    @pytest.mark.parametrize("name", ["", "  ", None, 3, "x" * 256])
    def test_a_view_has_a_name(self, source, name):
        """Any text of 1 to 255 characters."""
        with pytest.raises(UserErrorException, match="The name of a view"):
            views.create(source, name, {"runs": {}})


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(definition=DEFINITIONS, name=st.text(_STORABLE, max_size=40).filter(str.strip))
def test_text_is_read_in_another_workspace_as_it_was_exported(source, other, definition, name):
    """Whatever is in it; there it is a new view of whoever reads it."""
    view = views.create(source, name, definition)
    copy = views.imported(other, views.exported(view))
    assert (copy.name, copy.definition) == (view.name, view.definition)
    assert copy.id != view.id
    assert views.exported(copy) == views.exported(view)


class TestText:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("{}", "none of ours"),
            ("[1]", "none of ours"),
            ('{"view of mlflow-workspace-plugin": 2}', "version 2"),
            ('{"view of mlflow-workspace-plugin": 1, "name": "x"}', "definition"),
            (
                '{"view of mlflow-workspace-plugin": 1, "name": "", "definition": {"runs": {}}}',
                "name",
            ),
            ("x" * 300_000, "256 kB"),
        ],
    )
    def test_what_is_none_is_refused(self, source, text, fault):
        """The message says what is wrong, and nothing is kept."""
        with pytest.raises(UserErrorException, match=fault):
            views.imported(source, text)
        assert views.listed(source) == []


class TestWorkspaces:
    def test_a_view_is_of_one_workspace(self, source, other):
        """In another one it is not there, whoever has its link."""
        view = views.create(source, "v", {"runs": {}})
        assert views.listed(other) == []
        for attempt in (
            lambda: views.found(other, view.id),
            lambda: views.change(other, view.id, name="x"),
            lambda: views.drop(other, view.id),
        ):
            with pytest.raises(ViewNotFoundError):
                attempt()
        assert views.found(source, view.id) == view

    def test_a_row_that_says_nonsense_hides_no_other(self, source):
        """It may be of a later version; it says so in the list."""
        source.store.put_view(View("e" * 32, "odd", views.user(), {"runs": {}, "later": 1}))
        views.create(source, "plain", {"runs": {}})
        odd, plain = views.listed(source)
        assert "later" in odd["fault"]
        assert odd["definition"] is None
        assert plain["fault"] is None
        views.drop(source, odd["id"])

    @pytest.mark.parametrize("name", NASTY)
    def test_any_name_is_kept(self, source, name):
        """And comes back as it was."""
        view = views.create(source, name, {"runs": {}})
        assert views.found(source, view.id).name == name


def test_the_runs_of_a_filter_are_those_that_it_takes_now(workspace, source):
    """In the order it says; of more than its limit, that there are more is said."""
    experiment = Experiment(workspace, "train")
    for loss in (3.0, 1.0, 2.0):
        run = experiment.start_logging(display_name=str(loss), snapshot_directory=None)
        run.log("loss", loss)
        run.complete()
    other = Experiment(workspace, "other").start_logging(snapshot_directory=None)
    other.log("loss", 0.5)
    other.complete()

    def found(**runs):
        ids, note = views.runs_of(source, views.checked({"runs": runs}))
        names = [each.info.run_name for each in source.store.runs_of_ids(ids)]
        return names, note

    wanted = {"experiment": "train", "filter": "metrics.loss < 3", "order_by": "metrics.loss ASC"}
    assert found(**wanted) == (["1.0", "2.0"], None)
    names, note = found(**wanted, limit=1)
    assert names == ["1.0"]
    assert "There are more" in note
    assert len(found(filter="metrics.loss < 1")[0]) == 1
    names, note = found(experiment="gone")
    assert names == []
    assert "no experiment 'gone'" in note


@pytest.mark.sqlite
def test_the_command_lists_exports_and_reads_them(source, other, hub_path, tmp_path):
    """By id or name; a file that is there is not replaced."""

    def run(*arguments, status=0, workspace="team-a", **options):
        command = ["views", *map(str, arguments), "--hub", str(hub_path), "-w", workspace]
        done = CliRunner().invoke(main, command, **options)
        assert done.exit_code == status, done.output
        return done.output

    assert "none" in run("list")
    view = views.create(source, "by lr", {"runs": {"ids": [RUN]}})
    (listed,) = json.loads(run("list", "--json"))
    assert listed["id"] == view.id
    assert run("export", "by lr") == views.exported(view) == run("export", view.id)
    file = tmp_path / "view.json"
    run("export", view.id, "-o", file)
    assert "exists" in run("export", view.id, "-o", file, status=1)
    assert "'by lr' is saved" in run("import", file, workspace="team-b")
    assert views.listed(other)[0]["definition"] == listed["definition"]
    assert "is saved" in run("import", "-", input=file.read_text())
    assert "Several views are called 'by lr'" in run("export", "by lr", status=1)
    assert "was not found" in run("export", "nope", status=1)
    assert "This is no view" in run("import", "-", input="{}", status=1)
