"""The lines of requirements files: what each asks for, with the files that they name read in."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.environments import url_secrets

OPTIONS = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--trusted-host": "--trusted-host",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
}
"""Options of pip that take a value, and are taken."""
FLAGS = ("--no-index", "--pre")
_NO_EFFECT = ("--prefer-binary", "--require-hashes", "--use-feature", "--pin-sdk-version")
_FILES = {
    "-r": "requirements",
    "--requirement": "requirements",
    "-c": "constraints",
    "--constraint": "constraints",
}
_COMMENT = re.compile(r"(^|\s+)#.*$")
_PACKAGES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass
class Lines:
    """What the lines of requirements say.

    Attributes:
        packages: what is to be installed, and
        names: the names of those that have one, in the same places; None of the others.
        constraints: which versions may be.
        options: those of pip, each with its value.
    """

    packages: list[str] = field(default_factory=list)
    names: list[Requirement | None] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def read(lines: list[str], folder: Path | None) -> Lines:
    """Read lines of requirements, and the files that they name.

    Args:
        lines: as in a requirements file.
        folder: what paths in them are relative to: that of the snapshot. None where it is not at
            hand.

    Raises:
        UserErrorException: one cannot be used.
    """
    found = Lines()
    _read(lines, folder, folder, found, ())
    return found


def local_path(line: str) -> str | None:
    """Return the path of a file that a requirement names by one; None if it names none."""
    if "://" in line or " @ " in line:
        return None
    path = line.partition(";")[0].strip()
    is_path = path.startswith((".", "/", "~")) or path.lower().endswith(_PACKAGES) or "/" in path
    return path if is_path else None


def _read(
    lines: list[str], folder: Path | None, base: Path | None, found: Lines, above: tuple[Path, ...]
) -> None:
    for line in _whole(lines):
        words = _words(line)
        option, value = _option(words)
        if option in _FILES:
            file = _file(value, line, base)
            if file in above:
                continue
            of_file = file.read_text(encoding="utf-8-sig").splitlines()
            if _FILES[option] == "constraints":
                inner = Lines()
                _read(of_file, folder, file.parent, inner, (*above, file))
                found.constraints += inner.packages + inner.constraints
                found.options += inner.options
            else:
                _read(of_file, folder, file.parent, found, (*above, file))
        elif option in OPTIONS:
            url_secrets.check_stored(value)
            found.options.append(f"{OPTIONS[option]} {value}")
        elif option in FLAGS:
            found.options.append(option)
        elif option in ("-e", "--editable"):
            raise UserErrorException(
                f"Requirement {line!r} is installed in place, which a job has no place for: its "
                "environment is shared. What is in the folder of the script is imported without "
                "being installed; else build a wheel with 'pip wheel --no-deps', and name that."
            )
        elif option.startswith("-"):
            if option not in _NO_EFFECT:
                raise UserErrorException(
                    f"Option {line!r} of pip is not known here. Remove it, or put it into pip's "
                    f"configuration. Known are: {', '.join(sorted({*OPTIONS, *FLAGS, *_FILES}))}"
                )
        else:
            _add_package(line, folder, found)


def _whole(lines: list[str]) -> list[str]:
    """Return the lines that say something, those that go on behind a backslash in one."""
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    stripped = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return [line for line in stripped if line]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, posix=True) if line.startswith("-") else [line]
    except ValueError as error:
        raise UserErrorException(f"Requirement {line!r} cannot be read: {error}.") from error


def _option(words: list[str]) -> tuple[str, str]:
    first, *rest = words
    if first.startswith("--") and "=" in first:
        name, _, value = first.partition("=")
        return name, value
    if first[:1] == "-" and first[:2] != "--" and len(first) > 2:
        return first[:2], first[2:].lstrip("=")
    return first, " ".join(rest)


def _file(name: str, line: str, base: Path | None) -> Path:
    file = Path(name) if base is None else base / name
    if not name or not file.is_absolute() or not file.is_file():
        raise UserErrorException(
            f"Requirement {line!r} names no file that is there"
            f"{'' if base is None else f' (looked for in {str(base)!r})'}. Name it relative to the "
            "folder of the script, or write its lines in its place."
        )
    return file.resolve()


def _add_package(line: str, folder: Path | None, found: Lines) -> None:
    url_secrets.check_stored(line)
    path = local_path(line)
    if path is not None:
        if folder is not None and (folder / path).is_dir():
            raise UserErrorException(
                f"Requirement {line!r} is a folder. What is in the folder of the script is "
                "imported without being installed; else build a wheel with 'pip wheel --no-deps', "
                "and name that."
            )
        found.packages.append(line)
        found.names.append(None)
        return
    if "://" in line and " @ " not in line:
        found.packages.append(line)
        found.names.append(None)
        return
    try:
        # Hashes are behind it, which are not its business.
        requirement = Requirement(re.split(r"\s+--", line)[0])
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise UserErrorException(
            f"Requirement {url_secrets.shown(line)!r} cannot be used: {reason}. "
            "Write it as pip does, such as scikit-learn==1.5.2."
        ) from error
    requirement.name = canonicalize_name(requirement.name)
    found.packages.append(line)
    found.names.append(requirement)
