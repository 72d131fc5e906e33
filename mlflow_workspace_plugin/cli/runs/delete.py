"""``mlflow-workspace delete``: runs, or a workspace."""

import sys
from collections.abc import Sequence

import click

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.cli.hub_seen import seen_hub
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import FoundRun, find_run, run_argument, said
from mlflow_workspace_plugin.cli.which_workspace import workspace_option
from mlflow_workspace_plugin.terminal import shown


def _runs_argument(command: click.decorators.FC) -> click.decorators.FC:
    return run_argument(command, metavar="[RUN]...", nargs=-1)


@click.command()
@_runs_argument
@workspace_option
@click.option(
    "--with-everything",
    is_flag=True,
    help="Without RUN: the workspace with all experiments, runs, models and files in it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@hub_option
@plain_errors
def delete(
    run: tuple[str, ...],
    workspace: str | None,
    with_everything: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    hub: HubPlace,
) -> None:
    """Delete runs, or without RUN the workspace that --workspace names.

    RUN is a run's id, the beginning of it, or its name. A run that is named by its full id is
    deleted at once, others after a question. Deleted runs can be restored in MLflow, until
    mlflow-workspace gc frees them; a workspace is gone for good.
    """
    if run:
        if with_everything:
            raise click.UsageError("--with-everything goes with a workspace, without RUN.")
        # All are found before the first is deleted.
        found = {each.id: each for each in (find_run(one, workspace, hub) for one in run)}
        _delete_runs(list(found.values()), is_confirmed=yes)
    elif workspace is not None:
        _delete_workspace(workspace, hub, with_everything=with_everything, is_confirmed=yes)
    else:
        raise click.UsageError("Name runs, or a workspace with --workspace.")


def _delete_runs(runs: Sequence[FoundRun], *, is_confirmed: bool) -> None:
    from mlflow_workspace_plugin.cli.layout.tables import cut, terminal_width

    there = [each for each in runs if not each.place.is_deleted]
    for each in runs:
        if each.place.is_deleted:
            echo(f"Run {each.title} is deleted already.")
    if any(not each.is_by_id for each in there):
        for each in there:
            echo(cut(f"  {said(each.place)}", terminal_width()))
        remedy = "Name runs by their full ids, or give --yes."
        question = f"Delete {words.count(len(there), 'run')}?"
        _confirm(question, remedy, is_confirmed=is_confirmed)
    for each in there:
        each.workspace().client.delete_run(each.id)
        left = each.source().store.number_of_children(each.id)
        kept = f" Its {words.count(left, 'child run')} stayed." if left else ""
        echo(f"Deleted run {each.title} of workspace {each.place.workspace}.{kept}")
    for name in sorted({each.place.workspace for each in there}):
        free = uris.typed(f"gc -w {name}", there[0].hub.place)
        echo(f"To free what was deleted, for good: {free}")


def _delete_workspace(
    name: str, hub: HubPlace, *, with_everything: bool, is_confirmed: bool
) -> None:
    from mlflow_workspace_plugin.errors import WorkspaceNotEmptyError
    from mlflow_workspace_plugin.sdk.workspace import Workspace

    opened = seen_hub(hub)
    record = opened.workspace(name)
    counts = opened.counts(record.name)
    holds = ", ".join(
        words.count(number, what.replace("_", " ").removesuffix("s"))
        for what, number in counts.items()
        if number
    )
    what = f"workspace {record.display_name!r} of hub {str(opened.place)!r}"
    not_empty = click.ClickException(
        f"Workspace {record.display_name!r} is not empty: it holds "
        f"{holds or 'files in its datastores'}. Nothing was deleted. To delete it with all that: "
        + uris.typed(f"delete -w {record.name} --with-everything", opened.place)
    )
    if with_everything:
        what += f", with {holds} and their files," if holds else ""
    elif counts["runs"] or counts["registered_models"] or counts["datasets"]:
        raise not_empty
    _confirm(f"Delete {what} for good?", "Give --yes.", is_confirmed=is_confirmed)
    try:
        Workspace.get(record.name, hub=opened.place).delete(
            delete_dependent_resources=with_everything
        )
    except WorkspaceNotEmptyError as error:
        raise not_empty from error
    echo(f"Deleted workspace {record.display_name!r}.")


def _confirm(question: str, remedy: str, *, is_confirmed: bool) -> None:
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"Nothing was deleted: nobody can be asked here. {remedy}")
    click.confirm(shown(question), abort=True)
