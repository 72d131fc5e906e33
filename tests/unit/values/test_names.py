"""Names of workspaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.store.workspace.abstract_store import WorkspaceNameValidator

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.errors import InvalidWorkspaceNameError


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (None, "is of type NoneType"),
        ("", "is shorter than 2 characters"),
        ("a", "is shorter than 2 characters"),
        ("a" * 64, "has 64 characters, more than 63"),
        ("team a", "contains ' '"),
        ("team/a", "contains '/'"),
        ("équipe", "contains 'é'"),
        ("team\n", r"contains '\n'"),
        ("-team", "begins or ends with a hyphen"),
        ("team-", "begins or ends with a hyphen"),
        ("te--am", "two hyphens in a row"),
        ("workspaces", "is reserved"),
        ("api", "is reserved"),
    ],
)
def test_each_rule_has_its_own_message(name, reason):
    """The message says which rule is broken, and what to do."""
    for check in (names.check, names.fold):
        with pytest.raises(InvalidWorkspaceNameError) as raised:
            check(name)
        assert reason in raised.value.message


@pytest.mark.parametrize(
    ("given_name", "folded"),
    [
        ("team-a", "team-a"),
        ("Contoso_ML", "contoso-ml"),
        ("my__workspace", "my-workspace"),
        ("my_-workspace", "my-workspace"),
        ("workspace_", "workspace"),
    ],
)
def test_azure_names_fold(given_name, folded):
    """Capitals and underscores, which Azure ML allows, become what MLflow allows."""
    assert names.fold(given_name) == folded


def test_refused_folded_name_shows_both():
    """Who gave ``API`` is told that it became the reserved ``api``."""
    with pytest.raises(InvalidWorkspaceNameError, match=r"'API' becomes 'api'.*reserved"):
        names.fold("API")


@given(st.text(max_size=70))
def test_what_is_accepted_is_accepted_by_mlflow(name):
    """No name passes our rules and fails MLflow's."""
    try:
        folded = names.fold(name)
    except InvalidWorkspaceNameError:
        return
    WorkspaceNameValidator.validate(folded)
    names.check(folded)


def test_reserved_names_are_mlflows():
    """MLflow's list did not grow without us."""
    assert names.RESERVED == WorkspaceNameValidator._RESERVED


def test_near_misses_are_suggested():
    """A typo is answered with the name that was meant, anything else with what there is."""
    assert names.did_you_mean("team-x", ["team-a", "other"]) == " Did you mean 'team-a'?"
    assert names.did_you_mean("zzz", ["b", "a"]) == " It holds: 'a', 'b'."
    assert names.did_you_mean("zzz", []) == ""
