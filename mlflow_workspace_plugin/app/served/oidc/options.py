"""Which provider of identities lets people in, as the command says it; no secret."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.hub.tables import ISSUER_LENGTH

BEGIN = "/log-in/oidc"
"""Where a browser is sent to the provider."""
BACK = f"{BEGIN}/back"
"""Where the provider sends it back to."""
TENANT_CLAIM = "tid"
# Anybody in the world may have an account there.
_MICROSOFT = "https://login.microsoftonline.com"
_OF_EVERYBODY = (
    "https://accounts.google.com",
    *(f"{_MICROSOFT}/{each}/v2.0" for each in ("common", "organizations", "consumers")),
    # What "consumers" calls itself.
    f"{_MICROSOFT}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
)


@dataclass(frozen=True)
class OidcOptions:
    """A provider of identities, and who of its people may log in.

    Attributes:
        issuer: its URL, which is also what it calls itself.
        client_id: what it calls the hub.
        name: what people call it: "Log in with NAME".
        tenants: only people of these may log in; empty is everybody whom it knows.
        tenant_claim: what says in its tokens of which tenant somebody is.
        only: nobody logs in by a password.
    """

    issuer: str
    client_id: str
    name: str
    tenants: tuple[str, ...] = ()
    tenant_claim: str = TENANT_CLAIM
    only: bool = False

    def __post_init__(self) -> None:
        if not is_safe(self.issuer, self.issuer) or urlsplit(self.issuer).query:
            raise HubSettingsError(
                f"{uris.redact(self.issuer)!r} is no issuer of identities. Write its https:// "
                "address as it writes it itself, without a query; http:// is for this machine only."
            )
        if len(self.issuer) > ISSUER_LENGTH or not self.client_id.isprintable():
            raise HubSettingsError(
                f"An issuer has up to {ISSUER_LENGTH} characters, and a client id can be printed."
            )
        if self.issuer.rstrip("/") in _OF_EVERYBODY and not self.tenants:
            raise HubSettingsError(
                f"Anybody may have an account at {self.issuer}, so anybody would get one on the "
                "hub. Say whose people may log in: --oidc-tenant with the id of a tenant of "
                "Microsoft's, or with Google's domain and --oidc-tenant-claim hd"
            )

    @classmethod
    def of(cls, said: dict[str, Any]) -> "OidcOptions":
        """Return options as JSON has them."""
        return cls(**{**said, "tenants": tuple(said["tenants"])})


def is_safe(url: str, issuer: str) -> bool:
    """Whether what is sent to a URL is read by nobody else on its way.

    Args:
        url: of the provider's.
        issuer: the provider. One on this machine may do without TLS, and no other.
    """
    try:
        parts = urlsplit(url)
        of_issuer = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not host or not is_plain or "@" in parts.netloc or "#" in url:
        return False
    if parts.scheme == "http":
        is_local = of_issuer.scheme == "http" and uris.is_loopback(of_issuer.hostname or "")
        return is_local and uris.is_loopback(host)
    return parts.scheme == "https"
