"""What can be said of an environment before it is built: what is refused, and what is changed."""

import platform
import re
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.environments import conda_equivalents, lines
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements

OWN_NAME = "mlflow-workspace-plugin"
OLDEST_PYTHON = (3, 10)
"""MLflow's, and ours."""

_MICROSOFTS = ("mcr.microsoft.com/", "viennaglobal.azurecr.io/")
_SWITCH = (
    f"Set {settings.JOBS_IN_THIS_PYTHON.name}=1 to run jobs in the Python that is there, without "
    "what it asks for."
)


class Checked(NamedTuple):
    """An environment that can be built, as far as can be said.

    Attributes:
        requirements: what is to be stored with the job.
        notes: what the user is to be told.
    """

    requirements: Requirements
    notes: list[str]


def check(requirements: Requirements, folder: "Path | str | None" = None) -> Checked:
    """Check what a job needs, and bring it into a form that says it all.

    Nothing is asked of anybody. What was checked comes out as it went in.

    Args:
        requirements: as the user gave them.
        folder: what paths in them are relative to: the folder of the script, or its snapshot.

    Raises:
        UserErrorException: it cannot be had; the message names the remedy.
    """
    asks = requirements.pip or requirements.conda or requirements.python or requirements.docker
    if settings.JOBS_IN_THIS_PYTHON.get() == "1":
        given = Requirements(
            requirements.name, requirements.version, variables=requirements.variables
        )
        switch = f"{settings.JOBS_IN_THIS_PYTHON.name} is set"
        is_other = asks or requirements.user_managed
        return Checked(
            given,
            [f"The job runs in the Python that is there, for {switch}."] if is_other else [],
        )
    notes = _images(requirements)
    if requirements.user_managed:
        return Checked(requirements, notes)
    python, of_conda = _conda(requirements, notes)
    place = None if folder is None else Path(folder).absolute()
    found = lines.read([*requirements.pip_options, *requirements.pip, *of_conda], place)
    mlflow = requirements.mlflow or version("mlflow")
    packages = _packages(found, mlflow, notes)
    if python is not None:
        python = _python(python, notes)
    return Checked(
        replace(
            requirements,
            python=python,
            pip=packages,
            pip_options=found.options,
            constraints=[*requirements.constraints, *found.constraints],
            conda=[],
            mlflow=mlflow,
        ),
        notes,
    )


def wanted_python(text: str) -> tuple[int, int] | None:
    """Return the version of Python that a text asks for, by its first two numbers."""
    found = re.match(r"\s*[=<>~!\s]*(\d+)\.(\d+)(?![a-z\d])", text)
    return None if found is None else (int(found[1]), int(found[2]))


def _images(requirements: Requirements) -> list[str]:
    docker = requirements.docker
    image, dockerfile = docker.get("base_image"), docker.get("base_dockerfile")
    if dockerfile or docker.get("build_context"):
        raise UserErrorException(
            f"Environment {requirements.name!r} is built from a Dockerfile, and jobs run without "
            f"Docker. Name its packages in pip_packages instead. {_SWITCH}"
        )
    if image and not str(image).startswith(_MICROSOFTS):
        raise UserErrorException(
            f"Environment {requirements.name!r} is image {str(image)!r}, and jobs run without "
            f"Docker. Name its packages in pip_packages instead. {_SWITCH}"
        )
    if not (image or docker.get("enabled")):
        return []
    what = f"image {image!r}" if image else "Docker"
    return [f"Jobs run without Docker: {what} is recorded, and not used."]


def _conda(requirements: Requirements, notes: list[str]) -> tuple[str | None, list[str]]:
    """Return the version of Python, and the packages of conda as pip's."""
    python, found, unknown = requirements.python, [], []
    for spec in requirements.conda:
        parsed = conda_equivalents.name_and_version(spec)
        name = parsed[0] if parsed else spec
        if parsed and name == "python":
            python = parsed[1].removesuffix(".*").lstrip("=") or python
            continue
        equivalent = conda_equivalents.equivalent(name)
        if parsed is None or equivalent is None:
            unknown.append(spec)
        elif equivalent:
            found.append(f"{equivalent}{parsed[1]}")
        elif name != "pip":
            notes.append(f"Package {spec!r} of conda is left out: the wheels of others bring it.")
    if unknown:
        raise UserErrorException(
            f"Packages of conda are installed by pip, and for {', '.join(map(repr, unknown))} no "
            f"equivalent is known. Name what pip has of it in pip_packages instead. {_SWITCH}"
        )
    if found:
        notes.append(f"Packages of conda are installed by pip: {', '.join(found)}.")
    return python, found


def _packages(found: lines.Lines, mlflow: str, notes: list[str]) -> list[str]:
    """Return what is to be installed beside MLflow and this package."""
    packages, dropped = [], []
    for line, requirement in zip(found.packages, found.names, strict=True):
        name = "" if requirement is None else requirement.name
        if name == "azureml" or name.startswith("azureml-"):
            dropped.append(line)
        elif name in ("mlflow", "mlflow-skinny", "mlflow-tracing"):
            if requirement is not None and not requirement.specifier.contains(
                mlflow, prereleases=True
            ):
                notes.append(f"{line!r} is left out: MLflow {mlflow} is installed, which is yours.")
        elif name == OWN_NAME:
            notes.append(f"{line!r} is left out: the copy that runs the job is installed.")
        else:
            packages.append(line)
    if dropped:
        notes.append(f"{', '.join(dropped)} left out: this package serves the name azureml.")
    return packages


def _is_this_python(asked: str) -> bool:
    """Whether a text asks for several versions of Python, of which this one is one."""
    major, is_range = str(sys.version_info.major), asked.lstrip()[:1] in ("<", ">", "~", "!")
    if not is_range:
        return asked.strip().lstrip("=").removesuffix(".*") == major
    try:
        return SpecifierSet(asked).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        return False


def _python(asked: str, notes: list[str]) -> str | None:
    if _is_this_python(asked):
        return None
    wanted = wanted_python(asked)
    if wanted is None:
        raise UserErrorException(f"{asked!r} is no version of Python. Write it as 3.10 or 3.10.18.")
    if wanted < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        notes.append(
            f"Python {asked} is too old for MLflow, which needs {oldest}; the nearest one that is "
            "installed is used."
        )
    return asked
