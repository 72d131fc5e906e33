"""What is printed inside ``with run:``, in a file as well."""

# ruff: noqa: T201  printing is what is tested

import logging
import sys

import pytest

from mlflow_workspace_plugin.runs.user_log import USER_LOG, user_log


@pytest.fixture
def read(tmp_path):
    return (tmp_path / USER_LOG).read_text


def test_both_streams_are_kept_and_shown(read, capsys):
    """What goes to the terminal still does."""
    with user_log():
        print("one")
        print("two", file=sys.stderr)
        sys.stdout.writelines(["three\n"])
    print("after")
    assert read() == "one\ntwo\nthree\n"
    assert capsys.readouterr() == ("one\nthree\nafter\n", "two\n")


def test_it_is_appended_to(read):
    """A second run in the same folder goes on behind the first (SDK v1)."""
    for number in range(2):
        with user_log():
            print(number)
    assert read() == "0\n1\n"


def test_logging_is_kept(read, capsys):
    """By handlers made before and inside, once each; afterwards they write to the terminal only."""
    logger = logging.getLogger("of a test")
    logger.propagate = False
    before = logging.StreamHandler(sys.stderr)
    logger.addHandler(before)
    with user_log():
        inside = logging.StreamHandler(sys.stdout)
        logger.addHandler(inside)
        logger.error("kept")
    logger.error("shown")
    assert read() == "kept\nkept\n"
    assert capsys.readouterr() == ("kept\nshown\n", "kept\nshown\n")


def test_streams_come_back_after_an_error():
    """Whatever happened inside."""
    stdout, stderr = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), user_log():
        print(f"first {1 / 0}")
    assert (sys.stdout, sys.stderr) == (stdout, stderr)


def test_any_text_is_kept(read):
    """What the file's encoding cannot hold is kept escaped."""
    with user_log():
        print("損失")
    assert "損失" in read()
