"""What MLflow's rules of roles could not look up is unknown to the request that asked only.

MLflow 3.17 takes an experiment, or a model, that it does not find for one that is in no workspace.
It keeps that for an hour, in which nobody but an administrator may use one that is made under the
number or name. A database that is away for a moment is taken for the same.
"""

import logging

import flask
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST, ErrorCode

_LOGGER = "mlflow.server.auth"
_SAID = "Failed to determine workspace"
_NOT_THERE = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
_IS_ALLOWED = "mlflow_workspace_is_allowed"


def fail_with_lookups(app: flask.Flask) -> None:
    """Let a request fail where MLflow's rules cannot look up what it is about.

    They log it before they keep anything, and what looks at such a record raises from there.

    Args:
        app: MLflow's, to which its rules were added already.
    """
    app.before_request(_allowed)
    logger = logging.getLogger(_LOGGER)
    # What is not logged is not looked at.
    logger.setLevel(min(logger.getEffectiveLevel(), logging.WARNING))
    logger.addFilter(_is_logged)


def _allowed() -> None:
    """Note that a request may be answered; what its answer names may be gone, and is left out."""
    # GraphQL is decided on while it is answered.
    if not flask.request.path.endswith("/graphql"):
        flask.g.setdefault(_IS_ALLOWED, True)


def _is_logged(record: logging.LogRecord) -> bool:
    """Whether a record is logged; raises the error of a lookup that one is about."""
    if not str(record.msg).startswith(_SAID) or not isinstance(record.args, tuple):
        return True
    error = record.args[-1]
    if not isinstance(error, MlflowException):
        return True
    if error.error_code != _NOT_THERE:
        raise error
    if flask.has_request_context() and _IS_ALLOWED in flask.g:
        return True
    raise MlflowException("Permission denied", PERMISSION_DENIED)
