"""``mlflow-workspace doctor``: is everything in order?"""

import platform
import sqlite3
import textwrap
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from mlflow_workspace_plugin.cli.hubs.finding import Finding
from mlflow_workspace_plugin.cli.options import (
    hub_folder_option,
    json_option,
    plain_errors,
    print_json,
)
from mlflow_workspace_plugin.terminal import shown

DISTRIBUTION = "mlflow-workspace-plugin"
_HOOKS = (
    "mlflow.tracking_store",
    "mlflow.model_registry_store",
    "mlflow.artifact_repository",
    "mlflow.workspace_provider",
    "mlflow.default_experiment_provider",
)
_VERSIONS = (DISTRIBUTION, "mlflow", "sqlalchemy", "azure-storage-blob")
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@hub_folder_option
@json_option
@click.pass_context
@plain_errors
def doctor(context: click.Context, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Check all that a run needs: versions, MLflow's hooks, a hub's rows and files, the journal.

    A row and a file are written, read, and taken back. Each check ends within a minute. The exit
    status is 0 when all is healthy.
    """
    from mlflow_workspace_plugin.cli.hubs import health

    findings = []
    for part in _versions(), _hooks(), health.of_hub(hub), health.of_journal(hub):
        for finding in part:
            findings.append(finding)
            if not as_json:
                _print(finding)
    healthy = all(finding.status != "problem" for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [each._asdict() for each in findings]})
    else:
        click.echo("Healthy." if healthy else "Not healthy: see the problems above.")
    context.exit(0 if healthy else 1)


def _print(finding: Finding) -> None:
    from mlflow_workspace_plugin.cli.layout.tables import terminal_width

    status, subject, detail = map(shown, finding)
    said = textwrap.fill(
        f"{subject}: {detail}",
        terminal_width(),
        initial_indent=" " * 9,
        subsequent_indent=" " * 11,
        # So that paths can be copied.
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo(click.style(f"{status:<9}", fg=_COLOURS[status]) + said[9:])


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
            detail = f"not claimed by {DISTRIBUTION}. Install that again, as you did at first."
            findings.append(Finding("problem", group, detail))
    return findings


def _owner(entry_point: Any) -> str:
    distribution = entry_point.distro
    return distribution.name.replace("_", "-").lower() if distribution else "an unknown package"
