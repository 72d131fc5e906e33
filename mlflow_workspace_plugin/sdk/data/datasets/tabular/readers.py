"""How files become rows: SDK v1's arguments as the ``reader`` of a definition."""

from collections.abc import Mapping
from typing import Any

from mlflow_workspace_plugin.data.tables.delimited import ENCODINGS
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.data.datasets.tabular.data_type import DataType, types_to_json
from mlflow_workspace_plugin.sdk.data.datasets.tabular.enumerations import PromoteHeadersBehavior

ColumnTypes = Mapping[str, DataType] | None

_HEADERS = {
    True: PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS.name,
    False: PromoteHeadersBehavior.NO_HEADERS.name,
}


def delimited(
    *,
    include_path: bool = False,
    infer_column_types: bool = True,
    set_column_types: ColumnTypes = None,
    separator: str = ",",
    header: Any = True,
    support_multi_line: bool = False,
    empty_as_string: bool = False,
    encoding: str = "utf8",
) -> dict[str, Any]:
    """Return the reader of delimited files.

    Args:
        include_path: whether the path of its file is a column.
        infer_column_types: whether types are found from the first rows.
        set_column_types: the types of some columns.
        separator: between values.
        header: whether the first rows are the names of columns, or a ``PromoteHeadersBehavior``.
        support_multi_line: whether values in quotation marks may have line breaks.
        empty_as_string: whether empty values are empty texts, and not missing.
        encoding: of the files.

    Raises:
        UserErrorException: one of them cannot be used.
        ValueError: the separator is not one character (SDK v1).
    """
    if not isinstance(separator, str) or len(separator) != 1:
        raise ValueError(
            f"Only single character is supported for argument: separator, which is {separator!r}."
        )
    return {
        "format": "delimited",
        "separator": separator,
        "header": _header(header),
        "encoding": _encoding(encoding),
        "support_multi_line": bool(support_multi_line),
        "empty_as_string": bool(empty_as_string),
        **_common(include_path=include_path, set_column_types=set_column_types),
        "infer": bool(infer_column_types),
    }


def parquet(*, include_path: bool = False, set_column_types: ColumnTypes = None) -> dict[str, Any]:
    """Return the reader of Parquet files.

    Args:
        include_path: whether the path of its file is a column.
        set_column_types: the types of some columns, which else are those of the files.

    Raises:
        UserErrorException: the types are none.
    """
    common = _common(include_path=include_path, set_column_types=set_column_types)
    return {"format": "parquet", **common}


def json_lines(
    *,
    include_path: bool = False,
    set_column_types: ColumnTypes = None,
    invalid_lines: str = "error",
    encoding: str = "utf8",
) -> dict[str, Any]:
    """Return the reader of files of JSON lines.

    Args:
        include_path: whether the path of its file is a column.
        set_column_types: the types of some columns, which else are those of their values.
        invalid_lines: ``error``, or ``drop``: lines that are no object are left out.
        encoding: of the files.

    Raises:
        UserErrorException: one of them cannot be used.
    """
    if invalid_lines not in ("error", "drop"):
        raise UserErrorException(
            f"Expected 'error' or 'drop' as value for invalid_lines, found {invalid_lines!r}."
        )
    return {
        "format": "json_lines",
        "invalid_lines": invalid_lines,
        "encoding": _encoding(encoding),
        **_common(include_path=include_path, set_column_types=set_column_types),
    }


def _common(*, include_path: bool, set_column_types: ColumnTypes) -> dict[str, Any]:
    return {"include_path": bool(include_path), "types": types_to_json(set_column_types)}


def _header(header: Any) -> str:
    if isinstance(header, PromoteHeadersBehavior):
        return header.name
    if isinstance(header, bool):
        return _HEADERS[header]
    names = [each.name for each in PromoteHeadersBehavior]
    if isinstance(header, str) and header in names:
        return header
    raise UserErrorException(
        f"Unsupported header {header!r}. The allowed values are True, False, {', '.join(names)}."
    )


def _encoding(encoding: Any) -> str:
    plain = str(encoding).lower()
    if plain in ENCODINGS:
        return plain
    raise UserErrorException(
        f"Invalid encoding {encoding!r}. The supported encodings are {', '.join(ENCODINGS)}."
    )
