"""Asking servers that may be slow, wrong or somebody else's: by whom, and how much is read."""

import re
import time
from collections.abc import Iterator

import requests
import urllib3
from requests.auth import AuthBase

_PIECE = 64 * 2**10
_LEAST_PIECE = 2**10


_IS_SENDABLE = re.compile(r"[\x21-\x7e]+")


def is_sendable(token: str) -> bool:
    """Whether a token can be put into a request; an error of who tries would show it."""
    return _IS_SENDABLE.fullmatch(token) is not None


class Bearer(AuthBase):
    """Puts a token into a request.

    That there is one keeps ``requests`` from sending a password that it finds in ``~/.netrc``.

    Args:
        token: of who asks; None if nobody does.

    Raises:
        requests.exceptions.InvalidHeader: it is no token.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and not is_sendable(token):
            raise requests.exceptions.InvalidHeader("the token holds what no request can")
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to a request that is about to be sent."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class AnswerTooLongError(requests.exceptions.RequestException):
    """More was answered than is read."""


def content_within(response: requests.Response, longest: int, end: float) -> bytes:
    """Return what was answered: time-outs of sockets begin anew with each byte, this one does not.

    Args:
        response: one whose content is not read yet.
        longest: how many bytes at most, unpacked.
        end: until when, by :func:`time.monotonic`.

    Raises:
        AnswerTooLongError: there is more.
        requests.exceptions.Timeout: it is not complete by then.
        requests.exceptions.RequestException: the connection ended before.
    """
    content = bytearray()
    for piece in _pieces(response):
        content += piece
        if len(content) > longest:
            raise AnswerTooLongError("its answer is too long")
        if time.monotonic() > end:
            raise requests.exceptions.Timeout
    return bytes(content)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield what has come, as soon as it has: ``iter_content`` waits until a piece is full."""
    if not hasattr(response.raw, "read1"):
        # As of urllib3 1.
        yield from response.iter_content(_LEAST_PIECE)
        return
    try:
        while piece := response.raw.read1(_PIECE, decode_content=True):
            yield piece
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    # So that the connection goes back to where it is taken from again.
    response._content_consumed = True
