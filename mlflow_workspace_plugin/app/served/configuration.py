"""What the command tells the server's processes: one variable of the environment, no secret."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions

_VARIABLE = "_MLFLOW_WORKSPACE_SERVED"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Served:
    """How a hub is served.

    Attributes:
        hub: its folder.
        public_url: where people and clients reach it, such as ``https://hub.example.org``; it is
            what browsers name in ``Origin``.
        metrics_token_file: holds the token that the metrics are read with.
        access_log: whether each request is written to standard output.
        oidc: the provider of identities that people may log in by; its secret is in a variable.
    """

    hub: Path
    public_url: str
    metrics_token_file: Path
    access_log: bool = True
    oidc: OidcOptions | None = None

    @classmethod
    def from_environment(cls) -> "Served":
        """Return what the command said.

        Raises:
            KeyError: this is no process of ``mlflow-workspace serve``.
        """
        said = json.loads(os.environ[_VARIABLE])
        files = {name: Path(said[name]) for name in ("hub", "metrics_token_file")}
        oidc = None if said["oidc"] is None else OidcOptions.of(said["oidc"])
        return cls(**{**said, **files, "oidc": oidc})

    def to_environment(self) -> dict[str, str]:
        """Return the variable that says it."""
        return {_VARIABLE: json.dumps(asdict(self), default=str)}

    @property
    def takes_passwords(self) -> bool:
        """Whether anybody logs in by a password."""
        return self.oidc is None or not self.oidc.only

    @property
    def is_https(self) -> bool:
        """Whether browsers reach it by TLS only, so that cookies can be kept to that."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def hosts(self) -> list[str]:
        """What requests name in ``Host``."""
        return hosts_of(self.public_url)


def hosts_of(public_url: str) -> list[str]:
    """Return what requests for an address name in ``Host``.

    Args:
        public_url: the address, with a port only where that is not the scheme's own. Some clients
            name it all the same.
    """
    parts = urlsplit(public_url)
    usual = [] if parts.port else [f"{parts.netloc}:{_PORTS[parts.scheme]}"]
    return [parts.netloc, *usual]
