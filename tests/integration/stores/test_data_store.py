"""Rows of datastores and datasets in a hub's database: what is kept, and whose it is."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.errors import (
    DatasetExistsError,
    DatasetNotFoundError,
    DatastoreExistsError,
    DatastoreNotFoundError,
    UnstorableValueError,
    WorkspaceNotEmptyError,
)
from mlflow_workspace_plugin.hub.hub import upgrade_hub
from mlflow_workspace_plugin.stores.build import build_tracking_store
from mlflow_workspace_plugin.stores.data.datastore_row import OWN_DATASTORE, DatastoreRow
from tests.hubs import take_back

pytestmark = pytest.mark.store

BLOB = DatastoreRow("Blob", "AzureBlob", "https://a.blob.core.windows.net/c", {"account": "a"})
FILES = {"kind": "file", "paths": [{"datastore": OWN_DATASTORE, "path": "ä\0\ud800/**"}]}
OTHERS = {"kind": "file", "paths": []}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def store(uri):
    """The store of the workspace as scripts use it."""
    return build_tracking_store(uri)


@pytest.fixture
def other_store(other_workspace):
    """The store of another workspace of the hub."""
    return build_tracking_store(other_workspace.get_mlflow_tracking_uri())


def at_once(count, call):
    """What calls return, or raise, that threads make at the same time."""
    barrier = threading.Barrier(count)

    def _call(number):
        barrier.wait()
        try:
            return call(number)
        except DatasetExistsError as refused:
            return refused

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(_call, range(count)))


def test_datastores_are_kept_by_name(store):
    """In whatever capitals; the hub's own is always there, and is first the default one."""
    assert [each.name for each in store.datastores()] == [OWN_DATASTORE]
    assert store.default_datastore() == OWN_DATASTORE
    kept = store.put_datastore(BLOB)
    assert (kept.name, kept.location, kept.settings) == ("Blob", BLOB.location, {"account": "a"})
    assert store.datastore("BLOB") == store.datastore("blob") == kept
    store.set_default_datastore("bLoB")
    assert store.default_datastore() == "Blob"
    changed = DatastoreRow("blob", "AzureBlob", "https://a.blob.core.windows.net/d")
    with pytest.raises(DatastoreExistsError, match="overwrite=True"):
        store.put_datastore(changed, overwrite=False)
    assert store.put_datastore(kept, overwrite=False) == kept
    assert store.put_datastore(changed).created_at == kept.created_at
    assert store.default_datastore() == "blob"
    assert store.drop_datastore("BLOB")
    assert not store.drop_datastore("blob")
    assert store.default_datastore() == OWN_DATASTORE


def test_hubs_own_datastore_stays(store):
    """Nothing takes its place or removes it, and it can be made the default one again."""
    with pytest.raises(DatastoreExistsError, match="hub's own"):
        store.put_datastore(DatastoreRow(OWN_DATASTORE.upper(), "AzureBlob", "https://a/b"))
    assert not store.drop_datastore(OWN_DATASTORE)
    store.put_datastore(BLOB)
    store.set_default_datastore("blob")
    store.set_default_datastore(OWN_DATASTORE)
    assert store.default_datastore() == OWN_DATASTORE
    with pytest.raises(DatastoreNotFoundError, match="'nope'"):
        store.set_default_datastore("nope")


@pytest.mark.parametrize("name", ["a\0", "\ud800", "a" * 256, "'; --", "%", ""])
def test_odd_names(store, database, name):
    """They are kept or refused, and never an error of the database's."""
    assert store.datastore(name) is None
    assert store.dataset_version(name) is None
    assert not store.drop_datastore(name)
    assert store.unregister_dataset(name) == 0
    try:
        store.put_datastore(DatastoreRow(name, "AzureBlob"))
    except UnstorableValueError:
        assert store.datastore(name) is None
    else:
        assert store.datastore(name).name == name


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    definition=st.dictionaries(st.text(), VALUES, max_size=4).map(lambda each: each | {"kind": "x"})
)
def test_same_definition_has_the_same_id(store, definition):
    """However its keys are ordered; and it comes back as it was."""
    reordered = dict(reversed(definition.items()))
    id_ = store.put_dataset(definition)
    assert store.put_dataset(reordered) == id_
    assert len(id_) == 36
    assert store.dataset(id_).definition == definition


def test_versions_of_a_name(store):
    """Another definition, or other files, is a new version where that is asked for."""
    first, other = store.put_dataset(FILES), store.put_dataset(OTHERS)
    version = store.register_dataset("d", first, description="x", tags={"a": "1"}, manifest="m1")
    assert (version.version, version.id, version.definition) == (1, first, FILES)
    assert store.register_dataset("d", first) == version
    assert store.register_dataset("d", first, manifest="m1", new_version=True) == version
    with pytest.raises(DatasetExistsError, match="create_new_version=True"):
        store.register_dataset("d", other)
    assert store.register_dataset("d", other, new_version=True).version == 2
    assert store.register_dataset("d", other, manifest="m2", new_version=True).version == 2
    assert store.register_dataset("d", first, manifest="m2", new_version=True).version == 3
    assert store.register_dataset("d", first, manifest="m3", new_version=True).version == 4
    assert [each.version for each in store.dataset_versions("d")] == [1, 2, 3, 4]
    assert store.dataset_version("d", 2).id == other
    assert store.dataset_version("d").version == 4
    assert store.dataset_version("d", 5) is None
    rows = store.put_dataset(FILES | {"kind": "tabular"})
    with pytest.raises(DatasetExistsError, match="'d' is a dataset of files"):
        store.register_dataset("d", rows, new_version=True)
    assert store.dataset_version("d").version == 4
    assert store.dataset_version("d", 2**40) is None
    assert [each.version for each in store.versions_of_dataset(first)] == [4, 3, 1]
    store.register_dataset("c", first)
    assert [(each.name, each.version) for each in store.newest_datasets()] == [("c", 1), ("d", 4)]
    assert store.unregister_dataset("d") == 4
    assert store.dataset(first).definition == FILES
    with pytest.raises(DatasetNotFoundError, match="'no id'"):
        store.register_dataset("e", "no id")


def test_what_is_said_of_a_version_changes(store):
    """Tags that two add at the same time are both there."""
    store.register_dataset("d", store.put_dataset(FILES), tags={"old": "1"})
    at_once(8, lambda n: store.change_dataset_version("d", 1, add_tags={f"t{n}": str(n)}))
    found = store.dataset_version("d", 1)
    assert found.tags == {"old": "1"} | {f"t{n}": str(n) for n in range(8)}
    changed = store.change_dataset_version("d", 1, description="new", remove_tags=["old", "t1"])
    assert changed == store.dataset_version("d", 1)
    assert (changed.description, "old" in changed.tags) == ("new", False)
    assert store.change_dataset_version("d", 1, tags={"a": "b"}).tags == {"a": "b"}
    with pytest.raises(DatasetNotFoundError, match="version 2"):
        store.change_dataset_version("d", 2, description="x")


def test_registered_at_once(store):
    """Each definition gets a version of its own, and without a gap; a name has one first one."""
    ids = [store.put_dataset(OTHERS | {"n": number}) for number in range(8)]
    made = at_once(8, lambda n: store.register_dataset("d", ids[n], new_version=True))
    assert sorted(each.version for each in made) == list(range(1, 9))
    made = at_once(8, lambda n: store.register_dataset("e", ids[n]))
    assert sum(isinstance(each, DatasetExistsError) for each in made) == 7
    assert len({store.put_dataset(FILES) for _ in range(3)}) == 1
    assert len(set(at_once(8, lambda _: store.put_dataset(OTHERS | {"new": 1})))) == 1
    at_once(8, lambda _: store.put_datastore(BLOB))
    assert len(store.datastores()) == 2


def test_workspaces_see_their_own(store, other_store):
    """Neither names nor ids lead to what is another workspace's."""
    store.put_datastore(BLOB)
    store.set_default_datastore("blob")
    id_ = store.put_dataset(FILES)
    store.register_dataset("d", id_)
    assert other_store.put_dataset(FILES) != id_
    assert other_store.datastore("blob") is None
    assert other_store.default_datastore() == OWN_DATASTORE
    assert other_store.dataset(id_) is None
    assert other_store.dataset_version("d") is None
    assert other_store.dataset_versions("d") == other_store.newest_datasets() == []
    assert other_store.versions_of_dataset(id_) == []
    assert other_store.unregister_dataset("d") == 0
    assert not other_store.drop_datastore("blob")
    with pytest.raises(DatasetNotFoundError):
        other_store.register_dataset("stolen", id_)
    with pytest.raises(DatasetNotFoundError):
        other_store.change_dataset_version("d", 1, description="x")


def test_workspace_with_datasets_is_not_empty(workspace, store, hub_path):
    """It is deleted when that is asked for with all in it, and its name begins anew then."""
    store.put_datastore(BLOB)
    store.register_dataset("d", store.put_dataset(FILES))
    with pytest.raises(WorkspaceNotEmptyError, match="1 registered dataset"):
        workspace.delete()
    assert store.dataset_version("d").version == 1
    workspace.delete(delete_dependent_resources=True)
    again = build_tracking_store(Workspace.create("team-a", hub=hub_path).get_mlflow_tracking_uri())
    assert again.newest_datasets() == []
    assert len(again.datastores()) == 1
    assert again.dataset(again.put_dataset(OTHERS)) is not None


CREATE = """
import sys
from mlflow_workspace_plugin import Workspace

workspace = Workspace.create("team-a", hub=sys.argv[1])
workspace.tracking_store.put_environment("e", {"a": 1})
print(workspace.get_mlflow_tracking_uri())
"""


def test_hub_from_before_datasets_is_upgraded(hub_path, run_python):
    """What was in it is as it was, and it takes datastores and datasets."""
    uri = run_python("-c", CREATE, str(hub_path)).stdout.strip()
    take_back(hub_path, "0002")
    upgrade_hub(hub_path)
    store = build_tracking_store(uri)
    assert store.environment("e").version == 1
    assert store.register_dataset("d", store.put_dataset(FILES)).version == 1
    store.put_datastore(BLOB)
    store.set_default_datastore("blob")
    assert store.default_datastore() == "Blob"
