"""Each name of SDK v1 is what docs/azureml-v1.md and ``azureml scan`` say of it."""

import inspect
import re
from enum import Enum

import pytest

from mlflow_workspace_plugin.alias import answers, names, sdk_v1
from mlflow_workspace_plugin.alias.loader import attribute
from mlflow_workspace_plugin.errors import NotServedError
from mlflow_workspace_plugin.sdk.runs.run import get_run
from tests.azureml_v1.table import DOCUMENT, document, has_member, imported_names, the_class


def test_document_is_what_the_code_says():
    """Write it anew with: python -m tests.azureml_v1.table."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("row", [*imported_names()], ids=lambda row: row.name)
def test_imported_name(row):
    """It is there; one that is not served says so when it is used."""
    module, _, name = row.name.rpartition(".")
    found = names.module_of(module)
    value = found.values[name] if name in found.values else attribute(module, found, name)
    assert value is not None
    if row.status == answers.NOT_SERVED:
        with pytest.raises(NotServedError, match=re.escape(row.clause)):
            value()


ALL_MEMBERS = [
    (class_name, member, signature)
    for class_name, members in sdk_v1.members().items()
    for member, signature in members.items()
]
SERVED = [each for each in ALL_MEMBERS if answers.of_member(*each[:2]).status != answers.NOT_SERVED]
NOT_SERVED = [each[:2] for each in ALL_MEMBERS if each not in SERVED]


@pytest.mark.parametrize(("class_name", "member", "signature"), SERVED)
def test_member_is_served_with_sdk_v1s_signature(class_name, member, signature):
    """Names, order and defaults are the same; where ours takes more, it is optional."""
    served = the_class(class_name)
    assert has_member(served, member)
    if signature is None or class_name == "AbstractAuthentication":
        return
    positional, _, by_keyword = signature.partition("*, ")
    expected = [*map(plain, arguments(positional))]
    ours = [plain(each) for each in parameters(served, member)]
    assert {*arguments(by_keyword)} <= {*keywords(served, member)}
    if answers.of_member(class_name, member).status == answers.BETTER:
        ours = [each for each in ours if each in expected]
    assert ours == expected


def test_signature_of_the_function_is_sdk_v1s():
    """The only one that is served."""
    signature = "(experiment, run_id, rehydrate=True, clean_up=True)"
    served = inspect.signature(get_run).parameters.values()
    bare = [each.replace(annotation=each.empty) for each in served]
    assert str(inspect.Signature(bare)) == signature


def arguments(signature):
    """The parameters of a signature in text."""
    return [each.strip(", ") for each in re.split(r", (?=[\w*])", signature) if each.strip()]


def parameters(served, member):
    """The parameters of a member of ours, but ``self`` and those that are given by keyword."""
    for each in inspect.signature(getattr(served, member)).parameters.values():
        if each.name != "self" and each.kind != each.KEYWORD_ONLY:
            default = "" if each.default is each.empty else f"={text_of(each.default)}"
            stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
            yield f"{stars}{each.name}{default}"


def keywords(served, member):
    """The parameters of a member of ours that are given by keyword only."""
    for each in inspect.signature(getattr(served, member)).parameters.values():
        if each.kind == each.KEYWORD_ONLY:
            default = "" if each.default is each.empty else f"={text_of(each.default)}"
            yield f"{each.name}{default}"


def text_of(default):
    is_named = isinstance(default, Enum) or type(default).__name__ == "ViewType"
    return str(default) if is_named else repr(default)


def plain(parameter):
    """``**_kwargs`` is ``**kwargs`` that is not used."""
    return re.sub(r"^(\*+)_", r"\1", parameter)


def test_what_is_said_is_of_names_that_there_are():
    """No clause is left behind by a name that went."""
    known = {f"{each[0]}.{each[1]}" for each in ALL_MEMBERS}
    assert set(answers._BETTER) <= known
    for class_name in answers._REFUSING:
        private = {member for member in answers.refused_members(class_name) if member[0] == "_"}
        refused = answers.refused_members(class_name).keys() - private
        assert {f"{class_name}.{member}" for member in refused} <= known


@pytest.mark.parametrize(("class_name", "member"), NOT_SERVED)
def test_use_of_a_member_that_is_not_served_says_what_to_use(class_name, member):
    """It is none for ``hasattr``, and no bare AttributeError."""
    served = the_class(class_name)
    said = re.escape(answers.of_member(class_name, member).clause)
    with pytest.raises(NotServedError, match=rf"{class_name}\.{member} .* {said}"):
        getattr(served, member)
    with pytest.raises(NotServedError):
        getattr(object.__new__(served), member)
