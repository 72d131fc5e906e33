"""Each name of SDK v1 is what docs/azureml-v1.md says of it."""

import inspect
import re

import pytest

from mlflow_workspace_plugin.alias import names
from mlflow_workspace_plugin.alias.loader import _attribute
from mlflow_workspace_plugin.errors import NotServedError
from tests.azureml_v1.reference import BETTER, MEMBERS, NAMES
from tests.azureml_v1.table import (
    DOCUMENT,
    NOT_SERVED,
    document,
    has_member,
    imported_names,
    instead_of,
    the_class,
)


def test_document_is_what_the_code_says():
    """Write it anew with: python -m tests.azureml_v1.table."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("row", [*imported_names()], ids=lambda row: row.name)
def test_imported_name(row):
    """It is there; one that is not served says so when it is used."""
    module, _, name = row.name.rpartition(".")
    found = names.module_of(module)
    value = found.values[name] if name in found.values else _attribute(module, found, name)
    assert value is not None
    if row.status == NOT_SERVED:
        with pytest.raises(NotServedError, match=re.escape(row.clause)):
            value()


SIGNATURES = [
    (class_name, member, signature)
    for class_name, members in MEMBERS.items()
    for member, signature in members.items()
    if signature is not None and has_member(the_class(class_name), member)
]


@pytest.mark.parametrize(("class_name", "member", "signature"), SIGNATURES)
def test_signature_is_sdk_v1s(class_name, member, signature):
    """Names, order and defaults; where ours takes more, it is optional."""
    expected = [*map(plain, arguments(signature))]
    ours = [plain(each) for each in parameters(the_class(class_name), member)]
    if f"{class_name}.{member}" in BETTER:
        ours = [each for each in ours if each in expected]
    assert ours == expected


def arguments(signature):
    """The parameters of a signature in text."""
    return [each.strip() for each in signature.split(",") if each.strip()]


def parameters(served, member):
    """The parameters of a member of ours, but ``self`` and what only ours has, by keyword."""
    function = getattr(served, member)
    for each in inspect.signature(function).parameters.values():
        if each.name != "self" and each.kind != each.KEYWORD_ONLY:
            default = "" if each.default is each.empty else f"={text_of(each.default)}"
            stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
            yield f"{stars}{each.name}{default}"


def text_of(default):
    return str(default) if type(default).__name__ == "ViewType" else repr(default)


def plain(parameter):
    """``**_kwargs`` is ``**kwargs`` that is not used."""
    return re.sub(r"^(\*+)_", r"\1", parameter)


def test_what_is_said_is_of_names_that_are_listed():
    """No clause is left behind by a name that went."""
    listed = {f"{of}.{member}" for of, members in MEMBERS.items() for member in members}
    assert set(BETTER) <= listed


UNSERVED = [
    (class_name, member)
    for class_name, members in MEMBERS.items()
    for member in members
    if not has_member(the_class(class_name), member)
]


@pytest.mark.parametrize(("class_name", "member"), UNSERVED)
def test_use_of_a_member_that_is_not_served_says_what_to_use(class_name, member):
    """It is none for ``hasattr``, and no bare AttributeError."""
    served = the_class(class_name)
    said = re.escape(instead_of(served, member))
    with pytest.raises(NotServedError, match=rf"{class_name}\.{member} .* {said}"):
        getattr(served, member)
    with pytest.raises(NotServedError):
        getattr(served.__new__(served), member)


def test_every_exception_of_the_table_is_served():
    """All of SDK v1's are, whoever raises them."""
    assert set(NAMES["azureml.exceptions"]) <= set(names.EXCEPTIONS)
