"""What an environment of SDK v1's needs installed, as jobs know it."""

import re
from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.sdk.environments.conda_dependencies import (
    PYTHON_DEFAULT_VERSION,
    CondaDependencies,
)
from mlflow_workspace_plugin.sdk.environments.sections import DockerSection, PythonSection

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.environments.environment import Environment

DEFAULT_NAME = "default-environment"
"""What SDK v1 calls the environment of a script for which none was given."""
EXAMPLE_VARIABLE = ("EXAMPLE_ENV_VAR", "EXAMPLE_VALUE")
"""What SDK v1 writes into each environment, and nobody means."""

# What conda's environments name so that pip is there, which it is.
_TOOL = re.compile(r"(?:.*::)?pip\s*(?:[=<>!~]|$)")
_PYTHON = re.compile(r"(?:.*::)?python\s*(?:[=<>!~]|\s\d|$)")


def needs(environment: "Environment") -> Requirements:
    """Return what an environment needs installed.

    The environment that SDK v1 makes where none is given is no environment, as long as nothing is
    asked of it: scripts run in the Python that submits them.

    Raises:
        UserErrorException: ``conda_dependencies_file`` is no environment file of conda's, or a part
            of the environment is of another type.
        FileNotFoundError: there is no such file.
    """
    _check_types(environment)
    python = environment.python
    dependencies: CondaDependencies | None = python.conda_dependencies
    if python.conda_dependencies_file and dependencies == CondaDependencies():
        dependencies = CondaDependencies(python.conda_dependencies_file)
    if dependencies is None:
        dependencies = CondaDependencies(_underlying_structure={})
    variables = {
        str(name): str(value)
        for said in (dependencies.as_dict().get("variables"), environment.environment_variables)
        for name, value in (said or {}).items()
        if (name, value) != EXAMPLE_VARIABLE
    }
    docker = _docker(environment.docker)
    if python.user_managed_dependencies:
        return Requirements(
            name=environment.name,
            version=environment.version,
            user_managed=True,
            interpreter=str(python.interpreter_path or "python"),
            docker=docker,
            variables=variables,
        )
    if environment.name == DEFAULT_NAME and dependencies == CondaDependencies():
        return Requirements(docker=docker, variables=variables)
    version = dependencies.get_python_version()
    return Requirements(
        name=environment.name,
        version=environment.version,
        # Nobody asked for SDK v1's default: it stands for the Python that submits.
        python=None if version == PYTHON_DEFAULT_VERSION else version,
        pip=[line for each in dependencies.pip_packages if (line := _without_comment(each))],
        pip_options=[*dependencies.pip_options],
        conda=[
            each
            for each in dependencies.conda_packages
            if not _PYTHON.match(each) and not _TOOL.match(each)
        ],
        channels=[*dependencies.conda_channels],
        docker=docker,
        variables=variables,
    )


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def _check_types(environment: "Environment") -> None:
    """Check what is read of an environment, whose fields take anything."""
    read = (
        ("python", environment.python, PythonSection, "a PythonSection, which it has at first"),
        (
            "python.conda_dependencies",
            getattr(environment.python, "conda_dependencies", None),
            (CondaDependencies, NoneType),
            "CondaDependencies, such as CondaDependencies.create(pip_packages=[...])",
        ),
        (
            "environment_variables",
            environment.environment_variables,
            (Mapping, NoneType),
            "a dict of texts, such as {'NAME': 'value'}",
        ),
    )
    for field, value, kinds, said in read:
        if not isinstance(value, kinds):
            raise UserErrorException(
                f"{field} of environment {environment.name!r} is an object of the type "
                f"{type(value).__name__}. It is {said}."
            )


def _docker(section: DockerSection | None) -> dict[str, Any]:
    """Return what was said of images, if that is anything."""
    if section is None or section == DockerSection():
        return {}
    said = section.to_stored()
    return {
        "enabled": section.enabled,
        "base_image": section.base_image,
        "base_dockerfile": section.base_dockerfile,
        "build_context": said["buildContext"],
    }
