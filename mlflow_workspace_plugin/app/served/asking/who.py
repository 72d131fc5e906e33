"""Who asks: by a token, by a name and a password, or by the cookie of a browser."""

import base64
import binascii
import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from starlette.datastructures import Headers

from mlflow_workspace_plugin.app.served.asking.refusals import Refusal
from mlflow_workspace_plugin.errors import TooManyAttemptsError

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.accounts.principal import Principal

COOKIE = "mlflow-workspace-hub"
"""The session of a browser."""
SAFE_COOKIE = f"__Host-{COOKIE}"
"""Its name where the hub is served by HTTPS: no other host of the domain can have set it."""

BEGUN_COOKIE = f"{COOKIE}-begun"
"""A log-in by a provider of identities that is not finished."""
SAFE_BEGUN_COOKIE = f"__Host-{BEGUN_COOKIE}"

_LONGEST = 4096
_FROM_US = ("same-origin", "none")


class Credentials(NamedTuple):
    """What a request says of who asks."""

    kind: Literal["bearer", "basic", "cookie"]
    text: str
    name: str = ""


def credentials_of(headers: Headers, *, is_https: bool) -> Credentials | Refusal | None:
    """Return what a request says of who asks; None if nothing.

    Args:
        headers: of the request.
        is_https: whether browsers reach the hub by HTTPS.
    """
    given = headers.getlist("authorization")
    if len(given) > 1:
        return Refusal(400, "Several Authorization headers were sent. Send one.")
    if given:
        return _of_header(given[0])
    cookies = session_cookies(headers, is_https=is_https)
    # Another site of the same domain may have set one more.
    return Credentials("cookie", cookies[0]) if len(cookies) == 1 else None


def session_cookies(headers: Headers, *, is_https: bool) -> list[str]:
    """Return the values of our cookie that a browser sent.

    Args:
        headers: of the request.
        is_https: whether browsers reach the hub by HTTPS: then only the name counts that no other
            host of the domain can have set.
    """
    return _cookies(headers, SAFE_COOKIE if is_https else COOKIE)


def begun_cookie(headers: Headers, *, is_https: bool) -> str | None:
    """Return what a browser keeps of a log-in that it began; None if nothing, or several.

    Args:
        headers: of the request.
        is_https: whether browsers reach the hub by HTTPS: then only the name counts that no other
            host of the domain can have set.
    """
    found = _cookies(headers, SAFE_BEGUN_COOKIE if is_https else BEGUN_COOKIE)
    return found[0] if len(found) == 1 else None


def _cookies(headers: Headers, wanted: str) -> list[str]:
    cookies = [
        each.strip().partition("=")
        for header in headers.getlist("cookie")
        for each in header.split(";")
    ]
    return [value for name, _, value in cookies if name == wanted and value]


def principal_of(
    access: "Access", credentials: Credentials, client: str
) -> "Principal | Refusal | None":
    """Return who sent credentials, None if they are no good; called from a thread.

    Args:
        access: knows log-ins and passwords.
        credentials: of a request.
        client: the address that it came from.
    """
    if credentials.kind == "bearer":
        return access.by_token(credentials.text)
    if credentials.kind == "cookie":
        return access.by_cookie(credentials.text)
    try:
        return access.by_password(credentials.name, credentials.text, client)
    except TooManyAttemptsError as error:
        return Refusal(429, error.message, {"Retry-After": str(math.ceil(error.retry_after_s))})


def is_from_another_site(headers: Headers, public_url: str | None) -> bool:
    """Whether a page of another site made a browser send this, as far as it says.

    Args:
        headers: of the request. All browsers say one or the other with what changes something.
        public_url: under which browsers reach the hub, beside the host that they name.
    """
    origin = headers.get("origin")
    if origin is not None:
        is_ours = public_url is not None and origin == public_url.rstrip("/")
        return not is_ours and origin.partition("://")[2] != headers.get("host", "")
    return headers.get("sec-fetch-site", "cross-site") not in _FROM_US


def _of_header(header: str) -> Credentials | Refusal | None:
    scheme, _, text = header.partition(" ")
    text = text.strip()
    if len(text) > _LONGEST:
        return Refusal(400, "The Authorization header is too long.")
    if scheme.lower() == "bearer":
        return Credentials("bearer", text)
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Refusal(400, "The Authorization header cannot be read.")
        return Credentials("basic", password, name)
    return Refusal(400, "The Authorization header has to be Bearer or Basic.")
