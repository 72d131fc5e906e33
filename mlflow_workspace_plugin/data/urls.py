"""Secrets in URLs of data: they are used, and neither shown nor stored."""

import re
from urllib.parse import unquote_plus, urlsplit

_SECRET = re.compile(
    r"(^(sig|key|auth|jwt|pass|pwd)"
    r"|token|password|passwd|secret|signature|credential|authorization|(api|auth|access|tion)key)$"
)
"""What a part of a query is called that is as good as a password, without all but letters."""
_NO_LETTERS = re.compile(r"[^a-z]+")


def holds_secret(url: str) -> bool:
    """Whether a URL holds a password, or something as good as one; a user may be a token."""
    parts = urlsplit(url)
    return "@" in parts.netloc or any(map(_is_secret, parts.query.split("&")))


def shown(url: str) -> str:
    """Return a URL without the secrets in it, and without who logs in."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(part for part in parts.query.split("&") if not _is_secret(part))
    return parts._replace(netloc=host, query=query).geturl()


def _is_secret(part: str) -> bool:
    name = unquote_plus(part.partition("=")[0])
    return _SECRET.search(_NO_LETTERS.sub("", name.lower())) is not None
