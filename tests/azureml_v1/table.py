"""Writes docs/azureml-v1.md: what of SDK v1 is served, as the code has it.

``python -m tests.azureml_v1.table`` writes it; a test says when it is no longer so.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from mlflow_workspace_plugin.alias import names
from mlflow_workspace_plugin.sdk.not_served import NotServedMember
from tests.azureml_v1.reference import BETTER, MEMBERS, NAMES

DOCUMENT = Path(__file__).parents[2] / "docs" / "azureml-v1.md"

SERVED, BETTER_SERVED, NOT_SERVED = "served", "served better", "not served"

_INTRODUCTION = """\
# Azure ML's SDK v1, name by name

What of `azureml-core` 1.61 is served by this package. *Served better* is the same call where it
does more than it did, or no longer fails. A name that is not served can be imported, and says what
to use instead when it is used. Written by `python -m tests.azureml_v1.table` from the code.
"""


class Row(NamedTuple):
    """One name: whether it is served, and a clause on it."""

    name: str
    status: str
    clause: str


def imported_names() -> Iterator[Row]:
    """What scripts import."""
    for module, listed in NAMES.items():
        for name in listed:
            yield _imported(module, name)


def members(class_name: str) -> Iterator[Row]:
    """What a served class has."""
    served = the_class(class_name)
    for member in MEMBERS[class_name]:
        key = f"{class_name}.{member}"
        shown = class_name if member == "__init__" else key
        if not has_member(served, member):
            yield Row(shown, NOT_SERVED, instead_of(served, member))
        elif key in BETTER:
            yield Row(shown, BETTER_SERVED, BETTER[key])
        else:
            yield Row(shown, SERVED, _clause_of(served, member))


def the_class(name: str) -> type[Any]:
    """Return our class of a name of SDK v1."""
    found = names.MODULES["azureml.core.run"].served | names.MODULES["azureml.core"].served
    home, _, attribute = found[name].partition(":")
    served: type[Any] = getattr(import_module(home), attribute)
    return served


def instead_of(served: type[Any], member: str) -> str:
    """Return what is said of a member that is not served."""
    found = inspect.getattr_static(served, member)
    assert isinstance(found, NotServedMember), f"{served}.{member}"
    return found.sentence


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


def _imported(module: str, name: str) -> Row:
    found = names.module_of(module)
    assert found is not None, module
    shown = f"{module}.{name}"
    if name in found.values:
        return Row(shown, SERVED, f"`{found.values[name]}`.")
    if name in found.served:
        home, _, attribute = found.served[name].partition(":")
        return Row(shown, SERVED, _first_sentence(getattr(import_module(home), attribute)))
    sentence = found.not_served.get(name, found.sentence)
    assert sentence is not None, shown
    return Row(shown, NOT_SERVED, sentence)


def _clause_of(served: type[Any], member: str) -> str:
    """Return what the docstring of a member says first, or that of its class under Attributes."""
    if member == "__init__":
        return _first_sentence(served)
    found = inspect.getattr_static(served, member, None)
    if callable(found) or isinstance(found, (property, staticmethod, classmethod)):
        return _first_sentence(getattr(served, member))
    attributes = (inspect.getdoc(served) or "").partition("Attributes:")[2]
    said = re.search(rf"^ +{member}: (.*)$", attributes, re.MULTILINE)
    if said is None:
        return "SDK v1's default, which only its service changed."
    return (said[1][0].upper() + said[1][1:]).replace("``", "`")


def _first_sentence(documented: object) -> str:
    paragraph = " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())
    # What Sphinx reads as a link is code in Markdown.
    return re.sub(r":\w+:(?=`)", "", paragraph).replace("``", "`")


def document() -> str:
    """Return the whole document."""
    parts = [_INTRODUCTION, "## What is imported\n", _table(imported_names())]
    for class_name in MEMBERS:
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
