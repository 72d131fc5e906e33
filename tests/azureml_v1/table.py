"""Writes docs/azureml-v1.md: what of SDK v1 is served, as the code has it.

``python -m tests.azureml_v1.table`` writes it; a test says when it is no longer so.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from mlflow_workspace_plugin.alias import answers, names, sdk_v1

DOCUMENT = Path(__file__).parents[2] / "docs" / "azureml-v1.md"

_INTRODUCTION = """\
# Azure ML's SDK v1, name by name

What of `azureml-core` 1.61 is served by this package. *Served better* is the same call where it
does more than it did, or no longer fails. A name that is not served can be imported, and says what
to use instead when it is used; exceptions can be caught, whatever module they are imported from.
`mlflow-workspace azureml scan DIR` says the same of the names that your own code uses, and where.
Written by `python -m tests.azureml_v1.table` from the code.
"""


class Row(NamedTuple):
    """One name: whether it is served, and a clause on it."""

    name: str
    status: str
    clause: str


def imported_names() -> Iterator[Row]:
    """What scripts import: each name of which something of its own is said."""
    for module, said in names.MODULES.items():
        found = names.module_of(module)
        assert found is not None, module
        listed = [*said.served, *said.values, *said.not_served]
        for name in found.starred if module == "azureml.exceptions" else sorted(listed):
            answer = answers.of_name(module, name)
            clause = answer.clause or _clause_of_name(found, name)
            yield Row(f"{module}.{name}", answer.status, clause)


def families() -> Iterator[Row]:
    """The modules of which the same is said of each name that is not listed."""
    for module, said in names.MODULES.items():
        if said.sentence is not None:
            yield Row(module, answers.NOT_SERVED, said.sentence)


def members(class_name: str) -> Iterator[Row]:
    """What a served class has."""
    for member in sdk_v1.members()[class_name]:
        answer = answers.of_member(class_name, member)
        assert answer is not None, member
        shown = class_name if member == "__init__" else f"{class_name}.{member}"
        clause = answer.clause or _clause_of(the_class(class_name), member)
        yield Row(shown, answer.status, clause)


def the_class(name: str) -> type[Any]:
    """Return our class of a name of SDK v1."""
    target = names.EVERYWHERE.get(name)
    if target is None:
        (target,) = {
            target
            for module in names.MODULES.values()
            for target in module.served.values()
            if target.endswith(f":{name}")
        }
    served: type[Any] = _object(target)
    return served


def _object(target: str) -> Any:
    home, _, attribute = target.partition(":")
    return getattr(import_module(home), attribute)


def has_member(served: type[Any], member: str) -> bool:
    """Whether a class has a member: of its own, or one that its methods set on ``self``."""
    if hasattr(served, member):
        return True
    return any(
        member in _set_on_self(each)
        for each in served.__mro__
        if each.__module__.startswith("mlflow_workspace_plugin")
    )


def _set_on_self(each: type[Any]) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def _clause_of_name(module: names.Module, name: str) -> str:
    """Return what is said of a name that is served: its value, or its docstring."""
    if name in module.values:
        return f"`{module.values[name]!r}`."
    target = module.target(name)
    assert target is not None, name
    found = _object(target)
    return f"`{found}`." if isinstance(found, list) else _first_sentence(found)


def _clause_of(served: type[Any], member: str) -> str:
    """Return what the docstring of a member says first, or that of a class of its by name."""
    if member == "__init__":
        return _first_sentence(served)
    found = inspect.getattr_static(served, member, None)
    if callable(found) or isinstance(found, (property, staticmethod, classmethod)):
        return _first_sentence(getattr(served, member))
    if isinstance(found, cached_property):
        return _first_sentence(found)
    if isinstance(found, str) and member != "mime_type":
        return f"`{str.__str__(found)}`."
    for each in served.__mro__:
        said = re.search(
            rf"^ +{member}: ((?:.+\n)(?: {{8,}}.+\n)*)", _attributes(each), re.MULTILINE
        )
        if said is not None:
            clause = " ".join(said[1].split())
            return (clause[0].upper() + clause[1:]).replace("``", "`")
    return (
        f"`{found!r}`."
        if isinstance(found, int)
        else "SDK v1's default, which only its service changed."
    )


def _attributes(each: type[Any]) -> str:
    """The lines of a class's docstring that describe what it has, those under Attributes first."""
    arguments, _, attributes = inspect.cleandoc(each.__doc__ or "").partition("Attributes:")
    return f"{attributes}\n{arguments}\n"


def _first_sentence(documented: object) -> str:
    paragraph = " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())
    # What Sphinx reads as a link is code in Markdown.
    return re.sub(r":\w+:(?=`)", "", paragraph).replace("``", "`")


def document() -> str:
    """Return the whole document."""
    parts = [_INTRODUCTION, "## What is imported\n", _table(imported_names())]
    parts += ["## Any other name of a module, and below it\n", _table(families())]
    for class_name in sdk_v1.members():
        parts += [f"## {class_name}\n", _table(members(class_name))]
    return "\n".join(parts)


def _table(rows: Iterator[Row]) -> str:
    lines = ["| name | | |", "|---|---|---|"]
    for row in rows:
        clause = row.clause.replace("|", "\\|")
        lines.append(f"| `{row.name}` | {row.status} | {clause} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(), encoding="utf-8")
