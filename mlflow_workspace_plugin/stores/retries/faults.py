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
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mlflow_workspace_plugin.errors import HubError, HubFaultError, UnstorableValueError
from mlflow_workspace_plugin.hub.databases import unstorable

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
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
    AttributeError,
    RecursionError,
    UnstorableValueError,
)
_UNAVAILABLE = ErrorCode.Name(TEMPORARILY_UNAVAILABLE)


def is_refusal(error: BaseException) -> bool:
    """Whether MLflow's rules, or ours, say that a record cannot be stored, now or later."""
    return (
        isinstance(error, MlflowException)
        and not isinstance(error, (HubError, UnstorableValueError))
        and error.error_code in _REFUSALS
    )


def is_of_content(error: BaseException) -> bool:
    """Whether it came of what was to be stored, as far as its class tells.

    So does what no driver can send, and a fault in what is done with this record, which would keep
    back all behind it for ever. Everything else is a reason to keep the record and try again.
    """
    if isinstance(error, HubError):
        return False
    # MLflow's sessions, and SQLAlchemy, raise their own errors from those of others.
    causes = (error, error.__cause__, getattr(error.__cause__ or error, "orig", None))
    return any(
        cause is not None and (isinstance(cause, _OF_CONTENT) or unstorable.is_of_content(cause))
        for cause in causes
    )


def is_away(error: BaseException) -> bool:
    """Whether it says that the database cannot be used now, and nothing about what was asked."""
    # A hub that failed at something answers.
    is_of_hub = isinstance(error, HubError) and not isinstance(error, HubFaultError)
    return is_of_hub or may_come_back(error)


def may_come_back(error: BaseException) -> bool:
    """Whether the same call may well be answered soon: a full disk, say, stays full."""
    return isinstance(error, TimeoutError) or (
        isinstance(error, MlflowException)
        and (error.error_code == _UNAVAILABLE or isinstance(error.__cause__, PoolTimeoutError))
    )
