"""A provider of identities: a real server, which signs by its own key and lies when told to."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT = "the-hub"
SECRET = "secret-of-the-tests"
"""Whether other signs are encoded in a header, providers and clients do not agree on."""


def new_key(kid: str) -> Any:
    """Return a key to sign with."""
    from joserfc.jwk import RSAKey

    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class IdentityProvider:
    """What the provider says, which tests change.

    Attributes:
        issuer: its address.
        person: the claims of who is logged in there.
        key: that it signs with.
        keys: that it says it signs with.
        metadata: what it says of itself beside what is true.
        claims: changes the claims of a token.
        sign: makes a token of claims.
        back: changes what the browser brings back.
        is_lax: whether a code may be used again.
        answer: answers a path in the place of the provider: bytes, each after a pause.
        asked: the paths that were asked for.
    """

    issuer: str
    person: dict[str, Any]
    key: Any
    keys: list[Any] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    sign: Callable[[dict[str, Any]], str] | None = None
    back: Callable[[dict[str, str]], dict[str, str]] | None = None
    is_lax: bool = False
    answer: Callable[[str], Iterator[tuple[float, bytes]] | None] | None = None
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def honest(self) -> None:
        """Be what a provider has to be again."""
        self.claims = self.sign = self.back = self.answer = None
        self.is_lax = False

    def described(self) -> dict[str, Any]:
        """Return what it says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def authorized(self, given: dict[str, str]) -> str:
        """Return where a browser is sent back to."""
        assert given["client_id"] == CLIENT
        assert given["response_type"] == "code"
        assert given["code_challenge_method"] == "S256"
        assert "openid" in given["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = given
        back = {"code": code, "state": given["state"], "iss": self.issuer}
        return f"{given['redirect_uri']}?{urlencode(self.back(back) if self.back else back)}"

    def token(self, given: dict[str, str], authorization: str) -> dict[str, Any]:
        """Exchange a code."""
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {expected}":
            return {"error": "invalid_client"}
        take = self.codes.get if self.is_lax else self.codes.pop
        began = take(given["code"], None)
        digest = hashlib.sha256(given["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if began is None or challenge != began["code_challenge"]:
            return {"error": "invalid_grant"}
        if given["redirect_uri"] != began["redirect_uri"]:
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": began["nonce"],
            **self.person,
        }
        claims = self.claims(claims) if self.claims else claims
        token = self.sign(claims) if self.sign else self.signed(claims)
        return {"access_token": "unused", "token_type": "Bearer", "id_token": token}

    def signed(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        """Return a token."""
        from joserfc import jws

        class Unchecked(jws.JWSRegistry):
            # A provider writes into a header what it likes.
            def check_header(self, header: Any) -> None:
                pass

        header = {"alg": "RS256", "kid": self.key.kid, **header}
        # In ASCII, so that it can say what is no text.
        said = json.dumps(claims).encode()
        registry = Unchecked(algorithms=[header["alg"]])
        return jws.serialize_compact(header, said, key or self.key, registry=registry)


@contextmanager
def identity_provider(subject: str = "1", name: str = "ann") -> Iterator[IdentityProvider]:
    """Run a provider until the block is left."""
    key = new_key("first")
    provider = IdentityProvider("", {"sub": subject, "preferred_username": name}, key, [key])

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.provider = provider
    server.daemon_threads = True
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    @property
    def provider(self) -> IdentityProvider:
        return self.server.provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self._instead(parts.path):
            return
        if parts.path == "/authorize":
            given = {key: values[0] for key, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", self.provider.authorized(given))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        said = {
            "/.well-known/openid-configuration": self.provider.described(),
            "/keys": {"keys": [each.as_dict(private=False) for each in self.provider.keys]},
        }.get(parts.path)
        self._say(404 if said is None else 200, said or {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self._instead(self.path):
            return
        given = {key: values[0] for key, values in parse_qs(body).items()}
        said = self.provider.token(given, self.headers.get("Authorization", ""))
        self._say(400 if "error" in said else 200, said)

    def _instead(self, path: str) -> bool:
        self.provider.asked.append(path)
        pieces = self.provider.answer(path) if self.provider.answer else None
        if pieces is None:
            return False
        try:
            for pause_s, piece in pieces:
                time.sleep(pause_s)
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True
        return True

    def _say(self, status: int, said: dict[str, Any]) -> None:
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass
