"""What a journalled store asks of the store beneath it is there."""

import inspect

import pytest

from mlflow_workspace_plugin.protocol.calls import CALLS
from mlflow_workspace_plugin.remote.tracking import (
    RemoteJobs,
    RemoteTrackingStore,
    ServedTrackingStore,
)
from mlflow_workspace_plugin.stores.journalled import JournalledTrackingStore
from mlflow_workspace_plugin.stores.journalling.beneath import Beneath
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


@pytest.mark.parametrize(
    "store",
    [WorkspaceTrackingStore, JournalledTrackingStore, RemoteTrackingStore, ServedTrackingStore],
)
def test_each_store_beneath_has_what_is_asked_of_it(store):
    """No method that is only described is the one that is called."""
    described = [each for each, _ in inspect.getmembers(Beneath) if each in vars(Beneath)]
    missing = [
        each
        for each in described
        if inspect.isfunction(vars(Beneath)[each])
        and inspect.getattr_static(store, each) is vars(Beneath)[each]
    ]
    assert missing == []


def test_what_is_called_over_the_network_is_there():
    """Each call of the table; and what is done beside the journal of a folder's hub is so here."""
    for name in CALLS:
        called = inspect.getattr_static(RemoteTrackingStore, name)
        assert called is not vars(Beneath).get(name), name
    for name in ("beat", "jobs", "take_job", "put_compute"):
        assert inspect.getattr_static(RemoteTrackingStore, name) is vars(RemoteJobs)[name]
        of_folder = inspect.getattr_static(JournalledTrackingStore, name).__code__
        assert inspect.getattr_static(ServedTrackingStore, name).__code__ is of_folder
