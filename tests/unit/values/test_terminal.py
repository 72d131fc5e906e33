"""What is shown of text that came with data."""

import json
import logging

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.cli.options import echo, print_facts, print_json, print_table
from mlflow_workspace_plugin.terminal import get_logger, shown, shown_in_json

TEXT = st.text(st.characters(codec=None))
DANGEROUS = [
    *("\x1b]0;title\x07", "\x1b[31m", "\x9b31m", "\x00", "\x7f", "\r", "\x08"),
    *("\u202e", "\u2066", "\u200e", "\u061c", "\u2028", "\ud800", "\U000e0041"),
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_a_terminal_would_do_is_shown(text):
    """As Python writes it; so it is by each way of printing, and in JSON it means the same."""
    assert shown(f"a{text}b").isprintable()
    assert shown(f"a{text}b", lines=True).isprintable()
    assert shown_in_json(f"a{text}b").isprintable()


@pytest.mark.parametrize("text", ["plain [red]x[/red]", "日本\u3000語", "né", "👩\u200d🔬", "a b"])
def test_text_that_is_shown_as_itself_stays(text):
    """In any language."""
    assert shown(text) == shown(text, lines=True) == shown_in_json(text) == text


@given(TEXT)
def test_json_means_the_same(text):
    """Whatever is in its strings."""
    printed = shown_in_json(json.dumps({text: [text]}, indent=2, ensure_ascii=False))
    assert json.loads(printed) == {text: [text]}


def printed(call) -> str:
    """What a call prints."""
    import click

    return CliRunner().invoke(click.Command("x", callback=call)).output


@pytest.mark.parametrize("text", DANGEROUS)
def test_every_way_of_printing_escapes(text):
    """Titles, names of columns, cells, facts, lines."""
    for call in (
        lambda: print_table(text, [{text: text}]),
        lambda: print_table(text, []),
        lambda: print_facts({"name": text}),
        lambda: print_json([text]),
        lambda: echo(f"a {text}"),
    ):
        assert text not in printed(call)


def test_markup_is_text():
    """Of the library that draws tables."""
    assert "[red]x[/red]" in printed(lambda: print_table("[b]t", [{"[i]c": "[red]x[/red]"}]))


def test_log_shows_what_is_in_names_and_errors(caplog):
    """Ends of lines in an error stay, those in a name would look like another message."""
    logger = get_logger("mlflow_workspace_plugin.test")
    with caplog.at_level(logging.WARNING):
        logger.warning("%s %r %d: %s", "na\x1b\nme", "x\x1b", 3, ValueError("1\n2\x9b"))
    assert caplog.messages == [r"na\x1b\nme 'x\x1b' 3: 1" + "\n" + r"2\x9b"]
