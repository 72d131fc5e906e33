"""What a shell completes: names of workspaces, and of runs. Whatever goes wrong, it is nothing."""

import functools
import io
import logging
import re
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.hub import glance, workspace_record
from mlflow_workspace_plugin.terminal import shown

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_RUNS_SHOWN = 50
_WAIT_S = 0.2
# What bash takes as it stands: other names it would break, or obey.
_ONE_WORD = re.compile(r"[\w.,@%+/][\w.,@%+/-]*")


def _quietly(complete: Complete) -> Complete:
    """Keep errors, and whatever else is written, from a line that is being typed."""

    @functools.wraps(complete)
    def call(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        logging.disable()
        try:
            with redirect_stderr(io.StringIO()):
                return complete(ctx, param, incomplete)
        except Exception:  # noqa: BLE001  nobody asked for an error
            return []
        finally:
            logging.disable(logging.NOTSET)

    return call


@_quietly
def complete_workspaces(
    ctx: click.Context,
    param: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    """Return the workspaces of the hub whose names begin so."""
    found = glance.look(_hub(ctx), glance.Glance.workspaces, wait_s=_WAIT_S)
    return [
        CompletionItem(record.display_name)
        for record in found or ()
        if record.display_name.lower().startswith(incomplete.lower())
    ]


@_quietly
def complete_runs(
    ctx: click.Context,
    param: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    """Return the newest runs whose ids or names begin so.

    It is the name if that is begun, and means this run alone; else the id.
    """
    workspace = ctx.params.get("workspace")
    found = glance.look(
        _hub(ctx), lambda seen: _newest(seen, workspace, incomplete), wait_s=_WAIT_S
    )
    times = Counter(run.name for run in found or ())
    return [
        CompletionItem(run.name, help=run.run_id)
        if not run.run_id.startswith(incomplete)
        and times[run.name] == 1
        and _ONE_WORD.fullmatch(run.name)
        else CompletionItem(run.run_id, help=shown(run.name))
        for run in found or ()
    ]


@_quietly
def complete_workspaces_and_runs(
    ctx: click.Context,
    param: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    """Return what either of the two does; runs only where something is begun, or ``-w`` given."""
    if ctx.params.get("workspace") is not None:
        return complete_runs(ctx, param, incomplete)
    found = complete_workspaces(ctx, param, incomplete)
    return [*found, *complete_runs(ctx, param, incomplete)] if incomplete else found


def _newest(seen: glance.Glance, workspace: str | None, incomplete: str) -> list[glance.RunRow]:
    if workspace is not None:
        record = workspace_record.find(seen.workspaces(), workspace)
        if record is None:
            return []
        workspace = record.name
    return seen.newest_runs(workspace, incomplete, _RUNS_SHOWN)


def _hub(ctx: click.Context) -> Path:
    """Return the folder of ``--hub`` where that was given before, else of the default hub."""
    return uris.hub_folder(ctx.params.get("hub") or settings.HUB.get())
