"""Saved views of a workspace: kept, renamed, replaced, forgotten; of one workspace each."""

from dataclasses import replace

import pytest

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.errors import UnstorableValueError, WorkspaceNotFoundError
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.views import View

pytestmark = pytest.mark.store

ID, OTHER_ID = "0" * 31 + "1", "0" * 31 + "2"
DEFINITION = {"charts": [{"metric": "</script>\u65e5", "range": [0, 1e308]}], "columns": ["p"]}


@pytest.fixture
def store(workspace):
    return open_workspace_store(workspace.get_mlflow_tracking_uri())


def test_kept_and_changed(store):
    """A view is as it was given, and keeps when it was saved first."""
    first = store.put_view(View(ID, "b", "me", DEFINITION))
    second = store.put_view(View(OTHER_ID, "a", "me"))
    assert store.views() == [second, first]
    assert store.view(ID) == first
    assert (first.definition, first.owner) == (DEFINITION, "me")
    assert first.created_at == first.changed_at > 0
    again = store.put_view(View(ID, "c", "you", {"charts": []}))
    assert (again.created_at, again.name, again.owner) == (first.created_at, "c", "you")
    changed = store.change_view(replace(again, name="d"))
    assert store.view(ID) == changed
    assert (changed.name, changed.owner) == ("d", "you")
    assert changed.changed_at > again.changed_at
    assert store.drop_view(ID)
    assert store.view(ID) is None
    assert not store.drop_view(ID)
    assert store.change_view(View("\0", "e", "me")) is None
    assert store.view("\0") is None


def test_change_of_what_was_changed_or_dropped_meanwhile(store):
    """It is none; made again after its answer was lost, it is the one that was made."""
    read = store.put_view(View(ID, "a", "me", DEFINITION))
    ours, others = replace(read, name="b"), replace(read, name="c", definition={"columns": []})
    kept = store.change_view(ours)
    assert store.change_view(ours) == kept
    assert store.change_view(others) is None
    assert store.view(ID) == kept
    store.drop_view(ID)
    assert store.change_view(replace(kept, name="d")) is None
    assert store.views() == []


def test_texts_that_do_not_fit(store):
    """They are refused alike on each database."""
    for view in (View("x" * 33, "n", "o"), View(ID, "n" * 256, "o"), View(ID, "\0", "o")):
        with pytest.raises(UnstorableValueError):
            store.put_view(view)
    with pytest.raises(UnstorableValueError):
        store.change_view(View(ID, "n" * 256, "o"))


def test_of_one_workspace(store, workspace):
    """Another workspace sees and changes none, not by its id either; and they go with it."""
    other = Workspace.create("other", hub=str(workspace._hub.path))
    others = open_workspace_store(other.get_mlflow_tracking_uri())
    kept = store.put_view(View(ID, "ours", "me"))
    assert others.views() == []
    assert others.view(ID) is None
    assert not others.drop_view(ID)
    assert others.change_view(replace(kept, name="theirs")) is None
    others.put_view(View(ID, "theirs", "you"))
    assert store.views() == [kept]
    other.delete(delete_dependent_resources=True)
    with pytest.raises(WorkspaceNotFoundError):
        others.put_view(View(OTHER_ID, "late", "you"))
    again = Workspace.create("other", hub=str(workspace._hub.path))
    assert open_workspace_store(again.get_mlflow_tracking_uri()).views() == []
    assert store.views() == [kept]
