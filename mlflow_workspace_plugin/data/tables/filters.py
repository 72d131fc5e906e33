"""Conditions on rows: as JSON, and what they are of a batch.

A condition is a nested list, such as ``["gt", ["column", "age"], ["value", 3]]``. What is missing
meets no condition but ``is_null``; a column that is not there is missing in all rows.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlflow_workspace_plugin.data.definition import of_later_version

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "eq": pc.equal,
    "ne": pc.not_equal,
    "lt": pc.less,
    "le": pc.less_equal,
    "gt": pc.greater,
    "ge": pc.greater_equal,
    "and": pc.and_kleene,
    "or": pc.or_kleene,
    "not": pc.invert,
    "add": pc.add,
    "sub": pc.subtract,
    "mul": pc.multiply,
    "div": pc.divide,
    "is_null": pc.is_null,
    "starts_with": lambda text, pattern: pc.starts_with(text, pattern.as_py()),
    "ends_with": lambda text, pattern: pc.ends_with(text, pattern.as_py()),
    "contains": lambda text, pattern: pc.match_substring(text, pattern.as_py()),
    "length": pc.utf8_length,
    "lower": pc.utf8_lower,
    "upper": pc.utf8_upper,
}


def value(plain: Any) -> list[Any]:
    """Return a plain value as a part of a condition.

    Raises:
        TypeError: a condition cannot hold such a value.
    """
    if isinstance(plain, datetime):
        if plain.tzinfo is not None:
            raise TypeError("Times with a zone cannot be compared with columns, which have none.")
        # That of pandas' times has nanoseconds.
        return ["time", datetime.isoformat(plain)]
    if isinstance(plain, date):
        return ["time", datetime(plain.year, plain.month, plain.day).isoformat()]
    if hasattr(plain, "item"):
        # NumPy's numbers.
        plain = plain.item()
    if isinstance(plain, int) and not -(2**63) <= plain < 2**63:
        plain = _as_float(plain)
    if isinstance(plain, float) and not math.isfinite(plain):
        # Of which JSON has none.
        return ["float", str(plain)]
    if plain is None or isinstance(plain, (bool, int, float, str)):
        return ["value", plain]
    raise TypeError(f"A condition on rows cannot hold a value of type {type(plain).__name__}.")


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def met(condition: list[Any], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that meet a condition.

    Raises:
        DatasetExecutionError: a later version wrote it.
    """
    mask = _result(condition, batch)
    if isinstance(mask, pa.Scalar):
        return batch if mask.as_py() is True else without_rows(batch)
    if not pa.types.is_boolean(mask.type):
        return without_rows(batch)
    return batch.filter(mask)


def columns_of(condition: list[Any]) -> set[str]:
    """Return the columns that a condition is about."""
    name, *parts = condition
    if name == "column":
        return {parts[0]}
    return set() if name in ("value", "time") else set().union(*map(columns_of, parts))


def without_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch of the same columns. Unlike a slice it holds no memory of the rows."""
    return pa.RecordBatch.from_pylist([], batch.schema)


def _result(condition: list[Any], batch: pa.RecordBatch) -> Any:
    name, *parts = condition
    if name == "column":
        missing = pa.nulls(batch.num_rows)
        return batch.column(parts[0]) if parts[0] in batch.schema.names else missing
    if name == "value":
        return pa.scalar(parts[0])
    if name == "float":
        return pa.scalar(float(parts[0]))
    if name == "time":
        return pa.scalar(datetime.fromisoformat(parts[0]), pa.timestamp("us"))
    if name not in _FUNCTIONS:
        raise of_later_version(f"a condition {name!r}")
    arguments = [_result(part, batch) for part in parts]
    try:
        return _FUNCTIONS[name](*arguments)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        # Values of different kinds: no row meets it.
        return pa.nulls(batch.num_rows, pa.bool_())
