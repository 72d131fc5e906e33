"""Any text as the key or value of an MLflow tag, and back."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_tag

from mlflow_workspace_plugin.runs import tag_text

PROPERTY = f"{tag_text.OURS}property."
TEXTS = st.text() | st.text('":/.@ \n\0', max_size=4) | st.text("aé@", min_size=245, max_size=260)
TAGS = st.dictionaries(
    TEXTS | st.sampled_from(["quoted:a", "long:a", f"{PROPERTY}x", "a" * 500, ":40:", "é@" * 250]),
    st.none() | TEXTS | st.sampled_from(["v" * 8000, "v" * 8001, "\ud800", "… [text 0]"]),
    max_size=5,
)


@given(tags=TAGS, properties=TAGS)
def test_what_is_read_is_what_was_written(tags, properties):
    """Tags beside properties, whatever text they are; and MLflow takes each key and value."""
    stored = tag_text.to_mlflow(tags) | tag_text.to_mlflow(properties, PROPERTY)
    assert tag_text.from_mlflow(stored) == tags
    assert tag_text.from_mlflow(stored, PROPERTY) == properties
    for key, value in stored.items():
        assert (_validate_tag(key, value).key, len(value) <= 8000) == (key, True)


@given(key=st.text() | st.just("quoted::fffff:"), value=st.text() | st.just("... [text 0]"))
def test_tags_of_other_programs_are_read(key, value):
    """Without an error, whatever they look like."""
    assert len(tag_text.from_mlflow({f"quoted:{key}": value, f"long:{key}": value})) >= 1


@pytest.mark.parametrize(
    ("key", "value"), [("a", "b"), ("a b/c.d-e:f", "日本"), ("モデル", " "), ("mlflow.note", "x")]
)
def test_usual_tags_stay_as_they_are(key, value):
    """So that MLflow's UI and search show them under their names."""
    assert tag_text.to_mlflow({key: value}) == {key: value}


def test_value_that_looks_like_one_in_pieces_is_itself():
    """Copied from what MLflow shows of another."""
    shown = tag_text.to_mlflow({"a": "v" * 9000})["a"]
    stored = tag_text.to_mlflow({"a": "v" * 9000, "b": shown})
    assert tag_text.from_mlflow(stored) == {"a": "v" * 9000, "b": shown}


def test_other_values_become_text_with_a_warning(caplog):
    """As in SDK v1; one key alone is a key without a value."""
    with caplog.at_level(logging.WARNING):
        assert tag_text.as_text({"a": 1, "b": None, 2: "c"}) == {"a": "1", "b": None, "2": "c"}
    assert caplog.messages == ["The value of 'a' is of type int, and is stored as the text '1'."]
    assert tag_text.as_text("key") == {"key": None}
