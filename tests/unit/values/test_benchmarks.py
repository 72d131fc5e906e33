"""The benchmarks run, and write nothing into the documentation but their table."""

import re

import pytest

from tests.benchmarks.report import END, START, Line, markdown, write_page
from tests.benchmarks.suite import check_names
from tests.conftest import TESTS

COMMAND = str(TESTS / "benchmarks" / "compare_with_mlflow.py")


def test_a_workload_is_measured_against_mlflow(run_python):
    """Its line has both figures and their ratio; the settings of both databases stand below."""
    done = run_python(COMMAND, "--quick", "--database", "sqlite", "--only", "log_metric")
    assert re.search(r"log_metric, one caller, SQLite .*calls/s .*\d+ .*\d+ .*[\d.]+x", done.stdout)
    assert re.search(r"MLflow journal_mode=delete.*; workspace journal_mode=wal", done.stdout)


def test_a_workload_of_ours_alone_is_measured(run_python):
    """Its lines have one figure, as MLflow has nothing like it."""
    done = run_python(COMMAND, "--quick", "--database", "sqlite", "--only", "texts")
    assert re.search(r"first page of 1,000 texts, SQLite .*ms .*[\d.]+", done.stdout)
    assert re.search(r"tick and figure, one more of 1,000 texts, SQLite .*ms .*[\d.]+", done.stdout)


def test_an_unknown_workload_is_named_with_the_known_ones():
    """Instead of an empty table."""
    with pytest.raises(SystemExit, match=r"'nonsense'.* log_metric, .*import"):
        check_names(["nonsense"])


def test_page_changes_between_the_markers_only(tmp_path):
    """Whatever stood there before, and again when it is written again."""
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    lines = [
        Line("fast", "SQLite", "calls/s", mlflow=100, ours=2000, rounds=5, wanted=15),
        Line("slow", "SQLite", "ms", mlflow=3, ours=2, rounds=5, wanted=15),
        Line("broken", "SQLite", failure="failed: KeyError"),
    ]
    for _ in range(2):
        write_page(page, markdown(lines, ["a note"]))
        before, rest = page.read_text().split(START)
        table, after = rest.split(END)
        assert (before, after) == ("before\n", "\nafter\n")
        assert "| fast, SQLite | calls/s | 100 | 2,000 | 20x | 5 |" in table
        assert "| slow, SQLite | ms | 3 | 2 | 1.50x | 5 |" in table
        assert "failed: KeyError" in table
        assert "- a note" in table
        assert "old" not in table


@pytest.mark.parametrize("text", ["nothing", START, f"{END}{START}", f"{START}{START}{END}"])
def test_page_without_a_place_for_the_table_is_left_alone(tmp_path, text):
    """The message says which lines to write."""
    page = tmp_path / "benchmarks.md"
    page.write_text(text)
    with pytest.raises(SystemExit, match=f"{START} and {END}"):
        write_page(page, "table")
    assert page.read_text() == text
