"""What the methods of MLflow's stores take, without the time that ``inspect.signature`` takes."""

import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any


def parameters_of(method: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, of one that wraps another those of that."""
    code: CodeType = inspect.unwrap(method).__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
