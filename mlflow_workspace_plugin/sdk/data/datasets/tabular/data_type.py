"""SDK v1's ``DataType``: the type that a column is to have."""

from collections.abc import Mapping
from typing import Any

from mlflow_workspace_plugin.data.tables.column_types import ColumnType
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.not_served import NotServedOfDataType


class DataType(NotServedOfDataType):
    """The type that a column of a ``TabularDataset`` is to have (SDK v1)."""

    _type: ColumnType

    @staticmethod
    def to_string() -> "DataType":
        """Return the type of texts."""
        return _of(ColumnType("text"))

    @staticmethod
    def to_long() -> "DataType":
        """Return the type of whole numbers of 64 bits."""
        return _of(ColumnType("int"))

    @staticmethod
    def to_float(decimal_mark: str = ".") -> "DataType":
        """Return the type of floating point numbers.

        Args:
            decimal_mark: what is before the fraction. Beside a comma, points separate thousands.
        """
        return _of(ColumnType("float", decimal_mark=decimal_mark))

    @staticmethod
    def to_bool() -> "DataType":
        """Return the type of truth values."""
        return _of(ColumnType("bool"))

    @staticmethod
    def to_datetime(formats: str | list[str] | None = None) -> "DataType":
        """Return the type of times.

        Args:
            formats: how they are written, as ``strptime`` says it, one or several. None is to be
                found out from the first rows.
        """
        given = [formats] if isinstance(formats, str) else formats or []
        return _of(ColumnType("datetime", tuple(given)))


def _of(column_type: ColumnType) -> DataType:
    made = DataType()
    made._type = column_type
    return made


def types_to_json(set_column_types: Mapping[str, DataType] | None) -> dict[str, Any]:
    """Return the types of columns as a definition holds them.

    Args:
        set_column_types: SDK v1's argument.

    Raises:
        UserErrorException: it is no mapping of names to types.
    """
    if set_column_types is None:
        return {}
    if not isinstance(set_column_types, Mapping) or not all(
        isinstance(name, str) and isinstance(getattr(wanted, "_type", None), ColumnType)
        for name, wanted in set_column_types.items()
    ):
        raise UserErrorException(
            "`set_column_types` must be a dictionary where key is column name and value is a "
            "DataType, such as {'age': DataType.to_long()}."
        )
    return {name: wanted._type.to_json() for name, wanted in set_column_types.items()}
