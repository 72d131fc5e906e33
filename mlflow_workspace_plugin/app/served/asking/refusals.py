"""What a request is told that does not get what it asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import JSONResponse, Response

from mlflow_workspace_plugin.app.served.asking.kept_body import OddBodyError
from mlflow_workspace_plugin.errors import AzureMLException

_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    413: "REQUEST_LIMIT_EXCEEDED",
    426: "FEATURE_DISABLED",
    429: "RESOURCE_EXHAUSTED",
}


@dataclass(frozen=True)
class Refusal:
    """A request that is refused.

    Attributes:
        status: of HTTP.
        message: the thing, the reason, the remedy.
        headers: of the answer.
        error: the class of ours that the clients of this package raise.
    """

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    error: type[AzureMLException] | None = None

    def response(self) -> Response:
        """Return it as MLflow's clients read it."""
        content = {"error_code": _CODES[self.status], "message": self.message}
        if self.error is not None:
            content["error"] = self.error.__name__
        headers = {"Cache-Control": "no-store", **self.headers}
        return JSONResponse(content, status_code=self.status, headers=headers)


def odd_body(error: OddBodyError) -> Refusal:
    """Return the refusal of a body.

    Args:
        error: says what is wrong with it.
    """
    remedy = "Send less at a time." if error.status == 413 else "Send one JSON object."
    return Refusal(error.status, f"What was sent is not taken: {error}. {remedy}")


def not_logged_in(*, is_token: bool) -> Refusal:
    """Return the refusal of a request of nobody known.

    Args:
        is_token: a token or a password was sent, but is no good any more.
    """
    if is_token:
        return Refusal(
            401,
            "This log-in is not known here, has ended, or was revoked. Log in again: "
            "mlflow-workspace login HOST",
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    return Refusal(
        401,
        "Nobody is logged in. Log in: mlflow-workspace login HOST, or by a browser.",
        {"WWW-Authenticate": "Bearer"},
    )
