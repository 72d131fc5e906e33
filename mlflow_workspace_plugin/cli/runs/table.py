"""``mlflow-workspace runs``: the runs of a workspace, and which of them is best."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
)
from mlflow_workspace_plugin.cli.runs.find import SHORT_ID, title
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option
from mlflow_workspace_plugin.stores.jobs import states

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

    from mlflow_workspace_plugin.cli.layout.tables import Column
    from mlflow_workspace_plugin.overview.figures.latest import LatestValues
    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.jobs.job import Job

_NEWEST = 20
_PAGE = 1_000
_READABLE = 14
"""Of a name, beside columns that nobody asked for."""
_METRICS_SHOWN, _PARAMS_SHOWN = 4, 3
_OF_THE_SYSTEM = "system/"


@click.command()
@click.option("--experiment", "-e", metavar="NAME", help="Only the runs of this experiment.")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1),
    default=_NEWEST,
    show_default=True,
    help="How many runs.",
)
@click.option("--all", "all_runs", is_flag=True, help="All runs.")
@click.option(
    "--filter",
    "filter_",
    metavar="CONDITION",
    default="",
    help="Only these, in MLflow's words: \"metrics.loss < 0.5 AND params.lr = '0.1'\".",
)
@click.option(
    "--order-by",
    metavar="ORDER",
    multiple=True,
    help="In this order, such as 'metrics.loss ASC'; several times for what is equal. The best "
    "run: --order-by 'metrics.loss ASC' -n 1",
)
@click.option(
    "--metric",
    "-m",
    metavar="NAME",
    multiple=True,
    help="A column with the last value of this metric; several times for several. By default those "
    "that most runs have, and that fit.",
)
@click.option("--param", "-p", metavar="NAME", multiple=True, help="As --metric, of a parameter.")
@click.option("--ids", is_flag=True, help="Print full ids only, a line each, for scripts.")
@workspace_option
@hub_option
@json_option
@plain_errors
def runs(
    experiment: str | None,
    number: int,
    all_runs: bool,  # noqa: FBT001
    filter_: str,
    order_by: tuple[str, ...],
    metric: tuple[str, ...],
    param: tuple[str, ...],
    ids: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the runs of a workspace, the newest first, children below their parents.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder.
    """
    from mlflow_workspace_plugin.overview.figures.latest import LatestValues
    from mlflow_workspace_plugin.overview.source import Source

    found = open_workspace(workspace, hub)
    experiments = _experiments(found, experiment)
    limit = None if all_runs else number
    shown, there_are_more = _search(found, list(experiments), filter_, list(order_by), limit)
    if ids:
        for run in shown:
            click.echo(run.info.run_id)
        return
    _describe_metrics(found, shown)
    of_jobs = found.tracking_store.jobs(states.ALL - {states.COMPLETED})
    jobs = {each.run_id: each for each in of_jobs}
    latest = LatestValues(Source(found.tracking_store))
    listed = [
        ListedRun(run, experiments[run.info.experiment_id], latest, job=jobs.get(run.info.run_id))
        for run in shown
    ]
    if as_json:
        print_json([each.as_json() for each in listed])
        return
    what = f"workspace {found.name}" + ("" if experiment is None else f", experiment {experiment}")
    if not listed:
        echo(f"Runs of {what}: none" + (" that the filter takes" if filter_ else ""))
        return
    added: list[ListedRun] = []
    if not order_by:
        added = _missing_parents(found, listed, experiments, latest)
        listed = list(_as_tree(listed + added))
    echo(f"Runs of {what}")
    _print(listed, metric, param)
    _print_notes(listed, added, number=len(shown), there_are_more=there_are_more)


@dataclass
class ListedRun:
    """A run of the table.

    Attributes:
        run: as MLflow returned it.
        experiment: its experiment.
        latest: tells its latest values.
        depth: how far below a run of nobody's it stands.
        above: its parent, where it stands below that.
        job: the job it is, unless that was completed.
    """

    run: "MlflowRun"
    experiment: "Experiment"
    latest: "LatestValues"
    depth: int = 0
    above: "ListedRun | None" = None
    job: "Job | None" = None

    @property
    def id(self) -> str:
        """MLflow's id of it."""
        return str(self.run.info.run_id)

    @property
    def name(self) -> str:
        """Its name."""
        return self.run.info.run_name or ""

    @property
    def name_below(self) -> str:
        """Its name, without that of the parent above it, which SDK v1 puts before it."""
        return self.name if self.above is None else self.name.removeprefix(f"{self.above.name}>")

    @property
    def parent(self) -> str | None:
        """The id of its parent."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        parent: str | None = self.run.data.tags.get(MLFLOW_PARENT_RUN_ID)
        return parent

    @property
    def status(self) -> str:
        """SDK v1's word for its status."""
        from mlflow_workspace_plugin.runs import status

        return status.of_mlflow(self.run.info.status) if self.job is None else self.job.state

    @property
    def started(self) -> int | None:
        """When it started; a job that waits has not, though MLflow's run has a time."""
        at: int | None = self.run.info.start_time if self.job is None else self.job.started_at
        return at

    @property
    def reason(self) -> str | None:
        """Why it failed or was canceled, if it did."""
        from mlflow_workspace_plugin.runs.reason import reason_of_ended

        return reason_of_ended(self.run)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The last value of each metric, by the name it was logged as."""
        return dict(self.latest.of(self.run))

    @property
    def params(self) -> dict[str, str]:
        """The parameters."""
        return dict(self.run.data.params)

    def as_json(self) -> dict[str, Any]:
        """Return what is known of it, for programs."""
        return {
            "run_id": self.id,
            "name": self.name,
            "experiment": self.experiment.name,
            "status": self.status,
            "reason": self.reason,
            "started": words.iso(self.started),
            "ended": words.iso(self.run.info.end_time),
            "parent_run_id": self.parent,
            "metrics": self.metrics,
            "params": self.params,
        }


def _search(
    workspace: "Workspace",
    experiment_ids: list[str],
    filter_: str,
    order_by: list[str],
    limit: int | None,
) -> "tuple[list[MlflowRun], bool]":
    """Return the runs, and whether there are more of them."""
    found: list[MlflowRun] = []
    token = None
    while experiment_ids:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = workspace.client.search_runs(
            experiment_ids,
            filter_,
            max_results=size,
            order_by=order_by or ["attributes.start_time DESC"],
            page_token=token,
        )
        found += page
        token = page.token
        if not token or len(found) == limit:
            break
    return found, bool(token)


def _missing_parents(
    workspace: "Workspace",
    listed: "list[ListedRun]",
    experiments: "Mapping[str, Experiment]",
    latest: "LatestValues",
) -> "list[ListedRun]":
    """Return the parents of runs that are not among them, and theirs."""
    from mlflow.exceptions import MlflowException

    there = {each.id for each in listed}
    missing = {each.parent for each in listed} - there - {None}
    added: list[ListedRun] = []
    while missing:
        run_id = missing.pop()
        there.add(run_id or "")
        try:
            run = workspace.client.get_run(run_id)
        except MlflowException:
            # Deleted for good.
            continue
        experiment = experiments.get(run.info.experiment_id)
        if experiment is None or run.info.lifecycle_stage != "active":
            continue
        added.append(ListedRun(run, experiment, latest))
        missing |= {added[-1].parent} - there - {None}
    return added


def _describe_metrics(workspace: "Workspace", runs: "list[MlflowRun]") -> None:
    """Add the tags that say what the metrics of runs were logged as, which a search leaves out."""
    tags = workspace.tracking_store.descriptor_tags([each.info.run_id for each in runs])
    for each in runs:
        each.data.tags.update(tags.get(each.info.run_id, {}))


def _as_tree(listed: "list[ListedRun]") -> "Iterator[ListedRun]":
    """Yield runs, children behind their parents, where their newest child would be."""
    by_id = {each.id: each for each in listed}
    children: dict[str, list[ListedRun]] = {}
    for each in listed:
        if each.parent in by_id:
            children.setdefault(each.parent or "", []).append(each)
    yielded: set[str] = set()

    def below(top: ListedRun) -> Iterator[ListedRun]:
        left: list[tuple[ListedRun, ListedRun | None]] = [(top, None)]
        while left:
            each, above = left.pop()
            if each.id not in yielded:
                yielded.add(each.id)
                each.above, each.depth = above, 0 if above is None else above.depth + 1
                yield each
                left += [(child, each) for child in reversed(children.get(each.id, []))]

    for each in listed:
        seen = {each.id}
        # MLflow lets runs name each other as parents.
        while each.parent in by_id and each.parent not in seen:
            each = by_id[each.parent]
            seen.add(each.id)
        yield from below(each)


def _print(listed: "Sequence[ListedRun]", metrics: Sequence[str], params: Sequence[str]) -> None:
    from mlflow_workspace_plugin.cli.layout.tables import (
        Column,
        least_width_of,
        print_columns,
        terminal_width,
    )

    short = _length_of_ids(listed)
    columns = [
        Column("run", [each.id[:short] for each in listed]),
        Column(
            "name",
            [
                "  " * (each.depth - 1) + "└ " * (each.depth > 0) + each.name_below
                for each in listed
            ],
            may_shrink=True,
        ),
    ]
    if len({each.experiment.id for each in listed}) > 1:
        columns.append(
            Column("experiment", [each.experiment.name for each in listed], may_shrink=True)
        )
    statuses = [each.status for each in listed]
    colours = [words.COLOURS.get(status, "") for status in statuses]
    columns.append(Column("status", statuses, styles=colours))
    columns.append(Column("started", [words.ago(each.started) for each in listed]))
    lasted = [words.took(each.started, each.run.info.end_time) for each in listed]
    columns.append(Column("took", lasted, is_number=True))
    columns += [_of_metric(listed, each) for each in metrics]
    columns += [_of_param(listed, each) for each in params]
    if not metrics and not params:
        columns += _commonest(listed, columns)
    # What was asked for goes before what stands there anyway.
    for heading in ("took", "experiment", "started", "status"):
        if least_width_of(columns) > terminal_width():
            columns = [each for each in columns if each.heading != heading]
    print_columns(columns)


def _commonest(listed: "Sequence[ListedRun]", columns: "Sequence[Column]") -> "list[Column]":
    """Return columns of what most runs have, as many as fit beside others."""
    from mlflow_workspace_plugin.cli.layout.tables import GAP, terminal_width, width_of

    room = terminal_width() - width_of(columns, _READABLE)
    by_metrics = Counter(
        name for each in listed for name in each.metrics if not name.startswith(_OF_THE_SYSTEM)
    )
    by_params = Counter(name for each in listed for name in each.params)
    wanted = [_of_metric(listed, each) for each, _ in by_metrics.most_common(_METRICS_SHOWN)]
    wanted += [_of_param(listed, each) for each, _ in by_params.most_common(_PARAMS_SHOWN)]
    fitting = []
    for each in wanted:
        if each.width + GAP <= room:
            fitting.append(each)
            room -= each.width + GAP
    return fitting


def _of_metric(listed: "Sequence[ListedRun]", name: str) -> "Column":
    from mlflow_workspace_plugin.cli.layout.tables import Column

    values = [each.metrics.get(name, "") for each in listed]
    is_text = any(isinstance(value, str) and value for value in values)
    cells = list(map(words.value, values))
    return Column(name, cells, is_number=not is_text, may_shrink=is_text)


def _of_param(listed: "Sequence[ListedRun]", name: str) -> "Column":
    from mlflow_workspace_plugin.cli.layout.tables import Column

    return Column(name, [each.params.get(name, "") for each in listed], may_shrink=True)


def _print_notes(
    listed: "Sequence[ListedRun]",
    added: "Sequence[ListedRun]",
    *,
    number: int,
    there_are_more: bool,
) -> None:
    """Say below the table what does not belong into its cells."""
    from mlflow_workspace_plugin.cli.layout.tables import cut, terminal_width

    width = terminal_width()
    short = _length_of_ids(listed)
    reasons = [(each, each.reason) for each in listed if each.reason]
    if reasons:
        click.echo()
    for each, reason in reasons:
        said = " ".join(reason.split())
        click.echo(cut(f"{each.id[:short]} {each.status.lower()}: {said}", width))
    lines = [
        f"{title(each.name, each.id)} is shown for its children; it is not among the runs found."
        for each in added
    ]
    strays = Counter(each.parent for each in listed if each.parent and each.depth == 0)
    lines += [
        f"{count:,} of these {'is a child' if count == 1 else 'are children'} of run "
        f"{parent[:SHORT_ID]}."
        for parent, count in strays.items()
        if parent
    ]
    if there_are_more:
        lines.append(f"There are more: -n {10 * number} lists more of them, --all lists all.")
    if lines:
        click.echo()
    for line in lines:
        echo(line)


def _length_of_ids(listed: "Sequence[ListedRun]") -> int:
    """Return how much of ids tells these runs apart."""
    ids = {each.id for each in listed}
    length = SHORT_ID
    while len({each[:length] for each in ids}) < len(ids):
        length += 1
    return length


def _experiments(workspace: "Workspace", name: str | None) -> "dict[str, Experiment]":
    """Return the active experiments, or the one of a name, by their ids."""
    from mlflow_workspace_plugin.errors import UserErrorException

    known = workspace.experiments
    if name is None:
        return {each.id: each for each in known.values()}
    if name in known:
        return {known[name].id: known[name]}
    raise UserErrorException(
        f"Experiment {name!r} is not among the active ones of workspace {workspace.name!r}."
        + names.did_you_mean(name, known)
    )
