"""What an answer says by its status: away, refused, or that somebody has to log in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.protocol import version
from mlflow_workspace_plugin.protocol.statuses import Meaning, understood

PAGE = b"<html><body>Something is wrong.</body></html>"


def said(code="INVALID_PARAMETER_VALUE", message="No."):
    return json.dumps({"error_code": code, "message": message}).encode()


@pytest.mark.parametrize("status", [403, 404, 408, 413, 429, 500, 502, 503, 504, 520, 302, 307])
def test_what_is_not_the_hubs_word_refuses_nothing(status):
    """Whatever a proxy says in a page of its own, the hub may take it later."""
    assert understood(status, PAGE, "text/html").meaning is Meaning.AWAY
    assert understood(status, b"", "").meaning is Meaning.AWAY


@pytest.mark.parametrize(
    ("status", "may_be"), [(502, True), (504, True), (500, True), (503, False)]
)
def test_proxy_may_have_passed_on_what_it_did_not_answer(status, may_be):
    """It asked, and lost the answer; but with 503 it had nobody to ask."""
    assert understood(status, PAGE, "text/html").may_be_done is may_be


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413])
def test_hubs_own_word_is_a_refusal(status):
    """In MLflow's form."""
    answer = understood(status, said(), "application/json")
    assert (answer.meaning, answer.may_be_done) == (Meaning.REFUSED, False)
    assert answer.error == {"error_code": "INVALID_PARAMETER_VALUE", "message": "No."}


def test_mlflows_own_denial_is_a_refusal():
    """Which it says in no form."""
    answer = understood(403, b"Permission denied", "text/plain")
    assert (answer.meaning, answer.error["error_code"]) == (Meaning.REFUSED, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (503, "TEMPORARILY_UNAVAILABLE", "The database does not answer."),
        (400, "TEMPORARILY_UNAVAILABLE", "As MLflow answers."),
        (429, "REQUEST_LIMIT_EXCEEDED", "Later."),
        (400, "BAD_REQUEST", "QueuePool limit of size 5 overflow 10 reached"),
    ],
)
def test_hub_that_cannot_now_is_away(status, code, message):
    """MLflow's own server says so with the status of a refusal."""
    assert understood(status, said(code, message)).meaning is Meaning.AWAY


@pytest.mark.parametrize("content", [b"", PAGE, said("UNAUTHENTICATED")])
def test_unknown_caller_is_to_log_in(content):
    """Whoever it is that says so."""
    assert understood(401, content).meaning is Meaning.LOG_IN


def test_page_in_the_place_of_an_answer_is_none():
    """Some networks answer everything with their own log-in page."""
    assert understood(200, PAGE, "text/html; charset=utf-8").meaning is Meaning.AWAY
    assert understood(200, b"{}", "application/json").meaning is Meaning.DONE


@given(st.integers(100, 599), st.binary(max_size=50), st.text(max_size=20))
def test_any_answer_is_understood(status, content, content_type):
    """Nothing that comes over the network raises, and nothing of it is a refusal by chance."""
    answer = understood(status, content, content_type)
    assert (answer.error is not None) or answer.meaning is not Meaning.REFUSED


@pytest.mark.parametrize("spoken", [None, str(version.OLDEST), str(version.PROTOCOL)])
def test_clients_of_known_protocols_are_understood(spoken):
    """MLflow's own says nothing."""
    assert version.flaw_of(spoken) is None


@pytest.mark.parametrize(
    ("spoken", "who"),
    [("0", "where the script runs"), ("99", "on the server"), ("²", "number"), ("-1", "number")],
)
def test_clients_of_other_protocols_are_told_who_is_to_upgrade(spoken, who):
    """The older of the two."""
    assert who in version.flaw_of(spoken)
