"""``mlflow-workspace sync``."""

from functools import partial

import click

from mlflow_workspace_plugin.cli.journals.ends import add_ends, tell_ends
from mlflow_workspace_plugin.cli.journals.status import ENDS, Row, row_of, show
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    echo,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.journal.files.folder import all_folders

# What a folder has though nothing waits in it.
_ALWAYS = "workspace", "MB on disk"


@click.command()
@click.option(
    "--all-machines",
    is_flag=True,
    help="Also journals of other machines in the same folder. None of their processes may live.",
)
@click.option(
    "--refused",
    is_flag=True,
    help="Also what was refused and set aside, after what was in its way is mended.",
)
@click.option("--status", is_flag=True, help="Only say what waits; send nothing.")
@click.option(
    "--drop",
    metavar="FOLDER|URI",
    help="Send what of this folder of journals, or workspace, can be sent, show the rest, and "
    "remove it for good: of a hub that is gone, say.",
)
@click.option("--yes", is_flag=True, help="Drop without asking.")
@click.option(
    "--give-up-hub",
    is_flag=True,
    help="Drop although the hub, which is there, cannot be opened now: what waits is never sent.",
)
@json_option
@plain_errors
def sync(
    all_machines: bool,  # noqa: FBT001
    refused: bool,  # noqa: FBT001
    status: bool,  # noqa: FBT001
    drop: str | None,
    yes: bool,  # noqa: FBT001
    give_up_hub: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Send what processes on this machine logged and could not send before they ended.

    That is also how jobs ended whose hub was away for longer than their runners could wait.

    The journals of one workspace are sent one after the other; one that cannot be sent does not
    keep the others back.
    """
    if drop is not None:
        if status or all_machines or refused or (as_json and not yes):
            raise click.UsageError("--drop goes alone, or with --yes, --give-up-hub and --json.")
        from mlflow_workspace_plugin.cli.journals.folders import drop_rest

        drop_rest(drop, is_confirmed=yes, is_given_up=give_up_hub, as_json=as_json)
        return
    if give_up_hub:
        raise click.UsageError("--give-up-hub goes with --drop.")
    if status:
        rows = [row_of(folder, show) for folder in all_folders()]
        add_ends(rows)
    else:
        from mlflow_workspace_plugin.cli.journals.folders import send

        make = partial(send, of_all_machines=all_machines, is_refused_sent=refused)
        rows = [row_of(folder, make) for folder in all_folders()]
        add_ends(rows, tell_ends())
    if as_json:
        print_json(rows)
    else:
        calls = [
            {"workspace": row["workspace"], "run": run_id, "calls": number}
            for row in rows
            for run_id, number in row.pop("runs").items()
        ]
        if calls:
            print_table("Calls that wait" if status else "Calls that were sent", calls)
        ends = [
            {"workspace": row["workspace"], "run": run_id, "state": state}
            for row in rows
            for run_id, state in row.pop(ENDS).items()
        ]
        if ends:
            print_table("Ends of jobs that wait", ends)
        _print_folders(rows, status=status)
    if any(row["problem"] for row in rows):
        if not as_json:
            echo(
                "What can never be sent, of a hub that is gone, say, is shown and removed by: "
                "mlflow-workspace sync --drop WORKSPACE"
            )
        raise SystemExit(1)


def _print_folders(rows: list[Row], *, status: bool) -> None:
    """Print what is to be said of folders, and count those of which there is nothing."""
    telling = [row for row in rows if any(row[key] for key in row if key not in _ALWAYS)]
    if telling:
        # What is nothing in all of them says nothing.
        said = {key: None for row in telling for key in row if any(r.get(key) for r in telling)}
        print_table("Journals", [{key: row.get(key) for key in said} for row in telling])
    nothing = "Nothing waits" if status else "Nothing to send"
    if not rows:
        echo(f"{nothing}: there are no journals.")
    elif quiet := len(rows) - len(telling):
        where = words.count(quiet, "other workspace" if telling else "workspace")
        echo(f"{nothing} in the journals of {where}.")
