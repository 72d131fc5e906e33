"""SDK v1's expressions: conditions on the rows of a dataset, as ``dataset['age'] > 3``."""

from typing import Any, NoReturn

from mlflow_workspace_plugin.data.tables import filters


class Expression:
    """What is said of each row of a dataset; it is made by indexing one with a column's name.

    Args:
        parts: as a definition holds it.
    """

    def __init__(self, parts: list[Any]) -> None:
        self._parts = parts

    def __repr__(self) -> str:
        return f"Expression({self._parts})"

    def _with(self, operation: str, *others: Any) -> "Expression":
        return Expression([operation, self._parts, *map(_parts, others)])

    def _behind(self, operation: str, other: Any) -> "Expression":
        return Expression([operation, _parts(other), self._parts])

    def __eq__(self, other: object) -> "Expression":  # type: ignore[override]
        return self._with("eq", other)

    def __ne__(self, other: object) -> "Expression":  # type: ignore[override]
        return self._with("ne", other)

    def __lt__(self, other: Any) -> "Expression":
        return self._with("lt", other)

    def __le__(self, other: Any) -> "Expression":
        return self._with("le", other)

    def __gt__(self, other: Any) -> "Expression":
        return self._with("gt", other)

    def __ge__(self, other: Any) -> "Expression":
        return self._with("ge", other)

    def __and__(self, other: Any) -> "Expression":
        return self._with("and", other)

    def __rand__(self, other: Any) -> "Expression":
        return self._behind("and", other)

    def __or__(self, other: Any) -> "Expression":
        return self._with("or", other)

    def __ror__(self, other: Any) -> "Expression":
        return self._behind("or", other)

    def __invert__(self) -> "Expression":
        return self._with("not")

    def __add__(self, other: Any) -> "Expression":
        return self._with("add", other)

    def __radd__(self, other: Any) -> "Expression":
        return self._behind("add", other)

    def __sub__(self, other: Any) -> "Expression":
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> "Expression":
        return self._behind("sub", other)

    def __mul__(self, other: Any) -> "Expression":
        return self._with("mul", other)

    def __rmul__(self, other: Any) -> "Expression":
        return self._behind("mul", other)

    def __truediv__(self, other: Any) -> "Expression":
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> "Expression":
        return self._behind("div", other)

    def is_null(self) -> "Expression":
        """Whether the value is missing."""
        return self._with("is_null")

    def starts_with(self, value: str) -> "Expression":
        """Whether the text starts with another one."""
        return self._with("starts_with", value)

    def ends_with(self, value: str) -> "Expression":
        """Whether the text ends with another one."""
        return self._with("ends_with", value)

    def contains(self, value: str) -> "Expression":
        """Whether another text is within the text."""
        return self._with("contains", value)

    def length(self) -> "Expression":
        """Return the number of characters of the text."""
        return self._with("length")

    def to_lower(self) -> "Expression":
        """Return the text in small letters."""
        return self._with("lower")

    def to_upper(self) -> "Expression":
        """Return the text in capitals."""
        return self._with("upper")

    def __bool__(self) -> NoReturn:
        raise RuntimeError(
            "Data prep expressions cannot be used in conditional expressions. Write & for and, | "
            "for or, ~ for not, each side in parentheses."
        )

    __hash__ = None  # type: ignore[assignment]


def col(name: str) -> Expression:
    """Return what stands for a column in conditions.

    Args:
        name: of the column.

    Raises:
        TypeError: it is no text (SDK v1).
    """
    if not isinstance(name, str):
        raise TypeError(
            f"A column is named by a text, and not by a value of type {type(name).__name__}. For "
            "several columns use keep_columns()."
        )
    return Expression(["column", name])


def _parts(other: Any) -> list[Any]:
    return other._parts if isinstance(other, Expression) else filters.value(other)
