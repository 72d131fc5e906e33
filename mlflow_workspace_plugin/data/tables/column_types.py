"""The types of columns, and texts as values of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from mlflow_workspace_plugin.data.tables import dates
from mlflow_workspace_plugin.errors import DatasetExecutionError

Kind = Literal["text", "int", "float", "bool", "datetime"]

TRUE = ("true", "True", "TRUE", "T", "t", "Y", "Yes", "YES", "1")
FALSE = ("false", "False", "FALSE", "F", "f", "N", "No", "NO", "0")
INTEGER = r"^[+-]?\d+$"
NUMBER = r"^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity|nan))$"
# What fits into 64 bits, whatever the digits.
_SURE_INTEGER = r"^[+-]?\d{1,18}$"
_GROUPED = r"^[+-]?\d{1,3}(?:\.\d{3})+(?:\D|$)"
_HIGHEST = 2**63 - 1
_LOWEST = -(2**63)
# The next float below 2**63.
_HIGHEST_FLOAT = 9223372036854774784.0


@dataclass(frozen=True)
class ColumnType:
    """The type of a column.

    Attributes:
        kind: of what its values are.
        formats: of times, how they are written; each is tried.
        decimal_mark: of floats, what is before their fraction.
    """

    kind: Kind
    formats: tuple[str, ...] = ()
    decimal_mark: str = "."

    def to_json(self) -> dict[str, Any]:
        """Return it as a definition holds it."""
        stored: dict[str, Any] = {"type": self.kind}
        if self.formats:
            stored["formats"] = list(self.formats)
        if self.decimal_mark != ".":
            stored["decimal_mark"] = self.decimal_mark
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ColumnType":
        """Return what a definition holds."""
        return cls(
            stored["type"], tuple(stored.get("formats", ())), stored.get("decimal_mark", ".")
        )

    def of_reader(self) -> pa.DataType:
        """Return what pyarrow's reader of delimited files reads it as; text is converted later."""
        if self.kind == "datetime":
            if self.formats == (dates.ISO_DAY,):
                return pa.date32()
            if dates.is_iso(self.formats):
                return pa.timestamp("ns", "UTC" if self.formats[0].endswith("%z") else None)
            return pa.string()
        if self.kind == "float" and self.decimal_mark != ".":
            return pa.string()
        return _ARROW[self.kind]


TEXT = ColumnType("text")
_ARROW = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
}


def types_of(reader: Mapping[str, Any]) -> dict[str, ColumnType]:
    """Return the types that a definition sets for columns."""
    return {name: ColumnType.from_json(stored) for name, stored in reader.get("types", {}).items()}


@dataclass(frozen=True)
class Strictness:
    """What becomes of values that are none of their column's type. Else they become missing.

    Attributes:
        misfits_fail: whether such a value is an error.
        out_of_range_fails: whether a time that pandas cannot hold is one.
    """

    misfits_fail: bool = False
    out_of_range_fails: bool = False


LENIENT = Strictness()


def converted(
    column: pa.Array, wanted: ColumnType, name: str, strictness: Strictness = LENIENT
) -> pa.Array:
    """Return a column as one of another type.

    Args:
        column: as it was read: mostly texts.
        wanted: the type.
        name: of the column, for errors.
        strictness: what becomes of values that are none of the type.

    Raises:
        DatasetExecutionError: a value is none of the type, and that is to be an error.
    """
    if wanted.kind == "datetime" and pa.types.is_temporal(column.type):
        return times(column, name, strictness)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == wanted.of_reader() and not pa.types.is_string(column.type):
        return column
    text = column if pa.types.is_string(column.type) else _as_text(column)
    if wanted.kind == "text":
        return text
    trimmed = pc.utf8_trim_whitespace(text)
    result = _CONVERSIONS[wanted.kind](trimmed, wanted)
    if strictness.misfits_fail or strictness.out_of_range_fails:
        _check(trimmed, result, wanted, name, strictness)
    return result


def times(
    column: pa.Array, name: str, strictness: Strictness, *, keep_zone: bool = False
) -> pa.Array:
    """Return days or times as pandas can hold them: in nanoseconds.

    Args:
        column: of days or times.
        name: of the column, for errors.
        strictness: what becomes of those that pandas cannot hold.
        keep_zone: keep their zone. Else they are in UTC and without one.

    Raises:
        DatasetExecutionError: pandas cannot hold a value, and that is to be an error.
    """
    within = dates.nanoseconds(column, keep_zone=keep_zone)
    if strictness.out_of_range_fails and within.null_count > column.null_count:
        lost = column.filter(pc.and_(pc.is_null(within), pc.is_valid(column)))
        raise _out_of_range(lost.cast(pa.string())[0].as_py(), name)
    return within


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "True", "False")
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Lists and records.
        return pa.array([None if each is None else str(each) for each in column.to_pylist()])


def _only(text: pa.Array, pattern: str) -> pa.Array:
    """Return the texts that match, without a plus; null in the place of others."""
    plain = pc.if_else(pc.match_substring_regex(text, pattern), text, None)
    return pc.replace_substring_regex(plain, r"^\+", "")


def _ints(text: pa.Array, _: ColumnType) -> pa.Array:
    """Whole numbers as they are, others without their fraction, too large ones the largest."""
    sure = _only(text, _SURE_INTEGER).cast(pa.int64())
    if sure.null_count == text.null_count:
        return sure
    return pc.coalesce(sure, _large_ints(text), _cut(_only(text, NUMBER).cast(pa.float64())))


def _large_ints(text: pa.Array) -> pa.Array:
    large = pc.match_substring_regex(text, r"^[+-]?\d{19,}$")
    found = [
        min(max(int(value), _LOWEST), _HIGHEST) if is_large else None
        for value, is_large in zip(text.to_pylist(), large.to_pylist(), strict=True)
    ]
    return pa.array(found, pa.int64())


def _cut(numbers: pa.Array) -> pa.Array:
    finite = pc.if_else(pc.is_nan(numbers), None, pc.trunc(numbers))
    within = pc.min_element_wise(pc.max_element_wise(finite, float(_LOWEST)), _HIGHEST_FLOAT)
    return pc.if_else(pc.is_null(finite), None, within).cast(pa.int64())


def _floats(text: pa.Array, wanted: ColumnType) -> pa.Array:
    if wanted.decimal_mark != ".":
        # What separates thousands goes, but no point that separates none.
        is_grouped = pc.match_substring_regex(text, _GROUPED)
        text = pc.if_else(is_grouped, pc.replace_substring(text, ".", ""), text)
        text = pc.replace_substring(text, wanted.decimal_mark, ".")
    return _only(text, NUMBER).cast(pa.float64())


def _bools(text: pa.Array, _: ColumnType) -> pa.Array:
    is_true = pc.is_in(text, pa.array(TRUE))
    is_either = pc.or_(is_true, pc.is_in(text, pa.array(FALSE)))
    return pc.if_else(is_either, is_true, None)


_CONVERSIONS = {
    "int": _ints,
    "float": _floats,
    "bool": _bools,
    "datetime": lambda text, wanted: dates.times(text, wanted.formats),
}


def _check(
    text: pa.Array, result: pa.Array, wanted: ColumnType, name: str, strictness: Strictness
) -> None:
    lost = pc.and_(pc.is_null(result), pc.fill_null(pc.not_equal(text, ""), fill_value=False))
    for value in text.filter(lost).to_pylist():
        if wanted.kind == "datetime" and dates.is_out_of_range(value, wanted.formats):
            if strictness.out_of_range_fails:
                raise _out_of_range(value, name)
        elif strictness.misfits_fail:
            raise DatasetExecutionError(
                f"{value!r} in column {name!r} is not of the column's type, {wanted.kind}. Read it "
                "with on_error='null', as missing, or set another type by set_column_types."
            )


def _out_of_range(value: str, name: str) -> DatasetExecutionError:
    return DatasetExecutionError(
        f"{value!r} in column {name!r} is a time that pandas cannot hold, which are those from "
        "1677-09-21 to 2262-04-11. Read it with out_of_range_datetime='null', as missing, or the "
        "column as text."
    )
