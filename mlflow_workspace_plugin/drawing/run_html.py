"""A run as HTML for notebooks: styles inline, pictures in it, so many bytes at most."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_workspace_plugin.drawing.figure import WIDTH, notes_of, picture_of
from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.drawing.texts import (
    cell_text,
    duration_text,
    one_line,
    time_text,
)
from mlflow_workspace_plugin.terminal import shown

MOST_BYTES = 88_000
_MOST_LOG = 9_000
_MOST_METRICS = 16_000
_MOST_CHILDREN = 14_000
_MOST_ROWS = 6_000
_METRICS = 50
_CHILDREN = 40
_ROWS, _COLUMNS = 10, 8
_CELL = 120
_VALUE = 60
_TEXT = 600

_COLOURS = {
    "Completed": "#1a7f37",
    "Failed": "#c62828",
    "Canceled": "#8a6d00",
    "NotResponding": "#c62828",
    "Deleted": "#c62828",
}
_GOING_ON = "#0b62c4"
_QUIET = "opacity:0.75"
_CELL_STYLE = "text-align:left;padding:1px 14px 1px 0;vertical-align:top"
_NUMBER_STYLE = "text-align:right;padding:1px 14px 1px 0;vertical-align:top"


def html_of_run(run: SeenRun, most: int = MOST_BYTES) -> str:
    """Return a run as HTML, which says what there is no room for.

    Args:
        run: what is seen of it.
        most: so many bytes at most.
    """
    parts = [
        _head(run),
        _facts(run),
        _box("Reason", run.reason) if run.reason else "",
        _metrics(run),
        _children(run),
    ]
    below = [_log(run), _foot(run)]
    room = most - sum(len(each.encode()) for each in (*parts, *below)) - 500
    parts.append(_figures(run, room))
    return _div("".join([*parts, *below]), "font-size:13px;line-height:1.45;max-width:1340px")


def _head(run: SeenRun) -> str:
    colour = _COLOURS.get(run.status, _GOING_ON)
    badge = f"background-color:{colour};color:#ffffff;border-radius:10px;padding:1px 10px"
    parts = [
        f'<b style="font-size:17px">{_escaped(one_line(run.name))}</b>',
        f'<span style="{badge}">{_escaped(one_line(run.status, _VALUE))}</span>',
    ]
    if run.duration_ms is not None:
        parts.append(f"<span>{_escaped(duration_text(run.duration_ms))}</span>")
    if run.page:
        parts.append(_link(run.page, "Open its page"))
    note = _box("Note", run.note) if run.note else ""
    return _div(" &nbsp; ".join(parts)) + note


def _facts(run: SeenRun) -> str:
    facts = [("Experiment", run.experiment), ("Id", run.run_id), *run.facts]
    told = (f"{_escaped(label)}: {_escaped(one_line(text))}" for label, text in facts)
    return _div(" · ".join(told), _QUIET)


def _metrics(run: SeenRun) -> str:
    if not run.metrics:
        return ""
    rows = [
        [
            _escaped(one_line(each.name, _CELL)),
            *(
                _escaped(one_line(cell_text(cell), _VALUE))
                for cell in (each.last, each.least, each.greatest)
            ),
            "" if each.values is None else f"{each.values:,}",
        ]
        for each in run.metrics[:_METRICS]
    ]
    headings = ("Metric", "Last", "Least", "Greatest", "Values")
    table, told = _table(headings, rows, _MOST_METRICS, numbers_from=1)
    left = len(run.metrics) - told
    return table + (_more(run, f"{left:,} more metrics") if left > 0 else "")


def _children(run: SeenRun) -> str:
    if not run.children:
        return ""
    rows = []
    for each in run.children[:_CHILDREN]:
        name = _escaped(one_line(each.name, _VALUE))
        name = _link(each.page, name, is_html=True) if each.page else name
        inner = f'<span style="padding-left:{each.depth * 18}px">{name}</span>'
        took = "" if each.duration_ms is None else duration_text(each.duration_ms)
        rest = (one_line(each.status, _VALUE), took, one_line(each.run_id, _VALUE))
        rows.append([inner, *map(_escaped, rest)])
    table, told = _table(("Child", "Status", "Duration", "Id"), rows, _MOST_CHILDREN)
    is_cut = run.are_more_children or len(run.children) > told
    return table + (_more(run, "More children") if is_cut else "")


def _figures(run: SeenRun, room: int) -> str:
    parts: list[str] = []
    seen = [each for each in run.figures if not _is_in_table(each)]
    # Pictures are all of one height, beside which tables leave gaps.
    figures = sorted(seen, key=lambda each: bool(each["kind"] == "table"))
    for number, figure in enumerate(figures):
        drawn = _card(figure, run.images)
        room -= len(drawn.encode())
        if room < 0:
            parts.append(_div(_more(run, f"{len(figures) - number:,} more figures")))
            break
        parts.append(drawn)
    flex = "display:flex;flex-wrap:wrap;gap:12px;margin-top:8px"
    return _div("".join(parts), flex) if parts else ""


def _is_in_table(figure: Mapping[str, Any]) -> bool:
    """Whether the table of metrics says it all."""
    if figure["kind"] == "text":
        return len(figure["value"]) <= _VALUE
    return bool(figure["kind"] == "number")


def _card(figure: Mapping[str, Any], images: Mapping[str, str]) -> str:
    inner = [_div(f"<b>{_escaped(one_line(figure['title'], _CELL))}</b>")]
    notes = notes_of(figure)
    kind = figure["kind"]
    if kind == "table":
        inner.append(_rows(figure))
    elif kind in ("number", "text"):
        inner.append(_div(_escaped(_cut(cell_text(figure["value"]))), "font-size:15px"))
    elif kind == "images":
        inner.append(_images(figure, images))
    else:
        picture = picture_of(figure)
        told = _escaped(f"{kind}: {one_line(figure['title'], _CELL)}")
        inner.append(f'<img src="{picture}" alt="{told}" width="{WIDTH}">')
    inner += [_div(_escaped(one_line(note, 300)), f"{_QUIET};font-size:11px") for note in notes]
    return _div("".join(inner), f"width:{WIDTH}px;max-width:100%;overflow-x:auto")


def _rows(figure: Mapping[str, Any]) -> str:
    columns = figure["columns"][:_COLUMNS]
    headings = [_escaped(one_line(each, _VALUE)) for each in columns]
    rows = [
        [_escaped(one_line(cell_text(cell), _VALUE)) for cell in row[:_COLUMNS]]
        for row in figure["rows"][:_ROWS]
    ]
    table, told = _table(headings, rows, _MOST_ROWS)
    counts = (
        ("rows", figure["total"] - told),
        ("columns", len(figure["columns"]) - len(columns)),
    )
    left = [f"{count:,} more {what}" for what, count in counts if count > 0]
    return table + (_div(", ".join(left), _QUIET) if left else "")


def _images(figure: Mapping[str, Any], images: Mapping[str, str]) -> str:
    """Return those images that are there, and how many there are."""
    parts = []
    for each in figure["images"]:
        if uri := images.get(each["path"]):
            label = _escaped(one_line(each["label"], 40))
            parts.append(_div(f'<img src="{uri}" alt="{label}"><br>{label}'))
    left = len(figure["images"]) - len(parts)
    row = _div("".join(parts), "display:flex;gap:8px") if parts else ""
    return row + (_div(f"{left:,} more images", _QUIET) if left else "")


def _log(run: SeenRun) -> str:
    if not run.log_name:
        return ""
    lines = shown(run.log, lines=True).splitlines()
    kept: list[str] = []
    size = 0
    for line in reversed(lines):
        told = _escaped(f"{line[:_TEXT]}…" if len(line) > _TEXT else line)
        size += len(told.encode()) + 1
        if size > _MOST_LOG:
            break
        kept.append(told)
    style = "max-height:240px;overflow:auto;font-size:12px;padding:6px;border:1px solid #888888"
    pre = f'<pre style="{style}">{chr(10).join(reversed(kept))}</pre>'
    return _div(f"<b>{_escaped(one_line(run.log_name))}</b>", "margin-top:8px") + pre


def _foot(run: SeenRun) -> str:
    as_of = f"As of {time_text(run.at)}."
    return _div(as_of if run.is_over else f"{as_of} It goes on.", f"{_QUIET};font-size:11px")


def _more(run: SeenRun, what: str) -> str:
    return _div(f"{what}: {_link(run.page, 'on its page')}" if run.page else f"{what}.", _QUIET)


def _box(label: str, text: str) -> str:
    style = "border-left:4px solid #c62828;padding:2px 8px;margin:4px 0;white-space:pre-wrap"
    return _div(f"<b>{label}:</b> {_escaped(_cut(shown(text, lines=True)))}", style)


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    most: int,
    *,
    numbers_from: int | None = None,
) -> tuple[str, int]:
    """Return a table, and how many rows it has.

    Args:
        headings: of the columns, as HTML.
        rows: of cells, as HTML.
        most: so many bytes at most; rows are left out else.
        numbers_from: from this column on what is written stands at the right.
    """

    def row_of(row: Sequence[str], name: str) -> str:
        cells = []
        for index, cell in enumerate(row):
            is_number = numbers_from is not None and index >= numbers_from
            style = _NUMBER_STYLE if is_number else _CELL_STYLE
            cells.append(f'<{name} style="{style}">{cell}</{name}>')
        return f"<tr>{''.join(cells)}</tr>"

    parts = [row_of(headings, "th")]
    for row in rows:
        parts.append(row_of(row, "td"))
        most -= len(parts[-1].encode())
        if most < 0:
            parts.pop()
            break
    return f'<table style="margin:6px 0;font-size:13px">{"".join(parts)}</table>', len(parts) - 1


def _cut(text: str) -> str:
    return f"{text[:_TEXT]}…" if len(text) > _TEXT else text


def _div(inner: str, style: str | None = None) -> str:
    return f'<div style="{style}">{inner}</div>' if style else f"<div>{inner}</div>"


def _link(address: str | None, words: str, *, is_html: bool = False) -> str:
    inner = words if is_html else _escaped(words)
    return f'<a href="{_escaped(address or "")}" target="_blank" rel="noopener">{inner}</a>'


def _escaped(text: object) -> str:
    return html.escape(str(text))
