"""What is done with the rows of a table, one step after the other, batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import pyarrow as pa

from mlflow_workspace_plugin.data.definition import of_later_version
from mlflow_workspace_plugin.data.tables import filters
from mlflow_workspace_plugin.short_traceback import warn_user

Batches = Iterable[pa.RecordBatch]
Step = Mapping[str, Any]


def applied(steps: Sequence[Step], batches: Batches) -> Iterator[pa.RecordBatch]:
    """Yield the rows that are left after some steps. No more is read than they need.

    Args:
        steps: as a definition holds them.
        batches: the rows.

    Raises:
        DatasetExecutionError: one is a step that a later version added.
    """
    rows = iter(batches)
    for step in steps:
        if step["do"] not in _STEPS:
            raise of_later_version(f"a step {step['do']!r}")
        rows = _STEPS[step["do"]](step, rows)
    return rows


def leading_columns(steps: Sequence[Step]) -> list[Step]:
    """Return the first steps, as far as they choose columns: no other columns need be read."""
    return list(takewhile(_is_of_columns, steps))


def columns_left(steps: Sequence[Step], names: Iterable[str]) -> list[str]:
    """Return which columns are left after some steps.

    Args:
        steps: as a definition holds them.
        names: of the columns that are there.
    """
    left = list(names)
    for step in filter(_is_of_columns, steps):
        left = _left(step, left)
    return left


def columns_named(steps: Sequence[Step]) -> list[str]:
    """Return the columns that some steps keep or drop."""
    return [name for step in filter(_is_of_columns, steps) for name in step["columns"]]


def _is_of_columns(step: Step) -> bool:
    return step["do"] in ("keep_columns", "drop_columns")


def _left(step: Step, names: Sequence[str]) -> list[str]:
    # In the order of the file, as SDK v1 has it.
    is_kept = step["do"] == "keep_columns"
    return [name for name in names if (name in step["columns"]) == is_kept]


def _columns(step: Step, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        left = _left(step, batch.schema.names)
        if left:
            yield batch.select(left)
        elif step["do"] == "keep_columns":
            # Another file may have them, and the rows of this one are rows all the same.
            missing = {name: pa.nulls(batch.num_rows) for name in step["columns"][:1]}
            yield pa.RecordBatch.from_pydict(missing)


def _take(step: Step, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    left = step["count"]
    for batch in rows:
        yield batch.slice(0, left)
        left -= batch.num_rows
        if left <= 0:
            return


def _skip(step: Step, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    left = step["count"]
    for batch in rows:
        yield batch.slice(left) if left < batch.num_rows else filters.without_rows(batch)
        left = max(0, left - batch.num_rows)


def _sample(step: Step, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch, drawn in _drawn(step["seed"], rows):
        yield batch.filter(pa.array(drawn < step["probability"]))


def _split(step: Step, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    is_second = step["part"] == 1
    for batch, drawn in _drawn(step["seed"], rows):
        yield batch.filter(pa.array((drawn >= step["percentage"]) == is_second))


def _drawn(
    seed: int, rows: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, np.ndarray[Any, np.dtype[np.float64]]]]:
    """Yield each batch with a number from 0 to below 1 for each row, by its position."""
    # Seeds may be negative, as in SDK v1.
    generator = np.random.Generator(np.random.PCG64(seed % 2**64))
    for batch in rows:
        yield batch, generator.random(batch.num_rows)


def _met(step: Step, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    missing = filters.columns_of(step["condition"])
    names: dict[str, None] = {}
    for batch in rows:
        names.update(dict.fromkeys(batch.schema.names))
        yield filters.met(step["condition"], batch)
    # Files may differ: only now it is known that none has it.
    for column in sorted(missing.difference(names)) if names else ():
        warn_user(
            f"There is no column {column!r} for a filter to compare: it is missing in all rows. "
            f"There are {', '.join(map(repr, names))}; capitals matter."
        )


_STEPS: dict[str, Callable[[Step, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]] = {
    "keep_columns": _columns,
    "drop_columns": _columns,
    "take": _take,
    "skip": _skip,
    "sample": _sample,
    "split": _split,
    "filter": _met,
}
