"""Logging in by a provider of identities: the whole way there and back, and attacks on it."""

import base64
import hmac
import json
import shutil
import threading
import time
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import anyio
import mlflow
import pytest
import requests
from click.testing import CliRunner

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    HubSettingsError,
    IdentityProviderError,
    IdentityRefusedError,
)
from tests.chromium import chromium, new_page
from tests.hub_api import hub_api_server
from tests.identity_provider import CLIENT, SECRET, identity_provider, new_key
from tests.served import PASSWORD, access_log, served_hub
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
PUBLIC = "https://hub.example.org"
COOKIE = "mlflow-workspace-hub"
TENANT = "tenant-a"
EFFECT_S = 8
"""What is changed of roles takes effect within five; the machine is busy."""


@pytest.fixture(scope="module")
def provider():
    """A provider that the hub knows."""
    with identity_provider() as running:
        running.person["tid"] = TENANT
        yield running


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory, provider):
    """A hub that people log in to by the provider, or by a password."""
    folder = tmp_path_factory.mktemp("oidc")
    hub = shutil.copytree(sqlite_template, folder / "hub")
    Workspace.create("team-a", hub=hub)
    options = ("--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT)
    options += ("--oidc-name", "Ex<b>ample", "--oidc-tenant", TENANT)
    env = {"MLFLOW_WORKSPACE_OIDC_SECRET": SECRET}
    with served_hub(hub, folder / "server.log", *options, env=env) as server:
        server.add_user("ana", team_a="member")
        yield server


@pytest.fixture(autouse=True)
def honest(provider):
    """It lies in one test only."""
    before = dict(provider.person)
    yield
    provider.honest()
    provider.person = before


@pytest.fixture
def identities(served):
    """Who has which account."""
    from mlflow_workspace_plugin.accounts.identities import Identities

    return Identities(served.hub)


def is_person(provider, subject, name=None, **claims):
    """Let somebody else be logged in at the provider."""
    provider.person = {"sub": subject, "tid": TENANT, **claims}
    if name is not None:
        provider.person["preferred_username"] = name


def get(browser, url):
    """Ask as a browser does, one step at a time."""
    return browser.get(url, allow_redirects=False, timeout=60)


def to_provider(served, browser, query=""):
    """Begin; return where the provider sends the browser back to."""
    begun = get(browser, f"{served.address}/log-in/oidc{query}")
    assert begun.status_code == 303, begun.text
    assert len(begun.raw.headers.getlist("Set-Cookie")) == 1
    sent = get(browser, begun.headers["Location"])
    return sent.headers["Location"]


def log_in(served, query=""):
    """Go all the way; return the browser, and the last answer."""
    browser = requests.Session()
    return browser, get(browser, to_provider(served, browser, query))


def me(served, browser):
    """Who a browser is."""
    answer = browser.get(f"{served.address}/hub/v1/me", timeout=60)
    return answer.json()["name"] if answer.ok else None


def refused(answer, said):
    """Whether nobody was let in, and why."""
    assert answer.status_code == 403, answer.text
    assert "Set-Cookie" not in answer.headers
    assert said in answer.text, answer.text
    return True


def test_somebody_logs_in_and_has_an_account_without_a_role(served, provider, identities):
    """The same one at the second time, and sees nothing until somebody gives a role."""
    browser, answer = log_in(served, "?next=/pages/%3Fworkspace%3Dteam-a&place=%23/x")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/pages/?workspace=team-a#/x"
    (cookie,) = answer.raw.headers.getlist("Set-Cookie")
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert me(served, browser) == "ann"
    url = f"{served.address}/hub/v1/me"
    assert browser.get(url, timeout=60).json()["workspaces"] == {}
    assert not browser.get(url, timeout=60).json()["is_admin"]
    again, _ = log_in(served)
    assert me(served, again) == "ann"
    (one,) = [each for each in identities.list() if each.name == "ann"]
    assert (one.issuer, one.subject) == (provider.issuer, "1")
    served.people.grant("ann", "team-a", "reader")
    wait_until(
        lambda: again.get(url, timeout=60).json()["workspaces"] == {"team-a": "read"}, EFFECT_S
    )


def test_a_terminal_logs_in_by_the_browser_of_who_has_no_password(served, tmp_path, monkeypatch):
    """The code that it shows is typed where one is logged in, through the page for logging in."""
    from mlflow_workspace_plugin.remote import credentials, logging_in

    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(tmp_path / "log-ins"))
    credentials._credentials.clear()
    shown, codes = threading.Event(), []

    def show(*said):
        codes.append(said)
        shown.set()

    waiting = threading.Thread(target=logging_in.log_in_by_code, args=(served.address, show))
    waiting.start()
    assert shown.wait(30)
    ((code, page),) = codes
    browser = requests.Session()
    asked = browser.get(page, headers={"Accept": "text/html"}, allow_redirects=False, timeout=60)
    assert asked.headers["Location"] == "/log-in?next=/hub/code"
    form = browser.get(served.address + asked.headers["Location"], timeout=60).text
    assert 'href="/log-in/oidc?next=/hub/code"' in form
    assert "Ex&lt;b&gt;ample" in form
    answer = get(browser, to_provider(served, browser, "?next=/hub/code"))
    assert answer.headers["Location"] == "/hub/code"
    origin = {"Origin": served.address}
    body = {"shown": code, "yes": "1"}
    assert browser.post(page, data=body, headers=origin, timeout=60).ok
    waiting.join(30)
    assert logging_in.asked(served.address, "GET", "/me")["name"] == "ann"


def test_browser_is_led_there_and_back(served, provider):
    """Who opens a link to a page of MLflow's logs in by one click, and sees that page."""
    is_person(provider, "of-chromium", "Zoë Ångström")
    with chromium() as browser:
        page = new_page(browser)
        page.goto(f"{served.address}/#/experiments")
        page.get_by_role("link", name="Log in with Ex<b>ample").click()
        page.wait_for_url(f"{served.address}/#/experiments")
        names = {each["name"] for each in page.context.cookies()}
        assert COOKIE in names
        page.goto(f"{served.address}/hub/v1/me")
        assert '"Zoe-Angstrom"' in page.content()


def changed(**claims):
    """Claims that are otherwise; None is none."""

    def change(said):
        return {key: value for key, value in {**said, **claims}.items() if value is not None}

    return change


LIES = {
    "no nonce": (changed(nonce=None), "another log-in"),
    "wrong nonce": (changed(nonce="guessed"), "another log-in"),
    "nonce of another kind": (changed(nonce=["x"]), "another log-in"),
    "nonce of no text": (changed(nonce="\ud800"), "another log-in"),
    "wrong audience": (changed(aud="another-hub"), "InvalidClaim aud"),
    "no audience": (changed(aud=None), "MissingClaim aud"),
    "for others, too": (changed(aud=[CLIENT, "other"]), "another client"),
    "by another party": (changed(aud=[CLIENT], azp="other"), "another client"),
    "another issuer": (changed(iss="https://evil.example"), "another issuer"),
    "no issuer": (changed(iss=None), "names nobody"),
    "another tenant": (changed(tid="tenant-b"), "other organisations"),
    "no tenant": (changed(tid=None), "other organisations"),
    "tenants": (changed(tid=[TENANT]), "other organisations"),
    "expired": (changed(exp=int(time.time()) - 90), "ExpiredToken exp"),
    "never expires": (changed(exp=None), "MissingClaim exp"),
    "of the future": (changed(iat=int(time.time()) + 7200), "InvalidClaim iat"),
    "not yet": (changed(nbf=int(time.time()) + 7200), "InvalidClaim nbf"),
    "no subject": (changed(sub=None), "names nobody"),
    "empty subject": (changed(sub=""), "InvalidClaim sub"),
    "number as subject": (changed(sub=7), "names nobody"),
    "long subject": (changed(sub="x" * 256), "subject of an identity"),
    "subject with NUL": (changed(sub="1\0"), "subject of an identity"),
}


@pytest.mark.parametrize("lie", LIES)
def test_token_that_is_wrong_lets_nobody_in(served, provider, identities, lie):
    """Whatever one claim says that it must not, no session and no account is made."""
    is_person(provider, "liar", "liar")
    before = identities.list()
    provider.claims, said = LIES[lie]
    _, answer = log_in(served)
    assert refused(answer, said)
    assert identities.list() == before


def test_clocks_may_differ_by_seconds(served, provider):
    """A provider whose clock is a little ahead, or behind, is believed."""
    now = int(time.time())
    for claims in ({"iat": now + 30, "nbf": now + 30}, {"exp": now - 30}):
        provider.claims = changed(**claims)
        browser, _ = log_in(served)
        assert me(served, browser) == "ann"


def encoded(content):
    """A part of a token."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def two_parts(header, claims):
    """A token without its signature."""
    return ".".join(encoded(json.dumps(each).encode()) for each in (header, claims))


def by_public_key(provider):
    """Signs with what everybody knows of the key, as if it was shared."""

    def sign(claims):
        told = two_parts({"alg": "HS256", "kid": provider.key.kid}, claims)
        shared = provider.key.as_pem(private=False)
        return f"{told}.{encoded(hmac.digest(shared, told.encode(), 'sha256'))}"

    return sign


def by_own_key(provider):
    """Signs with a key that comes along in the token."""
    key = new_key("first")

    def sign(claims):
        return provider.signed(claims, key, jwk=key.as_dict(private=False))

    return sign


FORGERIES = {
    "unsigned": lambda _: lambda claims: two_parts({"alg": "none"}, claims) + ".",
    "by the public key": by_public_key,
    "by a key of its own": by_own_key,
    "by an unknown key": lambda provider: (
        lambda claims: provider.signed(claims, new_key("else"), kid="else")
    ),
    "changed": lambda provider: (
        lambda claims: ".".join(
            part + ("A" if index == 1 else "")
            for index, part in enumerate(provider.signed(claims).split("."))
        )
    ),
    "none": lambda _: lambda _: "",
    "five parts": lambda _: lambda _: "a.b.c.d.e",
    "no text": lambda _: lambda _: {"a": 1},
    "header of a list": lambda _: lambda _: encoded(b'["alg"]') + ".e30.AA",
    "header of a text": lambda _: lambda _: encoded(b'"alg"') + ".e30.AA",
    "critical": lambda provider: (
        lambda claims: provider.signed(claims, client_id=CLIENT, crit=["client_id"])
    ),
    "deep": lambda _: lambda _: f"{base64.urlsafe_b64encode(b'[' * 30_000).decode()}.e30.e30",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_token_of_somebody_else_lets_nobody_in(served, provider, forgery):
    """None that is not signed by a key that is the provider's alone."""
    provider.sign = FORGERIES[forgery](provider)
    _, answer = log_in(served)
    assert refused(answer, "lets nobody in")


@pytest.mark.parametrize(
    "header", [{"client_id": CLIENT}, {"x5c": ["A" * 2000], "x5t#S256": "A" * 43}]
)
def test_what_a_header_says_beyond_the_key_is_ignored(served, provider, header):
    """Providers write names of their own there, and certificates, which are long."""
    provider.sign = lambda claims: provider.signed(claims, **header)
    browser, _ = log_in(served)
    assert me(served, browser) == "ann"


@pytest.mark.parametrize(
    "unknown",
    [
        {"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed999", "x": "AA"},
        {"kty": "RSA", "n": "AA"},
        {"kty": "EC"},
    ],
)
def test_key_of_an_unknown_kind_is_passed_over(unknown):
    """Beside it are those that the tokens are signed by."""
    from mlflow_workspace_plugin.app.served.oidc.provider import _keys

    known = new_key("first").as_dict(private=False)
    assert [each.kid for each in _keys({"keys": [unknown, known]})] == ["first"]


def test_number_that_is_none_is_no_token(served, provider):
    """A provider that says that its token is good for ever has not answered as it has to."""
    said = b'{"access_token": "x", "token_type": "Bearer", "expires_in": 1e999, "id_token": "x"}'
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    provider.answer = lambda path: iter([(0, head + said)]) if path == "/token" else None
    _, answer = log_in(served)
    assert answer.status_code == 502, answer.text


def test_keys_change(served, provider):
    """A new key is found by its first token, and an old one is good no more once it is read."""
    old = provider.key
    provider.key = new_key("second")
    provider.keys = [provider.key]
    # Keys are not read again by each token that names another one.
    time.sleep(1.5)
    browser, _ = log_in(served)
    assert me(served, browser) == "ann"
    provider.sign = lambda claims: provider.signed(claims, old, kid="first")
    _, answer = log_in(served)
    assert refused(answer, "not signed by a key")


def test_state_is_of_one_browser_and_good_once(served, provider):
    """Nobody finishes another's log-in, or one that was finished."""
    browser = requests.Session()
    back = to_provider(served, browser)
    assert refused(get(requests.Session(), back), "not begun in this browser")
    other = requests.Session()
    to_provider(served, other)
    assert refused(get(other, back), "not begun in this browser")
    state = parse_qs(urlsplit(back).query)["state"][0]
    for wrong in (back.replace(state, ""), back.replace(state, "A" * 43), f"{back}&state={state}"):
        answer = get(browser, wrong)
        assert answer.status_code == 403, wrong
    assert get(browser, back).status_code == 303
    assert refused(get(browser, back), "did not take the code")
    provider.is_lax = True
    back = to_provider(served, browser)
    assert get(browser, back).status_code == 303
    assert refused(get(browser, back), "finished already")


def test_code_of_another_log_in_is_of_no_use(served, provider):
    """Who stole a code cannot put it into a log-in of their own."""
    victim, thief = requests.Session(), requests.Session()
    code = parse_qs(urlsplit(to_provider(served, victim)).query)["code"][0]
    back = to_provider(served, thief)
    own = parse_qs(urlsplit(back).query)["code"][0]
    assert refused(get(thief, back.replace(own, code)), "did not take the code")


def test_another_provider_sends_nobody_here(served, provider):
    """A browser that says that another one, or nobody, sent it is not let in."""
    for back in (
        lambda said: {**said, "iss": "https://evil.example"},
        lambda said: {key: value for key, value in said.items() if key != "iss"},
    ):
        provider.back = back
        asked = len([each for each in provider.asked if each == "/token"])
        _, answer = log_in(served)
        assert refused(answer, "Another provider")
        assert len([each for each in provider.asked if each == "/token"]) == asked
    provider.back = lambda said: {"error": "access_denied", "state": said["state"]}
    _, answer = log_in(served)
    assert refused(answer, "(access_denied)")
    provider.back = lambda said: {"error": "<script>alert(1)</script>", "state": said["state"]}
    _, answer = log_in(served)
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "/log-out",
        "javascript:x",
        "/%09/evil.example",
    ],
)
def test_log_in_leads_to_this_hub_only(served, there):
    """Neither by the link that begins it, nor by what the browser was made to keep."""
    _, answer = log_in(served, f"?next={there}")
    assert answer.headers["Location"] == "/"
    browser = requests.Session()
    back = to_provider(served, browser)
    (begun,) = [each for each in browser.cookies if each.name.endswith("-begun")]
    secret, at, _ = begun.value.split(".")
    place = base64.urlsafe_b64encode(b"//evil.example#x").decode().rstrip("=")
    browser.cookies.clear()
    browser.cookies.set(begun.name, f"{secret}.{at}.{place}")
    assert get(browser, back).headers["Location"].startswith("/#")


def test_log_in_is_as_old_as_it_is(served):
    """A browser that says that it began later has begun another one."""
    browser = requests.Session()
    back = to_provider(served, browser)
    (begun,) = [each for each in browser.cookies if each.name.endswith("-begun")]
    secret, at, place = begun.value.split(".")
    browser.cookies.clear()
    browser.cookies.set(begun.name, f"{secret}.{int(at) + 1}.{place}")
    assert refused(get(browser, back), "not begun in this browser")


@pytest.mark.parametrize("query", ["", "?code=1", "?state=é&code=%ff", "?error=x"])
def test_who_comes_back_from_nowhere_is_told_so(served, query):
    """Whatever the address says."""
    assert refused(get(requests.Session(), f"{served.address}/log-in/oidc/back{query}"), "Begin")


def test_accounts_are_of_an_issuer_and_a_subject(served, provider, identities):
    """Neither a name nor an e-mail address, nor the same subject elsewhere, is an account."""
    for subject, claims in (
        ("2", {"name": "ana"}),
        ("3", {"name": "Ana", "email": "ana@example.org", "email_verified": True}),
        ("4", {"name": "\u0430na"}),
        ("5", {"name": "admin"}),
        ("6", {"name": "../../etc"}),
        ("7", {"name": "王"}),
    ):
        is_person(provider, subject, claims.pop("name"), **claims)
        browser, _ = log_in(served)
        name = me(served, browser)
        assert name not in (None, "ana", "admin", "ann"), subject
        workspaces = browser.get(f"{served.address}/hub/v1/me", timeout=60).json()["workspaces"]
        assert workspaces == {}
    names = {each.subject: each.name for each in identities.list()}
    assert names["2"] == "ana-2"
    assert names["3"] == "Ana-3"
    assert names["4"] == "na"
    assert names["5"] == "admin-2"
    assert names["6"] == "etc"
    assert names["7"] == "person"
    here = identities.account_of(provider.issuer, "8", "eve")
    assert identities.account_of(provider.issuer, "8", "another name") == here
    assert identities.account_of("https://other.example", "8", "eve") != here


def test_administrator_binds_somebody_to_an_account(served, provider, identities):
    """By a command, and what the account before was logged in by is ended."""
    is_person(provider, "bound", "ana")
    before, _ = log_in(served)
    name = me(served, before)
    who = ("--issuer", provider.issuer, "--subject", "bound", "--hub", str(served.path))
    result = CliRunner().invoke(main, ["user", "bind", "ana", *who])
    assert result.exit_code == 0, result.output
    assert name in result.output
    browser, _ = log_in(served)
    assert me(served, browser) == "ana"
    served.people.set_password("ana", PASSWORD + "!")
    browser, _ = log_in(served)
    assert me(served, browser) == "ana"
    listed = CliRunner().invoke(main, ["user", "identities", "--json", "--hub", str(served.path)])
    bound = [each for each in json.loads(listed.output) if each["subject"] == "bound"]
    assert [each["name"] for each in bound] == ["ana"]
    result = CliRunner().invoke(main, ["user", "unbind", *who])
    assert result.exit_code == 0, result.output
    browser, _ = log_in(served)
    assert me(served, browser) not in (None, "ana")
    for path in ("bind", "unbind", "identities"):
        method = "GET" if path == "identities" else "POST"
        assert served.session("ana").request(method, f"/hub/v1/users/{path}").status_code == 403


def test_an_account_made_anew_is_nobodys(served, provider, identities):
    """However it was removed, and although MLflow gives its number to the next one."""
    from mlflow_workspace_plugin.accounts.database import accounts_of

    store = accounts_of(served.hub).store
    is_person(provider, "gone", "gone")
    browser, _ = log_in(served)
    name = me(served, browser)
    number = store.get_user(name).id
    store.delete_user(name)
    store.create_user(name, PASSWORD)
    assert store.get_user(name).id == number
    _, answer = log_in(served)
    assert refused(answer, "may be another")
    served.people.remove(name)
    served.people.add(name, PASSWORD)
    browser, _ = log_in(served)
    assert me(served, browser) == f"{name}-2"


def test_an_account_made_anew_by_mlflow_is_not_logged_in_before(served, provider, identities):
    """Neither by a browser nor by a token that an earlier one of its name and number had."""
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.accounts.database import accounts_of
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    store = accounts_of(served.hub).store
    for route in ("api", "ajax-api"):
        is_person(provider, f"again by {route}", "again")
        browser, _ = log_in(served)
        (name,) = [each.name for each in identities.list() if each.subject == f"again by {route}"]
        tokens = [
            served.token(name, kind="machine", seconds=3600),
            served.token(name),
        ]
        number = store.get_user(name).id
        admin = served.session("admin")
        users = f"/{route}/2.0/mlflow/users"
        assert admin.delete(f"{users}/delete", json={"username": name}).ok
        made = admin.post(f"{users}/create", json={"username": name, "password": PASSWORD})
        assert made.json()["user"]["username"] == name
        assert store.get_user(name).id == number
        assert me(served, browser) is None
        assert [Access(served.hub).by_token(each) for each in tokens] == [None, None]
        assert Tokens(served.hub).list(name) == []
        assert admin.post(f"{users}/create", json={"username": name}).status_code == 400


def test_an_account_is_not_made_anew_if_nothing_can_be_ended(served, monkeypatch):
    """The database is busy just then: who asks again finds the name free."""
    from mlflow_workspace_plugin.accounts.database import accounts_of
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.app.served.browsers.made_anew import MadeAnew

    store = accounts_of(served.hub).store

    async def mlflow_app(_scope, _receive, send):
        user = store.create_user("made-anew", PASSWORD)
        body = json.dumps({"user": {"username": user.username}}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def busy(*_):
        raise HubBusyError("busy")

    monkeypatch.setattr(Tokens, "revoke_all", busy)
    path = "/api/2.0/mlflow/users/create"
    with pytest.raises(HubBusyError):
        ask_app(MadeAnew(mlflow_app, served.hub), path, method="POST")
    assert not store.has_user("made-anew")


def test_log_in_that_has_ended_gives_no_others(served, provider, identities):
    """Although it may read for some seconds: neither a token, nor a yes to a terminal."""
    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.tokens import Tokens

    is_person(provider, "ended", "ended")
    browser, _ = log_in(served)
    name = me(served, browser)
    code = Codes(served.hub).new("a terminal")
    origin = {"Origin": served.address}
    ask, url = {"headers": origin, "timeout": 60}, f"{served.address}/hub/v1/tokens"
    assert browser.post(url, json={"seconds": 3600}, **ask).ok
    assert len(Tokens(served.hub).list(name)) == 2
    assert identities.unbind(provider.issuer, "ended") == name
    assert browser.post(url, json={"seconds": 31622400}, **ask).status_code == 401
    body = {"shown": code.shown, "yes": "1"}
    assert browser.post(f"{served.address}/hub/code", data=body, **ask).status_code == 401
    assert Tokens(served.hub).list(name) == []
    assert Codes(served.hub).redeem(code.secret) is None


@pytest.mark.parametrize("by", ["unbind", "bind"])
def test_account_that_is_taken_meanwhile_is_not_logged_in(
    served, provider, identities, monkeypatch, by
):
    """Between the look at whose it is and the log-in, which nobody would end."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.app.served.oidc.begun import Begun
    from mlflow_workspace_plugin.app.served.oidc.id_tokens import Said

    who, issue = (provider.issuer, f"late {by}"), Tokens.issue
    name = identities.account_of(*who, "late")

    def meanwhile(tokens, *args, **options):
        identities.unbind(*who) if by == "unbind" else identities.bind("ana", *who)
        return issue(tokens, *args, **options)

    monkeypatch.setattr(Tokens, "issue", meanwhile)
    with pytest.raises(IdentityRefusedError, match="taken from you"):
        page_of(served, provider.issuer)._opened(Begun.new("/"), Said(*who, "late"))
    assert Tokens(served.hub).list(name) == []


def page_of(served, issuer):
    """The page of a hub with HTTPS, in this process."""
    from mlflow_workspace_plugin.app.served.browsers.log_in_form import LogInForm
    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions
    from mlflow_workspace_plugin.app.served.oidc.page import OidcPage

    options = OidcOptions(issuer, CLIENT, "Example")
    form = LogInForm(is_https=True, oidc=options)
    return OidcPage(None, served.hub, form, options, secret=SECRET, public_url=PUBLIC)


def ask_app(app, path, query="", *, method="GET", begun=None):
    """Return status, headers and body of what an app answers to a browser."""
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    scope |= {"headers": [(b"host", b"evil.example")], "server": ("evil", 1), "scheme": "http"}
    scope |= {"state": {"begun": begun}}
    sent = []

    async def send(message):
        sent.append(message)

    anyio.run(app, scope, None, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(each.get("body", b"") for each in sent[1:]).decode()
    return sent[0]["status"], headers, body


def test_redirect_uri_and_cookie_are_of_the_public_address(served, provider):
    """Whatever host a request names; and no other host of the domain can have set the cookie."""
    _, headers, _ = ask_app(page_of(served, provider.issuer), "/log-in/oidc")
    asked = parse_qs(urlsplit(headers["location"]).query)
    assert asked["redirect_uri"] == [f"{PUBLIC}/log-in/oidc/back"]
    assert headers["set-cookie"].startswith(f"__Host-{COOKIE}-begun=")
    assert "secure" in headers["set-cookie"].lower()
    assert "domain" not in headers["set-cookie"].lower()


def test_who_cannot_be_sent_to_the_provider_goes_there_later(served):
    """The page that says so leads where this log-in was to lead, and not an earlier one."""
    from mlflow_workspace_plugin.app.served.oidc.begun import Begun

    page, earlier = page_of(served, f"http://127.0.0.1:{free_port()}"), Begun.new("/pages/")
    status, _, body = ask_app(page, "/log-in/oidc", "next=/hub/code", begun=earlier.cookie())
    assert status == 502
    assert 'href="/log-in/oidc?next=/hub/code"' in body


def test_who_is_not_let_in_by_a_busy_hub_is_told_to_begin_again(served, provider, monkeypatch):
    """The code that the browser brought is used up: to ask for the same again is of no use."""
    from mlflow_workspace_plugin.accounts.identities import Identities

    def busy(*_):
        raise HubBusyError("busy")

    page = page_of(served, provider.issuer)
    _, headers, _ = ask_app(page, "/log-in/oidc", "next=/hub/code")
    begun = headers["set-cookie"].partition("=")[2].partition(";")[0]
    back = urlsplit(get(requests, headers["location"]).headers["Location"])
    monkeypatch.setattr(Identities, "account_of", busy)
    status, _, body = ask_app(page, back.path, back.query, begun=begun)
    assert status == 503
    assert "Log in again" in body
    assert 'href="/log-in/oidc?next=/hub/code"' in body


@contextmanager
def none_failed(served):
    """Nothing that was refused before counts within, nor what is refused there afterwards."""
    from sqlalchemy import delete

    from mlflow_workspace_plugin.accounts.token_rows import token_transaction
    from mlflow_workspace_plugin.hub.tables import ATTEMPTS

    def forget():
        with token_transaction(served.hub) as connection:
            connection.execute(delete(ATTEMPTS))

    forget()
    try:
        yield
    finally:
        forget()


def test_provider_is_not_asked_for_ever_by_who_is_refused(served, provider):
    """It is asked with the hub's own secret, and others wait for it, too."""
    from mlflow_workspace_plugin.accounts.attempts import Attempts

    browser, attempts = requests.Session(), Attempts(served.hub)
    back = to_provider(served, browser).replace("code=", "code=x")
    with none_failed(served):
        for _ in range(99):
            attempts.failed_provider("127.0.0.1")
        attempts.check_provider("127.0.0.1")
        assert refused(get(browser, back), "did not take the code")
        # The next waits for a second, and so long does a busy machine.
        for _ in range(5):
            attempts.failed_provider("127.0.0.1")
        asked = provider.asked.count("/token")
        answer = get(browser, back)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        assert "Too many log-ins from here were refused" in answer.text
        assert provider.asked.count("/token") == asked
        attempts.check_provider("127.0.0.2")


def test_provider_on_this_machine_is_asked_by_no_proxy(provider, monkeypatch):
    """Which would read the hub's secret, and say who anybody is."""
    from mlflow_workspace_plugin.app.served.oidc.asking import get_json

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with identity_provider() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.issuer)
        assert get_json(f"{provider.issuer}/keys")["keys"]
        assert proxy.asked == []


def test_answer_that_drips_ends(provider, monkeypatch):
    """Though each byte comes in time."""
    from mlflow_workspace_plugin.app.served.oidc import asking

    monkeypatch.setattr(asking, "_LONGEST_S", 0.5)
    pieces = [b"HTTP/1.0 200 OK\r\n\r\n", *[b" "] * 12, b"{}"]
    provider.answer = lambda _: ((0.2, each) for each in pieces)
    with pytest.raises(IdentityProviderError, match="does not answer"):
        asking.get_json(f"{provider.issuer}/keys")


def test_threads_that_nobody_waits_for_are_few(served, provider, monkeypatch):
    """However many log in while the provider does not answer; once it does, they go on."""
    from mlflow_workspace_plugin.app.served.oidc import page as module

    monkeypatch.setattr(module, "_LONGEST_S", 0.05)
    page, goes_on, began = page_of(served, provider.issuer), threading.Event(), []

    def ask():
        began.append("ask")
        goes_on.wait(60)

    def all_have_ended():
        return page._alive._value == page._alive._initial_value

    async def log_ins():
        for _ in range(40):
            with pytest.raises(IdentityProviderError):
                await page._asked(ask)
        goes_on.set()
        await anyio.to_thread.run_sync(wait_until, all_have_ended, 30)
        monkeypatch.setattr(module, "_LONGEST_S", 30)
        assert await page._asked(lambda: "answered") == "answered"

    anyio.run(log_ins)
    assert len(began) == 16


def test_slow_or_huge_answers_hold_up_nobody(served, provider):
    """Whoever waits for the provider is told so in time, and all others are answered meanwhile."""

    def answer(path):
        if path != "/token":
            return None
        head = b"HTTP/1.0 200 OK\r\nX: "
        return ((0.5, piece) for piece in [head, *[b"a"] * 80])

    provider.answer = answer
    answers = []
    browsers = [requests.Session() for _ in range(6)]
    backs = [to_provider(served, each) for each in browsers]
    threads = [
        threading.Thread(target=lambda pair=pair: answers.append(get(*pair)))
        for pair in zip(browsers, backs, strict=True)
    ]
    for each in threads:
        each.start()
    assert requests.get(f"{served.address}/log-in", timeout=10).ok
    assert served.session("ana").get("/hub/v1/me", timeout=10).ok
    for each in threads:
        each.join(60)
    assert [each.status_code for each in answers] == [502] * 6
    provider.answer = lambda path: (
        ((0, b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 2**22) for _ in range(1))
        if path == "/token"
        else None
    )
    _, answer = log_in(served)
    assert answer.status_code == 502
    assert "more than" in answer.text


def test_no_secret_is_written(served, provider):
    """Neither the hub's at the provider, nor a code, a state or a token, in log or database."""
    browser = requests.Session()
    back = to_provider(served, browser)
    (begun,) = [each for each in browser.cookies if each.name.endswith("-begun")]
    get(browser, back)
    query = parse_qs(urlsplit(back).query)
    secrets = [SECRET, query["code"][0], query["state"][0], begun.value.split(".")[0]]
    secrets.append(browser.cookies[COOKIE])
    kept = served.log.read_bytes()
    for file in served.path.rglob("*"):
        if file.is_file():
            kept += file.read_bytes()
    for each in secrets:
        assert each.encode() not in kept
    assert any(each["path"] == "/log-in/oidc/back" for each in access_log(served.log))


def test_hub_without_passwords_takes_none(served, provider, tmp_path, monkeypatch):
    """By no way, and a terminal is told how people log in there."""
    from mlflow_workspace_plugin.accounts.codes import Codes
    from mlflow_workspace_plugin.accounts.principal import Principal
    from mlflow_workspace_plugin.app.served.browsers.log_in_form import LogInForm
    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions
    from mlflow_workspace_plugin.remote import credentials

    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(tmp_path / "log-ins"))
    credentials._credentials.clear()
    only = OidcOptions(provider.issuer, CLIENT, "Example", (TENANT,), only=True)
    with hub_api_server(served.path, oidc=only) as api:
        answer = requests.get(f"{api.address}/hub/v1/me", auth=("ana", PASSWORD), timeout=60)
        assert answer.status_code == 401
        body = {"name": "admin", "password": PASSWORD}
        answer = requests.post(f"{api.address}/hub/v1/log-in", json=body, timeout=60)
        assert answer.status_code == 401
        assert "takes no passwords" in answer.json()["message"]
        new = Codes.new

        def allowed(codes, label):
            made = new(codes, label)
            assert codes.allow(made.shown, Principal("ana", False))
            return made

        monkeypatch.setattr(Codes, "new", allowed)
        result = CliRunner().invoke(main, ["login", api.address])
        assert result.exit_code == 0, result.output
        assert "people log in with Example" in result.output
        assert "as ana" in result.output
    page = LogInForm(is_https=True, oidc=only).page("/").body.decode()
    assert '<form method="post" action="/log-in" hidden>' in page
    page = LogInForm(is_https=True, oidc=None).page("/").body.decode()
    assert "<p hidden><a" in page


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "https://user:password@evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
)
def test_provider_that_is_not_itself_is_not_asked(provider, metadata):
    """What it says of itself is of its own issuer, and nothing is sent without TLS elsewhere."""
    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions
    from mlflow_workspace_plugin.app.served.oidc.provider import Provider

    provider.metadata = metadata
    options = OidcOptions(provider.issuer, CLIENT, "Example")
    try:
        with pytest.raises(IdentityProviderError):
            Provider(options, SECRET, "https://hub.example.org/").authorization_url("s", "n", "v")
    finally:
        provider.metadata = {}


@pytest.mark.parametrize(
    "issuer",
    [
        "http://evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://evil.example",
        "https://user@evil.example",
        "https://evil.example#x",
        "https://evil.example?x=1",
        "evil.example",
        "",
        "https://accounts.google.com",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0/",
    ],
)
def test_issuer_that_is_unsafe_is_not_served(issuer):
    """Neither one that is read on the way, nor one that knows everybody."""
    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions

    with pytest.raises(HubSettingsError):
        OidcOptions(issuer, CLIENT, "Example")


def test_issuer_of_many_tenants_is_that_of_an_allowed_one():
    """As Microsoft has it: the issuer of a token has the tenant in it."""
    from mlflow_workspace_plugin.app.served.oidc.id_tokens import read_token
    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions

    key, now = new_key("first"), int(time.time())
    options = OidcOptions("https://login.example/organizations/v2.0", CLIENT, "Example", ("a", "b"))

    def said(tenant, issuer):
        from joserfc import jwt

        claims = {"iss": issuer, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": "n", "tid": tenant}
        token = jwt.encode({"alg": "RS256"}, claims, key)
        template = "https://login.example/{tenantid}/v2.0"
        return read_token(token, [key], issuer=template, nonce="n", options=options)

    assert said("a", "https://login.example/a/v2.0").issuer == "https://login.example/a/v2.0"
    for tenant, issuer in (
        ("c", "https://login.example/c/v2.0"),
        ("a", "https://login.example/b/v2.0"),
        ("a", "https://login.example/{tenantid}/v2.0"),
    ):
        with pytest.raises(IdentityRefusedError):
            said(tenant, issuer)
