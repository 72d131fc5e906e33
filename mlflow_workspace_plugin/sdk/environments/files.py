"""Environments as SDK v1 writes them into a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlflow_workspace_plugin.errors import UserErrorException

_DEFINITION = "azureml_environment.json"
_CONDA = "conda_dependencies.yml"
_DOCKERFILE = "BaseDockerfile"


def write(stored: Mapping[str, Any], folder: Path) -> None:
    """Write an environment into a folder: its definition, packages and Dockerfile are files.

    Args:
        stored: the environment, as ``to_stored`` returns it.
        folder: which there is.
    """
    python, docker = dict(stored["python"]), dict(stored["docker"] or {})
    conda = python.pop("condaDependencies")
    dockerfile = docker.pop("baseDockerfile", None)
    (folder / _DOCKERFILE).unlink(missing_ok=True)
    if dockerfile is not None:
        (folder / _DOCKERFILE).write_text(dockerfile, encoding="utf-8", newline="")
    conda_text = yaml.safe_dump(conda, sort_keys=False, allow_unicode=True)
    (folder / _CONDA).write_text(conda_text, encoding="utf-8")
    definition = {**stored, "python": python, "docker": docker or None}
    (folder / _DEFINITION).write_text(json.dumps(definition, indent=4), encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Return an environment that a folder holds, as ``from_stored`` takes it.

    Raises:
        FileNotFoundError: it holds none.
        UserErrorException: what it holds is none.
    """
    file = folder / _DEFINITION
    text = file.read_text(encoding="utf-8-sig")
    try:
        stored: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserErrorException(f"{str(file)!r} is not JSON: {error.msg}.") from error
    if not isinstance(stored, dict):
        raise UserErrorException(f"{str(file)!r} is no environment, which is a JSON object.")
    if (folder / _DOCKERFILE).is_file():
        dockerfile = (folder / _DOCKERFILE).read_bytes().decode()
        stored["docker"] = {**(stored.get("docker") or {}), "baseDockerfile": dockerfile}
    if (folder / _CONDA).is_file():
        conda = yaml.safe_load((folder / _CONDA).read_text(encoding="utf-8-sig"))
        stored["python"] = {**(stored.get("python") or {}), "condaDependencies": conda}
    return stored
