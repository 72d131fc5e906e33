"""What an error of a store says about the database: it refuses, it is away, it may come back."""

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    ErrorCode,
)
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mlflow_workspace_plugin.errors import HubError

_REFUSALS = {
    ErrorCode.Name(code)
    for code in (
        INVALID_PARAMETER_VALUE,
        INVALID_STATE,
        RESOURCE_ALREADY_EXISTS,
        RESOURCE_DOES_NOT_EXIST,
    )
}
_OF_CONTENT = (
    IntegrityError,
    DataError,
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
    AttributeError,
)
_UNAVAILABLE = ErrorCode.Name(TEMPORARILY_UNAVAILABLE)


def is_refusal(error: BaseException) -> bool:
    """Whether it says that a record cannot be stored, now or later.

    So does what no driver can send, and a fault in what is done with this record, which would keep
    back all behind it for ever. Everything else is a reason to keep the record and try again.
    """
    if isinstance(error, _OF_CONTENT) or isinstance(error.__cause__, _OF_CONTENT):
        return True
    return (
        isinstance(error, MlflowException)
        and not isinstance(error, HubError)
        and error.error_code in _REFUSALS
    )


def is_away(error: BaseException) -> bool:
    """Whether it says that the database cannot be used now, and nothing about what was asked."""
    return isinstance(error, HubError) or may_come_back(error)


def may_come_back(error: BaseException) -> bool:
    """Whether the same call may well be answered soon: a full disk, say, stays full."""
    return isinstance(error, TimeoutError) or (
        isinstance(error, MlflowException)
        and (error.error_code == _UNAVAILABLE or isinstance(error.__cause__, PoolTimeoutError))
    )
