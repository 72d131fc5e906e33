"""Names of accounts that are made for people whom others know."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.accounts.account_names import new_name

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


@given(st.lists(st.text(), max_size=5), st.text(max_size=300))
def test_a_new_name_is_one_and_nobody_elses(names, shown):
    """Whatever somebody is called, it can be the name of an account, and is not taken."""
    taken = [new_name(each, []) for each in names]
    name = new_name(shown, taken)
    assert _NAME.fullmatch(name)
    assert name.lower() not in {each.lower() for each in taken}


def test_a_new_name_is_not_taken_for_another():
    """By letters that look alike, by signs between them, or by what people expect of it."""
    for shown, taken in (
        ("Alice", "alice"),
        ("a1ice", "alice"),
        ("a.l-i_c.e", "alice"),
        ("\u0430lice", "lice"),
        ("bamey", "barney"),
        ("vvill", "will"),
        ("B0B", "bob"),
        ("root", "x"),
        ("Admin", "x"),
        ("\u00e1\u0308lice", "alice"),
        ("cIaire", "claire"),
        ("CIark", "Clark"),
        ("C1ark", "Clark"),
        ("cIan", "dan"),
    ):
        assert new_name(shown, [taken]).endswith("-2"), shown
    assert new_name("alice-2", ["alice"]) == "alice-2"
    assert new_name("alice", ["alice", "alice2"]) == "alice-3"
    assert new_name("\u738b\u4f1f", []) == "person"
    assert new_name("Zo\u00eb Doe", []) == "Zoe-Doe"
