"""Fixtures: hubs, workspaces, and processes that use them.

Whatever is marked ``store`` or ``databases`` and uses a hub runs twice: with the rows in SQLite,
and in PostgreSQL. The mark ``sqlite`` keeps to SQLite what is about its files. What is marked
``hubs`` runs a third time, with the rows in PostgreSQL and the files in Azurite; but not what is
marked ``folder``, too, as it is about the folder of a hub's files. And it runs a fourth time behind
a hub's server, of which each process of tests starts one; but not what is marked ``beneath``, too.
What is marked ``behind`` runs there, too, wherever else it runs.
What is marked ``alike`` is about what is above all of that, and runs in a folder with SQLite and
behind a server only, unless ``ALL_HUBS`` is set.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests import python_processes
from tests.azurite import ACCOUNT, Azurite, azurite, connection_string
from tests.fault_proxy import Proxy, fault_proxy
from tests.postgres import PostgreSQL, for_mlflow, postgresql

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"
LOCATION = PurePosixPath("workspaces/team-a/1/run/artifacts")
_AZURITE = "CONNECTION_STRING_OF_AZURITE"

# What a shell starts in the background ignores Ctrl-C, and so would all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "database" in metafunc.fixturenames and marks & {"store", "databases", "hubs", "behind"}:
        on = ["sqlite"] if "sqlite" in marks else ["sqlite", "postgresql"]
        if "hubs" in marks and "folder" not in marks:
            on.append("postgresql+azure")
            if not marks & {"beneath", "sqlite"}:
                on.append("served")
        if "behind" in marks:
            on.append("served")
        if "alike" in marks and "ALL_HUBS" not in os.environ:
            on = [each for each in on if each in ("sqlite", "served")]
        metafunc.parametrize("database", on, indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def record_of_trust(tmp_path_factory) -> Iterator[Path]:
    """The record of what the tests trust, for all of a process: a hub may be of several tests."""
    file = tmp_path_factory.mktemp("trust") / "trusted.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_WORKSPACE_TRUST_FILE", str(file))
        yield file


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path, record_of_trust) -> Iterator[None]:
    """Nothing of the user's reaches a test: no MLflow setting, no default hub, no state left."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", str(tmp_path / "default-hub"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(tmp_path / "queue"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_RAY_TOKENS_DIR", str(tmp_path / "config" / "ray-tokens"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLURM_OUTPUT_DIR", str(tmp_path / "slurm"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOBS_DIR", str(tmp_path / "jobs"))
    # A runner would wait for an hour for a hub that a test has taken away.
    monkeypatch.setenv("MLFLOW_WORKSPACE_END_WAIT", "30")
    monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST_FILE", str(record_of_trust))
    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(tmp_path / "config" / "log-ins"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_LINKS_FILE", str(tmp_path / "config" / "links.json"))
    monkeypatch.setenv("MLFLOW_WORKSPACE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    yield
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None
    database = sys.modules.get("mlflow_workspace_plugin.hub.databases.database")
    if database is not None:
        from sqlalchemy import QueuePool

        # A server takes a limited number of connections, and a process of open files.
        for engine in database._engines.values():
            if isinstance(engine.pool, QueuePool) and engine.pool.checkedin():
                engine.dispose()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item) -> Iterator[None]:
    """Let what a test has logged be stored while what it is stored in is there.

    That is what fixtures take away, in an order that is theirs. Without it the end waits, as the
    end of a process does.
    """
    del item
    try:
        mlflow = sys.modules.get("mlflow")
        while mlflow is not None and mlflow.active_run():
            mlflow.end_run()
        left_open = sys.modules.get("mlflow_workspace_plugin.runs.left_open")
        if left_open is not None:
            # They would be ended with the process, when their hubs are gone.
            left_open._left_open.clear()
        close_journals()
    finally:
        answer = yield
    return answer


def pytest_terminal_summary(terminalreporter, config) -> None:
    """With ``--durations`` say, too, which modules take most of the workers' time."""
    wanted = config.getoption("durations")
    if not wanted:
        return
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for each in reports:
            if isinstance(each, pytest.TestReport):
                seconds[each.nodeid.partition("::")[0]] += each.duration
    terminalreporter.section(f"slowest {wanted} modules of {seconds.total():.0f} s")
    for module, of_module in seconds.most_common(wanted):
        terminalreporter.write_line(f"{of_module:7.1f} s {module}")


def close_journals() -> None:
    """Send what waits, as at the end of a process, while there is a database."""
    journals = sys.modules.get("mlflow_workspace_plugin.journal.of_process")
    if journals is not None:
        journals.close_all()


@pytest.fixture(scope="session")
def database(request) -> str:
    """Where the test's hubs are: ``sqlite``, ``postgresql``, ``postgresql+azure``, ``served``."""
    return getattr(request, "param", "sqlite")


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, started by the first test of the process that needs it."""
    with postgresql() as started:
        yield started


@pytest.fixture(scope="session")
def azurite_server() -> Iterator[Azurite]:
    """An Azurite server, started by the first test of the process that needs it."""
    with azurite() as started:
        os.environ[_AZURITE] = started.connection_string
        yield started
        del os.environ[_AZURITE]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    """A hub as made by this version, to be copied: MLflow's migrations take a second each time."""
    from mlflow_workspace_plugin.hub.hub import create_hub

    folder = tmp_path_factory.mktemp("template") / "hub"
    hub, _ = create_hub(folder)
    hub.engine.dispose()
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of a module: two of playwright's do not stand side by side."""
    from tests.chromium import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(sqlite_template, tmp_path_factory) -> Iterator[Any]:
    """The pages of a hub of the module's own, served."""
    from tests.pages import served_pages

    hub = shutil.copytree(sqlite_template, tmp_path_factory.mktemp("pages") / "hub")
    with served_pages(hub) as served:
        yield served


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """A page of Chromium's, in which nothing goes wrong."""
    from tests.pages import quiet_page

    with quiet_page(browser) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgresql_template(server, tmp_path_factory) -> str:
    """The name of a hub's database as made by this version, to be copied."""
    from mlflow_workspace_plugin.hub.hub import create_hub

    url = server.create_database("template_hub")
    hub, _ = create_hub(tmp_path_factory.mktemp("template") / "hub", database=url)
    hub.engine.dispose()
    return "template_hub"


def write_settings(hub: Path, text: str) -> None:
    """Write the ``hub.toml`` of a hub, and trust it, as who makes a hub does."""
    from mlflow_workspace_plugin.hub import trust
    from mlflow_workspace_plugin.hub.files.folder import HubFolder

    folder = HubFolder(hub)
    folder.settings_file.write_text(text)
    trust.remember(trust.destinations(folder.load_settings()))


_numbers = itertools.count()


@pytest.fixture(scope="session")
def copied_hub(request, database) -> Callable[[Path], Path]:
    """Make a hub in a folder by copying the template; on PostgreSQL, on a database of its own."""

    def copy(folder: Path) -> Path:
        if database in ("sqlite", "served"):
            shutil.copytree(request.getfixturevalue("sqlite_template"), folder)
            return folder
        template = request.getfixturevalue("postgresql_template")
        server = request.getfixturevalue("server")
        url = server.create_database(f"hub_{next(_numbers)}", template)
        settings = f'database = "{url}"\n'
        folder.mkdir(parents=True)
        if database == "postgresql":
            (folder / "artifacts").mkdir()
        else:
            azurite = request.getfixturevalue("azurite_server")
            name = azurite.container(f"hub-{os.getpid()}-{next(_numbers)}").container_name
            settings += f'artifacts = "azure://{ACCOUNT}/{name}/hub?credential=${{{_AZURITE}}}"\n'
        write_settings(folder, settings)
        return folder

    return copy


@pytest.fixture(scope="session")
def hub_server(sqlite_template, tmp_path_factory) -> Iterator[Any]:
    """A hub behind its server, started by the first test of the process that needs it."""
    import mlflow
    from packaging.version import Version

    from tests.served import served_hub

    if Version(mlflow.__version__) < Version("3.17"):
        pytest.skip("MLflow before 3.17 is not served.")
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(sqlite_template, folder / "hub")
    with served_hub(folder / "hub", folder / "server.log") as server:
        yield server


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory) -> Iterator[Any]:
    """A hub behind its server, of the module's own, with two workspaces and people."""
    from mlflow_workspace_plugin import Workspace
    from tests.served import served_hub

    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(sqlite_template, folder / "hub")
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=folder / "hub")
    with served_hub(folder / "hub", folder / "server.log") as server:
        server.add_user("member", team_a="member")
        server.add_user("reader", team_a="reader")
        server.add_user("stranger", team_b="manager")
        yield server


@pytest.fixture(scope="session")
def log_ins_of_server(hub_server, tmp_path_factory) -> Path:
    """The folder of a log-in there, of an administrator: the tests make workspaces."""
    from mlflow_workspace_plugin.remote import logging_in
    from tests.served import ADMIN

    folder = tmp_path_factory.mktemp("log-ins")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(folder))
        # A machine's: nobody has to renew it.
        logging_in.keep_token(
            hub_server.address, hub_server.token(ADMIN, kind="machine", seconds=86_400)
        )
    return folder


@pytest.fixture
def hub_path(request, database) -> Path:
    """The folder of a hub of the test's own; behind a server, of one that others had before it."""
    name = "hub_of_server" if database == "served" else "own_hub_path"
    return request.getfixturevalue(name)


@pytest.fixture
def hub_of_server(hub_server, log_ins_of_server, monkeypatch) -> Path:
    """The folder of the hub behind the server, which the process has for all of its tests."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(log_ins_of_server))
    return hub_server.path


@pytest.fixture
def own_hub_path(request, copied_hub, database, tmp_path) -> Iterator[Path]:
    """The folder of a hub of the test's own."""
    server = request.getfixturevalue("server") if database != "sqlite" else None
    path = copied_hub(tmp_path / "hub")
    url = (path / "hub.toml").read_text().split('"')[1] if server else None
    yield path
    if server:
        server.drop_database(url)


@pytest.fixture
def new_database(request, database) -> Iterator[Callable[[], str | None]]:
    """Make an empty database for a hub yet to be created, and return what ``create_hub`` takes."""
    made = []
    server = request.getfixturevalue("server") if database != "sqlite" else None

    def make() -> str | None:
        if server is None:
            return None
        made.append(server.create_database(f"new_{next(_numbers)}"))
        return made[-1]

    yield make
    for url in made:
        server.drop_database(url)


@pytest.fixture
def container(azurite_server):
    """A new, empty container on Azurite."""
    return azurite_server.container(f"container-{os.getpid()}-{next(_numbers)}")


@pytest.fixture
def azure_root(container, azurite_server, monkeypatch) -> str:
    """The artifact root of a hub on Azurite."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "5")
    return f"azure://{ACCOUNT}/{container.container_name}/some/prefix"


@pytest.fixture
def proxy(azurite_server) -> Iterator[Proxy]:
    """A proxy in front of Azurite, in which requests can be made to fail."""
    with fault_proxy(azurite_server.port) as running:
        yield running


@pytest.fixture
def repository(azure_root, proxy, monkeypatch):
    """The files of a run, ``LOCATION``, on Azurite, reached through the proxy."""
    from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository
    from mlflow_workspace_plugin.hub.azure import parse

    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
    return AzureRepository(parse(azure_root), LOCATION)


@pytest.fixture
def azure_workspace(sqlite_template, tmp_path, azure_root):
    """A workspace ``team-a`` of a hub whose files are on Azurite."""
    from mlflow_workspace_plugin import Workspace

    hub = shutil.copytree(sqlite_template, tmp_path / "hub")
    (hub / "artifacts").rmdir()
    write_settings(hub, f'artifacts = "{azure_root}"\n')
    return Workspace.create("team-a", hub=hub)


STOCK_ENVIRONMENT = {
    "MLFLOW_ENABLE_WORKSPACES": "true",
    "MLFLOW_WORKSPACE": "team-a",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
}
"""In which MLflow's own store is used as ours is."""


@pytest.fixture
def stock_url(new_database, tmp_path) -> str:
    """The URL of MLflow's own store on an empty database, with a workspace ``team-a``."""
    from mlflow.entities.workspace import Workspace
    from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore

    url = for_mlflow(new_database() or f"sqlite:///{tmp_path}/stock.db")
    SqlAlchemyStore(url).create_workspace(Workspace(name="team-a"))
    return url


@pytest.fixture
def hub(request, hub_path, database) -> Path | str:
    """The hub, as a script names it: its folder, or the address of its server."""
    return request.getfixturevalue("hub_server").address if database == "served" else hub_path


@pytest.fixture
def workspace_suffix(database) -> str:
    """What the names of a test's workspaces end with: others had some on the hub of a server."""
    return f"-{next(_numbers)}" if database == "served" else ""


@pytest.fixture
def workspace(hub, workspace_suffix):
    """A workspace ``team-a``."""
    from mlflow_workspace_plugin import Workspace

    return Workspace.create(f"team-a{workspace_suffix}", hub=hub)


@pytest.fixture
def new_job(workspace, tmp_path):
    """Create jobs whose command is Python code, in which FOLDER is a folder of the test's."""
    from tests.jobs import jobs_of

    yield from jobs_of(workspace, tmp_path)


@pytest.fixture
def other_workspace(workspace, hub, workspace_suffix):
    """A workspace ``team-b`` of the same hub."""
    from mlflow_workspace_plugin import Workspace

    return Workspace.create(f"team-b{workspace_suffix}", hub=hub)


@pytest.fixture
def uri(workspace) -> str:
    """The tracking URI of the workspace."""
    return workspace.get_mlflow_tracking_uri()


@pytest.fixture
def client(uri):
    """MLflow's client for the workspace."""
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


@pytest.fixture
def direct(workspace, hub_path):
    """The store of the workspace beneath the journal, which sees what is in the database only."""
    from mlflow_workspace_plugin.stores.build import open_workspace_store
    from mlflow_workspace_plugin.uris import WorkspaceUri

    return open_workspace_store(str(WorkspaceUri(hub_path, workspace._workspace_id)))


@pytest.fixture
def no_journal(monkeypatch) -> None:
    """Stores that are opened from now on write through, so that each call meets the database."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL", "off")


@pytest.fixture
def run_id(client) -> str:
    """The id of a new run."""
    return client.create_run(client.create_experiment("experiment")).info.run_id


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_python(tmp_path) -> Run:
    """Run Python in a process of its own, with the given variables, and return what it printed.

    It does not start anew: see ``tests.python_processes``.
    """
    return partial(_run, tmp_path, python_processes.run)


@pytest.fixture
def run_new_python(tmp_path) -> Run:
    """As ``run_python``, of a new interpreter: where the claim is about its start."""
    return partial(
        _run,
        tmp_path,
        lambda arguments, **options: subprocess.run(
            [sys.executable, *arguments], timeout=300, check=False, **options
        ),
    )


def _run(
    folder: Path,
    run: Run,
    *arguments: str,
    check: bool = True,
    cwd: Path | None = None,
    **variables: str,
) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | variables
    # The package is used as installed; pytest's own marker makes MLflow check its sessions.
    environment.pop("PYTEST_CURRENT_TEST", None)
    pipe = subprocess.PIPE
    done = run(arguments, env=environment, cwd=cwd or folder, stdout=pipe, stderr=pipe, text=True)
    if check:
        assert done.returncode == 0, done.stderr[-4000:]
    return done


def paged_history(store, run_id: str, key: str, size: int) -> list:
    """Read the history of a metric by pages, none of which is larger than it was asked for."""
    found, token = [], None
    while True:
        page = store.get_metric_history(run_id, key, size, token)
        assert len(page) <= size
        found += page
        token = page.token
        if token is None:
            return found
