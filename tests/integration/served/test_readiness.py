"""Whether a served hub is ready: what each request needs has to answer."""

import shutil
import sqlite3
from contextlib import closing

import anyio
import mlflow
import pytest

from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.app.served.watching.readiness import Readiness
from mlflow_workspace_plugin.hub.hub import open_hub

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)


def parts_of(hub):
    """What is said of each part, asked anew."""
    return anyio.run(Readiness(hub).parts)


@pytest.mark.parametrize("name", ["hub.db", "accounts.db"])
def test_a_database_that_is_locked_is_away(sqlite_template, tmp_path, name):
    """That of the accounts, too, which is a file of its own: no request is answered without it."""
    folder = shutil.copytree(sqlite_template, tmp_path / "hub")
    with (folder / "hub.toml").open("a") as settings:
        settings.write('\njournal_mode = "delete"\n')
    hub = open_hub(folder)
    accounts_of(hub)
    assert parts_of(hub) == {"database": "ok", "storage": "ok"}
    with closing(sqlite3.connect(folder / name, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert parts_of(hub) == {"database": "away", "storage": "ok"}
    assert parts_of(hub) == {"database": "ok", "storage": "ok"}


@pytest.mark.parametrize("name", ["hub.db", "accounts.db"])
def test_a_database_without_its_tables_is_away(sqlite_template, tmp_path, name):
    """A file that was moved away is made anew by who connects, with nothing in it."""
    hub = open_hub(shutil.copytree(sqlite_template, tmp_path / "hub"))
    accounts_of(hub)
    assert parts_of(hub) == {"database": "ok", "storage": "ok"}
    for each in (hub.engine, accounts_of(hub)._engine):
        each.dispose()
    (hub.path / name).rename(tmp_path / name)
    assert parts_of(hub)["database"] == "away"
    (tmp_path / name).replace(hub.path / name)
    for each in (hub.engine, accounts_of(hub)._engine):
        each.dispose()
    assert parts_of(hub) == {"database": "ok", "storage": "ok"}
