"""MLflow's route for a new password, which its UI asks, is as careful as the hub's own."""

import mlflow
import pytest

from mlflow_workspace_plugin.app.served.asking.who import COOKIE
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from tests.served import ADMIN, PASSWORD, hub_of_two_teams
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
ROUTES = ("/api/2.0/mlflow/users/update-password", "/ajax-api/2.0/mlflow/users/update-password")
NEW = "another password of the tests"
EFFECT_S = 8
"""What is changed takes effect within five; the machine is busy."""


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub with a workspace, and a reader and a member of it."""
    with hub_of_two_teams(sqlite_template, tmp_path_factory.mktemp("passwords")) as server:
        yield server


def asked(name, password=NEW, **before):
    return {"username": name, "password": password, **before}


def browser(served, name):
    """What asks with the cookie of a browser."""
    session = served.session(None)
    session.cookies.set(COOKIE, served.token(name, kind="session"))
    return session


def knows(served, name, password):
    """Whether an account logs in by a password."""
    session = served.session(None)
    session.auth = (name, password)
    return session.get("/version").ok


def test_new_password_logs_browsers_out(served):
    """Whoever took a cookie is out, and terminals go on; one's own needs the one before."""
    mine = served.session("member")
    stolen = browser(served, "member")
    assert stolen.get("/version").ok
    for sent in (
        asked("member"),
        asked("member", current_password=""),
        asked("member", current_password="wrong"),
        asked("member", "short", current_password=PASSWORD),
    ):
        answer = mine.patch(ROUTES[0], json=sent)
        assert answer.status_code == 400, sent
        assert answer.json()["message"]
    foreign = mine.patch(ROUTES[0], json=asked("reader", current_password=PASSWORD))
    assert foreign.status_code == 403
    assert stolen.get("/version").ok
    answer = mine.patch(ROUTES[1], json=asked("member", current_password=PASSWORD))
    assert (answer.status_code, answer.json()) == (200, {})
    wait_until(lambda: stolen.get("/version").status_code == 401, EFFECT_S)
    assert mine.get("/version").ok
    assert knows(served, "member", NEW)
    wait_until(lambda: not knows(served, "member", PASSWORD), EFFECT_S)


def test_password_is_not_guessed_by_who_holds_a_token(served):
    """After some that are wrong the next has to wait, also where it would be right."""
    served.add_user("guessed")
    session = served.session("guessed")
    for route in (*ROUTES, *ROUTES, ROUTES[0]):
        answer = session.patch(route, json=asked("guessed", current_password="wrong"))
        assert answer.status_code == 400
    # After each one more the wait is twice as long.
    statuses = {
        session.patch(ROUTES[0], json=asked("guessed", current_password=given)).status_code
        for given in ["wrong"] * 10
    }
    assert 429 in statuses
    assert knows(served, "guessed", NEW) is False


def test_administrator_sets_a_password(served):
    """Of another account without the one before, which also logs its browsers out."""
    served.add_user("forgetful")
    cookie = browser(served, "forgetful")
    assert cookie.get("/version").ok
    admin = served.session(ADMIN)
    assert admin.patch(ROUTES[0], json=asked("nobody")).status_code == 404
    assert admin.patch(ROUTES[0], json=asked("forgetful")).ok
    assert knows(served, "forgetful", NEW)
    wait_until(lambda: cookie.get("/version").status_code == 401, EFFECT_S)
    assert admin.patch(ROUTES[0], json=asked(ADMIN)).status_code == 400
    for odd in (asked("forgetful", None), asked(["forgetful"]), {}):
        assert admin.patch(ROUTES[0], json=odd).status_code == 400, odd
