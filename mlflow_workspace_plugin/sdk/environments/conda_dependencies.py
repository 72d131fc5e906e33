"""SDK v1's ``CondaDependencies``."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlflow_workspace_plugin.errors import UserErrorException

PYTHON_DEFAULT_VERSION = "3.10.18"
"""The version of Python that stands in SDK v1's files where nobody asks for one."""
CONDA_FILE_NAME = "auto_conda_dependencies.yml"
CPU, GPU = "cpu", "gpu"
DEFAULT_SDK_ORIGIN = "https://pypi.python.org/simple"
TENSORFLOW_DEFAULT_VERSION = "2.2.0"
CNTK_DEFAULT_VERSION = "2.7"

_KEYS = ("name", "channels", "dependencies", "prefix", "variables")
_PIP = "pip"
_PYTHON = re.compile(r"python\s*(?:[=<>!~]|\s\d|$)")
# What a conda package may be written with before its name: the channel.
_CONDA_NAME = re.compile(r"(?:.*::)?([\w.-]+)")
_INDEX_URL = ("-i", "--index-url")
_PIP_NAME = re.compile(r"[\w.-]+")


class CondaDependencies:
    """The packages of an environment: conda's, and pip's (SDK v1).

    Args:
        conda_dependencies_file_path: an environment file of conda's to begin with. By default it
            has what an environment of SDK v1's has.

    Raises:
        UserErrorException: the file is no environment file.
        FileNotFoundError: there is no such file.
    """

    DEFAULT_NUMBER_OF_CONDA_PACKAGES = 1
    DEFAULT_NUMBER_OF_PIP_PACKAGES = 1

    def __init__(
        self,
        conda_dependencies_file_path: "str | os.PathLike[str] | None" = None,
        _underlying_structure: Mapping[str, Any] | None = None,
    ) -> None:
        if conda_dependencies_file_path is not None:
            self._content = _read(Path(conda_dependencies_file_path))
        elif _underlying_structure is not None:
            self._content = _checked(_underlying_structure, "The conda dependencies")
        else:
            self._content = {
                "name": "project_environment",
                "dependencies": [
                    f"python={PYTHON_DEFAULT_VERSION}",
                    {_PIP: ["azureml-defaults"]},
                ],
                "channels": ["anaconda", "conda-forge"],
            }

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str = PYTHON_DEFAULT_VERSION,
        pin_sdk_version: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> "CondaDependencies":
        """Return dependencies with given packages (SDK v1).

        Args:
            pip_indexurl: where pip looks for packages, instead of the configured index.
            pip_packages: pip's packages, which replace the default.
            conda_packages: conda's packages, beside Python.
            python_version: the version of Python. SDK v1's default stands for the Python that
                submits.
            pin_sdk_version: accepted and ignored: SDK v1's own packages are not installed.
        """
        made = CondaDependencies()
        made.set_python_version(python_version)
        if pip_packages is not None:
            made._pip()[:] = []
            for each in several(pip_packages, "pip_packages"):
                made.add_pip_package(each)
        if pip_indexurl:
            made.set_pip_option(f"--index-url {pip_indexurl}")
        for each in several(conda_packages or (), "conda_packages"):
            made.add_conda_package(each)
        return made

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> list[str]:
        """Return one requirement of each package: one that says more than its name (SDK v1)."""
        merged: dict[str, str] = {}
        for each in requirements:
            name = _package_of(each)
            if name not in merged or _package_of(merged[name]) == merged[name].strip().lower():
                merged[name] = each
        return [*merged.values()]

    @staticmethod
    def sdk_origin_url() -> str:
        """Return the index that SDK v1 was installed from (SDK v1)."""
        return f"{DEFAULT_SDK_ORIGIN}/index.html"

    @property
    def conda_channels(self) -> Iterator[str]:
        """The channels of conda."""
        return iter([*(self._content.get("channels") or ())])

    @property
    def conda_packages(self) -> Iterator[str]:
        """The packages of conda, Python included."""
        return iter([each for each in self._packages() if isinstance(each, str)])

    @property
    def pip_packages(self) -> Iterator[str]:
        """The packages of pip."""
        return iter([each for each in self._pip_lines() if not each.startswith("-")])

    @property
    def pip_options(self) -> Iterator[str]:
        """The options of pip."""
        return iter([each for each in self._pip_lines() if each.startswith("-")])

    @staticmethod
    def get_default_number_of_packages() -> tuple[int, int]:
        """Return how many packages of conda and of pip there are by default (SDK v1)."""
        return (
            CondaDependencies.DEFAULT_NUMBER_OF_CONDA_PACKAGES,
            CondaDependencies.DEFAULT_NUMBER_OF_PIP_PACKAGES,
        )

    def get_python_version(self) -> str | None:
        """Return the version of Python, or None if there is none (SDK v1)."""
        for each in self.conda_packages:
            if _PYTHON.match(each):
                return each[len("python") :].strip().lstrip("=").strip() or None
        return None

    def set_python_version(self, version: str) -> None:
        """Set the version of Python, or a range such as ``>=3.10`` (SDK v1)."""
        packages = self._packages()
        said = f"python{'' if version[:1] in '<>!~=' else '='}{version}"
        at = [i for i, each in enumerate(packages) if isinstance(each, str) and _PYTHON.match(each)]
        if at:
            packages[at[0]] = said
        else:
            packages.insert(0, said)

    def add_channel(self, channel: str) -> None:
        """Add a channel of conda (SDK v1)."""
        channels = self._listed("channels")
        if channel not in channels:
            channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        """Remove a channel of conda (SDK v1)."""
        channels = self._listed("channels")
        channels[:] = [each for each in channels if each != channel]

    def add_conda_package(self, conda_package: str) -> None:
        """Add a package of conda; ``python=3.11`` sets the version of Python (SDK v1).

        A package of the same name is replaced.
        """
        if _PYTHON.match(conda_package):
            self.set_python_version(conda_package[len("python") :].strip().lstrip("=").strip())
            return
        self._remove_conda(conda_package)
        self._packages().append(conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        """Remove a package of conda (SDK v1).

        Raises:
            UserErrorException: it is Python.
        """
        if _PYTHON.match(conda_package):
            raise UserErrorException(
                "Python cannot be removed from an environment. Use set_python_version()."
            )
        self._remove_conda(conda_package)

    def add_pip_package(self, pip_package: str) -> None:
        """Add a package of pip; one of the same name is replaced (SDK v1).

        Raises:
            UserErrorException: it is an option, or empty.
        """
        said = str(pip_package).strip()
        if not said or said.startswith("-"):
            raise UserErrorException(
                f"{pip_package!r} is no package of pip. Options are for set_pip_option()."
            )
        self.remove_pip_package(said)
        self._pip().append(said)

    def remove_pip_package(self, pip_package: str) -> None:
        """Remove a package of pip, whatever its version (SDK v1)."""
        name, lines = _package_of(pip_package), self._pip_lines()
        if any(_package_of(each) == name for each in lines):
            self._pip()[:] = [each for each in lines if _package_of(each) != name]

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """Replace all of pip's packages and options by lines of a requirements file (SDK v1)."""
        self._pip()[:] = [*several(pip_requirements, "pip_requirements")]

    def set_pip_option(self, pip_option: str) -> None:
        """Set an option of pip, such as ``--pre`` (SDK v1). There is one ``--index-url`` only.

        Raises:
            UserErrorException: it begins with no dash.
        """
        option = str(pip_option).strip()
        if not option.startswith("-"):
            raise UserErrorException(
                f"{pip_option!r} is no option of pip, which begins with a dash. Packages are for "
                "add_pip_package()."
            )
        lines = self._pip_lines()
        if _option_of(option) in _INDEX_URL:
            self._pip()[:] = [each for each in lines if _option_of(each) not in _INDEX_URL]
        if option not in lines:
            self._pip().append(option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Remove an option of pip; if no value is given, whatever its value (SDK v1)."""
        said, lines = pip_option.strip(), self._pip_lines()
        left = [each for each in lines if said not in (each, _option_of(each))]
        if left != lines:
            self._pip()[:] = left

    def set_pip_index_url(self, index_url: str) -> None:
        """Set where pip looks for packages: a URL, or pip's option for it (SDK v1)."""
        said = index_url.strip()
        self.set_pip_option(said if said.startswith("-") else f"--index-url {said}")

    def add_tensorflow_pip_package(self, core_type: str = CPU, version: str | None = None) -> None:
        """Add pip's TensorFlow (SDK v1).

        Args:
            core_type: ``cpu`` or ``gpu``.
            version: by default SDK v1's.
        """
        name = _tensorflow(core_type)
        for each in ("tensorflow", "tensorflow-gpu"):
            self.remove_pip_package(each)
        self.add_pip_package(f"{name}=={version or TENSORFLOW_DEFAULT_VERSION}")

    def add_tensorflow_conda_package(
        self, core_type: str = CPU, version: str | None = None
    ) -> None:
        """Add conda's TensorFlow (SDK v1).

        Args:
            core_type: ``cpu`` or ``gpu``.
            version: by default SDK v1's.
        """
        name = _tensorflow(core_type)
        for each in ("tensorflow", "tensorflow-gpu"):
            self._remove_conda(each)
        self.add_conda_package(f"{name}={version or TENSORFLOW_DEFAULT_VERSION}")

    def add_cntk_package(self, core_type: str = CPU) -> None:
        """Add pip's CNTK, which has no builds for today's Python any more (SDK v1)."""
        self.add_pip_package(f"cntk{_of_core(core_type)}=={CNTK_DEFAULT_VERSION}")

    def save(self, path: "str | os.PathLike[str] | None" = None) -> str:
        """Write an environment file of conda's, and return its path (SDK v1).

        Args:
            path: the file; by default ``conda_dependencies.yml`` in the working directory.

        Raises:
            UserErrorException: it is a folder, or in none, or there is no version of Python.
        """
        file = Path(path if path is not None else "conda_dependencies.yml")
        if file.is_dir():
            raise UserErrorException(f"{str(file)!r} is a folder. Name a file in it.")
        if not file.parent.is_dir():
            raise UserErrorException(
                f"{str(file)!r} cannot be written: there is no folder {str(file.parent)!r}. "
                "Make it first."
            )
        if self.get_python_version() is None:
            raise UserErrorException(
                "The environment has no version of Python. Call set_python_version() first."
            )
        _write(file, self.serialize_to_string())
        return str(file)

    def save_to_file(
        self,
        base_directory: "str | os.PathLike[str]",
        conda_file_path: "str | os.PathLike[str] | None" = None,
    ) -> str:
        """Write an environment file of conda's, and return its path within a folder (SDK v1).

        Args:
            base_directory: the folder.
            conda_file_path: the file within it; by default one below ``.azureml``.
        """
        within = Path(conda_file_path or f"{config_folder(base_directory)}/{CONDA_FILE_NAME}")
        file = Path(base_directory) / within
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, self.serialize_to_string())
        return within.as_posix()

    def serialize_to_string(self) -> str:
        """Return it as an environment file of conda's (SDK v1)."""
        text: str = yaml.safe_dump(self._content, sort_keys=False, allow_unicode=True)
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return it as an environment file of conda's holds it (SDK v1)."""
        copy: dict[str, Any] = yaml.safe_load(self.serialize_to_string())
        return copy

    to_stored = as_dict

    def __eq__(self, other: object) -> bool:
        """Whether the other one has the same in the same order."""
        return isinstance(other, CondaDependencies) and self._content == other._content

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"CondaDependencies({self._content!r})"

    def _packages(self) -> list[Any]:
        return self._listed("dependencies")

    def _listed(self, key: str) -> list[Any]:
        if self._content.get(key) is None:
            self._content[key] = []
        listed: list[Any] = self._content[key]
        return listed

    def _pip(self) -> list[str]:
        """Return the list of pip's lines, which is made if there is none."""
        packages = self._packages()
        for each in packages:
            if isinstance(each, dict):
                if each.get(_PIP) is None:
                    each[_PIP] = []
                lines: list[str] = each[_PIP]
                return lines
        packages.append({_PIP: []})
        return self._pip()

    def _pip_lines(self) -> list[str]:
        return [
            line
            for each in self._content.get("dependencies") or ()
            if isinstance(each, dict)
            for line in each.get(_PIP) or ()
        ]

    def _remove_conda(self, package: str) -> None:
        name, packages = _conda_name(package), self._packages()
        packages[:] = [
            each for each in packages if not isinstance(each, str) or _conda_name(each) != name
        ]


def config_folder(project: "str | os.PathLike[str]") -> str:
    """Return the name of the folder in which a project has its configurations."""
    old = "aml_config"
    return old if (Path(project) / old).is_dir() else ".azureml"


def _read(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8-sig")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise UserErrorException(
            f"{str(file)!r} is no environment file of conda's: {said}."
        ) from error
    return _checked(content, repr(str(file)))


def _checked(content: Any, what: str) -> dict[str, Any]:
    """Return a copy of what an environment file of conda's holds.

    Raises:
        UserErrorException: no such file holds that.
    """
    if not isinstance(content, Mapping):
        raise UserErrorException(
            f"{what} is no environment of conda's, which has the keys {', '.join(_KEYS)}."
        )
    if unknown := sorted(str(key) for key in content if key not in _KEYS):
        raise UserErrorException(
            f"{what} has {', '.join(unknown)}, which no environment of conda's has. The keys are "
            f"{', '.join(_KEYS)}."
        )
    copied = dict(content)
    for key in ("dependencies", "channels"):
        held = copied.get(key)
        if held is not None and not isinstance(held, list):
            raise UserErrorException(f"{what} has {key} that are no list: {held!r}.")
        if held is not None:
            copied[key] = [_entry(each, key, what) for each in held]
    return copied


def _entry(entry: Any, key: str, what: str) -> Any:
    if isinstance(entry, Mapping) and key == "dependencies" and set(entry) == {_PIP}:
        return {_PIP: [str(line) for line in entry[_PIP] or ()]}
    if isinstance(entry, Mapping) or entry is None:
        raise UserErrorException(
            f"{what} has {entry!r} among its {key}: each is a text, or the list of pip."
        )
    return str(entry)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserErrorException(f"{str(file)!r} cannot be written: {error.strerror}.") from error


def several(given: Iterable[str], argument: str) -> Iterator[str]:
    """Yield texts of an argument that a single text is easily given for.

    Args:
        given: the texts.
        argument: how an error calls it.

    Raises:
        UserErrorException: it is one text, or holds something else.
    """
    if isinstance(given, str):
        raise UserErrorException(f"{argument} is a list of texts, and not one text: [{given!r}].")
    if not isinstance(given, Iterable):
        raise UserErrorException(f"{argument} is {given!r}. It is a list of texts.")
    for place, each in enumerate(given):
        if not isinstance(each, str):
            raise UserErrorException(
                f"{argument}[{place}] is {each!r}. It is a text, such as 'numpy'."
            )
        yield each


def _package_of(line: str) -> str:
    """Return the name of pip's package in a line; of what has none, such as a URL, the line."""
    found = _PIP_NAME.match(line.strip())
    if found is None or "://" in line.partition("@")[0]:
        return line.strip()
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _option_of(line: str) -> str:
    return re.split(r"[\s=]", line.strip(), maxsplit=1)[0] if line.startswith("-") else ""


def _conda_name(package: str) -> str:
    found = _CONDA_NAME.match(package.strip())
    return (found[1] if found else package).lower()


def _of_core(core_type: str) -> str:
    if core_type not in (CPU, GPU):
        raise UserErrorException(f"core_type is {core_type!r}. It is {CPU!r} or {GPU!r}.")
    return "" if core_type == CPU else f"-{GPU}"


def _tensorflow(core_type: str) -> str:
    return f"tensorflow{_of_core(core_type)}"
