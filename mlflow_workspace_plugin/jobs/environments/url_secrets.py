"""Secrets in the URLs of package indexes: which may be stored, and how they are shown."""

import os
import re
from urllib.parse import unquote

from mlflow_workspace_plugin.errors import UserErrorException

# A name or password may hold a "@" that is not written as "%40".
_USER = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<user>[^/\s'\"]*)@")
_SIGNATURE = re.compile(
    r"(?P<name>[?&][^=&\s]*(?:sig|token|key|pass|secret|auth|cred)[^=&\s]*=)(?P<value>[^&\s'\"#]+)",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


def shown(text: str, secrets: "tuple[str, ...]" = ()) -> str:
    """Return a text without who logs in at the URLs in it, and without some secrets.

    Args:
        text: what a program said, say.
        secrets: what else is hidden, wherever it is.
    """
    for each in secrets:
        text = text.replace(each, "***")
    text = _SIGNATURE.sub(lambda found: f"{found['name']}***", text)
    return _USER.sub(lambda found: f"{found['scheme']}://***@", text)


def secrets_of(urls: "list[str]") -> tuple[str, ...]:
    """Return the passwords of URLs, and the tokens in their place, in clear and as written."""
    found = set()
    for url in urls:
        before, _, behind = url.partition("://")
        # One that is not written as it has to be, of which a part would look like a path.
        user = (behind or before).rpartition("@")[0]
        written = user.partition(":")[2] or ("" if "/" in user else user)
        found |= {written, unquote(written), *(each["value"] for each in _SIGNATURE.finditer(url))}
    # Of a short one nothing is to be learned, and it may be in any word.
    return tuple(sorted((each for each in found if len(each) > 3), key=len, reverse=True))


def check_stored(line: str) -> None:
    """Check that a requirement or an option names no secret: it is stored with the job.

    Raises:
        UserErrorException: it does.
    """
    for found in _USER.finditer(line):
        name, _, password = found["user"].partition(":")
        # By SSH the name is a name, and the key is in the user's own files.
        secret = password if password or found["scheme"].endswith("ssh") else name
        if _VARIABLE.sub("", secret):
            raise _stored(line)
    if any(_VARIABLE.sub("", each["value"]) for each in _SIGNATURE.finditer(line)):
        raise _stored(line)


def _stored(line: str) -> UserErrorException:
    return UserErrorException(
        f"Requirement {shown(line)!r} holds a secret, which would be stored with the job. "
        "Give the URL in pip's configuration of the machine that runs the job, or write "
        "${NAME} in its place, for an environment variable there."
    )


def expanded(text: str) -> str:
    """Return a text with the environment variables that ``${NAME}`` stands for.

    Raises:
        UserErrorException: there is no such variable.
    """

    def value(found: "re.Match[str]") -> str:
        if (known := os.environ.get(found[1])) is None:
            raise UserErrorException(
                f"{shown(text)!r} names environment variable {found[1]}, which is not set. Set it "
                "on the machine that runs the job."
            )
        return known

    return _VARIABLE.sub(value, text)
