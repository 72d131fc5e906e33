"""What SDK v1 has: the names of its modules, and the members of the classes that are served here.

Facts about ``azureml-core`` 1.61 and the packages beside it, collected from them by
``python -m tests.azureml_v1.collect`` and kept as data, which is read when it is first asked for.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

MODULES = Path(__file__).with_name("modules.txt")
"""A line for each module: its name and what ``import *`` gives; after a bar its other names.

A name that begins with a dot is below the last that does not. Behind an empty line stand the
modules of other packages than ``azureml-core``, of which only the first kind of names is known.
"""

CLASSES = Path(__file__).with_name("classes.json")
"""By class the members, and of those that are called the parameters without ``self``."""

KINDS_OF_RUNS = ("_SubmittedRun", "ScriptRun")
"""Classes of which only those members are kept that ``Run`` has not."""

VENDORED = "azureml._vendor"
"""Below it are other people's packages, whose names are not kept."""


class ModuleNames(NamedTuple):
    """The names of a module that are SDK v1's own."""

    starred: tuple[str, ...]
    """Those that ``from module import *`` gives."""
    others: tuple[str, ...]


def names_in(module: str) -> ModuleNames | None:
    """Return the names of a module; None if SDK v1 has none of that name."""
    core, beside = _lines()
    words = core.get(module, beside.get(module))
    if words is None:
        return None
    starred, _, others = words.partition("|")
    return ModuleNames(tuple(starred.split()), tuple(others.split()))


def is_of_core(module: str) -> bool:
    """Whether a module, if there is one, is ``azureml-core``'s, all of whose modules are known."""
    core, _ = _lines()
    return ".".join(module.split(".")[:2]) in core


@functools.cache
def members() -> dict[str, dict[str, str | None]]:
    """Return by class its public members, and of those that are called the parameters."""
    found: dict[str, dict[str, str | None]] = json.loads(CLASSES.read_text(encoding="utf-8"))
    return found


@functools.cache
def _lines() -> tuple[dict[str, str], dict[str, str]]:
    """Return the line of each module without its name: of ``azureml-core``, and of the others."""
    core, beside = MODULES.read_text(encoding="utf-8").split("\n\n")
    return _by_module(core), _by_module(beside)


def _by_module(text: str) -> dict[str, str]:
    found = {}
    package = ""
    for line in text.splitlines():
        name, _, words = line.partition(" ")
        if name.startswith("."):
            name = package + name
        else:
            package = name
        found[name] = words
    return found
