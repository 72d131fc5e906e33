"""The URIs of workspaces and hubs: one parser, one printer.

==================================  ==============================================================
``workspace:///abs/hub/dir/NAME``   workspace NAME of the hub in that folder (:class:`WorkspaceUri`)
``workspace-hub:///abs/hub/dir``    the whole hub, for a server (:class:`HubUri`)
``workspace://HOST[:PORT]/NAME``    workspace NAME of a served hub (:class:`ServedWorkspaceUri`)
``workspace:NAME``                  workspace NAME of the default hub, for typing
==================================  ==============================================================

The last is read as the first, which is what is printed and stored. ``workspace:/dir/NAME`` means
the same as ``workspace:///dir/NAME``: MLflow's URI helpers drop the two slashes. Folders are
percent-encoded; a URI never carries a secret.
"""

import os
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, quote, unquote_to_bytes, urlencode, urlsplit

from mlflow_workspace_plugin import names, settings

if TYPE_CHECKING:
    from mlflow_workspace_plugin.errors import InvalidUriError

WORKSPACE_SCHEME = "workspace"
HUB_SCHEME = "workspace-hub"

_USER_IN_PATH = re.compile(r"/*[^/@]*:[^/@]*@")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
# MLflow's URI helpers drop slashes; behind three of them is a folder.
_HOST_AND_PORT = re.compile(r"([\w+.-]+:/{0,2})(?!/)(\[[0-9A-Fa-f:.]*\]|[^/:]*)(:[^/]*)")
_RUN_PAGE = re.compile(r"experiments/[^/]+/runs/([^/]+)")
_EXPERIMENT_PAGE = re.compile(r"experiments/([^/]+)")
_FORMS = (
    "Write workspace:///path/to/hub/NAME for a workspace, workspace:NAME for one of the default "
    "hub, or workspace-hub:///path/to/hub for a server."
)


@dataclass(frozen=True)
class WorkspaceUri:
    """A workspace of the hub in a folder."""

    hub: Path
    name: str

    def __str__(self) -> str:
        return f"{WORKSPACE_SCHEME}://{_quote(self.hub)}/{self.name}"


@dataclass(frozen=True)
class HubUri:
    """All workspaces of the hub in a folder."""

    hub: Path

    def __str__(self) -> str:
        return f"{HUB_SCHEME}://{_quote(self.hub)}"


@dataclass(frozen=True)
class ServedWorkspaceUri:
    """A workspace of a hub behind a server. ``scheme`` is how to speak to it: http or https."""

    host: str
    port: int | None
    name: str
    scheme: str

    def __str__(self) -> str:
        query = "" if self.scheme == _default_scheme(self.host) else f"?scheme={self.scheme}"
        return f"{WORKSPACE_SCHEME}://{self._host_and_port}/{self.name}{query}"

    @property
    def address(self) -> str:
        """The address of the server, without a slash at its end."""
        return f"{self.scheme}://{self._host_and_port}"

    @property
    def _host_and_port(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse(uri: str) -> WorkspaceUri | HubUri | ServedWorkspaceUri:
    """Parse a URI of ours into its normalised form.

    Args:
        uri: any of the forms above. Doubled and trailing slashes are dropped.

    Raises:
        InvalidUriError: it is none of them, or carries a secret, ``..``, an encoded separator or a
            control character. The message never repeats a secret.
    """
    shown = redact(uri)
    if re.search(r"[\x00-\x1f\x7f]", uri):
        raise _invalid(f"URI {shown!r} contains a control character. Remove it.")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        # The error's own text repeats what it could not read, which may be a password.
        raise _invalid(
            f"URI {shown!r} is malformed: its host or port cannot be read. {_FORMS}"
        ) from None
    if parts.scheme not in (WORKSPACE_SCHEME, HUB_SCHEME):
        raise _invalid(f"URI {shown!r} is not a workspace URI. {_FORMS}")
    if "@" in parts.netloc or _USER_IN_PATH.match(parts.path):
        raise _invalid(
            f"URI {shown!r} carries a user name or password. A workspace URI never holds a "
            "secret, because URIs are logged and stored. Remove everything up to the '@'; "
            "an '@' in a folder's name is written %40."
        )
    if parts.netloc:
        return _parse_served(parts, port, shown)
    return _parse_folder(parts, shown)


def redact(uri: str) -> str:
    """Return the URI without what could be a secret.

    That is user information, query values, and what stands in place of a port and is none.
    """
    without_user = re.sub(r"(:/*).*@", r"\1***@", uri, count=1, flags=re.DOTALL)
    without_query, *rest = re.split(r"[?#]", without_user, maxsplit=1)
    without_port = _HOST_AND_PORT.sub(_without_port, without_query, count=1)
    return without_port + ("?***" if rest else "")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own; no name is looked up."""
    return _LOOPBACK.fullmatch(host) is not None


def ui_fragment(page: str, workspace: str | None) -> str:
    """Return what stands behind the address of MLflow's UI in a link to one of its pages.

    Args:
        page: such as ``experiments/1/runs/RUN``.
        workspace: in which the page is; without it the UI asks.
    """
    # Else the UI greets with what it has for language models.
    query = {"workspace": workspace} if workspace else {}
    return f"#/{page}?{urlencode({**query, 'workflowType': 'machine_learning'})}"


def ui_location(page: str, workspace: str | None, query: Mapping[str, str] | None = None) -> str:
    """Return what stands behind the address of a served UI, and a slash, in a link to a page.

    The pages of a run and of an experiment, and the front of a workspace, are ours, unless the
    user's links lead to MLflow's; the others are MLflow's.

    Args:
        page: as for :func:`ui_fragment`; nothing is the front.
        workspace: as for :func:`ui_fragment`.
        query: what the link tells the server beside that.
    """
    path = _path_of_ours(page) if workspace else None
    if path is not None and settings.LINKS.get() != settings.TO_MLFLOW:
        return f"pages/{path}?{urlencode({'workspace': workspace, **(query or {})})}"
    before = f"?{urlencode(query)}" if query else ""
    # MLflow's front shows nothing of a workspace.
    return before + ui_fragment(page or ("experiments" if workspace else ""), workspace)


def _path_of_ours(page: str) -> str | None:
    """Return where our page is that stands for one of MLflow's; None if none does."""
    if run := _RUN_PAGE.fullmatch(page):
        return f"runs/{quote(run[1])}"
    if experiment := _EXPERIMENT_PAGE.fullmatch(page):
        return f"experiments/{quote(experiment[1])}"
    return None if page else ""


def parse_of_workspace(uri: str) -> WorkspaceUri | ServedWorkspaceUri:
    """Parse the URI of a workspace; see :func:`parse`.

    Raises:
        InvalidUriError: it names none.
    """
    parsed = parse(uri)
    if isinstance(parsed, HubUri):
        raise _invalid(f"{str(parsed)!r} names a hub, and no workspace in it. Add /NAME.")
    return parsed


def workspace_name(uri: str) -> str:
    """Return the name that MLflow knows of the workspace that a URI names.

    Raises:
        InvalidUriError: it names none.
    """
    return parse_of_workspace(uri).name


def hub_folder(hub: "str | os.PathLike[str]") -> Path:
    """Return the folder of a hub that is given as a folder or as a ``workspace-hub:`` URI.

    Raises:
        InvalidUriError: it is a URI of another kind, empty, or a folder that no URI can name.
    """
    if isinstance(hub, str) and re.match(r"[a-z][a-z0-9+.-]*:", hub, re.IGNORECASE):
        parsed = parse(hub)
        if not isinstance(parsed, HubUri):
            raise _invalid(
                f"URI {redact(hub)!r} does not name a hub. "
                "Give the hub's folder, or workspace-hub:///path/to/hub."
            )
        return parsed.hub
    if not os.fspath(hub):
        raise _invalid("The hub's folder is empty text. Name a folder.")
    folder = Path(os.path.abspath(Path(hub).expanduser()))  # noqa: PTH100  keeps symbolic links
    parse(str(HubUri(folder)))
    return folder


def served_uri(address: str, name: str) -> ServedWorkspaceUri:
    """Return the URI of a workspace of a served hub.

    Args:
        address: of the hub's server, such as ``https://hub.example.org``.
        name: of the workspace, as MLflow knows it.

    Raises:
        InvalidUriError: it is no address, or no name.
    """
    scheme, _, host = address.rstrip("/").partition("://")
    parsed = parse(f"{WORKSPACE_SCHEME}://{host}/{name}?scheme={scheme}")
    if not isinstance(parsed, ServedWorkspaceUri):
        raise _invalid(f"{redact(address)!r} is no address of a server. Write https://HOST[:PORT].")
    return parsed


def is_address(hub: "str | os.PathLike[str]") -> bool:
    """Whether a hub is given by the address of its server, and not as a folder."""
    return isinstance(hub, str) and hub.startswith(("https://", "http://"))


def typed(command: str, hub: Path | str) -> str:
    """Return a command of ours as it is to be typed, with ``--hub`` where it needs that.

    Args:
        command: its name and arguments.
        hub: the folder that it is to find, or the address of a server.
    """
    default = settings.HUB.get()
    is_default = hub == (default if is_address(default) else hub_folder(default))
    return f"mlflow-workspace {command}" + ("" if is_default else f" --hub {shlex.quote(str(hub))}")


def typed_at(command: str, uri: "WorkspaceUri | HubUri | ServedWorkspaceUri") -> str:
    """Return a command of ours as it is to be typed for the hub of a URI; see :func:`typed`."""
    return typed(command, uri.address if isinstance(uri, ServedWorkspaceUri) else uri.hub)


def _parse_folder(parts: SplitResult, shown: str) -> WorkspaceUri | HubUri | ServedWorkspaceUri:
    if parts.query or parts.fragment:
        raise _invalid(
            f"URI {shown!r} has a query or fragment, which a hub folder cannot have. Remove it; "
            "a folder's own '?' and '#' are written %3F and %23."
        )
    if parts.scheme == WORKSPACE_SCHEME and parts.path and "/" not in parts.path:
        name = _check_name(_decode_path(parts.path, shown)[1:], shown)
        default = settings.HUB.get()
        if is_address(default):
            return served_uri(default, name)
        return WorkspaceUri(hub_folder(default), name)
    if not parts.path.startswith("/"):
        raise _invalid(f"URI {shown!r} has a relative path; a hub needs a full one. {_FORMS}")
    path = _decode_path(parts.path, shown)
    if parts.scheme == HUB_SCHEME:
        if path == "/":
            raise _invalid(f"URI {shown!r} names no hub folder. {_FORMS}")
        return HubUri(Path(path))
    folder, name = posixpath.split(path)
    if folder == "/" or not name:
        raise _invalid(f"URI {shown!r} lacks a hub folder or a workspace name. {_FORMS}")
    return WorkspaceUri(Path(folder), _check_name(name, shown))


def _parse_served(parts: SplitResult, port: int | None, shown: str) -> ServedWorkspaceUri:
    if parts.scheme == HUB_SCHEME:
        raise _invalid(
            f"URI {shown!r} names a host; a hub is served from its folder. "
            "Write workspace-hub:///path/to/hub (three slashes)."
        )
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.fragment or query.keys() - {"scheme"}:
        raise _invalid(
            f"URI {shown!r} has a query or fragment of its own. Only ?scheme=http or "
            "?scheme=https is known; secrets belong in the environment, never in a URI."
        )
    scheme = query.get("scheme", [_default_scheme(parts.hostname or "")])[-1]
    if scheme not in ("http", "https"):
        raise _invalid(f"URI {shown!r} asks for an unknown scheme. Use http or https.")
    name = _decode_path(parts.path, shown).strip("/")
    if parts.hostname and not name and port is None and names.flaw_of(parts.hostname) is None:
        raise _invalid(
            f"URI {shown!r} names the host of a served hub, and no workspace of it. For workspace "
            f"{parts.hostname!r} of the default hub write workspace:{parts.hostname}, without "
            "slashes; of a served hub workspace://HOST/NAME."
        )
    if not parts.hostname or not name or "/" in name:
        raise _invalid(
            f"URI {shown!r} is not workspace://HOST/NAME. "
            "A hub in a folder is written with three slashes: workspace:///path/to/hub/NAME."
        )
    return ServedWorkspaceUri(parts.hostname, port, _check_name(name, shown), scheme)


def _decode_path(encoded: str, shown: str) -> str:
    if "\\" in encoded or re.search(r"%(2f|5c|00)", encoded, re.IGNORECASE):
        raise _invalid(
            f"URI {shown!r} has a backslash, or a separator or NUL behind percent-encoding. "
            "Separate folders with '/'; a folder's own name cannot hold a backslash."
        )
    path = os.fsdecode(unquote_to_bytes(encoded))
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise _invalid(f"URI {shown!r} contains a control character. Remove it.")
    if ".." in path.split("/"):
        raise _invalid(f"URI {shown!r} contains '..'. Write the full path of the hub.")
    # Two leading slashes mean something of their own to POSIX, and normpath keeps them.
    return posixpath.normpath("/" + path.lstrip("/"))


def _check_name(name: str, shown: str) -> str:
    flaw = names.flaw_of(name)
    if flaw is not None:
        raise _invalid(f"URI {shown!r} does not end in a workspace name. {flaw}{_folded(name)}")
    return name


def _folded(name: str) -> str:
    folded = names.folded_form(name)
    if names.flaw_of(folded) is not None:
        return ""
    return f" MLflow's name for {name!r} is {folded!r}: write that in the URI."


def _default_scheme(host: str) -> str:
    return "http" if is_loopback(host) else "https"


def _without_port(found: "re.Match[str]") -> str:
    is_port = re.fullmatch(r":\d{0,5}", found[3]) and int(found[3][1:] or 0) < 2**16
    return found[0] if is_port else f"{found[1]}{found[2]}:***"


def _quote(folder: Path) -> str:
    return quote(os.fsencode(folder), safe="/")


def _invalid(message: str) -> "InvalidUriError":
    # Only now: errors are MLflow's, which takes a second to import.
    from mlflow_workspace_plugin.errors import InvalidUriError

    return InvalidUriError(message)
