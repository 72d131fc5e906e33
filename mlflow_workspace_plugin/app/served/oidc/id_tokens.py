"""What a provider says of somebody: an ID token, which is believed when all of it is right."""

import hmac
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry

from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions
from mlflow_workspace_plugin.errors import IdentityRefusedError

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Of signatures by keys that only the provider has: neither ``none``, nor those of a shared key."""
TENANT = "{tenantid}"
"""Stands in the name of an issuer for the tenant of who logs in, as Microsoft has it."""
LEEWAY_S = 60
"""So much the clocks of the hub and of the provider may differ."""
_LONGEST = 64 * 1024
UNREADABLE = (JoseError, ValueError, TypeError, LookupError, RecursionError, UnsupportedAlgorithm)
"""What is raised of a token or a key that cannot be used, or that is of a kind not known here."""
_SHOWN = ("preferred_username", "name", "nickname")


class _Registry(JWSRegistry):
    # Of one part as of all: a header may bring certificates along, and keys may be long ones.
    max_header_length = _LONGEST
    max_signature_length = _LONGEST


# What a header says beyond the standard is ignored, as that demands, unless it is critical.
_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


class Said(NamedTuple):
    """Who somebody is."""

    issuer: str
    subject: str
    shown: str


def header_of(token: object) -> Mapping[str, Any]:
    """Return the header of a token, which says by which key it is signed; not yet believed.

    Raises:
        IdentityRefusedError: it is no token.
    """
    if not isinstance(token, str) or not 0 < len(token) <= _LONGEST or not token.isascii():
        raise _refused("it sent no ID token")
    try:
        header: object = extract_compact(token.encode(), registry=_REGISTRY).headers()
    except UNREADABLE:
        header = None
    if not isinstance(header, dict):
        raise _refused("its ID token cannot be read")
    return header


def read_token(
    token: str,
    keys: Iterable[Key],
    *,
    issuer: str,
    nonce: str,
    options: OidcOptions,
) -> Said:
    """Return who a token says that somebody is.

    Args:
        token: the ID token.
        keys: of the provider, those that it may be signed by.
        issuer: what the provider calls itself; it may have :data:`TENANT` in it.
        nonce: what the token was asked for with.
        options: who may log in.

    Raises:
        IdentityRefusedError: it says nothing that is believed.
    """
    claims = _signed(token, keys)
    issued_by, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issued_by, str) or not isinstance(subject, str):
        raise _refused("its ID token names nobody")
    asked = JWTClaimsRegistry(
        leeway=LEEWAY_S,
        iss={"essential": True},
        sub={"essential": True},
        aud={"essential": True, "value": options.client_id},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        asked.validate(dict(claims))
    except (JoseError, ValueError, TypeError) as error:
        # Of the classes' names and the names of claims, which are no secrets.
        raise _refused(f"of its ID token: {_reason(error)}") from None
    audience, party = claims["aud"], claims.get("azp")
    is_for_others = isinstance(audience, list) and any(
        each != options.client_id for each in audience
    )
    if party not in (None, options.client_id) or (is_for_others and party is None):
        raise _refused("its ID token is for another client")
    given = claims.get("nonce")
    said = given.encode(errors="surrogatepass") if isinstance(given, str) else b""
    if not hmac.compare_digest(said, nonce.encode()):
        raise _refused("its ID token was asked for by another log-in")
    _check_tenant(claims, issuer, options)
    shown = next((each for name in _SHOWN if isinstance(each := claims.get(name), str)), "")
    return Said(issued_by, subject, shown)


def _signed(token: str, keys: Iterable[Key]) -> Mapping[str, Any]:
    claims = next((found for key in keys if (found := _signed_by(token, key)) is not None), None)
    if claims is None:
        raise _refused("its ID token is not signed by a key of its own")
    return claims


def _signed_by(token: str, key: Key) -> Mapping[str, Any] | None:
    try:
        return jwt.decode(token, key, algorithms=list(ALGORITHMS), registry=_REGISTRY).claims
    except UNREADABLE:
        return None


def _check_tenant(claims: Mapping[str, Any], issuer: str, options: OidcOptions) -> None:
    tenant = claims.get(options.tenant_claim)
    if options.tenants and tenant not in options.tenants:
        raise IdentityRefusedError(
            f"{options.name} lets people of other organisations in as well, and this hub does not."
        )
    if TENANT in issuer:
        if not options.tenants or not isinstance(tenant, str):
            raise _refused("it is for many organisations, and none is let in: --oidc-tenant")
        issuer = issuer.replace(TENANT, tenant)
    if claims["iss"] != issuer:
        raise _refused("its ID token is of another issuer")


def _reason(error: Exception) -> str:
    claim = getattr(error, "claim", None)
    kind = type(error).__name__.removesuffix("Error")
    return f"{kind} {claim}" if isinstance(claim, str) and claim.isalnum() else kind


def _refused(why: str) -> IdentityRefusedError:
    return IdentityRefusedError(f"The provider's answer lets nobody in: {why}. Begin again.")
