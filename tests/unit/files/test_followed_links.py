"""Links of a snapshot are followed as a system does it, and what is behind them is counted."""

import pytest

from mlflow_workspace_plugin.bounded import TooMuchError
from mlflow_workspace_plugin.runs.snapshots import followed
from mlflow_workspace_plugin.runs.snapshots.followed import with_links_followed
from mlflow_workspace_plugin.runs.snapshots.manifest import File, Manifest

FILE = File("0" * 64, 1, False, "pack", 0)


def test_links_that_multiply_are_refused():
    """Of 80 links each two lead to the two before: what is behind them doubles 40 times."""
    links = {f"d{n:02}/{name}": f"../d{n - 1:02}" for n in range(1, 41) for name in "xy"}
    manifest = Manifest.from_json(Manifest({"d00/f": FILE}, links, []).to_json())
    with pytest.raises(TooMuchError, match="its links"):
        with_links_followed(manifest)


def test_folders_that_multiply_are_refused():
    """Also where no file is behind the links."""
    links = {f"d{n:02}/{name}": f"../d{n - 1:02}" for n in range(1, 41) for name in "xy"}
    with pytest.raises(TooMuchError, match="its links"):
        with_links_followed(Manifest({}, links, ["d00"]))


def test_long_chains_of_links():
    """A link leads through 40 others, and what is longer is refused."""
    links = {f"l{n:03}": f"l{n - 1:03}" for n in range(100, 1, -1)} | {"l001": "f"}
    in_order = with_links_followed(Manifest({"f": FILE}, dict(sorted(links.items())), []))
    assert len(in_order) == 101
    with pytest.raises(TooMuchError, match="more than 40"):
        with_links_followed(Manifest({"f": FILE}, links, []))


def test_links_that_lead_nowhere_are_left_out():
    """In circles, to what is not there, behind a file, and to what they are in."""
    links = {"a": "b", "b": "a/x", "c": "gone", "d": "f/x", "in/up": "..", "in/self": "."}
    assert set(with_links_followed(Manifest({"f": FILE}, links, []))) == {"f"}


def test_folders_behind_links_hold_links():
    """Whatever the links are called."""
    files = {"d/f": FILE}
    found = with_links_followed(Manifest(files, {"a": "b", "b/c": "../d"}, []))
    assert set(found) == {"a/c/f", "b/c/f", "d/f"}


def test_deep_manifests_are_bounded(monkeypatch):
    """Each of their folders takes memory, and a path has as many as its writer likes."""
    with pytest.raises(TooMuchError, match="longer"):
        Manifest.from_json(Manifest({"a/" * 3_000 + "f": FILE}, {}, []).to_json())
    monkeypatch.setattr(followed, "MOST_FILES", 5_000)
    deep = {f"{number}/" + "a/" * 2_000 + "f": FILE for number in range(3)}
    manifest = Manifest.from_json(Manifest(deep, {}, []).to_json())
    with pytest.raises(TooMuchError, match="more than"):
        with_links_followed(manifest)


@pytest.mark.parametrize("size", [-1, float("inf")])
def test_sizes_that_are_none(size):
    """Less than nothing would be all that there is."""
    with pytest.raises(ValueError, match="it "):
        Manifest.from_json(Manifest({"f": FILE._replace(size=size)}, {}, []).to_json())
