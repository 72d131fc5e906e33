"""A log-in that was begun in a browser: what that browser keeps until it is finished.

All of it is made of one secret, which is in a cookie and nowhere else, so that it is finished where
it was begun, and the hub keeps nothing of log-ins that are not.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from typing import NamedTuple

from mlflow_workspace_plugin.accounts.identities import STATE_SECONDS

_TEXT = re.compile(r"([A-Za-z0-9_-]{43})\.(\d{1,12})\.([A-Za-z0-9_-]*)", re.ASCII)
_LONGEST_PLACE = 1500


class Begun(NamedTuple):
    """A log-in that was begun.

    Attributes:
        secret: of which all that tells it from others is made.
        at: when, in seconds since 1970.
        there: where the browser goes once it is logged in, as the browser has it.
    """

    secret: str
    at: int
    there: str

    @classmethod
    def new(cls, there: str) -> "Begun":
        """Begin one."""
        place = there if len(there) <= _LONGEST_PLACE else "/"
        return cls(secrets.token_urlsafe(32), int(time.time()), place)

    @classmethod
    def of(cls, cookie: str | None) -> "Begun | None":
        """Return what a browser kept; None if it is nothing, or too old."""
        found = _TEXT.fullmatch(cookie or "")
        if found is None or not -60 <= time.time() - int(found[2]) <= STATE_SECONDS:
            return None
        try:
            there = base64.urlsafe_b64decode(found[3] + "=" * (-len(found[3]) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return cls(found[1], int(found[2]), there)

    def cookie(self) -> str:
        """Return it as a browser keeps it."""
        return f"{self.secret}.{self.at}.{_encoded(self.there.encode())}"

    @property
    def state(self) -> str:
        """What comes back with the browser."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """What comes back in the ID token."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """What proves that who exchanges the code is who asked for it."""
        return self._made("verifier")

    def _made(self, what: str) -> str:
        # With its time: made older or younger, it is another log-in.
        told = f"{what} {self.at}"
        made = hmac.digest(self.secret.encode(), told.encode(), hashlib.sha256)
        return _encoded(made)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
