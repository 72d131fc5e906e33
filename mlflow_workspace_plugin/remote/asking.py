"""One question to a served hub, about who asks: bounded, and understood, whoever answers."""

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
from mlflow.environment_variables import MLFLOW_TRACKING_SERVER_CERT_PATH

from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.web_answers import AnswerTooLongError, Bearer, content_within

_CONNECT_S = 5.0
_ANSWER_S = 10.0
_WHOLE_S = 30.0
_LONGEST = 32 * 2**20


class Reply(NamedTuple):
    """What a hub answered.

    Attributes:
        status: HTTP's.
        said: the JSON object; None where the answer is none, as that of something in between.
    """

    status: int
    said: dict[str, Any] | None

    @property
    def is_done(self) -> bool:
        """Whether what was asked is done."""
        return self.status == requests.codes.ok and self.said is not None

    @property
    def is_refusal(self) -> bool:
        """Whether the hub says no, and not that it cannot now."""
        is_status = 400 <= self.status < 500 and self.status not in (408, 429)
        return is_status and self.said is not None and "error_code" in self.said

    @property
    def message(self) -> str:
        """What the hub says of a refusal."""
        return str((self.said or {}).get("message", ""))


def ask(
    address: str,
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    token: str | None = None,
) -> Reply:
    """Ask once.

    Args:
        address: of the hub, such as ``https://hub.example.org``.
        method: HTTP's.
        path: below the address.
        body: what is sent, as JSON.
        token: of who asks.

    Raises:
        HubUnreachableError: nobody answers.
    """
    try:
        with requests.request(
            method,
            address + path,
            json=body,
            auth=Bearer(token),
            timeout=(_CONNECT_S, _ANSWER_S),
            # Elsewhere the token is nobody's business.
            allow_redirects=False,
            verify=MLFLOW_TRACKING_SERVER_CERT_PATH.get() or None,
            stream=True,
        ) as response:
            content = content_within(response, _LONGEST, time.monotonic() + _WHOLE_S)
    except requests.exceptions.RequestException as error:
        raise HubUnreachableError(
            f"The hub at {address} cannot be reached: {_reason(error)}. Check the address, and "
            "whether its server runs."
        ) from error
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    return Reply(response.status_code, said if isinstance(said, dict) else None)


def reason_of_tls(error: requests.exceptions.SSLError) -> str:
    """Return why there is no TLS with a server."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            "its certificate is not one that this machine trusts "
            f"({MLFLOW_TRACKING_SERVER_CERT_PATH.name} names the file of the CA that signed it)"
        )
    return "no TLS with what answers there; a hub on this machine may be served by http:// only"


def _reason(error: requests.exceptions.RequestException) -> str:
    # What ``requests`` says is of its own objects.
    if isinstance(error, requests.exceptions.SSLError):
        return reason_of_tls(error)
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.InvalidHeader):
        return "the token for it is none, so log in again"
    if isinstance(error, (AnswerTooLongError, requests.exceptions.ContentDecodingError)):
        return "what it answers is none of a hub's"
    return "no connection, or it ended before the answer"
