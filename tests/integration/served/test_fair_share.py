"""What one account asks for leaves room for the others."""

import shutil
import threading

import pytest
import requests

from mlflow_workspace_plugin.app.hub_api import answers as of_api
from mlflow_workspace_plugin.app.pages import answers as of_pages
from tests.hub_api import hub_api_server


@pytest.fixture
def team(sqlite_template, tmp_path):
    """A hub with a workspace, served to alice and bob."""
    from mlflow_workspace_plugin import Workspace

    path = shutil.copytree(sqlite_template, tmp_path / "hub")
    Workspace.create("team-a", hub=path)
    with hub_api_server(path) as api:
        for name in ("alice", "bob"):
            api.add_user(name, "team-a", "member")
        yield api


@pytest.mark.parametrize(
    ("module", "path"), [(of_api, "/hub/v1/me?"), (of_pages, "/pages/api/views?workspace=team-a&")]
)
def test_one_account_holds_half_of_the_threads(team, monkeypatch, module, path):
    """However much it asks for that takes long: others are answered meanwhile."""
    share, answered = module.AT_ONCE // 2, module._answered
    held, let_go, answers = threading.Semaphore(0), threading.Event(), []

    def slow(request, *rest):
        if "slow" in request.query_params:
            held.release()
            let_go.wait(60)
        return answered(request, *rest)

    def ask(name, more):
        headers = {"Authorization": f"Bearer {team.http(name).token}"}
        return requests.get(f"{team.address}{path}{more}", headers=headers, timeout=30)

    monkeypatch.setattr(module, "_answered", slow)
    asking = [
        threading.Thread(target=lambda: answers.append(ask("alice", "slow=1")))
        for _ in range(module.AT_ONCE)
    ]
    try:
        for each in asking:
            each.start()
        assert all(held.acquire(timeout=30) for _ in range(share))
        assert ask("bob", "").status_code == 200
        assert not held.acquire(blocking=False)
        if module is of_api:
            # Who asks a page waits; a script asks again.
            assert ask("alice", "").status_code == 429
    finally:
        let_go.set()
        for each in asking:
            each.join()
    refused = [each for each in answers if each.status_code == 429]
    assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
    assert all(each.status_code == 200 for each in answers if each not in refused)
    assert module is of_api or not refused
    assert ask("alice", "").status_code == 200
