"""Times, durations and sizes, as people say them."""

import pytest

from mlflow_workspace_plugin.cli.layout import words

NOW = 1_770_000_000.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (5, "5 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (-5, "just now"),
        (3 * 86_400, "3 days ago"),
    ],
)
def test_ago(seconds, said):
    """Such as a person would say it."""
    assert words.ago(int((NOW - seconds) * 1000), NOW) == said


@pytest.mark.parametrize("time", [NOW - 40 * 86_400, NOW + 86_400 * 3, 0])
def test_long_ago_is_a_date(time):
    """So is what a clock that goes wrong has put into the future."""
    assert words.ago(int(time * 1000), NOW).count("-") == 2


def test_times_of_no_calendar():
    """Rows may hold any number."""
    assert words.ago(None, NOW) == ""
    assert words.ago(2**62, NOW) == "unknown"
    assert words.iso(2**62) is None
    assert words.took(None, 5) == words.took(5, None) == words.took(5, 4) == ""


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(0, "0 s"), (400, "0.4 s"), (12_000, "12 s"), (90_000, "1.5 min"), (5_400_000, "1.5 h")],
)
def test_took(milliseconds, said):
    """In the largest unit that makes it one or more."""
    assert words.took(1, 1 + milliseconds) == said


def test_sizes_and_counts():
    """Decimal units; one file, two files."""
    assert [words.size(each) for each in (0, 999, 1500, 2e13)] == [
        *("0 bytes", "999 bytes", "1.5 kB", "20.0 TB"),
    ]
    assert [words.count(each, "file") for each in (0, 1, 2000)] == [
        *("0 files", "1 file", "2,000 files"),
    ]


def test_iso_keeps_milliseconds():
    """For programs."""
    assert words.iso(1_500) == "1970-01-01T00:00:01.500+00:00"
