"""Accounts, roles and tokens of a hub: who is let in, what they may do, and when that ends."""

import itertools
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.hub import open_hub

pytestmark = [
    pytest.mark.databases,
    pytest.mark.skipif(
        tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 17),
        reason="a hub is served by MLflow 3.17 and later",
    ),
]

PASSWORD = "a password of the tests"


_numbers = itertools.count()


@pytest.fixture(scope="module")
def hub(copied_hub, tmp_path_factory):
    """A hub with workspaces ``team-a`` and ``team-b``, made by the embedded client."""
    from mlflow_workspace_plugin.accounts.people import People

    path = copied_hub(tmp_path_factory.mktemp("accounts") / "hub")
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=path)
    hub = open_hub(path)
    People(hub).add("root", PASSWORD, is_admin=True)
    return hub


@pytest.fixture
def people(hub):
    """The accounts of the hub."""
    from mlflow_workspace_plugin.accounts.people import People

    return People(hub)


@pytest.fixture
def alice(people):
    """The name of an account of this test."""
    return new_account(people)


@pytest.fixture
def bob(people):
    """The name of another one."""
    return new_account(people)


def new_account(people):
    """Add an account, and return its name."""
    name = f"account-{next(_numbers)}"
    people.add(name, PASSWORD)
    return name


def access_of(hub):
    """What decides, as a worker that was just started: nothing is kept of before."""
    from mlflow_workspace_plugin.accounts.access import Access

    return Access(hub)


def tokens_of(hub, **options):
    """What gives tokens."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    return Tokens(hub, **options)


def principal(hub, name, **scope):
    """Who has a new token."""
    return access_of(hub).by_token(tokens_of(hub).issue(name, **scope).access)


def experiment_in(hub, workspace):
    """The id of a new experiment, with a run in it, and the run's."""
    client = MlflowClient(f"workspace://{hub.path}/{workspace}")
    experiment = client.create_experiment(f"of {len(client.search_experiments())}")
    return experiment, client.create_run(experiment).info.run_id


def ended(call, *arguments):
    """What is said of a log-in that has ended."""
    from mlflow_workspace_plugin.errors import LogInEndedError

    with pytest.raises(LogInEndedError) as raised:
        call(*arguments)
    return raised.value.message


def test_roles_say_what_accounts_may_do_in_a_workspace_whoever_made_it(hub, people, alice, bob):
    """Nobody may anything without a role; a role is of one workspace, and takes another's place."""
    access = access_of(hub)
    who, other, root = (principal(hub, name) for name in (alice, bob, "root"))
    assert access.level(who, "team-a") == "none"
    assert access.workspaces(who) == []
    for role, level in (("reader", "read"), ("member", "edit"), ("manager", "manage")):
        people.grant(alice, "team-a", role)
        access = access_of(hub)
        assert access.level(who, "team-a") == level
        assert people.get(alice).roles == {"team-a": [role]}
    assert access.workspaces(who) == ["team-a"]
    assert access.level(who, "team-b") == access.level(other, "team-a") == "none"
    assert access.level(root, "team-b") == "manage"
    assert {"default", "team-a", "team-b"} <= set(access.workspaces(root))
    people.withdraw(alice, "team-a")
    assert access_of(hub).level(who, "team-a") == "none"


def test_what_was_granted_of_what_is_freed_is_granted_of_nothing_else(hub, people, alice):
    """SQLite gives the number of the newest experiment again, and names are free again at once."""
    from mlflow_workspace_plugin.stores.garbage import find_garbage, free

    people.grant(alice, "team-a", "reader")
    store = people._accounts.store
    client = MlflowClient(f"workspace://{hub.path}/team-a")
    client.create_registered_model("freed")
    (kept, _), (made, _) = experiment_in(hub, "team-a"), experiment_in(hub, "team-a")
    role = store.create_role("of-one", "team-a")
    for kind, pattern in (
        ("experiment", made),
        ("scorer", f"{made}/score"),
        ("registered_model", "freed"),
        ("experiment", kept),
        ("scorer", f"{kept}/score"),
    ):
        store.add_role_permission(role.id, kind, pattern, "MANAGE")
    people.own(alice, "team-a", made)
    who = principal(hub, alice)
    assert access_of(hub).may(who, "team-a", experiment_id=made, level="manage")
    client.delete_experiment(made)
    free(hub, "team-a", find_garbage(hub, "team-a"))
    client.delete_registered_model("freed")
    again, _ = experiment_in(hub, "team-a")
    assert (again == made) == (hub.engine.dialect.name == "sqlite")
    assert not access_of(hub).may(who, "team-a", experiment_id=again, level="manage")
    left = {
        (each.resource_type, each.resource_pattern) for each in store.list_role_permissions(role.id)
    }
    assert left == {("experiment", kept), ("scorer", f"{kept}/score")}


def test_every_workspace_has_roles_to_be_given(hub):
    """Also one that the embedded client made, as soon as anybody lists the workspaces."""
    Workspace.create("team-d", hub=hub.path)
    from mlflow_workspace_plugin.accounts.database import accounts_of

    access_of(hub).workspaces(principal(hub, "root"))
    roles = {each.name for each in accounts_of(hub).store.list_roles(["team-d"])}
    assert roles == {"reader", "member", "manager"}


def test_a_token_takes_away_from_what_its_account_may(hub, people, alice):
    """Workspaces, a cap, and one run with what is below it; also of an administrator's token."""
    people.grant(alice, "team-a", "manager")
    people.grant(alice, "team-b", "member")
    access = access_of(hub)
    for name in (alice, "root"):
        scoped = principal(hub, name, workspaces=["team-a"], cap="edit", kind="machine")
        assert not scoped.is_admin
        assert access.level(scoped, "team-a") == "edit"
        assert access.level(scoped, "team-b") == "none"
        assert access.workspaces(scoped) == ["team-a"]
    experiment, run = experiment_in(hub, "team-a")
    client = MlflowClient(f"workspace://{hub.path}/team-a")
    below = client.create_run(experiment, tags={"mlflow.parentRunId": run}).info.run_id
    deeper = client.create_run(experiment, tags={"mlflow.parentRunId": below}).info.run_id
    other = client.create_run(experiment).info.run_id
    job = principal(hub, alice, workspaces=["team-a"], run_id=run, kind="job")
    everything = {run, below, deeper, other}
    assert access.may_runs(job, "team-a", everything, "edit") == {run, below, deeper}
    assert access.may_runs(job, "team-a", everything, "read") == everything
    model = client.create_logged_model(experiment, source_run_id=other).model_id
    assert access.may_models(job, "team-a", [model, "m \0", "m-1"], "edit") == {model}
    assert access.may_models(job, "team-b", [model]) == set()
    assert not access.may(job, "team-a", experiment_id=experiment, level="edit")
    assert not access.may(job, "team-a", level="edit")


def test_single_experiments_may_be_given_and_denied(hub, people, alice, bob):
    """What MLflow's server grants and denies for one experiment, or for runs, is heeded."""
    from mlflow_workspace_plugin.accounts.database import accounts_of

    experiment, run = experiment_in(hub, "team-a")
    another, run_of_another = experiment_in(hub, "team-a")
    store = accounts_of(hub).store
    people.grant(alice, "team-a", "member")
    who, other = principal(hub, alice), principal(hub, bob)
    assert access_of(hub).sees_all(who, "team-a")
    people.own(bob, "team-a", experiment)
    access = access_of(hub)
    assert access.may(other, "team-a", run_id=run, level="edit")
    assert access.level(other, "team-a") == "read"
    assert not access.may(other, "team-a", run_id=run_of_another)
    assert not access.sees_all(other, "team-a")
    assert not access.may(other, "team-b", run_id=run), "a run is found in its own workspace only"
    denied = store.create_role("denied", "team-a")
    store.add_role_permission(denied.id, "experiment", another, "DENY")
    store.assign_role_to_user(store.get_user(alice).id, denied.id)
    access = access_of(hub)
    assert access.may_runs(who, "team-a", [run, run_of_another], "edit") == {run}
    assert not access.may(who, "team-a", experiment_id=another)
    assert not access.sees_all(who, "team-a")
    store.add_role_permission(denied.id, "run", "*", "DENY")
    assert access_of(hub).may_runs(who, "team-a", [run]) == set()
    client = MlflowClient(f"workspace://{hub.path}/team-a")
    models = [client.create_logged_model(each).model_id for each in (experiment, another)]
    assert access.may_models(who, "team-a", models, "edit") == {models[0]}
    store.add_role_permission(denied.id, "logged_model", "*", "DENY")
    assert access_of(hub).may_models(who, "team-a", models) == set()
    assert access.may_runs(who, "team-a", ["0" * 32, "no run \0", ""]) == set()


def test_a_refresh_token_may_be_used_again_while_its_answer_may_be_lost(hub, alice):
    """It is answered the same for a minute, and until its successor is used; then it ends all."""
    tokens, later = tokens_of(hub), tokens_of(hub, again_s=0.0)
    first = tokens.issue(alice)
    second = tokens.refresh(first.refresh)
    assert tokens.refresh(first.refresh)[:4] == second[:4]
    assert later.refresh(first.refresh)[:4] == second[:4], "nobody has used what was answered"
    assert access_of(hub).by_token(first.access).name == alice, "it is good for its own hour"
    third = tokens.refresh(second.refresh)
    assert tokens.refresh(first.refresh)[:3] == second[:3], "within the minute, whoever is late"
    assert access_of(hub).by_token(third.access).name == alice
    assert "copied" in ended(later.refresh, second.refresh)
    for each in (first, second, third):
        assert access_of(hub).by_token(each.access) is None
        assert "copied" in ended(tokens.refresh, each.refresh)


def given_by(hub, parent, name, **options):
    """A log-in that is given on the word of another one."""
    from mlflow_workspace_plugin.accounts.tokens import while_good

    return tokens_of(hub).issue(name, parent=parent.id, only_if=while_good(parent.id), **options)


def let_in_by(hub, parent, name):
    """The log-in of a terminal whose code another log-in has said yes to."""
    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.principal import Principal

    code = Codes(hub).new("a terminal")
    assert Codes(hub).allow(code.shown, Principal(name, token=parent.id))
    return Codes(hub).redeem(code.secret)


def in_rows(hub, issued, **values):
    """Change the row of a log-in, as time does."""
    from mlflow_workspace_plugin.hub.tables import LOG_INS

    with hub.engine.begin() as connection:
        connection.execute(LOG_INS.update().where(LOG_INS.c.id == issued.id).values(values))


def good(hub, issued):
    """Which of some log-ins are good."""
    return [access_of(hub).by_token(each.access) is not None for each in issued]


@pytest.mark.parametrize("end", ["revoked", "reused", "password", "removed"])
def test_what_came_from_a_log_in_ends_with_it(hub, people, alice, bob, end):
    """A terminal's code, what that gave a job, and the job a machine; no other log-in does."""
    browser, other = (tokens_of(hub).issue(alice, kind="session") for _ in range(2))
    terminal = tokens_of(hub).issue(alice) if end == "reused" else let_in_by(hub, browser, alice)
    job = given_by(hub, terminal, alice, kind="job", run_id="0" * 32)
    machine = given_by(hub, job, bob, kind="machine")
    unrelated = tokens_of(hub).issue(bob)
    assert good(hub, [terminal, job, machine]) == [True] * 3
    if end == "revoked":
        assert tokens_of(hub).revoke(browser.id)
    elif end == "reused":
        second = tokens_of(hub).refresh(terminal.refresh)
        tokens_of(hub).refresh(second.refresh)
        assert "copied" in ended(tokens_of(hub, again_s=0.0).refresh, terminal.refresh)
    elif end == "password":
        people.set_password(alice, f"{PASSWORD} 2")
    else:
        people.remove(alice)
    assert good(hub, [terminal, job, machine, unrelated]) == [False] * 3 + [True]
    is_good = access_of(hub).by_cookie(other.access) is not None
    assert is_good == (end in ("revoked", "reused"))
    if end != "removed":
        assert "ended with the log-in that it came from" in ended(
            tokens_of(hub).refresh, job.refresh
        )


def test_what_came_from_a_log_in_goes_on_when_that_is_over(hub, alice):
    """A job runs on when its user logs out, or has been away; revoking finds it nevertheless."""
    tokens = tokens_of(hub)
    for over in ("log-out", "expiry", "dropped"):
        browser = tokens.issue(alice, kind="session")
        terminal = let_in_by(hub, browser, alice)
        job = given_by(hub, terminal, alice, kind="job", run_id="0" * 32)
        long_ago = int(time.time() * 1000) - 8 * 86_400_000
        if over == "log-out":
            assert tokens.end(terminal.access)
        elif over == "expiry":
            in_rows(hub, terminal, expires_at=long_ago + 8 * 86_400_000)
        else:
            in_rows(hub, terminal, ended_at=long_ago, why="revoked")
            tokens.issue(alice)
        assert good(hub, [terminal, job]) == [False, True], over
        assert next(each for each in tokens.list(alice) if each.id == job.id).parent == terminal.id
        if over == "log-out":
            assert not tokens.revoke(terminal.id, "somebody else")
            assert tokens.revoke(terminal.id, alice)
        else:
            assert tokens.revoke(browser.id)
        assert good(hub, [job]) == [False], over


@pytest.mark.parametrize("end", ["removed", "unbound"])
def test_who_goes_leaves_nothing_that_a_log_in_gave_to_others(hub, people, alice, bob, end):
    """Also where that log-in is over, and that of another account came from what it gave."""
    from mlflow_workspace_plugin.accounts.identities import Identities

    tokens, who = tokens_of(hub), ("https://provider.example", f"to be {end}")
    Identities(hub).bind(alice, *who)
    terminal, browser = tokens.issue(alice), tokens.issue(alice, kind="session")
    given = [given_by(hub, each, bob, kind="machine") for each in (terminal, browser)]
    given.append(given_by(hub, given[0], new_account(people), kind="machine"))
    assert tokens.end(terminal.refresh)
    in_rows(hub, browser, expires_at=int(time.time() * 1000) - 1)
    unrelated = tokens.issue(bob)
    assert good(hub, given) == [True] * 3
    if end == "removed":
        people.remove(alice)
    else:
        assert Identities(hub).unbind(*who) == alice
    assert good(hub, [*given, unrelated]) == [False] * 3 + [True]


def test_who_could_not_be_logged_out_is_removed_by_the_next_try(hub, people, alice, monkeypatch):
    """An account is gone once nothing is left of it, and not before."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.errors import HubBusyError

    def refused(*arguments):
        raise HubBusyError("Others use it.")

    log_in = tokens_of(hub).issue(alice)
    with monkeypatch.context() as patch:
        patch.setattr(Tokens, "revoke_all", refused)
        with pytest.raises(HubBusyError):
            people.remove(alice)
    people.remove(alice)
    assert alice not in [each.name for each in people.list()]
    assert good(hub, [log_in]) == [False]


def test_two_who_end_the_same_log_ins_do_not_wait_for_each_other(hub, alice, monkeypatch):
    """Where one begins with a log-in that is over, and the other with what came from it."""
    from mlflow_workspace_plugin.accounts import token_rows

    tokens, hold, meeting = tokens_of(hub), token_rows._hold, threading.Barrier(2)
    browser = tokens.issue(alice, kind="session")
    first = given_by(hub, browser, alice)
    job = given_by(hub, first, alice, kind="job", run_id="0" * 32)
    second = given_by(hub, browser, alice)
    now = int(time.time() * 1000)
    in_rows(hub, job, created_at=now)
    in_rows(hub, second, created_at=now + 1)
    for each in (browser, first):
        in_rows(hub, each, ended_at=now, why="revoked")

    def slowly(connection, which):
        hold(connection, which)
        if {job.id, second.id} & set(which.compile().params.values()):
            # Each has one of them, where they can have that at the same time.
            with suppress(threading.BrokenBarrierError):
                meeting.wait(1)

    monkeypatch.setattr(token_rows, "_hold", slowly)
    with ThreadPoolExecutor(2) as pool:
        ending = [pool.submit(tokens.revoke, browser.id), pool.submit(tokens.revoke_all, alice)]
    for each in ending:
        each.result()
    assert good(hub, [job, second]) == [False] * 2


def test_who_is_given_another_account_leaves_its_jobs_running(hub, people, alice):
    """They, and what machines have, are of the same person; terminals and browsers are not."""
    from mlflow_workspace_plugin.accounts.identities import Identities

    identities, who = Identities(hub), ("https://provider.example", "given another")
    identities.bind(alice, *who)
    browser = tokens_of(hub).issue(alice, kind="session")
    terminal = let_in_by(hub, browser, alice)
    job = given_by(hub, terminal, alice, kind="job", run_id="0" * 32)
    assert identities.bind(new_account(people), *who) == alice
    assert good(hub, [terminal, job]) == [False, True]


@pytest.mark.sqlite
def test_what_ends_takes_effect_in_every_worker_within_five_seconds(hub, people, alice):
    """Log-out, revocation, a role that is withdrawn, an account that is removed."""
    tokens, access = tokens_of(hub), access_of(hub)
    people.grant(alice, "team-a", "member")
    issued = [tokens.issue(alice) for _ in range(3)]
    who, _, _ = (access.by_token(each.access) for each in issued)
    assert access.level(who, "team-a") == "edit"
    start = time.monotonic()
    assert tokens.end(issued[0].refresh)
    assert tokens.revoke(issued[1].id)
    people.withdraw(alice, "team-a")
    known = issued[:2]
    while any(access.by_token(each.access) for each in known):
        assert time.monotonic() - start < 60
        time.sleep(0.05)
    while access.level(who, "team-a") != "none":
        assert time.monotonic() - start < 60
        time.sleep(0.05)
    assert [each.id for each in tokens.list(alice)] == [issued[2].id]
    people.remove(alice)
    assert access_of(hub).by_token(issued[2].access) is None
    people.add(alice, PASSWORD)
    assert access_of(hub).by_token(issued[2].access) is None, "of another account of the name"
    assert ended(tokens.refresh, issued[2].refresh)


def test_a_new_log_in_is_not_ended_by_what_is_kept_of_an_earlier_account(hub, people, alice):
    """Made anew within seconds, a machine's account is good at once; the earlier one's is not."""
    tokens, access = tokens_of(hub), access_of(hub)
    before = tokens.issue(alice)
    assert access.by_token(before.access).name == alice
    people.remove(alice)
    new_account(people)  # SQLite would give its number again
    people.add(alice, PASSWORD)
    after = tokens.issue(alice)
    assert access.by_token(after.access).name == alice
    assert access_of(hub).by_token(after.access).name == alice
    assert access_of(hub).by_token(before.access) is None


def test_a_token_is_of_one_kind_and_is_not_kept(hub, people, alice):
    """A cookie is no access token, nor is a refresh token; no row holds one."""
    from sqlalchemy import inspect, text

    tokens, access = tokens_of(hub), access_of(hub)
    person, session = tokens.issue(alice), tokens.issue(alice, kind="session")
    assert session.refresh is None
    assert access.by_cookie(session.access).name == alice
    for wrong in (person.refresh, session.access, person.access[:-1], "", "mws_" + "a" * 43):
        assert access.by_token(wrong) is None
    assert access.by_cookie(person.access) is None
    assert "not known" in ended(tokens.refresh, person.access)
    people.set_password(alice, "another password")
    assert access_of(hub).by_cookie(session.access) is None, "a new password ends browsers"
    assert access_of(hub).by_token(person.access) is not None
    with hub.engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            if table.startswith("workspace_plugin_"):
                rows = str(connection.execute(text(f'SELECT * FROM "{table}"')).all())
                assert not any(each[4:] in rows for each in (*person[1:3], session.access))


@pytest.mark.sqlite
def test_passwords_cannot_be_tried_out(hub, alice, bob):
    """After five that were wrong from one place the next one waits, there only."""
    from mlflow_workspace_plugin.errors import TooManyAttemptsError

    access = access_of(hub)
    assert access.by_password(alice, PASSWORD, "10.0.0.1").name == alice
    for _ in range(5):
        assert access.by_password(bob, "wrong password", "10.0.0.1") is None
    with pytest.raises(TooManyAttemptsError) as raised:
        access_of(hub).by_password(bob, PASSWORD, "10.0.0.1")
    assert 0 < raised.value.retry_after_s <= 60
    assert access.by_password(bob, PASSWORD, "10.0.0.2").name == bob
    assert access.by_password("nobody", PASSWORD, "10.0.0.3") is None
    assert access.by_password("nobody \0", PASSWORD, "10.0.0.3") is None


def test_who_a_provider_knows_has_one_account(hub, people, alice):
    """By issuer and subject, however many browsers log in at once, until it is bound or gone."""
    from mlflow_workspace_plugin.accounts.database import accounts_of
    from mlflow_workspace_plugin.accounts.identities import Identities
    from mlflow_workspace_plugin.errors import AccountError, IdentityRefusedError

    identities, issuer = Identities(hub), "https://provider.example"
    names = []
    threads = [
        threading.Thread(target=lambda: names.append(identities.account_of(issuer, "1", alice)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert names == [f"{alice}-2"] * 4
    assert identities.account_of("https://other.example", "1", "x\0\ud800") == "x"
    identities.use_up("state")
    with pytest.raises(IdentityRefusedError):
        identities.use_up("state")
    browser = tokens_of(hub).issue(names[0], kind="session").access
    assert identities.bind(alice, issuer, "1") == names[0]
    assert access_of(hub).by_cookie(browser) is None
    people.set_password(alice, PASSWORD + "!")
    assert identities.account_of(issuer, "1", "whatever") == alice
    with pytest.raises(AccountError):
        identities.bind(alice, issuer, "")
    store = accounts_of(hub).store
    store.delete_user(alice)
    store.create_user(alice, PASSWORD)
    with pytest.raises(IdentityRefusedError, match="another"):
        identities.account_of(issuer, "1", "whatever")
    people.remove(alice)
    people.add(alice, PASSWORD)
    assert identities.account_of(issuer, "1", "whatever") == "whatever"
    assert identities.unbind(issuer, "1") == "whatever"
    assert identities.unbind(issuer, "1") is None


def test_who_is_unbound_leaves_nothing_behind(hub, alice):
    """A machine's token, which is good for a year, was given to who was logged in."""
    from mlflow_workspace_plugin.accounts.identities import Identities

    identities, who = Identities(hub), ("https://provider.example", "to be unbound")
    identities.bind(alice, *who)
    machine = tokens_of(hub).issue(alice, kind="machine", seconds=3600).access
    assert access_of(hub).by_token(machine).name == alice
    assert identities.unbind(*who) == alice
    assert access_of(hub).by_token(machine) is None


@pytest.mark.parametrize("by", ["unbind", "bind"])
def test_who_could_not_be_logged_out_is_somebody_still(hub, people, alice, monkeypatch, by):
    """Whoever tries again finds them, and then nothing of theirs is left."""
    from mlflow_workspace_plugin.accounts import token_rows
    from mlflow_workspace_plugin.accounts.identities import Identities
    from mlflow_workspace_plugin.errors import HubBusyError

    def refused(*arguments):
        raise HubBusyError("Others use it.")

    identities, who = Identities(hub), ("https://provider.example", f"{by} tried twice")
    other = new_account(people)
    take = partial(identities.unbind if by == "unbind" else partial(identities.bind, other), *who)
    identities.bind(alice, *who)
    terminal = tokens_of(hub).issue(alice).access
    with monkeypatch.context() as patch:
        patch.setattr(token_rows, "_hold_all", refused)
        with pytest.raises(HubBusyError):
            take()
    assert identities.account_of(*who, "shown") == alice
    assert take() == alice
    assert access_of(hub).by_token(terminal) is None


def test_account_that_was_bound_meanwhile_stays_so(hub, alice, monkeypatch):
    """Who found that somebody's account is gone takes nothing but that from them."""
    from mlflow_workspace_plugin.accounts import identities as module
    from mlflow_workspace_plugin.accounts.database import accounts_of
    from mlflow_workspace_plugin.accounts.identities import Identities

    identities, who = Identities(hub), ("https://provider.example", "bound meanwhile")
    accounts_of(hub).store.delete_user(identities.account_of(*who, "removed"))
    looked, mark_of = [], module.mark_of

    def meanwhile(accounts, name):
        mark = mark_of(accounts, name)
        if not looked:
            looked.append(name)
            Identities(hub).bind(alice, *who)
        return mark

    monkeypatch.setattr(module, "mark_of", meanwhile)
    assert identities.account_of(*who, "x") == alice


def test_first_log_in_that_fails_leaves_no_account(hub, people, monkeypatch):
    """It would have the name that whose it was to be is looked for by."""
    from mlflow_workspace_plugin.accounts import identities as module
    from mlflow_workspace_plugin.accounts.identities import Identities
    from mlflow_workspace_plugin.errors import HubBusyError

    def busy(_):
        raise HubBusyError("busy")

    identities, who, before = Identities(hub), ("https://provider.example", "fails"), people.list()
    with monkeypatch.context() as patched:
        patched.setattr(module, "insert", busy)
        with pytest.raises(HubBusyError):
            identities.account_of(*who, "fails")
    assert people.list() == before
    assert identities.account_of(*who, "fails") == "fails"


@pytest.mark.sqlite
def test_name_that_is_taken_meanwhile_is_not_given(hub, people, monkeypatch):
    """Who adds accounts by hand does not wait for those who log in."""
    from mlflow_workspace_plugin.accounts.database import accounts_of
    from mlflow_workspace_plugin.accounts.identities import Identities
    from mlflow_workspace_plugin.accounts.people import People

    listed = People.list

    def meanwhile(self):
        found = listed(self)
        if all(each.name != "meanwhile" for each in found):
            accounts_of(hub).store.create_user("meanwhile", PASSWORD)
        return found

    monkeypatch.setattr(People, "list", meanwhile)
    who = ("https://provider.example", "meanwhile")
    assert Identities(hub).account_of(*who, "meanwhile") == "meanwhile-2"


def test_what_is_revoked_gives_nothing_more(hub, alice, monkeypatch):
    """Neither what is given at that moment, nor a code that is redeemed just then, outlives it."""
    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.principal import Principal
    from mlflow_workspace_plugin.accounts.tokens import Tokens, while_good

    tokens, codes, issue = tokens_of(hub), Codes(hub), Tokens.issue
    first = tokens.issue(alice)
    is_looked_at, goes_on = threading.Event(), threading.Event()

    def slowly(connection):
        while_good(first.id)(connection)
        is_looked_at.set()
        assert goes_on.wait(60)

    giving = threading.Thread(target=lambda: tokens.issue(alice, kind="machine", only_if=slowly))
    revoking = threading.Thread(target=lambda: tokens.revoke_all(alice))
    giving.start()
    assert is_looked_at.wait(60)
    revoking.start()
    # Until it waits for what is being given.
    revoking.join(1)
    goes_on.set()
    giving.join(60)
    revoking.join(60)
    assert tokens.list(alice) == []
    assert "ended by its owner" in ended(
        lambda: tokens.issue(alice, only_if=while_good(first.id)),
    )
    code = codes.new("a terminal")
    assert "ended by its owner" in ended(codes.allow, code.shown, Principal(alice, token=first.id))
    assert codes.allow(code.shown, Principal(alice, token=tokens.issue(alice).id))

    def meanwhile(self, *args, **options):
        tokens.revoke_all(alice)
        return issue(self, *args, **options)

    monkeypatch.setattr(Tokens, "issue", meanwhile)
    assert "was used" in ended(codes.redeem, code.secret)
    assert tokens.list(alice) == []


@pytest.mark.parametrize("seconds", [3600, 1])
def test_what_is_given_while_its_parent_is_revoked_ends_too(hub, alice, monkeypatch, seconds):
    """Also if the parent expires at that moment; and so does a code that it said yes to."""
    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.principal import Principal
    from mlflow_workspace_plugin.accounts.tokens import Tokens, while_good

    tokens, codes, issue = tokens_of(hub), Codes(hub), Tokens.issue
    parent = tokens.issue(alice, kind="machine", seconds=seconds)
    is_looked_at, goes_on, given = threading.Event(), threading.Event(), []

    def slowly(connection):
        while_good(parent.id)(connection)
        is_looked_at.set()
        assert goes_on.wait(60)

    def give():
        given.append(tokens.issue(alice, kind="machine", parent=parent.id, only_if=slowly))

    giving = threading.Thread(target=give)
    revoking = threading.Thread(target=lambda: tokens.revoke(parent.id))
    giving.start()
    assert is_looked_at.wait(60)
    while seconds == 1 and time.time() * 1000 < parent.expires_at:
        time.sleep(0.05)
    revoking.start()
    # Until it waits for what is being given.
    revoking.join(1)
    goes_on.set()
    giving.join(60)
    revoking.join(60)
    assert good(hub, given) == [False]
    parent = tokens.issue(alice)
    code = codes.new("a terminal")
    assert codes.allow(code.shown, Principal(alice, token=parent.id))

    def meanwhile(self, *args, **options):
        tokens.revoke(parent.id)
        return issue(self, *args, **options)

    monkeypatch.setattr(Tokens, "issue", meanwhile)
    assert "was used" in ended(codes.redeem, code.secret)


def test_yes_to_a_code_ends_with_the_password_that_said_it(hub, people, alice):
    """Nor is it one of whoever has the name next."""
    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.principal import Principal
    from mlflow_workspace_plugin.errors import LogInEndedError

    codes = Codes(hub)
    for end in (lambda: people.set_password(alice, f"{PASSWORD} 2"), lambda: people.remove(alice)):
        code = codes.new("a terminal")
        assert codes.allow(code.shown, Principal(alice))
        end()
        with pytest.raises(LogInEndedError):
            codes.redeem(code.secret)


@pytest.mark.sqlite
def test_log_ins_by_a_code_are_begun_so_often_from_one_place(hub):
    """All that wait share one list, which nobody is to fill alone."""
    from mlflow_workspace_plugin.accounts.attempts import Attempts
    from mlflow_workspace_plugin.errors import TooManyAttemptsError

    attempts = Attempts(hub)
    for _ in range(100):
        attempts.count_code("10.0.0.1")
    with pytest.raises(TooManyAttemptsError) as raised:
        attempts.count_code("10.0.0.1")
    assert 0 < raised.value.retry_after_s <= 60
    attempts.count_code("10.0.0.2")


@pytest.mark.sqlite
def test_addresses_of_one_network_are_one_place(hub, alice):
    """Of IPv6 one has 2^64 of them, for passwords, codes and a provider alike."""
    from mlflow_workspace_plugin.accounts.attempts import Attempts
    from mlflow_workspace_plugin.errors import TooManyAttemptsError

    attempts, addresses = Attempts(hub), [f"2001:db8::{number:x}" for number in range(101)]
    refused = [
        lambda: attempts.count_code("2001:db8::cafe"),
        lambda: attempts.check_provider("2001:db8::cafe"),
        lambda: attempts.check(alice, "2001:db8::cafe"),
    ]
    for address in addresses:
        with suppress(TooManyAttemptsError):
            attempts.count_code(address)
        attempts.failed_provider(address)
        attempts.failed(f"nobody at {address}", address)
    for each in refused:
        with pytest.raises(TooManyAttemptsError):
            each()
    for elsewhere in ("2001:db8:0:1::cafe", "10.1.0.1"):
        attempts.count_code(elsewhere)
        attempts.check_provider(elsewhere)
        attempts.check(alice, elsewhere)
    # One that a server of both kinds of address sees in the form of the other.
    for _ in range(100):
        attempts.failed_provider("::ffff:10.1.0.2")
    with pytest.raises(TooManyAttemptsError):
        attempts.check_provider("10.1.0.2")


def test_a_workspace_made_anew_is_nobodys(hub, people, alice):
    """Who had a role in an earlier one of its name has none, wherever it is deleted and made."""
    hub.catalog.create("team-c")
    people.grant(alice, "team-c", "manager")
    hub.catalog.delete("team-c")
    hub.catalog.create("team-c")
    assert access_of(hub).level(principal(hub, alice), "team-c") == "none"
    assert people.get(alice).roles == {}


def test_accounts_that_cannot_be_are_refused(hub, people, alice):
    """A name that is taken or none, a short password, nobody's name, the last administrator."""
    from mlflow_workspace_plugin.errors import AccountError, WorkspaceNotFoundError

    for name, password in ((alice, PASSWORD), ("", PASSWORD), ("a b", PASSWORD), ("carol", "x")):
        with pytest.raises(AccountError):
            people.add(name, password)
    for refused in (
        lambda: people.remove("root"),
        lambda: people.set_admin("root", is_admin=False),
        lambda: people.set_password("nobody", PASSWORD),
        lambda: people.grant("nobody", "team-a", "reader"),
        lambda: tokens_of(hub).issue("nobody"),
    ):
        with pytest.raises(AccountError):
            refused()
    with pytest.raises(WorkspaceNotFoundError):
        people.grant(alice, "team-x", "reader")


def test_the_file_of_accounts_is_its_owners(hub, database):
    """What passwords are checked against is in a file that nobody else may read."""
    if database == "sqlite":
        assert stat.S_IMODE(hub.folder.accounts.stat().st_mode) == 0o600
