"""Artifact paths: what stays inside, and what is refused."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.artifacts.paths import check_path, location_of
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

ESCAPES = [
    "..",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "//etc/passwd",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "%252e%252e%252fx",
    "%25252e%25252e/x",
    "%2fetc/passwd",
    "..\\x",
    "a\\..\\..\\x",
    "C:\\x",
    "C:x",
    "\\\\host\\share\\x",
    "\\x",
    "a\x00b",
    "a%00b",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_escape_is_refused(path):
    """However it is written or encoded, a path that leads out is refused, with a remedy."""
    with pytest.raises(UnsafeArtifactPathError, match="Give a path relative"):
        check_path(path)


@pytest.mark.parametrize(
    "path", [None, "", "a", "a/b.txt", "a..b/c", "100%", "日本/x y", "...", "loss:train/c"]
)
def test_ordinary_path_is_accepted(path):
    """Odd but harmless names pass."""
    check_path(path)


@given(st.text(max_size=30))
def test_accepted_path_stays_inside(path):
    """Whatever is accepted lies below the place it is joined to."""
    try:
        check_path(path)
    except UnsafeArtifactPathError:
        return
    joined = PurePosixPath("/root/run") / path
    assert joined.is_relative_to("/root/run")
    assert ".." not in joined.parts


def test_location_of_own_workspace():
    """A stored location becomes a path below the hub's artifact root."""
    uri = "mlflow-artifacts:/workspaces/team-a/1/run/artifacts"
    assert location_of(uri, "team-a") == PurePosixPath("workspaces/team-a/1/run/artifacts")


def test_location_from_before_workspaces_is_the_default_ones():
    """MLflow stored no workspace before it had any; those files are default's alone."""
    assert location_of("mlflow-artifacts:/0/run/artifacts", "default") == PurePosixPath(
        "0/run/artifacts"
    )
    with pytest.raises(UnsafeArtifactPathError):
        location_of("mlflow-artifacts:/0/run/artifacts", "team-a")


def test_location_of_a_skill_is_relative_to_the_workspace():
    """Where MLflow's server looks for it; that is the root for ``default``, as for all else."""
    uri = "mlflow-artifacts:/skills/@acme/code-review/token"
    path = PurePosixPath("skills/@acme/code-review/token")
    assert location_of(uri, "team-a") == PurePosixPath("workspaces/team-a") / path
    assert location_of(uri, "default") == path
    for other in ("Skills/x", "skillset/x", "%73kills/x", "0/skills/x"):
        with pytest.raises(UnsafeArtifactPathError, match="not in workspace"):
            location_of(f"mlflow-artifacts:/{other}", "team-a")
    with pytest.raises(UnsafeArtifactPathError, match="leads out"):
        location_of("mlflow-artifacts:/skills/../../team-b/1", "team-a")


@pytest.mark.parametrize("workspace", ["team-b", "default"])
@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/workspaces/team-a/1/run/artifacts",
        "mlflow-artifacts:/workspaces/team-a",
        "mlflow-artifacts:/./workspaces/team-a/1",
        "mlflow-artifacts://///workspaces/team-a/1".replace("////", "//", 1),
        "mlflow-artifacts:/Workspaces/team-a/1",
        "mlflow-artifacts:/workspaces/team-b/../team-a/1",
        "mlflow-artifacts:/workspaces/team%2Da/1",
        "mlflow-artifacts:/workspaces",
        "mlflow-artifacts:/workspaces/",
        "mlflow-artifacts:/",
    ],
)
def test_location_of_another_workspace_is_refused(uri, workspace):
    """No spelling of a location opens another workspace's files, or all of them."""
    with pytest.raises(UnsafeArtifactPathError):
        location_of(uri, workspace)


def test_path_is_decoded_so_often_only():
    """One that was encoded again and again is refused, and takes no time that grows with it."""
    check_path("%" + "25" * 20 + "a")
    with pytest.raises(UnsafeArtifactPathError, match="encoded more than"):
        check_path("%" + "25" * 200_000 + "2e")
