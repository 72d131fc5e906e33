"""What ``mlflow-workspace doctor`` looks at of a hub, and of the journal of this machine."""

import io
import shlex
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from sqlalchemy import delete, insert, select, text

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.paths import workspace_root
from mlflow_workspace_plugin.artifacts.repository import repository_at
from mlflow_workspace_plugin.cli.hubs.finding import Finding
from mlflow_workspace_plugin.cli.journals.status import row_of, show
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.errors import clause
from mlflow_workspace_plugin.hub import trust
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.databases.database import connected, translated_errors
from mlflow_workspace_plugin.hub.files.filesystem import file_system_type, is_network
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.hub import Hub, integrity_problems, open_hub
from mlflow_workspace_plugin.hub.tables import WRITERS
from mlflow_workspace_plugin.journal.files.folder import all_folders, base_folder
from mlflow_workspace_plugin.journal.use import writes_through
from mlflow_workspace_plugin.private_folder import make_private

if TYPE_CHECKING:
    from mlflow_workspace_plugin.journal.files.folder import JournalFolder, UnknownFolder

_LIMIT_S = 30
_LONG_LIMIT_S = 60
"""Of SQLite's own check, which reads the whole file."""
_PATIENCE_S = 5.0
_LOW_SPACE = 1 << 30
_TEXT = b"written by mlflow-workspace doctor"

Check = Callable[[], list[Finding]]


def of_hub(path: Path) -> Iterator[Finding]:
    """Yield what is found about a hub: is it there, may it be used, are rows and files stored?

    Args:
        path: its folder.
    """
    folder = HubFolder(path)
    opened: list[Hub] = []

    def open_it() -> list[Finding]:
        if folder.identity() is None:
            create = f"mlflow-workspace create NAME --hub {shlex.quote(str(path))}"
            detail = f"there is no hub in {path}. Create one, with a first workspace, by: {create}"
            return [Finding("problem", "hub", detail)]
        hub = open_hub(path)
        wanted = trust.destinations(hub.settings)
        sends = "; ".join(f"{each} ({each.secrets})" for each in wanted)
        trusted = f"you trust {sends}" if wanted else "needs none: all is in its folder"
        opened.append(hub)
        return [
            Finding("ok", "hub", str(path)),
            Finding("ok", "hub trust", trusted),
            Finding("ok", "hub database", hub.rows),
            Finding("ok", "hub revision", f"{schema.head_revision()} (the installed MLflow's)"),
            Finding("ok", "hub workspaces", str(len(hub.catalog.list()))),
        ]

    yield from _bounded("hub", open_it)
    if not opened:
        yield from _bounded("hub integrity", lambda: _integrity(folder), _LONG_LIMIT_S)
        return
    hub = opened[0]
    yield from _bounded("hub rows", lambda: _rows(hub))
    yield from _bounded("hub files", lambda: _files(hub))
    if hub.settings.database is not None:
        yield from _bounded("hub server", lambda: _server(hub))
    else:
        yield from _bounded("hub integrity", lambda: _integrity(folder), _LONG_LIMIT_S)
        yield _journal_mode(path, hub.settings.journal_mode)
    yield _free_space("hub free space", _place_of_files(folder))


def of_journal(hub: Path) -> Iterator[Finding]:
    """Yield what is found about the journal of this machine, and what waits in it.

    Args:
        hub: the hub that is looked at; of others what waits is but a warning.
    """
    if writes_through():
        yield Finding("ok", "journal", "off: each call waits until the hub has stored it")
        return
    base = base_folder()
    yield from _bounded("journal", lambda: _journal_folder(base))
    waits = False
    for folder in all_folders() if base.is_dir() else []:
        findings = _bounded("journal", lambda each=folder: _waiting(each, hub))  # type: ignore[misc]
        waits = waits or bool(findings)
        yield from findings
    if not waits:
        yield Finding("ok", "journal content", "nothing waits")


def _bounded(subject: str, check: Check, limit_s: float = _LIMIT_S) -> list[Finding]:
    """Return what a check finds; what it raises, and that it takes too long, is a problem."""
    found: list[Finding] = []

    def run() -> None:
        try:
            found.extend(check())
        except MlflowException as error:
            found.append(Finding("problem", subject, error.message))
        except Exception as error:  # noqa: BLE001  it is said, and the other checks go on
            found.append(Finding("problem", subject, f"{clause(error)}."))

    # Not waited for at the end, whatever it waits for itself.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        return [Finding("problem", subject, f"no answer within {limit_s:.0f} s")]
    return found


def _rows(hub: Hub) -> list[Finding]:
    """Write a row, read it, and take it back before anybody else sees it."""
    row = {"writer": f"doctor-{uuid.uuid4().hex}", "sequence": 1}
    is_it = WRITERS.c.writer == row["writer"]
    with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
        try:
            connection.execute(insert(WRITERS).values(row))
            read = connection.execute(select(WRITERS.c.sequence).where(is_it)).scalar_one()
            connection.execute(delete(WRITERS).where(is_it))
        finally:
            connection.rollback()
    if read != row["sequence"]:
        return [Finding("problem", "hub rows", "a row that was written is not read back")]
    return [Finding("ok", "hub rows", "one was written, read and taken back")]


def _files(hub: Hub) -> list[Finding]:
    """Write a file where those of runs are, list and read it, and delete it."""
    location = workspace_root(DEFAULT_WORKSPACE) / f"doctor-{uuid.uuid4().hex}" / "artifacts"
    name = "written-by-doctor.txt"
    repository = repository_at(hub, location, patience_s=_PATIENCE_S, is_quiet=True)
    problem = None
    repository.log_artifact_from_stream(io.BytesIO(_TEXT), name)
    try:
        if [each.path for each in repository.list_artifacts()] != [name]:
            problem = "a file that was written is not listed"
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, name)
            repository.fetch(name, copy)
            if copy.read_bytes() != _TEXT:
                problem = "a file that was written is not read back"
    finally:
        repository.delete_artifacts()
    if repository.list_artifacts():
        problem = "a file that was deleted is there all the same"
    place = hub.place_of()
    if problem is not None:
        return [Finding("problem", "hub files", f"{place}: {problem}")]
    return [Finding("ok", "hub files", f"{place}: one was written, listed, read and deleted")]


def _journal_folder(base: Path) -> list[Finding]:
    remedy = f"Name a folder on a local disk by {settings.JOURNAL_DIR.name}."
    try:
        make_private(base)
        with tempfile.TemporaryFile(dir=base) as file:
            file.write(_TEXT)
    except OSError as error:
        return [
            Finding("problem", "journal", f"{base} cannot be written: {clause(error)}. {remedy}")
        ]
    file_system = file_system_type(base)
    found = [Finding("ok", "journal", f"{base} on {file_system or 'a local file system'}")]
    if is_network(file_system):
        detail = f"{base} is on {file_system}, whose locks may not reach other machines. {remedy}"
        found = [Finding("warning", "journal", detail)]
    return [*found, _free_space("journal free space", base)]


def _waiting(folder: "JournalFolder | UnknownFolder", hub: Path) -> list[Finding]:
    """Say what waits in a folder of journals; nothing, if nothing does."""
    row = row_of(folder, show)
    subject = f"journal of {row['workspace']}"
    waits = [
        words.count(row[key], noun)
        for key, noun in (("waiting calls", "call"), ("waiting files", "file"))
        if row.get(key)
    ]
    lost = [
        words.count(row[key], noun)
        for key, noun in (
            ("refused", "refused record"),
            ("damaged lines", "damaged line"),
            ("lost calls", "lost call"),
        )
        if row.get(key)
    ]
    found = []
    if row["problem"]:
        is_this = f"workspace://{hub}/" in row["workspace"]
        status = "problem" if is_this else "warning"
        found.append(Finding(status, subject, str(row["problem"])))
    if waits:
        wait = "waits" if waits == ["1 call"] or waits == ["1 file"] else "wait"
        detail = f"{' and '.join(waits)} {wait}. To send what ended processes left: "
        found.append(Finding("warning", subject, f"{detail}mlflow-workspace sync"))
    if lost:
        detail = f"{', '.join(lost)}. mlflow-workspace verify RUN says what of a run is missing."
        found.append(Finding("warning", subject, detail))
    return found


def _place_of_files(folder: HubFolder) -> Path:
    return folder.artifacts if folder.artifacts.exists() else folder.path


def _server(hub: Hub) -> list[Finding]:
    """Ask PostgreSQL about its version, the size of the database, and broken indexes."""
    with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
        server = connection.scalar(text("SHOW server_version"))
        size = connection.scalar(text("SELECT pg_database_size(current_database())")) or 0
        # An index whose building was broken off slows writes down and speeds nothing up.
        invalid = connection.scalars(
            text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        ).all()
    findings = [
        Finding("ok", "hub server", f"PostgreSQL {server}"),
        Finding("ok", "hub database size", f"{size / (1 << 20):.1f} MiB"),
    ]
    if not invalid:
        return [*findings, Finding("ok", "hub indexes", "valid")]
    detail = "invalid; build it anew with: REINDEX INDEX"
    return findings + [
        Finding("problem", "hub indexes", f"{each} is {detail} {each}") for each in invalid
    ]


def _free_space(subject: str, place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    status = "ok" if free >= _LOW_SPACE else "warning"
    return Finding(status, subject, f"{free / (1 << 30):.1f} GiB")


def _integrity(folder: HubFolder) -> list[Finding]:
    if not folder.database.exists():
        return []
    problems = integrity_problems(folder)
    if not problems:
        return [Finding("ok", "hub integrity", "sound")]
    return [Finding("problem", "hub integrity", problem) for problem in problems]


def _journal_mode(path: Path, mode: str) -> Finding:
    file_system = file_system_type(path)
    if mode == "wal" and is_network(file_system):
        detail = (
            f"wal on {file_system}, which may damage the database. "
            'Write journal_mode = "delete" into hub.toml.'
        )
        return Finding("problem", "hub journal mode", detail)
    return Finding("ok", "hub journal mode", f"{mode} on {file_system or 'a local file system'}")
