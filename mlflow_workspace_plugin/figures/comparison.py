"""Figures of several runs as one: curves overlaid, images side by side, numbers in a table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mlflow_workspace_plugin.figures.cells import text
from mlflow_workspace_plugin.figures.ids import figure_id, parts_of
from mlflow_workspace_plugin.figures.specification import (
    Figure,
    Images,
    Lines,
    Series,
    SingleValue,
    Table,
    Text,
)

RUN = "run"
"""What the id of a figure ends with that is one run's only: this, and the run's id."""

MOST_CURVES = 100
"""More are not told apart by anybody, and each run has its own figure."""


def names_of_runs(names: Mapping[str, str]) -> dict[str, str]:
    """Return what runs are called where they stand side by side: their names, if these differ.

    Args:
        names: by the ids of the runs.
    """
    times: dict[str, int] = defaultdict(int)
    for name in names.values():
        times[name] += 1
    return {run: name if times[name] == 1 else f"{name} ({run[:8]})" for run, name in names.items()}


def of_run(figure: Figure, run: str, name: str) -> Figure:
    """Return a figure that is one run's among those of others.

    Args:
        figure: the figure.
        run: the id of the run.
        name: what the run is called.
    """
    changed: Any = {
        **figure,
        "id": figure_id(*parts_of(figure["id"]), RUN, run),
        "title": f"{figure['title']} - {text(name)}",
    }
    return cast(Figure, changed)


def run_of(figure: str) -> tuple[tuple[str, ...], str | None]:
    """Return the parts of an id, and the run that the figure is of, where the id says it."""
    parts = parts_of(figure)
    if len(parts) > 3 and parts[-2] == RUN:
        return parts[:-2], parts[-1]
    return parts, None


def together(figures: Sequence[tuple[str, Figure]], names: Mapping[str, str]) -> list[Figure]:
    """Return the figures of one id of several runs, as few as they can be.

    Args:
        figures: each with the id of its run.
        names: what the runs are called, by their ids.
    """
    alike: dict[tuple[str, ...], list[tuple[str, Figure]]] = defaultdict(list)
    for run, figure in figures:
        alike[_kind(figure)].append((run, figure))
    found: list[Figure] = []
    for kind, group in alike.items():
        merged = _merged(kind[0], group, names)
        if found and len(merged) == 1:
            # Some runs logged something else by its name.
            merged[0]["id"] = figure_id(*parts_of(merged[0]["id"]), *kind)
        found += merged
    return found


def _kind(figure: Figure) -> tuple[str, ...]:
    """Return what figures have in common that can be one."""
    if figure["kind"] == "lines":
        return "lines", figure["x"]["type"], figure["x"]["label"]
    # Of a text that stands for something else the reason has to be said.
    is_value = figure["kind"] == "text" and figure["note"] is None
    return ("number",) if is_value else (figure["kind"],)


def _merged(
    kind: str, group: Sequence[tuple[str, Figure]], names: Mapping[str, str]
) -> list[Figure]:
    if kind == "lines":
        lines = [(run, cast(Lines, figure)) for run, figure in group]
        if sum(len(figure["series"]) for _, figure in lines) <= MOST_CURVES:
            return [_overlaid(lines, names)]
    if kind == "images":
        return [_side_by_side([(run, cast(Images, figure)) for run, figure in group], names)]
    if kind == "number":
        return [_listed([(run, cast(SingleValue | Text, figure)) for run, figure in group], names)]
    return [of_run(figure, run, names[run]) for run, figure in group]


def _overlaid(group: Sequence[tuple[str, Lines]], names: Mapping[str, str]) -> Lines:
    series: list[Series] = []
    notes = []
    for run, figure in group:
        is_alone = len(figure["series"]) == 1
        for each in figure["series"]:
            name = names[run] if is_alone else f"{names[run]}: {each['name']}"
            series.append({**each, "name": text(name), "run": run})
        if figure["note"] is not None:
            notes.append(f"{text(names[run])}: {figure['note']}")
    return {
        **group[0][1],
        "series": series,
        "note": " ".join(notes) or None,
        "start_time": group[0][1]["start_time"] if len(group) == 1 else None,
    }


def _side_by_side(group: Sequence[tuple[str, Images]], names: Mapping[str, str]) -> Images:
    notes = [f"{text(names[run])}: {each['note']}" for run, each in group if each["note"]]
    return {
        **group[0][1],
        "note": " ".join(notes) or None,
        "images": [
            {**image, "label": text(names[run]), "run": run}
            for run, figure in group
            for image in figure["images"]
        ],
    }


def _listed(group: Sequence[tuple[str, SingleValue | Text]], names: Mapping[str, str]) -> Table:
    first = group[0][1]
    return {
        "id": first["id"],
        "title": first["title"],
        "kind": "table",
        "note": None,
        "columns": ["run", first["title"]],
        "rows": [[text(names[run]), figure["value"]] for run, figure in group],
        "total": len(group),
        "offset": 0,
    }
