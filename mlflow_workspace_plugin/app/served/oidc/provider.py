"""A provider of identities: where it is asked what, its keys, and the exchange of a code."""

import time
from collections.abc import Mapping
from typing import Any

from authlib.integrations.base_client import OAuthError
from joserfc.jwk import JWKRegistry, Key

from mlflow_workspace_plugin.app.served.oidc.asking import (
    UNANSWERED,
    Session,
    get_json,
    not_answered,
)
from mlflow_workspace_plugin.app.served.oidc.id_tokens import (
    TENANT,
    UNREADABLE,
    Said,
    header_of,
    read_token,
)
from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions, is_safe
from mlflow_workspace_plugin.errors import IdentityProviderError, IdentityRefusedError

_SCOPE = "openid profile"
_KEPT_S = 3600.0
_KEYS_KEPT_S = 600.0
# A token that names a key which is new makes the keys be read again, but not by each.
_AGAIN_S = 1.0
_MOST_KEYS = 100
_LEAST_RSA_BITS = 2048
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """A provider of identities. Its methods ask it, and are called from threads.

    Args:
        options: which one it is, and who may log in.
        secret: by which it knows the hub; empty if it does so without.
        redirect_uri: where it sends browsers back to.
    """

    def __init__(self, options: OidcOptions, secret: str, redirect_uri: str) -> None:
        self._options = options
        self._secret = secret
        self._redirect_uri = redirect_uri
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, list[Key]] | None = None

    def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser is sent to.

        Args:
            state: comes back with the browser.
            nonce: comes back in the ID token.
            verifier: proves that who exchanges the code is who asked for it.

        Raises:
            IdentityProviderError: the provider cannot be asked.
        """
        found = self._found()
        with self._session(found) as session:
            url, _ = session.create_authorization_url(
                found["authorization_endpoint"],
                state=state,
                nonce=nonce,
                code_verifier=verifier,
            )
        return str(url)

    def identity(self, code: str, issuer: str | None, *, nonce: str, verifier: str) -> Said:
        """Exchange what a browser brought back; return who it says that somebody is.

        Args:
            code: what it brought.
            issuer: who sent it, if it says so.
            nonce: of the log-in.
            verifier: of the log-in.

        Raises:
            IdentityRefusedError: nobody is let in by it.
            IdentityProviderError: the provider cannot be asked.
        """
        found = self._found()
        self._check_sender(issuer, found)
        token = self._exchanged(code, verifier, found)
        header = header_of(token)
        keys = self._keys_of(header, found)
        return read_token(token, keys, issuer=found["issuer"], nonce=nonce, options=self._options)

    def _session(self, found: Mapping[str, Any]) -> Session:
        supported = found.get("token_endpoint_auth_methods_supported")
        is_by_form = isinstance(supported, list) and "client_secret_basic" not in supported
        with_secret = "client_secret_post" if is_by_form else "client_secret_basic"
        return Session(
            self._options.client_id,
            self._secret or None,
            token_endpoint_auth_method=with_secret if self._secret else "none",
            scope=_SCOPE,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )

    def _exchanged(self, code: str, verifier: str, found: Mapping[str, Any]) -> str:
        try:
            with self._session(found) as session:
                answer = session.fetch_token(
                    found["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                )
        except OAuthError as error:
            # What it says of it is not ours to show.
            raise IdentityRefusedError(
                "The provider of identities did not take the code that it gave"
                f"{_word(error.error)}. Begin again."
            ) from None
        except UNANSWERED as error:
            raise not_answered(error) from None
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise IdentityProviderError(
                "The provider of identities answered no token. Try again later."
            ) from None
        return answer.get("id_token") or ""

    def _check_sender(self, issuer: str | None, found: Mapping[str, Any]) -> None:
        """Refuse what another provider sent, which would get this one's code."""
        is_said = found.get("authorization_response_iss_parameter_supported") is True
        expected = {found["issuer"]}
        expected |= {found["issuer"].replace(TENANT, each) for each in self._options.tenants}
        if (issuer is None and is_said) or (issuer is not None and issuer not in expected):
            raise IdentityRefusedError(
                "Another provider of identities sent this browser here. Begin again."
            )

    def _found(self) -> Mapping[str, Any]:
        """Return what the provider says of itself."""
        kept = self._metadata
        if kept is None or kept[0] < time.monotonic():
            base = self._options.issuer.rstrip("/")
            said = get_json(f"{base}/.well-known/openid-configuration")
            self._check(said)
            self._metadata = kept = (time.monotonic() + _KEPT_S, said)
        return kept[1]

    def _check(self, said: Mapping[str, Any]) -> None:
        issuer = self._options.issuer
        if not self._is_itself(said.get("issuer")):
            raise IdentityProviderError(
                f"The provider at {issuer} calls itself otherwise. Give serve the issuer as the "
                "provider writes it."
            )
        for each in _ENDPOINTS:
            if not isinstance(url := said.get(each), str) or not is_safe(url, issuer):
                raise IdentityProviderError(
                    f"The {each} of the provider at {issuer} is no https:// address."
                )

    def _is_itself(self, said: object) -> bool:
        issuer = self._options.issuer
        if not isinstance(said, str) or said.count(TENANT) > 1:
            return False
        before, is_of_many, after = said.partition(TENANT)
        if not is_of_many:
            return said == issuer
        middle = issuer.removeprefix(before).removesuffix(after)
        # Such as "organizations". All before it, and so the host, is the same.
        is_same = issuer == f"{before}{middle}{after}" and "/" in before.partition("://")[2]
        return is_same and middle.isalnum()

    def _keys_of(self, header: Mapping[str, Any], found: Mapping[str, Any]) -> list[Key]:
        """Return the keys that a token may be signed by."""
        now, kept = time.monotonic(), self._keys
        if kept is not None and now - kept[0] < _KEYS_KEPT_S:
            fitting = _fitting(header, kept[1])
            if fitting or now - kept[0] < _AGAIN_S:
                return fitting
        keys = _keys(get_json(found["jwks_uri"]))
        self._keys = (now, keys)
        return _fitting(header, keys)


def _keys(said: Mapping[str, Any]) -> list[Key]:
    given = said.get("keys")
    if not isinstance(given, list) or len(given) > _MOST_KEYS:
        raise IdentityProviderError("The provider of identities has no keys, or too many.")
    keys = []
    for each in given:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig":
            continue
        # A shared key would be one that everybody knows.
        if each.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            key = JWKRegistry.import_key(each)
            bits = getattr(key.public_key, "key_size", 0)
        except UNREADABLE:
            # Of a kind that is not known here; the others are.
            continue
        if key.key_type != "RSA" or bits >= _LEAST_RSA_BITS:
            keys.append(key)
    return keys


def _fitting(header: Mapping[str, Any], keys: list[Key]) -> list[Key]:
    name = header.get("kid")
    return [each for each in keys if name is None or each.kid == name]


def _word(error: object) -> str:
    is_word = isinstance(error, str) and error.replace("_", "").isalpha() and len(error) < 40
    return f" ({error})" if is_word else ""
