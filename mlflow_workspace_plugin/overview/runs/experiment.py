"""The runs of an experiment, and any of their values over them."""

from collections.abc import Iterator, Sequence
from typing import Any

from mlflow.entities import ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin.overview.runs.facts import (
    ATTRIBUTE,
    ATTRIBUTES,
    Column,
    RunFacts,
    columns_of,
    facts_of_found,
    number_of,
)
from mlflow_workspace_plugin.overview.source import Source

MOST_RUNS = 1000
"""So many are read at once."""

_ATTRIBUTES = tuple(Column(ATTRIBUTE, name) for name in ATTRIBUTES)
_PAGE = 500
_NEWEST_FIRST = "attributes.start_time DESC"
_OF_NOBODY = f"tags.{MLFLOW_PARENT_RUN_ID} IS NULL"


def experiments(source: Source) -> Iterator[dict[str, Any]]:
    """Yield the experiments of a workspace, the one last changed first, as JSON has them.

    Args:
        source: the workspace.
    """
    token = None
    while True:
        page = source.store.search_experiments(
            ViewType.ACTIVE_ONLY, order_by=["last_update_time DESC"], page_token=token
        )
        for each in page:
            yield {
                "id": each.experiment_id,
                "name": each.name,
                "created": each.creation_time,
                "changed": each.last_update_time,
            }
        token = page.token
        if not token:
            return


def found_runs(
    source: Source,
    experiment_ids: Sequence[str],
    filter_string: str = "",
    *,
    order_by: str = "",
    limit: int = MOST_RUNS,
    with_children: bool = True,
) -> tuple[list[Any], bool]:
    """Return runs that a filter takes, and whether there are more of them.

    Args:
        source: their workspace.
        experiment_ids: where they are.
        filter_string: MLflow's, such as ``metrics.loss < 1``.
        order_by: MLflow's, such as ``metrics.loss ASC``; the newest first if it is empty.
        limit: how many at most.
        with_children: also those that are children of others.

    Raises:
        MlflowException: the filter or the order is none.
    """
    clauses = [filter_string.strip(), "" if with_children else _OF_NOBODY]
    found: list[Any] = []
    token = None
    while experiment_ids and len(found) < limit:
        page = source.store.search_runs(
            list(experiment_ids),
            " AND ".join(filter(None, clauses)),
            ViewType.ACTIVE_ONLY,
            max_results=min(_PAGE, limit - len(found)),
            order_by=[order_by.strip() or _NEWEST_FIRST],
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    return found, bool(token)


def overview_of_experiment(
    source: Source,
    experiment_id: str,
    *,
    columns: Sequence[Column] = (),
    filter_string: str = "",
    order_by: str = "",
    limit: int = MOST_RUNS,
    with_children: bool = False,
) -> dict[str, Any]:
    """Return the runs of an experiment with some of their values, as JSON has it.

    Args:
        source: the workspace.
        experiment_id: MLflow's.
        columns: which values.
        filter_string: as for :func:`found_runs`, and so are the others.
        order_by: see there.
        limit: see there.
        with_children: see there.

    Returns:
        ``experiment``; ``runs``, each with its ``cells`` by column asked for; ``there_are_more``;
        ``columns``, all that there are of these runs, each with how many of them have ``there``,
        whether all of these are numbers, and whether any ``differs``; ``is_over``, whether all
        have ended.

    Raises:
        MlflowException: there is no such experiment in the workspace, or the filter is none.
    """
    experiment = source.store.get_experiment(experiment_id)
    found, there_are_more = found_runs(
        source,
        [experiment_id],
        filter_string,
        order_by=order_by,
        limit=min(limit, MOST_RUNS),
        with_children=with_children,
    )
    runs = facts_of_found(source, found)
    return {
        "experiment": {"id": experiment.experiment_id, "name": experiment.name},
        "runs": [{**run.head(), "cells": run.cells(columns)} for run in runs],
        "there_are_more": there_are_more,
        "columns": [_told(runs, column) for column in (*_ATTRIBUTES, *columns_of(runs))],
        "is_over": all(run.is_over for run in runs),
    }


def _told(runs: Sequence[RunFacts], column: Column) -> dict[str, Any]:
    values = [run.values[column] for run in runs if run.values.get(column) is not None]
    return {
        "column": list(column),
        "there": len(values),
        "is_number": all(number_of(value) is not None for value in values),
        "differs": any(value != values[0] for value in values),
    }
