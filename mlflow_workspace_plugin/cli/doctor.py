"""``mlflow-workspace doctor``: is everything in order?"""

import platform
import shutil
import sqlite3
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.hub.filesystem import file_system_type, is_network

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.folder import HubFolder
    from mlflow_workspace_plugin.hub.hub import Hub

DISTRIBUTION = "mlflow-workspace-plugin"
_HOOKS = (
    "mlflow.tracking_store",
    "mlflow.model_registry_store",
    "mlflow.artifact_repository",
    "mlflow.workspace_provider",
    "mlflow.default_experiment_provider",
)
_VERSIONS = (DISTRIBUTION, "mlflow", "sqlalchemy", "azure-storage-blob")
_LOW_SPACE = 1 << 30


class Finding(NamedTuple):
    """One line of the report. ``status`` is ok, warning or problem."""

    status: str
    subject: str
    detail: str


@click.command()
@hub_option
@json_option
@click.pass_context
@plain_errors
def doctor(context: click.Context, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Check versions, MLflow's hooks and a hub. The exit status is 0 when all is healthy."""
    findings = [*_versions(), *_hooks(), *_hub(hub)]
    healthy = all(finding.status != "problem" for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [each._asdict() for each in findings]})
    else:
        print_table("mlflow-workspace doctor", (each._asdict() for each in findings))
        echo("Healthy." if healthy else "Not healthy: see the problems above.")
    context.exit(0 if healthy else 1)


def _versions() -> list[Finding]:
    found = [Finding("ok", "python", platform.python_version())]
    found += [Finding("ok", name, version(name)) for name in _VERSIONS]
    with suppress(PackageNotFoundError):  # an extra's
        found.append(Finding("ok", "psycopg", version("psycopg")))
    return [*found, Finding("ok", "sqlite", sqlite3.sqlite_version)]


def _hooks() -> list[Finding]:
    """List who claims MLflow's hooks, by the files of distributions; none is imported."""
    import entrypoints

    findings = []
    for group in _HOOKS:
        claims: list[tuple[str, str]] = sorted(
            {(each.name, _owner(each)) for each in entrypoints.get_group_all(group)}
        )
        ours = {name for name, owner in claims if owner == DISTRIBUTION}
        for name, owner in claims:
            subject = f"{group}: {name}"
            if owner == DISTRIBUTION:
                findings.append(Finding("ok", subject, owner))
            elif name in ours:
                detail = f"also claimed by {owner}; which one MLflow uses is chance. Uninstall one."
                findings.append(Finding("problem", subject, detail))
            else:
                findings.append(Finding("ok", subject, f"claimed by {owner}"))
        if not ours:
            detail = f"not claimed by {DISTRIBUTION}. Reinstall it: pip install -I {DISTRIBUTION}"
            findings.append(Finding("problem", group, detail))
    return findings


def _owner(entry_point: Any) -> str:
    distribution = entry_point.distro
    return distribution.name.replace("_", "-").lower() if distribution else "an unknown package"


def _hub(path: Path) -> list[Finding]:
    from mlflow.exceptions import MlflowException

    from mlflow_workspace_plugin.hub import schema
    from mlflow_workspace_plugin.hub.folder import HubFolder
    from mlflow_workspace_plugin.hub.hub import open_hub

    folder = HubFolder(path)
    try:
        if folder.identity() is None:
            return [Finding("warning", "hub", f"{path}: not created yet")]
        hub = open_hub(path)
        workspaces = len(hub.catalog.list())
        facts = [] if hub.settings.database is None else _server(hub)
    except MlflowException as error:
        return [Finding("problem", "hub", error.message), *_integrity(folder)]
    if hub.settings.database is None:
        facts = [*_integrity(folder), _journal_mode(path, hub.settings.journal_mode)]
    return [
        Finding("ok", "hub", str(path)),
        Finding("ok", "hub database", hub.rows),
        Finding("ok", "hub revision", f"{schema.head_revision()} (the installed MLflow's)"),
        Finding("ok", "hub workspaces", str(workspaces)),
        *facts,
        _free_space(folder),
    ]


def _server(hub: "Hub") -> list[Finding]:
    """Ask PostgreSQL about its version, the size of the database, and broken indexes."""
    from sqlalchemy import text

    from mlflow_workspace_plugin.hub.database import connected, translated_errors

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


def _free_space(folder: "HubFolder") -> Finding:
    place = folder.artifacts if folder.artifacts.exists() else folder.path
    free = shutil.disk_usage(place).free
    status = "ok" if free >= _LOW_SPACE else "warning"
    return Finding(status, "hub free space", f"{free / (1 << 30):.1f} GiB")


def _integrity(folder: "HubFolder") -> list[Finding]:
    if not folder.database.exists():
        return []
    from mlflow_workspace_plugin.hub.hub import integrity_problems

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
