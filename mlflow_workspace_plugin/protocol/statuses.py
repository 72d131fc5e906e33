"""What an answer says by its status: whose word it is, and whether the same may be asked again.

A hub says what it says in MLflow's form, a JSON object with an error code. What comes in any other
form is of something in between, such as a proxy, which knows nothing of what was asked.
"""

import json
from enum import Enum
from typing import Any, NamedTuple

_OK = 200
_MULTIPLE_CHOICES = 300
_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_REQUEST_TIMEOUT = 408
_TOO_EARLY = 425
_UPGRADE_REQUIRED = 426
_TOO_MANY = 429
_SERVER_ERROR = 500
_UNAVAILABLE = 503

_AWAY_CODES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_DENIED_BY_MLFLOW = b"Permission denied"
"""What the accounts of MLflow's own server say, in no form."""
_POOL_IS_USED_UP = "QueuePool limit"
"""MLflow's own server says so with the status of a refusal."""


class Meaning(Enum):
    """What an answer says."""

    DONE = "done"
    LOG_IN = "log in"
    """Who asks is not known to the hub, or not any more."""
    REFUSED = "refused"
    """The hub has looked at what was asked, and says no."""
    AWAY = "away"
    """The hub cannot answer now. The same may be asked later."""
    UPGRADE = "upgrade"
    """The hub and the client do not understand each other."""


class Said(NamedTuple):
    """An answer, understood.

    Attributes:
        meaning: what it says.
        may_be_done: whether what was asked may be done although it does not say so.
        error: what a hub says of an error: the fields of its JSON object.
    """

    meaning: Meaning
    may_be_done: bool = False
    error: dict[str, Any] | None = None


def understood(status: int, content: bytes, content_type: str = "") -> Said:
    """Say what an answer means.

    Args:
        status: HTTP's.
        content: of the answer; of one that is fine it is not looked at, but for whether it is a
            page for people.
        content_type: as the answer has it.
    """
    if _OK <= status < _MULTIPLE_CHOICES:
        if "text/html" in content_type.lower() and _is_page(content):
            # Of whoever is in between, such as the log-in page of a network.
            return Said(Meaning.AWAY)
        return Said(Meaning.DONE)
    error = _error_of(content)
    if status == _FORBIDDEN and content.strip() == _DENIED_BY_MLFLOW:
        error = {"error_code": "PERMISSION_DENIED", "message": "The hub does not allow this."}
    if error is None:
        if status == _UNAUTHORIZED:
            return Said(Meaning.LOG_IN)
        return Said(Meaning.AWAY, _may_be_done(status))
    code, message = error["error_code"], str(error.get("message", ""))
    if status == _UPGRADE_REQUIRED:
        return Said(Meaning.UPGRADE, error=error)
    if status == _UNAUTHORIZED:
        return Said(Meaning.LOG_IN, error=error)
    if (
        code in _AWAY_CODES
        or status in (_REQUEST_TIMEOUT, _TOO_EARLY, _TOO_MANY)
        or status > _SERVER_ERROR
        or (status == _BAD_REQUEST and _POOL_IS_USED_UP in message)
    ):
        return Said(Meaning.AWAY, error=error)
    return Said(Meaning.REFUSED, error=error)


def _may_be_done(status: int) -> bool:
    """Whether a proxy may have passed on what was asked before it said so."""
    return status >= _SERVER_ERROR and status != _UNAVAILABLE


def _is_page(content: bytes) -> bool:
    return content.lstrip()[:1] == b"<"


def _error_of(content: bytes) -> dict[str, Any] | None:
    """Return what a hub says of an error; None if it is not a hub that says it."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get("error_code"), str) else None
