"""``mlflow-workspace azureml``: the name ``azureml`` in this Python environment."""

import sys
import textwrap
from pathlib import Path
from typing import Any

import click

from mlflow_workspace_plugin.alias import answers, environment, finder
from mlflow_workspace_plugin.alias.scan.report import STATUSES, Report, UsedName, scan
from mlflow_workspace_plugin.cli.options import (
    echo,
    json_option,
    plain_errors,
    print_facts,
    print_json,
    print_table,
)

_PLACES_SHOWN = 4


@click.group()
def azureml() -> None:
    """The name azureml, for scripts of SDK v1: serve it, and scan code for what it uses of it."""


@azureml.command()
@plain_errors
def enable() -> None:
    """Let `import azureml.core` find this package, in every Python of this environment.

    Refused where the real azureml-core is installed.
    """
    path = environment.enable()
    echo(f"azureml is served by this package in {sys.prefix} ({path}).")


@azureml.command()
@plain_errors
def disable() -> None:
    """Undo enable."""
    done = environment.disable()
    echo("azureml is not served any more." if done else "azureml was not served.")


@azureml.command()
@json_option
@plain_errors
def status(as_json: bool) -> None:  # noqa: FBT001
    """Say whether azureml is served in this environment, and by whom."""
    path = environment.startup_file()
    real = finder.real_sdk()
    facts: dict[str, Any] = {
        "environment": sys.prefix,
        "enabled": path.exists(),
        "file": path,
        "azureml-core": real.origin if real else None,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts | {"azureml-core": facts["azureml-core"] or "not installed"})


@azureml.command("scan")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
@json_option
@plain_errors
def scan_(paths: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001
    """Say what of SDK v1 the code below PATH uses, and whether it works here.

    Python files and notebooks are read, and nothing in them is run. The exit status is 0 if all
    names that they use are served, and 1 otherwise.
    """
    report = scan(paths)
    if as_json:
        print_json(report.as_json())
    else:
        _print_report(report)
    if not report.works:
        raise SystemExit(1)


def _print_report(report: Report) -> None:
    by_status = {
        status: [each for each in report.names if each.answer.status == status]
        for status in STATUSES
    }
    for status, used in by_status.items():
        if used:
            echo(f"{status.capitalize()}:")
            for each in used:
                _print_used(each)
            echo("")
    for file, faults in report.unreadable.items():
        for fault in faults:
            echo(f"{file} cannot be read: {fault}")
    if by_file := report.by_file():
        rows = [
            {"file": file} | {status: counts[status] or None for status in STATUSES}
            for file, counts in by_file.items()
        ]
        print_table("Names by file", rows)
    missing = len(by_status[answers.NOT_SERVED]) + len(by_status[answers.UNKNOWN])
    echo(
        f"{len(by_file)} of {report.files} files use SDK v1: {len(report.names)} names, of which "
        f"{len(report.names) - missing} work here and {missing} do not."
    )


def _print_used(used: UsedName) -> None:
    times = "once" if len(used.places) == 1 else f"{len(used.places)} times"
    places = ", ".join(map(str, used.places[:_PLACES_SHOWN]))
    more = ", ..." if len(used.places) > _PLACES_SHOWN else ""
    echo(f"  {used.name}  {times}: {places}{more}")
    if used.answer.clause:
        echo(textwrap.fill(used.answer.clause, 96, initial_indent="    ", subsequent_indent="    "))
