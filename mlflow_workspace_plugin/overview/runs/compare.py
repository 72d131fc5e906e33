"""Runs side by side: what they differ in, and the axes on which many of them are seen at once."""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.overview.figures.figures import figure_names_of_runs
from mlflow_workspace_plugin.overview.live.new_points import WINDOW_MS
from mlflow_workspace_plugin.overview.runs.facts import (
    ATTRIBUTE,
    METRIC,
    PARAM,
    Column,
    RunFacts,
    cell_of,
    columns_of,
    facts_of,
    facts_of_ids,
    metric_names,
    number_of,
)
from mlflow_workspace_plugin.overview.source import Source

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.charts.point import Point
    from mlflow_workspace_plugin.stores.charts.recent import Window

MOST_RUNS = 100
"""So many are compared at once; curves of more nobody could tell apart."""

_EARLIEST, _LATEST = -(1 << 63), (1 << 63) - 1
_MOST_WINDOWS = 200
_MOST_AXES = 12
_MOST_CATEGORIES = 40
_WIDE = 1000
"""Where the greatest is so many times the least, the axis is logarithmic."""


def comparison(
    source: Source,
    run_ids: Sequence[str],
    *,
    columns: Sequence[Column] | None = None,
    axes: Sequence[Column] | None = None,
) -> dict[str, Any]:
    """Return runs side by side, as JSON has it.

    Args:
        source: their workspace.
        run_ids: MLflow's ids; repeated ones count once, and of more than ``MOST_RUNS`` the first.
        columns: the rows of the table; None are those in which the runs differ.
        axes: of the parallel coordinates; None are params and metrics in which they differ.

    Returns:
        ``runs``, with what each list says of one; ``missing``, the ids of none of the workspace,
        ``left_out``, how many runs were too many; ``differences``, rows with a cell for each run;
        ``same``, how many rows are the same in all; ``axes``; ``columns``, all that there are;
        ``metrics``, the names that figures are made of; ``is_over``, whether all have ended.
    """
    asked = list(dict.fromkeys(run_ids))
    runs = facts_of_ids(source, asked[:MOST_RUNS])
    there = {run.id for run in runs}
    known = [Column(ATTRIBUTE, "experiment"), Column(ATTRIBUTE, "user"), *columns_of(runs)]
    different = [column for column in known if _differs(runs, column)]
    shown = different if columns is None else columns
    return {
        "runs": [run.head() for run in runs],
        "missing": [each for each in asked[:MOST_RUNS] if each not in there],
        "left_out": len(asked[MOST_RUNS:]),
        "differences": [
            {"of": column.of, "name": column.name, "cells": _cells(runs, column)}
            for column in shown
        ],
        "same": len(known) - len(different),
        "axes": list(_axes(runs, _default_axes(runs, different) if axes is None else axes)),
        "columns": [list(column) for column in known],
        "metrics": figure_names_of_runs(source, [run.id for run in runs]),
        "is_over": all(run.is_over for run in runs),
    }


def marks_of_runs(source: Source, run_ids: Sequence[str]) -> dict[str, Any]:
    """Return what tells whether something was logged to runs that go on, as JSON has it.

    No history is read. A name whose mark is another than before has new values. What comes late
    is noticed where our clients stored it, which their receipts say, or where it is less than a
    minute older than the run's latest value: those since then are counted. Of a metric of which all
    runs of the hub have too many within that minute (``recent.MOST_COUNTED``) they are not.

    Args:
        source: their workspace.
        run_ids: MLflow's ids; of those that have ended nothing is said but that.

    Returns:
        ``runs``: of each its ``status``, whether it ``is_over``, and ``marks`` by the names that
        were logged; ``is_over``, whether all have ended.
    """
    store = source.store
    runs = store.runs_of_ids(run_ids[:MOST_RUNS])
    facts_of_runs = facts_of(source, runs, with_metrics=False)
    go_on = [facts.id for facts in facts_of_runs if not facts.is_over]
    latest, stored_of = store.latest_points_of_runs(go_on), store.stored_counts_of_runs(go_on)
    recent_of = store.recent_counts_of_runs(go_on, _windows(latest.values()))
    found: dict[str, Any] = {}
    for run, facts in zip(runs, facts_of_runs, strict=True):
        marks: dict[str, list[Any]] = {}
        if not facts.is_over:
            names, stored, recent = metric_names(run), stored_of[facts.id], recent_of[facts.id]
            for key, point in latest[facts.id].items():
                mark = [key, point.step, point.timestamp, stored.get(key, 0), recent.get(key)]
                marks.setdefault(names.get(key, key), []).append(mark)
            # Files have no key; a new one has a tag of its own only when it is the first.
            for key, name in names.items():
                marks.setdefault(name, []).append([key, stored.get(key, 0)])
        texts = {name: json.dumps(sorted(each, key=str)) for name, each in marks.items()}
        found[facts.id] = {"status": facts.status, "is_over": facts.is_over, "marks": texts}
    return {"runs": found, "is_over": all(each["is_over"] for each in found.values())}


def _windows(latest: "Iterable[Mapping[str, Point]]") -> "dict[str, list[Window]]":
    """Return within which times points of each metric are counted.

    Runs whose latest values lie far apart have windows of their own, as far as there are not too
    many: one that stands still would make that of the others as long as it stood. The last window
    has no end.
    """
    times: dict[str, list[int]] = defaultdict(list)
    for points in latest:
        for key, point in points.items():
            times[key].append(point.timestamp)
    most = max(1, _MOST_WINDOWS // max(1, len(times)))
    return {key: _windows_of(sorted(of_key), most) for key, of_key in times.items()}


def _windows_of(times: Sequence[int], most: int) -> "list[Window]":
    gaps = [(after - time, index) for index, (time, after) in enumerate(itertools.pairwise(times))]
    # Each window ends a minute behind its last time, before the next one begins.
    wide = sorted((gap for gap in gaps if gap[0] > 2 * WINDOW_MS), reverse=True)[: most - 1]
    ends = sorted(index for _, index in wide)
    begins = [0, *(index + 1 for index in ends)]
    lasts = [*(times[index] + WINDOW_MS for index in ends), _LATEST]
    return [
        (max(times[begin] - WINDOW_MS, _EARLIEST), last)
        for begin, last in zip(begins, lasts, strict=True)
    ]


def _default_axes(runs: Sequence[RunFacts], different: Iterable[Column]) -> list[Column]:
    """Return the params in which runs differ, and then the metrics, as many as one can look at."""
    fitting = [
        column
        for column in different
        if column.of in (PARAM, METRIC) and _axis(runs, column) is not None
    ]
    params = [column for column in fitting if column.of == PARAM]
    metrics = [column for column in fitting if column.of == METRIC]
    # What was set is seen beside what came of it, even where there is much of either.
    room = max(_MOST_AXES // 2, _MOST_AXES - len(metrics))
    params = params[:room]
    return [*params, *metrics[: _MOST_AXES - len(params)]]


def _axes(runs: Sequence[RunFacts], columns: Iterable[Column]) -> Iterator[dict[str, Any]]:
    for column in columns:
        axis = _axis(runs, column)
        if axis is not None:
            yield {"of": column.of, "name": column.name, **axis}


def _axis(runs: Sequence[RunFacts], column: Column) -> dict[str, Any] | None:
    """Return where each run is on the axis of a column; None if that can be no axis.

    A run without a value, or with one that has no place among numbers, is on None.
    """
    values = [run.values.get(column) for run in runs]
    present = [value for value in values if value is not None]
    numbers = [number_of(value) for value in values]
    if all(number_of(value) is not None for value in present):
        finite = [number for number in numbers if number is not None and math.isfinite(number)]
        if not finite:
            return None
        is_wide = min(finite) > 0 and max(finite) >= _WIDE * min(finite)
        places = [None if each is None or not math.isfinite(each) else each for each in numbers]
        return {"kind": "log" if is_wide else "number", "values": places}
    if column.of == METRIC:
        # A text that was logged is a remark.
        return None
    texts = [None if value is None else str(value) for value in values]
    categories = sorted({text for text in texts if text is not None}, key=_in_order)
    if len(categories) > _MOST_CATEGORIES:
        return None
    return {"kind": "category", "values": texts, "categories": categories}


def _in_order(text: str) -> tuple[bool, float, str]:
    number = number_of(text)
    is_number = number is not None and not math.isnan(number)
    return not is_number, number if is_number and number is not None else 0.0, text


def _differs(runs: Sequence[RunFacts], column: Column) -> bool:
    cells = _cells(runs, column)
    return any(_unlike(each, cells[0]) for each in cells[1:])


def _unlike(one: Any, other: Any) -> bool:
    # True is 1 to Python, and no text is as long as a number.
    return type(one) is not type(other) or one != other


def _cells(runs: Iterable[RunFacts], column: Column) -> list[Any]:
    return [cell_of(run.values.get(column)) for run in runs]
