"""Files of SDK v1's ``RunConfiguration``: where they are, and what is in them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.environments.conda_dependencies import (
    CondaDependencies,
    config_folder,
)

RUNCONFIGURATION_EXTENSION = ".runconfig"
_CONDA = "conda_dependencies.yml"
_ENVIRONMENT = "environment.yml"


def place(path: "str | os.PathLike[str] | None", name: str | None) -> Path:
    """Return the file in which a configuration is to be saved.

    Args:
        path: the folder of a project, or the file.
        name: of the file in the folder of configurations.

    Raises:
        UserErrorException: there is no such folder, or no name is given.
    """
    given = Path(path or ".")
    if not given.is_dir():
        if not given.parent.is_dir():
            raise UserErrorException(
                f"{str(given)!r} cannot be written: there is no folder {str(given.parent)!r}. "
                "Make it first."
            )
        return given
    if not name:
        raise UserErrorException(
            "A run configuration is saved under a name: pass it as name=, or a file as path=."
        )
    folder = given / config_folder(given)
    folder.mkdir(exist_ok=True)
    return folder / name


def find(path: "str | os.PathLike[str] | None", name: str | None) -> Path:
    """Return the file that a configuration was saved in.

    Raises:
        UserErrorException: there is none.
    """
    given = Path(path or ".")
    if given.is_file():
        return given
    saved = given / config_folder(given) / name if name else given
    named = given / f"{name}{RUNCONFIGURATION_EXTENSION}"
    for each in (saved, saved.with_name(saved.name + RUNCONFIGURATION_EXTENSION), named):
        if each.is_file():
            return each
    raise UserErrorException(f"There is no run configuration in {str(saved)!r}.")


def write(stored: Mapping[str, Any], file: Path, *, is_environment_apart: bool) -> None:
    """Write a configuration, its packages beside it in a file of their own.

    Args:
        stored: the configuration, as ``to_stored`` returns it.
        file: where.
        is_environment_apart: whether its environment is a file of its own, too.

    Raises:
        UserErrorException: it cannot be written.
    """
    environment = dict(stored["environment"])
    python = dict(environment["python"])
    conda = python.pop("condaDependencies")
    texts: dict[Path, Any] = {}
    # A file of the user's own is left as it is, as long as it is what counts.
    if not python["condaDependenciesFile"] or conda != CondaDependencies().as_dict():
        python["condaDependenciesFile"] = _beside(file, _CONDA, conda, texts)
    environment["python"] = python
    shown: object = environment
    if is_environment_apart:
        shown = _beside(file, _ENVIRONMENT, environment, texts)
    texts[file] = {**stored, "environment": shown}
    for each, content in texts.items():
        text = yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True)
        try:
            each.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserErrorException(
                f"{str(each)!r} cannot be written: {error.strerror}."
            ) from error


def read(path: "str | os.PathLike[str] | None", name: str | None) -> tuple[Path, dict[str, Any]]:
    """Return the file of a configuration, and what it holds, as ``from_stored`` takes it.

    Raises:
        UserErrorException: there is none, or it is none.
    """
    file = find(path, name)
    stored = _mapping(file)
    if isinstance(stored.get("environment"), str):
        stored["environment"] = _mapping(_base(file) / stored["environment"])
    environment = dict(stored.get("environment") or {})
    python = dict(environment.get("python") or {})
    within = python.get("condaDependenciesFile")
    if within and not python.get("condaDependencies"):
        python["condaDependencies"] = _mapping(_base(file) / within)
        python["condaDependenciesFile"] = None
    stored["environment"] = {**environment, "python": python}
    return file, stored


def _base(file: Path) -> Path:
    """Return the folder that paths in a configuration begin at: that of the project."""
    project = file.parent.parent
    return project if file.parent.name == config_folder(project) else file.parent


def _beside(file: Path, name: str, content: Any, texts: dict[Path, Any]) -> str:
    """Put a part of a configuration among the files to write; return its path in the project.

    Another configuration's part of that name stays, as that goes on naming it.
    """
    there = file.with_name(name)
    if there.exists() and yaml.safe_load(there.read_text(encoding="utf-8-sig")) != content:
        there = file.with_name(f"{file.stem}_{name}")
    texts[there] = content
    return there.relative_to(_base(file)).as_posix()


def _mapping(file: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserErrorException(f"{str(file)!r} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise UserErrorException(f"{str(file)!r} is no YAML: {said}.") from error
    if not isinstance(content, dict):
        raise UserErrorException(f"{str(file)!r} is no part of a run configuration.")
    return content


def _plain(content: Any) -> Any:
    """Return it with nothing in it but what YAML has: other objects are their texts."""
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(each) for each in content]
    if content is None or type(content) in (bool, int, float, str):
        return content
    return str(content)
