"""pip's own settings, as uv takes them: uv reads neither pip's files nor its variables."""

import configparser
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mlflow_workspace_plugin.jobs.environments import url_secrets

_LISTS = {"extra-index-url", "find-links", "trusted-host", "constraint", "no-binary", "only-binary"}


@dataclass(frozen=True)
class PackageIndex:
    """Where packages come from.

    Attributes:
        variables: uv's environment variables that say so, with the secrets.
        lines: what a requirements file has to say.
        constraints: files of pip's settings that say which versions may be.
        said: the places, for people.
        secrets: what is shown to nobody.
    """

    variables: dict[str, str]
    lines: list[str]
    constraints: list[str]
    said: str
    secrets: tuple[str, ...]


def package_index(options: list[str]) -> PackageIndex:
    """Return where packages come from: as pip would look for them, and as uv's variables say.

    Args:
        options: of pip, which come with the requirements.

    Raises:
        UserErrorException: an option names an environment variable that is not set.
    """
    found = configured()
    for option in options:
        name, _, value = option.removeprefix("--").partition(" ")
        value = url_secrets.expanded(value) or "true"
        # As pip: what a requirements file says of an index replaces it, and of others adds to them.
        found[name] = [*found.get(name, []), *value.split()] if name in _LISTS else [value]
    variables = {
        "UV_DEFAULT_INDEX": " ".join(found.get("index-url", [])[-1:]),
        "UV_INDEX": " ".join(found.get("extra-index-url", [])),
        "UV_FIND_LINKS": ",".join(found.get("find-links", [])),
        "UV_INSECURE_HOST": " ".join(found.get("trusted-host", [])),
        "UV_NO_INDEX": "1" if _is_on(found, "no-index") else "",
        "UV_PRERELEASE": "allow" if _is_on(found, "pre") else "",
        "UV_HTTP_TIMEOUT": " ".join(found.get("timeout", found.get("default-timeout", []))[-1:]),
        "UV_KEYRING_PROVIDER": "subprocess"
        if found.get("keyring-provider", [])[-1:] in (["subprocess"], ["import"])
        else "",
        "SSL_CERT_FILE": " ".join(found.get("cert", [])[-1:]),
        "SSL_CLIENT_CERT": " ".join(found.get("client-cert", [])[-1:]),
        "ALL_PROXY": " ".join(found.get("proxy", [])[-1:]),
    }
    if variables["UV_INDEX"]:
        # pip takes the best of all its indexes, and not what the first that has any offers.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    # What the user told uv itself goes before.
    variables = {name: value for name, value in variables.items() if value and not _is_told(name)}
    lines = [
        f"--{name} {each}" for name in ("no-binary", "only-binary") for each in found.get(name, [])
    ]
    places = _places(variables)
    secrets = url_secrets.secrets_of([*places, variables.get("ALL_PROXY", "")])
    return PackageIndex(
        variables,
        lines,
        found.get("constraint", []),
        ", ".join(url_secrets.shown(each, secrets) for each in places),
        secrets,
    )


def configured() -> dict[str, list[str]]:
    """Return pip's settings for installing, as its files and variables have them."""
    found: dict[str, list[str]] = {}
    for file in _files():
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {_name(key): value.split() for key, value in parser.items(section)}
    for prefix in ("PIP_", "PIP_INSTALL_"):
        for key, value in os.environ.items():
            if key.startswith(prefix) and value:
                found[_name(key.removeprefix(prefix))] = value.split()
    return found


def _files() -> Iterator[Path]:
    """Yield pip's files; each goes before those ahead of it."""
    given = os.environ.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return
    of_system = platformdirs.site_config_dir("pip", appauthor=False, multipath=True)
    for folder in reversed(of_system.split(os.pathsep)):
        yield Path(folder) / "pip.conf"
    yield Path("/etc/pip.conf")
    if not (given and Path(given).exists()):
        yield Path.home() / ".pip" / "pip.conf"
        yield Path(platformdirs.user_config_dir("pip", appauthor=False, roaming=True)) / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if given:
        yield Path(given)


def _name(key: str) -> str:
    return key.lower().replace("_", "-").removeprefix("--")


def _is_on(found: dict[str, list[str]], name: str) -> bool:
    return found.get(name, ["false"])[-1:] != ["false"] and found.get(name, ["0"])[-1:] not in (
        ["0"],
        ["no"],
        ["off"],
    )


def _is_told(variable: str) -> bool:
    older = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    return any(os.environ.get(each) for each in (variable, older.get(variable, variable)))


def _places(variables: dict[str, str]) -> list[str]:
    def value(*names: str) -> str:
        known = (variables.get(each) or os.environ.get(each) for each in names)
        return next((each for each in known if each), "")

    found = value("UV_FIND_LINKS").replace(",", " ").split()
    if not value("UV_NO_INDEX"):
        found += value("UV_INDEX", "UV_EXTRA_INDEX_URL").split()
        found.append(value("UV_DEFAULT_INDEX", "UV_INDEX_URL") or "https://pypi.org/simple")
    return found
