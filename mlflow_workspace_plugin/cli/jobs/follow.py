"""Printing what a run prints, and its end."""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from mlflow_workspace_plugin.cli.options import echo
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run

_EVERY_S = 0.5
_BY_CTRL_C = 130
_OF_ENVIRONMENT = "azureml-logs/"


def print_log(run: "Run") -> bool:
    """Print the log of a run as it is now; return whether there is one."""
    from mlflow_workspace_plugin.runs.files.logs import LogStream

    has_any = False
    for _, lines in LogStream(run._repository()).new_lines(is_over=True):
        has_any = True
        _print(lines)
    return has_any


def follow(context: click.Context, run: "Run", *, quietly: bool = False) -> None:
    """Print what a run prints until it ends, say how it ended, and end the command as it did.

    Args:
        context: of the command.
        run: the run.
        quietly: only wait.
    """
    from mlflow_workspace_plugin.runs.files.logs import LogStream

    stream = LogStream(run._repository())
    try:
        # In a script of a job, say.
        with run._slot_lent():
            while (status := run.get_status()) not in states.LAST:
                if not quietly:
                    _show(stream.new_lines())
                time.sleep(_EVERY_S)
        if not quietly:
            _show(stream.new_lines(is_over=True))
    except KeyboardInterrupt:
        echo(f"Run {run.id} goes on. To end it: mlflow-workspace cancel {run.id}", err=True)
        context.exit(_BY_CTRL_C)
    reason = run.reason
    echo(f"Run {run.id} is {status}" + (f": {reason}" if reason else "."), err=True)
    job = run._watch.read()
    failed = int(status != states.COMPLETED)
    context.exit(failed if job is None or job.exit_code is None else job.exit_code or failed)


def _show(pieces: Iterable[tuple[str, list[str]]]) -> None:
    # How its environment is made is not what it prints.
    for log, lines in pieces:
        _print(lines, err=log.startswith(_OF_ENVIRONMENT))


def _print(lines: Iterable[str], *, err: bool = False) -> None:
    # Into a file or a pipe it goes as it is.
    shows = (sys.stderr if err else sys.stdout).isatty()
    for line in lines:
        click.echo(shown(line, lines=True) if shows else line, err=err)
