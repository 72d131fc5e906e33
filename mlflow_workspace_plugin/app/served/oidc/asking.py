"""What is asked of a provider of identities: bounded in size, once, and nowhere else."""

import io
import json
import time
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from authlib.integrations.requests_client import OAuth2Session
from requests.auth import AuthBase

from mlflow_workspace_plugin.errors import IdentityProviderError
from mlflow_workspace_plugin.web_answers import AnswerTooLongError, content_within

MOST_BYTES = 512 * 1024
"""Of an answer. The keys of the largest providers take a tenth of it."""
_TIMEOUT = (5.0, 5.0)
_LONGEST_S = 15.0
UNANSWERED = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What is raised where there is no answer, or not all of it."""


class Session(OAuth2Session):
    """A client of OAuth 2, which reads no answer beyond a limit, and is not led elsewhere."""

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:
        """Ask, and read the answer."""
        options.update(timeout=_TIMEOUT, stream=True, allow_redirects=False)
        if urlsplit(url).scheme != "https":
            # It is on this machine: no proxy is to read what is said to it, or to answer for it.
            self.trust_env = False
        with super().request(method, url, *args, **options) as answer:
            try:
                content = content_within(answer, MOST_BYTES, time.monotonic() + _LONGEST_S)
            except AnswerTooLongError:
                raise IdentityProviderError(
                    f"The provider of identities answered more than {MOST_BYTES} bytes."
                ) from None
            read = requests.Response()
            read.status_code, read.headers = answer.status_code, answer.headers
            read.raw, read.encoding = io.BytesIO(content), "utf-8"
            return read


class _Nobody(AuthBase):
    # That there is one keeps ``requests`` from looking for a password in the user's files.
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def get_json(url: str) -> dict[str, Any]:
    """Return the JSON object at an address of the provider's.

    Raises:
        IdentityProviderError: it does not answer, or with something else.
    """
    try:
        with Session() as session:
            answer = session.request("GET", url, withhold_token=True, auth=_Nobody())
            said = json.loads(answer.content) if answer.status_code == requests.codes.ok else None
    except UNANSWERED as error:
        raise not_answered(error) from None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise IdentityProviderError(
            f"The provider of identities answered {answer.status_code} and no JSON object."
        )
    return said


def not_answered(error: Exception) -> IdentityProviderError:
    """Return the error of a provider that cannot be reached, without what was asked of it."""
    return IdentityProviderError(
        f"The provider of identities does not answer ({type(error).__name__}). Try again later."
    )
