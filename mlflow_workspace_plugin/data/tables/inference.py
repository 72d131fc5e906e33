"""The types of columns, from their first values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from mlflow_workspace_plugin.data.tables import dates
from mlflow_workspace_plugin.data.tables.column_types import (
    FALSE,
    INTEGER,
    NUMBER,
    TEXT,
    TRUE,
    ColumnType,
)

ROWS = 200
"""So many rows decide, as in SDK v1."""

_BOOLS = {*TRUE, *FALSE}
# Of all digits that there are, pyarrow knows these as such.
_INTEGER = re.compile(INTEGER, re.ASCII)
_NUMBER = re.compile(NUMBER, re.ASCII)


@dataclass(frozen=True)
class Inferred:
    """The types of the columns of a table.

    Attributes:
        types: of each column.
        ambiguous: the columns of dates whose first number could be the day as well as the month.
    """

    types: dict[str, ColumnType]
    ambiguous: tuple[str, ...]


def inferred(table: pa.Table) -> Inferred:
    """Return the types of columns.

    Args:
        table: of texts, the first rows.
    """
    types: dict[str, ColumnType] = {}
    ambiguous: list[str] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_string(column.type):
            continue
        values = [value for value in column.to_pylist() if value is not None]
        types[name], is_ambiguous = _type_of(values)
        if is_ambiguous:
            ambiguous.append(name)
    return Inferred(types, tuple(ambiguous))


def _type_of(values: Sequence[str]) -> tuple[ColumnType, bool]:
    if not values:
        return TEXT, False
    trimmed = [value.strip() for value in values]
    if _BOOLS.issuperset(trimmed):
        return ColumnType("bool"), False
    if all(_INTEGER.match(value) and -(2**63) <= int(value) < 2**63 for value in trimmed):
        return ColumnType("int"), False
    if all(_NUMBER.match(value) for value in trimmed):
        return ColumnType("float"), False
    found = dates.formats_of(values)
    if found is None:
        return TEXT, False
    formats, is_ambiguous = found
    return ColumnType("datetime", formats), is_ambiguous
