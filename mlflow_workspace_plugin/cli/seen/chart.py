"""``mlflow-workspace chart``: a metric as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import find_run, run_argument
from mlflow_workspace_plugin.cli.seen.output import output_option, write_output
from mlflow_workspace_plugin.cli.which_workspace import workspace_option
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.figures.lines import X
    from mlflow_workspace_plugin.figures.specification import Figure
    from mlflow_workspace_plugin.overview.source import Source


@click.command()
@run_argument
@click.argument("metric")
@output_option("a PNG; by default named for the metric")
@click.option(
    "--x",
    type=click.Choice(["step", "relative", "time"]),
    default="step",
    show_default=True,
    help="Over which the values are drawn: steps, time since the start, or the clock's.",
)
@click.option("--log-scale", is_flag=True, help="Draw the values on a logarithmic axis.")
@click.option(
    "--compare",
    multiple=True,
    metavar="RUN",
    help="Another run of the workspace, whose curve is drawn too; repeatable.",
)
@workspace_option
@hub_option
@plain_errors
def chart(
    run: str,
    metric: str,
    output: Path | None,
    x: "X",
    log_scale: bool,  # noqa: FBT001
    compare: tuple[str, ...],
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Write metric METRIC of run RUN to a PNG file, as the page of the run draws it.

    RUN is a run's id, the beginning of it, or its name. However many values there are, the least
    and the greatest are in the picture.
    """
    from mlflow_workspace_plugin.cli.seen.drawn import KINDS, picture_of
    from mlflow_workspace_plugin.errors import UserErrorException
    from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
    from mlflow_workspace_plugin.overview.source import source_of

    found = find_run(run, workspace, hub)
    source = source_of(found.workspace().get_mlflow_tracking_uri())
    others = [find_run(each, found.place.workspace, hub).id for each in compare]
    run_ids = list(dict.fromkeys([found.id, *others]))
    figures = _figures(source, run_ids, metric, x)
    if not figures:
        known = {each["title"] for each in figures_of_run(source, found.id, points=2)}
        raise UserErrorException(
            f"There is no such metric: '{shown(metric)}', of run {found.title}."
            + (names.did_you_mean(metric, known) or " It has none.")
        )
    drawn = [each for each in figures if each["kind"] in KINDS]
    if not drawn:
        raise UserErrorException(
            f"Metric '{shown(metric)}' of run {found.title} is images, which are files of the run: "
            f"mlflow-workspace download {found.id}"
        )
    compared = run_ids if len(run_ids) > 1 else ()
    picture = picture_of(drawn, log_scale=log_scale, runs=compared)
    if path := write_output(picture, output, metric, ".png"):
        echo(str(path))


def _figures(source: "Source", run_ids: list[str], metric: str, x: "X") -> "list[Figure]":
    from mlflow_workspace_plugin.overview.figures.figures import figures_of_run, figures_of_runs

    if len(run_ids) == 1:
        return figures_of_run(source, run_ids[0], names=[metric], x=x)
    return figures_of_runs(source, run_ids, names=[metric], x=x)
