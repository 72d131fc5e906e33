"""URIs: one parser, one printer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import InvalidUriError

names = st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,5}){0,3}[a-z0-9]", fullmatch=True).filter(
    lambda name: name not in {"workspaces", "api", "ajax-api", "static-files"}
)
folder_names = st.text(
    st.characters(blacklist_characters="/\\", blacklist_categories=("Cc", "Cs")), min_size=1
).filter(lambda name: name not in {".", ".."})
folders = st.lists(folder_names, min_size=1, max_size=4).map(lambda parts: Path("/", *parts))


@given(folders, names)
def test_workspace_uri_round_trips(folder, name):
    """What is printed is parsed back, whatever the folder is called."""
    uri = uris.WorkspaceUri(folder, name)
    assert uris.parse(str(uri)) == uri


@given(folders)
def test_hub_uri_round_trips(folder):
    """What is printed is parsed back, whatever the folder is called."""
    uri = uris.HubUri(folder)
    assert uris.parse(str(uri)) == uri


@given(
    st.sampled_from(["example.org", "localhost", "127.0.0.1", "10.0.0.7", "::1"]),
    st.none() | st.integers(1, 65535),
    names,
    st.sampled_from(["http", "https"]),
)
def test_served_uri_round_trips(host, port, name, scheme):
    """What is printed is parsed back, the way to speak to the host included."""
    uri = uris.ServedWorkspaceUri(host, port, name, scheme)
    assert uris.parse(str(uri)) == uri


@given(folders, names)
def test_parsing_is_idempotent_through_mlflows_helpers(folder, name):
    """MLflow's URI helpers drop two slashes; the URI means the same afterwards."""
    from mlflow.utils.uri import append_to_uri_path

    uri = uris.WorkspaceUri(folder, name)
    assert uris.parse(append_to_uri_path(str(uris.HubUri(folder)), "x")).hub == folder / "x"
    assert uris.parse(str(uri).replace("://", ":", 1)) == uri


@pytest.mark.parametrize(
    "text",
    [
        "workspace:///hub/team-a",
        "workspace:/hub/team-a",
        "workspace:///hub/team-a/",
        "workspace:////hub//team-a",
        "workspace:///hub/./team-a",
        "workspace:///%68ub/team-a",
    ],
)
def test_all_forms_mean_the_same(text):
    """Slashes, dots and needless encoding are normalised away."""
    assert uris.parse(text) == uris.WorkspaceUri(Path("/hub"), "team-a")
    assert str(uris.parse(text)) == "workspace:///hub/team-a"


def test_served_uri_defaults_to_https_but_for_loopback():
    """https everywhere, http on this machine, and the query says otherwise."""
    assert uris.parse("workspace://example.org/team-a").scheme == "https"
    assert uris.parse("workspace://127.0.0.1:5000/team-a").scheme == "http"
    assert uris.parse("workspace://example.org/team-a?scheme=http").scheme == "http"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("workspace:///hub", "lacks a hub folder or a workspace name"),
        ("workspace:///", "lacks a hub folder or a workspace name"),
        ("workspace:", "relative path"),
        ("workspace:hub/team-a", "relative path"),
        ("workspace://example.org", "not workspace://HOST/NAME"),
        ("workspace://hub/dir/team-a", "three slashes"),
        ("workspace-hub:///", "names no hub folder"),
        ("workspace-hub://example.org/hub", "three slashes"),
        ("workspace-hub:hub", "relative path"),
        ("sqlite:///x.db", "not a workspace URI"),
        ("workspace:///hub/../etc/team-a", "contains '..'"),
        ("workspace:///hub/%2e%2e/team-a", "contains '..'"),
        ("workspace:///hub%2fteam-a", "percent-encoding"),
        ("workspace:///hub%5Cdir/team-a", "percent-encoding"),
        ("workspace:/user:pw@host/team-a", "user name or password"),
        ("workspace:///hub%00/team-a", "percent-encoding"),
        ("workspace:///hub\x00/team-a", "control character"),
        ("workspace:///hub\n/team-a", "control character"),
        ("workspace:///hub%0A/team-a", "control character"),
        ("workspace:///C:\\hub\\team-a", "backslash"),
        ("workspace:///hub/team-a?x=1", "query or fragment"),
        ("workspace:///hub/team-a#x", "query or fragment"),
        ("workspace://example.org/team-a?scheme=ftp", "unknown scheme"),
        ("workspace://example.org:notaport/team-a", "malformed"),
        ("workspace:///hub/Team_A", "only a-z, 0-9 and '-'"),
        ("workspace:///hub/Team_A", "'team-a': write that"),
        ("workspace:///hub/" + "a" * 300, "300 characters, more than 63"),
    ],
)
def test_malformed_uri_is_refused_with_its_reason(text, reason):
    """Each message names the URI, the reason, and a remedy in full sentences."""
    with pytest.raises(InvalidUriError) as raised:
        uris.parse(text)
    message = raised.value.message
    assert message.startswith("URI ")
    assert reason in message
    assert message.count(". ") >= 1


@pytest.mark.parametrize(
    "text",
    [
        "workspace://user:s3cret@example.org/team-a",
        "workspace://s3cret@example.org/team-a",
        "workspace://example.org/team-a?token=s3cret",
        "workspace:///hub/team-a?sig=s3cret",
        "workspace://example.org/team-a#s3cret",
        "http://user:s3cret@example.org/",
        "workspace://user:s3c/s3cret@host/team-a",
        "workspace://user:s3c?s3cret@host/team-a",
        "workspace:user:s3cret@host/team-a",
        "workspace:/user:s3cret@host/team-a",
        "workspace://host:s3cret/team-a",
        "workspace://host:80s3cret/team-a",
        "workspace://host:80:s3cret/team-a",
        "workspace://[::1]:s3cret/team-a",
        "workspace://host:s3c?s3cret/team-a",
        "workspace://host:s3c#s3cret/team-a",
        "workspace-hub://host:s3cret/team-a",
        "workspace:host:s3cret/team-a",
        "workspace://:s3cret/team-a",
        "http://host:s3cret/team-a",
    ],
)
def test_secret_in_a_uri_is_refused_and_never_repeated(text):
    """The error that refuses a secret does not print it."""
    with pytest.raises(InvalidUriError) as raised:
        uris.parse(text)
    assert "s3cret" not in str(raised.value)


@given(st.text(alphabet="abc019:[].%\\ é\u202e", min_size=1, max_size=12))
def test_what_is_no_port_is_never_repeated(text):
    """Whatever stands behind the host may be a password."""
    secret = f"s3cret{text}"
    shown = uris.redact(f"workspace://host:{secret}/team-a")
    assert "s3cret" not in shown
    assert shown.endswith("/team-a")


def test_port_is_shown():
    """It is no secret, and helps."""
    for uri in ("workspace://host:5000/team-a", "workspace://[::1]:80/x", "workspace:///a:b/x"):
        assert uris.redact(uri) == uri
    assert uris.redact("workspace://host:70000/x") == "workspace://host:***/x"


def test_hub_is_named_by_folder_or_by_uri(tmp_path):
    """A hub argument is a path, a relative path or a workspace-hub: URI, and nothing else."""
    assert uris.hub_folder(tmp_path) == tmp_path
    assert uris.hub_folder("x") == Path.cwd() / "x"
    assert uris.hub_folder(f"workspace-hub://{tmp_path}") == tmp_path
    assert uris.hub_folder(f"WORKSPACE-HUB://{tmp_path}") == tmp_path
    for unusable in ("", "/tmp/a\\b", "/tmp/a\nb", "/"):
        with pytest.raises(InvalidUriError):
            uris.hub_folder(unusable)
    with pytest.raises(InvalidUriError, match="does not name a hub"):
        uris.hub_folder(f"workspace://{tmp_path}/team-a")


def test_name_alone_is_of_the_default_hub(monkeypatch, tmp_path):
    """workspace:NAME is read as the long form, which is what is printed."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", str(tmp_path / "a hub"))
    parsed = uris.parse("workspace:team-a")
    assert parsed == uris.WorkspaceUri(tmp_path / "a hub", "team-a")
    assert str(parsed) == f"workspace://{tmp_path}/a%20hub/team-a"


@pytest.mark.parametrize("uri", ["workspace:", "workspace:team/a", "workspace:team_a?x=1"])
def test_name_alone_is_a_name(uri):
    """What is no workspace's name is refused."""
    with pytest.raises(InvalidUriError):
        uris.parse(uri)


def test_name_in_the_place_of_a_host_is_told_apart():
    """Two slashes too many are the likeliest slip, and the error says what was meant."""
    with pytest.raises(InvalidUriError, match="write workspace:team-a, without slashes"):
        uris.parse("workspace://team-a")
