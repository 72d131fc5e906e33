"""Finding runs: one by its id, or those that a filter of SDK v1's takes."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs import tag_text

OWN_ID_TAG = f"{tag_text.OURS}run_id"
"""The id that the caller of ``start_logging`` gave a run; MLflow gives it another."""
TYPE_TAG = f"{tag_text.OURS}run_type"
"""SDK v1's type of a run, such as ``azureml.scriptrun``; a run started in a script has none."""
SCRIPT_RUN = "azureml.scriptrun"
"""SDK v1's type of a run that was submitted."""
PROPERTY_PREFIX = f"{tag_text.OURS}property."

RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}")
"""MLflow's rule for ids of runs, and SDK v1's service's."""

_PAGE = 500
_HAS_NO_PARENT = f"tags.{MLFLOW_PARENT_RUN_ID} IS NULL"
_HAS_PARENT = f"tags.{MLFLOW_PARENT_RUN_ID} IS NOT NULL"

Wanted = str | Mapping[str, str | None] | None
"""SDK v1's filter by tags or properties: a key that must be there, or pairs that must be equal."""


@dataclass(frozen=True)
class RunFilter:
    """What SDK v1 filters runs by; None takes all.

    A status of jobs that is finer than MLflow's takes all runs of the latter: what is finer is not
    to be seen from a run.

    Raises:
        ValueError: ``tags`` or ``properties`` is neither text nor a dictionary.
    """

    type: str | None = None
    tags: Wanted = None
    properties: Wanted = None
    status: str | None = None

    def takes(self, run: MlflowRun) -> bool:
        """Whether a run is wanted."""
        stored = run.data.tags
        return (
            (self.status is None or run_status.to_mlflow(self.status) == run.info.status)
            and self.type in (None, stored.get(TYPE_TAG))
            and has(tag_text.from_mlflow(stored), self.tags, "tags")
            and has(tag_text.from_mlflow(stored, PROPERTY_PREFIX), self.properties, "properties")
        )


def has(found: Mapping[str, str | None], wanted: Wanted, what: str) -> bool:
    """Whether tags or properties are as wanted; ``what`` says which, for the message.

    Raises:
        ValueError: ``wanted`` is neither text nor a dictionary.
    """
    if not wanted:
        return True
    if isinstance(wanted, str):
        return wanted in found
    if isinstance(wanted, Mapping):
        return all(
            key in found and found[key] == (None if value is None else str(value))
            for key, value in wanted.items()
        )
    raise ValueError(
        f"Filtering by {what} takes no value of type {type(wanted).__name__}. "
        "Pass a key as text, or a dictionary of pairs that must be equal."
    )


def find_run(client: MlflowClient, workspace: str, run_id: str) -> MlflowRun:
    """Return the run of an id: MLflow's, or the one that its starter gave it.

    Args:
        client: of the workspace.
        workspace: its name, for the message.
        run_id: the id.

    Raises:
        RunNotFoundError: there is none in the workspace.
    """
    if isinstance(run_id, str) and RUN_ID.fullmatch(run_id):
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
        found = client.search_runs(
            [each.experiment_id for each in all_experiments(client, ViewType.ALL)],
            f"tags.{OWN_ID_TAG} = '{run_id}'",
            max_results=1,
        )
        if found:
            return found[0]
    raise RunNotFoundError(
        f"Run {run_id!r} was not found in workspace {workspace!r}. Look up its id in "
        "experiment.get_runs(), or open the workspace it is in."
    )


class InExperiment(NamedTuple):
    """Where runs are looked for.

    Attributes:
        client: MLflow's, of the workspace.
        id: of the experiment.
        is_archived: whether the experiment was deleted, and its runs with it.
    """

    client: MlflowClient
    id: str
    is_archived: bool = False


def all_experiments(
    client: MlflowClient, view: int = ViewType.ACTIVE_ONLY
) -> Iterator[MlflowExperiment]:
    """Yield the experiments of a workspace, however many.

    Args:
        client: MLflow's, of the workspace.
        view: those in which lifecycle stage, by a constant of MLflow's ``ViewType``.
    """
    token = None
    while True:
        page = client.search_experiments(view, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def top_level_runs(experiment: InExperiment, wanted: RunFilter) -> Iterator[MlflowRun]:
    """Yield the runs of an experiment that are nobody's children, newest first."""
    return _search(experiment, wanted, _HAS_NO_PARENT)


def all_runs(experiment: InExperiment, wanted: RunFilter) -> Iterator[MlflowRun]:
    """Yield the runs of an experiment, children too, newest first."""
    return _search(experiment, wanted)


def children(experiment: InExperiment, run_id: str, wanted: RunFilter) -> Iterator[MlflowRun]:
    """Yield the children of a run, newest first."""
    return _search(experiment, wanted, f"tags.{MLFLOW_PARENT_RUN_ID} = '{run_id}'")


def descendants(experiment: InExperiment, run_id: str, wanted: RunFilter) -> Iterator[MlflowRun]:
    """Yield the children of a run, their children, and so on, newest first."""
    with_parent = list(_search(experiment, RunFilter(), _HAS_PARENT))
    children_of = defaultdict(list)
    for run in with_parent:
        children_of[run.data.tags[MLFLOW_PARENT_RUN_ID]].append(run.info.run_id)
    below: set[str] = set()
    to_visit = [run_id]
    while to_visit:
        # Taken out, for MLflow lets runs name each other as parents.
        found = children_of.pop(to_visit.pop(), [])
        below.update(found)
        to_visit += found
    for run in with_parent:
        if run.info.run_id in below and wanted.takes(run):
            yield run


def number_of(experiment: InExperiment, run: MlflowRun) -> int:
    """Return the place of a run among all of an experiment, deleted ones too, from 1."""
    place = run.info.start_time, run.info.run_id
    before = _read(experiment, [f"attributes.start_time <= {run.info.start_time}"], ViewType.ALL)
    return sum((each.info.start_time, each.info.run_id) <= place for each in before)


def _search(experiment: InExperiment, wanted: RunFilter, *clauses: str) -> Iterator[MlflowRun]:
    if wanted.status is not None:
        status = run_status.to_mlflow(wanted.status)
        if status is None:
            return
        clauses = (*clauses, f"attributes.status = '{status}'")
    # MLflow deletes the runs of an experiment with it.
    view = ViewType.ALL if experiment.is_archived else ViewType.ACTIVE_ONLY
    seen = set()
    for run in _read(experiment, clauses, view):
        # A run that is started meanwhile moves all others on by one, to the next page.
        if run.info.run_id not in seen:
            seen.add(run.info.run_id)
            if wanted.takes(run):
                yield run


def _read(experiment: InExperiment, clauses: Iterable[str], view: int) -> Iterator[MlflowRun]:
    token = None
    while True:
        page = experiment.client.search_runs(
            [experiment.id],
            " AND ".join(clauses),
            view,
            max_results=_PAGE,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return
