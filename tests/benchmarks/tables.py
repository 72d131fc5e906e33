"""Rows of files: read by a dataset, and by pandas alone with the same engine.

The left column is pandas'. Each reading is done in a process of its own.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlflow_workspace_plugin.sdk.data.datasets.tabular.factory import TabularDatasetFactory
from tests.benchmarks.measure import child, in_turn, memory, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sizes import Sizes

_BYTES = {"full": 10**9, "quick": 10**6}
_JSON_BYTES = {"full": 10**8, "quick": 10**5}
_ROWS = 100_000
_WORDS = ("alpha", "beta", "gamma", "delta")
# As fast as pandas, and as small, but for a tenth.
_ENOUGH = 1 / 1.1
_TAKEN = 1000


def _frame(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    numbers = np.arange(rows)
    when = pd.date_range("2020-01-01", periods=rows, freq="s")
    return pd.DataFrame(
        {
            "id": numbers,
            "when": when.strftime("%Y-%m-%d %H:%M:%S"),
            "x": random.normal(size=rows),
            "y": np.where(numbers % 17 == 0, np.nan, random.normal(size=rows).round(4)),
            "k": random.integers(0, 100, rows),
            "word": random.choice(_WORDS, rows),
            "note": [f"row {number} of the table" for number in numbers],
        }
    )


def _csv(path: Path, size: int, frame: pd.DataFrame) -> None:
    header, _, rows = frame.to_csv(index=False).encode().partition(b"\n")
    with path.open("wb") as file:
        file.write(header + b"\n" + rows)
        while file.tell() < size:
            file.write(rows)


def _json_lines(path: Path, size: int, frame: pd.DataFrame) -> None:
    rows = frame.to_json(orient="records", lines=True).encode()
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(rows)


def _pandas_csv(path: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(path, engine="pyarrow")


def _pandas_json(path: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_json(path, lines=True)


def _csv_dataset(path: str) -> Callable[[], pd.DataFrame]:
    return TabularDatasetFactory.from_delimited_files(path).to_pandas_dataframe


def _taken(path: str) -> Callable[[], pd.DataFrame]:
    dataset = TabularDatasetFactory.from_delimited_files(path)
    return dataset.take(_TAKEN).to_pandas_dataframe


def _json_dataset(path: str) -> Callable[[], pd.DataFrame]:
    return TabularDatasetFactory.from_json_lines_files(path).to_pandas_dataframe


READERS: dict[str, Callable[[str], Callable[[], pd.DataFrame]]] = {
    "pandas_csv": _pandas_csv,
    "csv": _csv_dataset,
    "taken": _taken,
    "pandas_json": _pandas_json,
    "json": _json_dataset,
}


def measured(reader: str, path: str, small: str) -> dict[str, Any]:
    """Read a file: the seconds, and how the memory grew at its highest.

    A small one is read before, so that no import is measured.
    """
    make = READERS[reader]
    make(small)()
    before = memory("VmRSS")
    read = make(path)
    with stopwatch() as watch:
        rows = len(read())
    return {
        "seconds": watch.seconds,
        "megabytes": memory("VmHWM") - before,
        "rows": rows,
    }


def rows_of_files(sizes: Sizes, rounds: int) -> list[Line]:
    """A large CSV file as a DataFrame and its first rows, and JSON lines."""
    folder = Path.cwd() / "tables"
    folder.mkdir(exist_ok=True)
    lines: list[Line] = []
    for kind, write, size in (
        ("csv", _csv, _BYTES[sizes.name]),
        ("json", _json_lines, _JSON_BYTES[sizes.name]),
    ):
        large, small = folder / f"large.{kind}", folder / f"small.{kind}"
        write(large, size, _frame(_ROWS))
        write(small, 1, _frame(100))
        files = (str(large), str(small))
        names = [f"pandas_{kind}", kind, *(["taken"] if kind == "csv" else [])]
        taken = in_turn({name: partial(child, "table", name, *files) for name in names}, rounds)
        lines += _lines(kind, size, taken, rounds)
        large.unlink()
    return lines


def _lines(kind: str, size: int, taken: dict[str, list[dict[str, Any]]], rounds: int) -> list[Line]:
    def median(reader: str, figure: str) -> float:
        return statistics.median(each[figure] for each in taken[reader])

    what = f"DataFrame of {size / 10**6:,.0f} MB of {'CSV' if kind == 'csv' else 'JSON lines'}"
    wanted = _ENOUGH if kind == "csv" else None
    lines = [
        Line(
            f"{what}{of} (left: pandas)",
            "",
            unit,
            mlflow=median(f"pandas_{kind}", figure),
            ours=median(kind, figure),
            rounds=rounds,
            wanted=wanted,
        )
        for of, unit, figure in (("", "s", "seconds"), (", memory", "MB", "megabytes"))
    ]
    if kind == "csv":
        first = f"its first {_TAKEN:,} rows"
        lines += [
            Line(first, "", "s", ours=median("taken", "seconds"), rounds=rounds),
            Line(f"{first}, memory", "", "MB", ours=median("taken", "megabytes"), rounds=rounds),
        ]
    return lines
