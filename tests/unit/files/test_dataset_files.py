"""Definitions of datasets, patterns of paths, steps on files, and lists of what was there."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.artifacts.file_space import StoredFile
from mlflow_workspace_plugin.data import urls
from mlflow_workspace_plugin.data.definition import (
    AtUrl,
    DatasetDefinition,
    InDatastore,
    OnThisMachine,
)
from mlflow_workspace_plugin.data.files.manifest import Facts, Manifest, name_of
from mlflow_workspace_plugin.data.files.patterns import Pattern, normalized
from mlflow_workspace_plugin.data.files.steps import applied
from mlflow_workspace_plugin.errors import DatasetExecutionError, UnsafeArtifactPathError

_texts = st.text(max_size=20)
_paths = st.one_of(
    st.builds(InDatastore, _texts, _texts),
    st.builds(AtUrl, _texts),
    st.builds(OnThisMachine, _texts),
)
_values = st.one_of(st.integers(), _texts, st.booleans(), st.lists(_texts, max_size=3))
_definitions = st.builds(
    DatasetDefinition,
    kind=st.sampled_from(["file", "tabular"]),
    paths=st.lists(_paths, max_size=4).map(tuple),
    reader=st.none() | st.dictionaries(_texts, _values, max_size=4),
    steps=st.lists(st.dictionaries(_texts, _values, min_size=1, max_size=4), max_size=4).map(tuple),
    partition_format=st.none() | _texts,
    timestamp=st.none() | _texts,
    partition_timestamp=st.none() | _texts,
)


@given(_definitions)
def test_a_definition_is_what_was_stored(definition):
    """A definition comes back from JSON as it went there, and knows no field that is not set."""
    stored = json.loads(json.dumps(definition.to_json()))
    assert DatasetDefinition.from_json(stored) == definition
    assert None not in stored.values()


def test_a_definition_of_a_later_version_is_read():
    """What a later version adds to a definition is left out, and the rest is read."""
    stored = {"kind": "file", "paths": [{"local": "/a"}], "later": 1}
    assert DatasetDefinition.from_json(stored).paths == (OnThisMachine("/a"),)


def test_what_a_later_version_added_is_named():
    """What decides on the content of a dataset, and is not known, is an error and not left out."""
    stored = {"kind": "file", "paths": [{"bucket": "b"}]}
    with pytest.raises(DatasetExecutionError, match=r"later version.*bucket"):
        DatasetDefinition.from_json(stored)
    with pytest.raises(DatasetExecutionError, match=r"later version.*'sort'"):
        applied([{"do": "sort"}], ["a"])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a.csv?id=1&x=%20", None),
        ("https://h/a.csv?tokenizer=bert&keys=2&monkey=3", None),
        ("https://u:p@h/a.csv?id=1", "https://h/a.csv?id=1"),
        ("https://token@h/a.csv", "https://h/a.csv"),
        ("https://h/a.csv?id=1&sig=s&x=%20", "https://h/a.csv?id=1&x=%20"),
        (
            "https://h/a.csv?AWSAccessKeyId=1&X-Amz-Security-Token=s",
            "https://h/a.csv?AWSAccessKeyId=1",
        ),
        ("https://h/a.csv?private_token=s", "https://h/a.csv"),
        ("https://h/a.csv?subscription-key=s", "https://h/a.csv"),
        ("https://h/a.csv?id=1&k%65y=s", "https://h/a.csv?id=1"),
        ("https://h/a.csv?Authorization=s", "https://h/a.csv"),
    ],
)
def test_secrets_of_urls_are_not_shown(url, shown):
    """Nor are they in the repr of a definition; all else of a URL stays as it is."""
    assert urls.holds_secret(url) == (shown is not None)
    assert urls.shown(url) == (shown or url)
    assert f"({shown or url!r})" in repr(DatasetDefinition("file", (AtUrl(url),)))


FILES = ["one.csv", "a/two.csv", "a/b/three.csv", "a/b/x[1]?.txt", ".hidden"]


@pytest.mark.parametrize(
    ("pattern", "folder", "found"),
    [
        ("*", "", ["one.csv", ".hidden"]),
        ("**", "", FILES),
        ("**/*.csv", "", ["one.csv", "a/two.csv", "a/b/three.csv"]),
        ("**.csv", "", ["one.csv", "a/two.csv", "a/b/three.csv"]),
        ("*/*.csv", "", ["a/two.csv"]),
        ("**/b/**", "", ["a/b/three.csv", "a/b/x[1]?.txt"]),
        ("a/**/three.csv", "a", ["a/b/three.csv"]),
        ("**/a/**/three.csv", "", ["a/b/three.csv"]),
        ("**/x[1]?*", "", ["a/b/x[1]?.txt"]),
        ("**/ONE*", "", []),
        ("data/2019-*/*", "data", []),
    ],
)
def test_patterns(pattern, folder, found):
    """``*`` stays within a folder, ``**`` is any number of them, none too, all else is itself."""
    compiled = Pattern(pattern)
    assert compiled.folder == folder
    assert [path for path in FILES if compiled.matches(path)] == found


_names = st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=6)
_parts = st.lists(st.sampled_from(["*", "**", "a", "a*", "*b"]), min_size=1, max_size=5)


def _matches(parts: list[str], names: list[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        rest = parts[1:] or ["*"]
        return any(_matches(rest, names[start:]) for start in range(len(names)))
    if not names:
        return False
    name = names[0]
    fits = {"*": True, "a": name == "a", "a*": name[0] == "a", "*b": name[-1] == "b"}
    return fits[parts[0]] and _matches(parts[1:], names[1:])


@given(_parts, _names)
def test_patterns_agree_with_their_definition(parts, names):
    """A pattern matches what its definition, which tries every way, matches."""
    compiled = Pattern("/".join(["**", *parts]))
    assert compiled.matches("/".join(names)) == _matches(["**", *parts], names)


@pytest.mark.parametrize(
    ("given_path", "stored"),
    [("/a/b/", "a/b"), ("./a", "a"), ("a/../b", "b"), ("", ""), ("/", ""), ("a//b", "a/b")],
)
def test_paths_have_one_form(given_path, stored):
    """The same place has the same path, and so the same definition."""
    assert normalized(given_path) == stored


@pytest.mark.parametrize(
    "path", ["..", "a/../../b", "%2e%2e/x", "a/%252e%252e/x", "..\\x", "C:\\x", "a\x00b"]
)
def test_paths_stay_in_the_datastore(path):
    """A path that leads out of its datastore is refused, however it is written."""
    with pytest.raises(UnsafeArtifactPathError):
        normalized(path)


_counts = st.integers(0, 30)


@given(st.lists(st.integers()), _counts)
def test_take_and_skip_are_all(files, count):
    """What is taken and what is skipped are the whole, in its order."""
    taken = applied([{"do": "take", "count": count}], files)
    left = applied([{"do": "skip", "count": count}], files)
    assert taken + left == files
    assert len(taken) == min(count, len(files))


@given(st.lists(st.integers(), unique=True), st.floats(0, 1), st.integers())
def test_the_parts_of_a_split_are_all(files, percentage, seed):
    """Each file is in one part, parts keep the order, and a sample is the first of them."""
    how = {"do": "split", "percentage": percentage, "seed": seed}
    first, second = (applied([how | {"part": part}], files) for part in (0, 1))
    assert sorted(first + second) == sorted(files)
    assert [file for file in files if file in first] == first
    assert applied([{"do": "sample", "probability": percentage, "seed": seed}], files) == first


def test_splits_draw_by_position():
    """Images and their masks, of other names, are split in the same way by the same seed."""
    how = [{"do": "split", "percentage": 0.5, "seed": 7, "part": 0}]
    images, masks = ([f"{kind}{n}" for n in range(100)] for kind in ("image", "mask"))
    assert [name[5:] for name in applied(how, images)] == [name[4:] for name in applied(how, masks)]
    assert 30 < len(applied(how, images)) < 70


_facts = st.builds(
    Facts, st.none() | st.integers(0), st.none() | st.integers(0), st.none() | _texts, st.none()
)
_manifests = st.builds(Manifest, st.dictionaries(_texts, _facts, max_size=6))


@given(_manifests)
def test_a_manifest_is_what_was_stored(manifest):
    """A list of files comes back as it went, and equal ones are stored under one name."""
    stored = manifest.to_bytes()
    assert Manifest.from_bytes(stored) == manifest
    turned = Manifest(dict(reversed(manifest.files.items())))
    assert name_of(turned.to_bytes()) == name_of(stored)
    assert not manifest.compare(manifest)


@given(_manifests, _manifests)
def test_every_file_is_added_changed_gone_or_as_it_was(then, now):
    """Comparing names each file once, and the other way round what was added is gone."""
    became = then.compare(now)
    assert set(became.added) == now.files.keys() - then.files.keys()
    assert set(became.gone) == then.files.keys() - now.files.keys()
    assert set(became.changed) <= now.files.keys() & then.files.keys()
    back = now.compare(then)
    assert (back.added, back.gone, back.changed) == (became.gone, became.added, became.changed)


@pytest.mark.parametrize(
    ("then", "now", "is_changed"),
    [
        (Facts(1, 5, None, "x"), Facts(1, 9, "e", "x"), False),
        (Facts(1, 5, None, "x"), Facts(1, 5, None, "y"), True),
        (Facts(1, 5, "e"), Facts(1, 9, "e"), False),
        (Facts(1, 5, "e"), Facts(1, 5, "f"), True),
        (Facts(1, 5), Facts(2, 5), True),
        (Facts(1, 5), Facts(1, 6), True),
        (Facts(None, None), Facts(1, 6), False),
    ],
)
def test_what_is_known_of_both_says_whether_a_file_is_the_same(then, now, is_changed):
    """Hashes go before ETags, those before times; what is not known says nothing."""
    assert bool(Manifest({"a": then}).compare(Manifest({"a": now})).changed) == is_changed


def test_a_damaged_manifest_is_no_empty_one():
    """What cannot be read is an error, so that nobody believes that no file was there."""
    stored = Manifest.of(
        [SimpleNamespace(key="a", stored=StoredFile("a", 1))]  # what a resolved file is
    ).to_bytes()
    for damaged in (b"", stored[:-4], b"x" + stored):
        with pytest.raises(ValueError, match="damaged"):
            Manifest.from_bytes(damaged)
