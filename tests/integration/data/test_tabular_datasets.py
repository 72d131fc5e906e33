"""SDK v1's tabular datasets over a datastore: made, registered, filtered, split, written."""

import datetime
import os
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.errors import (
    DatasetExecutionError,
    DatasetTimestampMissingError,
    DatasetValidationError,
    NotServedError,
    UserErrorException,
)
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.data.datasets.tabular.data_type import DataType
from mlflow_workspace_plugin.sdk.data.datasets.tabular.dataset import TabularDataset
from mlflow_workspace_plugin.sdk.data.datasets.tabular.enumerations import PromoteHeadersBehavior
from mlflow_workspace_plugin.sdk.workspace import Workspace

ROWS = 120


@pytest.fixture(scope="module")
def datastore(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    workspace = Workspace.create("tables", hub=folder / "hub")
    store = workspace.get_default_datastore()
    source = folder / "source"
    for country, start in (("FR", 0), ("US", ROWS)):
        file = source / country / "2020" / "01" / "data.csv"
        file.parent.mkdir(parents=True)
        _frame(start).to_csv(file, index=False)
    files = [(path, path.relative_to(source).as_posix()) for path in sorted(source.rglob("*.csv"))]
    storage = storage_of(workspace.tracking_store, store.name)
    storage.upload(((path, f"data/{name}") for path, name in files), overwrite=True)
    return store


def _frame(start):
    return pd.DataFrame(
        {
            "i": range(start, start + ROWS),
            "x": [n / 2 for n in range(ROWS)],
            "t": pd.date_range("2020-01-01", periods=ROWS, freq="h") + pd.Timedelta(days=start),
            "s": ["a", "b", None] * (ROWS // 3),
        }
    )


@pytest.fixture
def dataset(datastore):
    return Dataset.Tabular.from_delimited_files(
        (datastore, "data/**/*.csv"), partition_format="/{country}/{month:yyyy/MM}/data.csv"
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_WORKSPACE_CACHE_DIR", str(tmp_path / "cache"))


def test_files_of_a_datastore_become_a_frame(dataset):
    """Rows of all files in their order, with the columns that paths say before those of files."""
    frame = dataset.to_pandas_dataframe()
    assert list(frame.columns) == ["country", "month", "i", "x", "t", "s"]
    assert frame["i"].tolist() == list(range(2 * ROWS))
    assert frame["country"].unique().tolist() == ["FR", "US"]
    assert str(frame["t"].dtype) == str(frame["month"].dtype) == "datetime64[ns]"
    assert dataset.partition_keys == ["country", "month"]


def test_a_registered_dataset_keeps_its_types_and_steps(datastore, dataset):
    """What get_by_name returns reads the same rows with the same types, without looking again."""
    part = dataset.filter(dataset["s"] == "a").keep_columns(["i", "x"]).skip(3).take(20)
    part.register(datastore.workspace, "part")
    found = Dataset.get_by_name(datastore.workspace, "part")
    assert isinstance(found, TabularDataset)
    assert found.version == 1
    assert found._definition == part._definition
    assert found._definition.reader["infer"] is False
    pd.testing.assert_frame_equal(found.to_pandas_dataframe(), part.to_pandas_dataframe())


def test_a_filter_of_a_column_that_is_not_there(dataset):
    """No row is left, as in SDK v1, which is warned of, with the columns that there are."""
    with pytest.warns(UserWarning, match=r"no column 'S' .*'s'; capitals matter") as said:
        assert dataset.filter(dataset["S"] == "a").to_pandas_dataframe().empty
    # It is shown beside the user's own line.
    assert said[0].filename == __file__


def test_parts_are_the_same_each_time(dataset):
    """A split without a seed draws one at the call: both parts fit together, at each reading."""
    first, second = dataset.random_split(0.8)
    rows = [part.to_pandas_dataframe()["i"].tolist() for part in (first, second, first)]
    assert sorted(rows[0] + rows[1]) == list(range(2 * ROWS))
    assert rows[0] == rows[2]
    (first, _), (again, _) = (dataset.random_split(0.5, seed) for seed in (7, np.int64(7)))
    assert (
        first.skip(np.int64(1)).to_pandas_dataframe()["i"].tolist()
        == (again.to_pandas_dataframe()["i"].tolist()[1:])
    )
    sampled = dataset.take_sample(0.3, seed=5).to_pandas_dataframe()
    assert 0 < len(sampled) < 2 * ROWS


def test_times_choose_rows_and_become_the_index(dataset):
    """before, after, between and recent, with their bounds or without."""
    timed = dataset.with_timestamp_columns("t", "month")
    assert timed.timestamp_columns == ("t", "month")
    at = datetime.datetime(2020, 1, 1, 5)

    def rows(part):
        return part.to_pandas_dataframe()["i"].tolist()

    fine = dataset.with_timestamp_columns("t")
    assert rows(fine.time_before(at)) == list(range(6))
    assert rows(fine.time_before(at, include_boundary=False)) == list(range(5))
    assert rows(fine.time_between(at, at + datetime.timedelta(hours=2))) == [5, 6, 7]
    assert rows(fine.time_after(datetime.datetime(2020, 4, 1))) == list(range(ROWS, 2 * ROWS))
    assert rows(fine.time_recent(datetime.timedelta(days=1))) == []
    # SDK v1 filters by the column of paths, too.
    assert rows(timed.time_before(at)) == list(range(6))
    assert rows(timed.time_after(at)) == []
    index = fine.take(3).to_pandas_dataframe().index
    assert isinstance(index, pd.DatetimeIndex)
    assert index.name is None


def test_columns_of_times_are_lost_with_their_columns(dataset):
    """keep_columns and drop_columns forget a time column that they leave out."""
    timed = dataset.with_timestamp_columns("t", "month")
    assert timed.keep_columns(["t", "i"]).timestamp_columns == ("t", None)
    assert timed.keep_columns("i").timestamp_columns == (None, None)
    assert timed.drop_columns("month").timestamp_columns == ("t", None)
    assert timed.drop_columns(["t"]).timestamp_columns == (None, None)
    assert timed.with_timestamp_columns(None).timestamp_columns == (None, None)


def test_columns_are_kept_in_the_order_of_the_file(dataset):
    """Names that are not there are ignored, and other capitals are other names."""
    kept = dataset.keep_columns(["x", "i", "nothing", "S"]).to_pandas_dataframe()
    assert list(kept.columns) == ["i", "x"]
    left = dataset.drop_columns(["x", "nothing"]).take(1).to_pandas_dataframe()
    assert list(left.columns) == ["country", "month", "i", "t", "s"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_become_files(kind, dataset, tmp_path):
    """One for each file that is read, written where they are read, and readable again."""
    plain = dataset.keep_columns(["i", "x", "t", "s"])
    files = plain.to_csv_files() if kind == "csv" else plain.to_parquet_files()
    assert files.to_path() == [f"/part-0.{kind}", f"/part-1.{kind}"]
    paths = sorted(files.download(str(tmp_path / "here")))
    make = (
        Dataset.Tabular.from_delimited_files
        if kind == "csv"
        else (Dataset.Tabular.from_parquet_files)
    )
    again = make(paths).to_pandas_dataframe()
    pd.testing.assert_frame_equal(again, plain.to_pandas_dataframe())
    assert files.take(1).to_path() == [f"/part-0.{kind}"]


def test_written_files_are_registered_and_made_where_they_are_read(
    datastore, dataset, monkeypatch, tmp_path
):
    """Another machine, which has none of them yet, reads the same."""
    files = dataset.keep_columns(["i", "s"]).take(5).to_csv_files(separator=";")
    files.register(datastore.workspace, "written")
    monkeypatch.setenv("MLFLOW_WORKSPACE_CACHE_DIR", str(tmp_path / "elsewhere"))
    found = Dataset.get_by_name(datastore.workspace, "written")
    (path,) = found.download(str(tmp_path / "here"))
    lines = Path(path).read_text().splitlines()
    assert lines == ['"i";"s"', '0;"a"', '1;"b"', "2;", '3;"a"', '4;"b"']


def test_written_files_follow_their_source(tmp_path):
    """Though a file of the same size and time was put in its place."""
    source = tmp_path / "rows.csv"
    source.write_text("a\n7\n")
    time_ns = source.stat().st_mtime_ns
    files = Dataset.Tabular.from_delimited_files(str(source)).to_csv_files()
    assert len(files.to_path()) == 1
    (tmp_path / "unpacked").write_text("a\n8\n")
    os.utime(tmp_path / "unpacked", ns=(time_ns, time_ns))
    (tmp_path / "unpacked").replace(source)
    (path,) = files.download(str(tmp_path / "here"))
    assert Path(path).read_text().splitlines() == ['"a"', "8"]


def test_files_whose_rows_differ_far_down_are_written_whole(tmp_path):
    """A column that only a later row has is a column of the file."""
    source = tmp_path / "rows.csv"
    source.write_text("a\n" + "1\n" * 70_000 + "2,extra\n")
    dataset = Dataset.Tabular.from_delimited_files(str(source))
    (path,) = dataset.to_parquet_files().download(str(tmp_path / "here"))
    frame = pd.read_parquet(path)
    assert frame["Column2"].tolist()[-1] == "extra"
    assert len(frame) == 70_001


def test_no_row_of_a_single_column_is_lost(tmp_path):
    """A missing value alone in its line is written as an empty text, not as a blank line."""
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n" + "5,x\n" * 70_000 + ",x\n6,x\n")
    dataset = Dataset.Tabular.from_delimited_files(str(source)).keep_columns("a")
    (path,) = dataset.to_csv_files().download(str(tmp_path / "here"))
    assert len(pd.read_csv(path)) == 70_002
    again = Dataset.Tabular.from_delimited_files(path).to_pandas_dataframe()
    pd.testing.assert_frame_equal(again, dataset.to_pandas_dataframe())


def test_a_frame_is_registered(datastore, capsys):
    """As Parquet in a new folder; each time it is a new version, and its index is left out."""
    frame = pd.DataFrame(
        {"n": [1, 2], "d": [datetime.date(2020, 1, 2)] * 2, "s": ["x", None]}, index=[7, 8]
    )
    for version in (1, 2):
        made = Dataset.Tabular.register_pandas_dataframe(
            frame, (datastore, "frames"), "frame", description="of a test", tags={"a": "b"}
        )
        assert (made.version, made.description, made.tags) == (version, "of a test", {"a": "b"})
    assert "Uploaded 2 rows" in capsys.readouterr().out
    read = Dataset.get_by_name(datastore.workspace, "frame", version=1).to_pandas_dataframe()
    assert read["n"].tolist() == [1, 2]
    assert str(read["d"].dtype) == "datetime64[ns]"
    assert read.index.tolist() == [0, 1]


def test_frames_that_parquet_cannot_hold(datastore):
    """Points in names become underscores, which is said; lists are refused, as in SDK v1."""
    with pytest.warns(UserWarning, match=r"'a\.b': 'a_b'"):
        made = Dataset.Tabular.register_pandas_dataframe(
            pd.DataFrame({"a.b": [1], 3: ["x"]}), datastore, "names", show_progress=False
        )
    assert list(made.to_pandas_dataframe().columns) == ["a_b", "3"]
    with pytest.raises(UserErrorException, match="'l' holds lists"):
        Dataset.Tabular.register_pandas_dataframe(
            pd.DataFrame({"l": [[1]]}), datastore, "lists", show_progress=False
        )
    with pytest.raises(ValueError, match="Expected dataframe of type"):
        Dataset.Tabular.register_pandas_dataframe([1], datastore, "none")


def test_dates_without_a_hint_are_warned_of(tmp_path):
    """At the call, with SDK v1's words; a type that is set ends the warning."""
    file = tmp_path / "dates.csv"
    file.write_text("a\n01/02/2020\n")
    with pytest.warns(UserWarning, match=r"Ambiguous datetime formats .*\['a'\].*month-day"):
        dataset = Dataset.Tabular.from_delimited_files(str(file))
    assert dataset.to_pandas_dataframe()["a"][0] == pd.Timestamp("2020-01-02")
    types = {"a": DataType.to_datetime("%d/%m/%Y")}
    chosen = Dataset.Tabular.from_delimited_files(str(file), set_column_types=types)
    assert chosen.to_pandas_dataframe()["a"][0] == pd.Timestamp("2020-02-01")


def test_json_lines_of_a_datastore(datastore, tmp_path):
    """They are read, and lines that are none dropped when asked."""
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1, "b": "x"}\nnothing\n{"a": 2}\n')
    storage_of(datastore.workspace.tracking_store, datastore.name).upload(
        [(file, "json/rows.jsonl")], overwrite=True
    )
    dataset = Dataset.Tabular.from_json_lines_files(
        (datastore, "json/*.jsonl"), invalid_lines="drop", include_path=True
    )
    frame = dataset.to_pandas_dataframe()
    assert frame["a"].tolist() == [1, 2]
    assert frame["Path"][0].endswith("json/rows.jsonl")


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_files_without_rows_are_refused_if_that_is_asked(content, tmp_path):
    """validate=False takes them, and reads no rows."""
    file = tmp_path / "empty.csv"
    file.write_text(content)
    with pytest.raises(DatasetValidationError, match="hold no rows"):
        Dataset.Tabular.from_delimited_files(str(file))
    dataset = Dataset.Tabular.from_delimited_files(str(file), validate=False)
    assert dataset.to_pandas_dataframe().empty


def test_files_of_the_web_are_read(tmp_path):
    """A URL is read as a file is; what is not there is told as SDK v1's scripts catch it."""
    _frame(0).to_csv(tmp_path / "data.csv", index=False)
    pa_table = _frame(0)[["i", "x", "s"]]
    pa_table.to_parquet(tmp_path / "data.parquet")
    with served(tmp_path) as url:
        rows = Dataset.Tabular.from_delimited_files([f"{url}/data.csv"] * 2)
        assert rows.to_pandas_dataframe()["i"].tolist() == [*range(ROWS)] * 2
        columns = Dataset.Tabular.from_parquet_files(f"{url}/data.parquet").keep_columns("x")
        assert columns.to_pandas_dataframe()["x"].tolist() == pa_table["x"].tolist()
        with pytest.raises(DatasetValidationError, match=r"none\.csv"):
            Dataset.Tabular.from_delimited_files(f"{url}/none.csv")
        late = Dataset.Tabular.from_delimited_files(
            f"{url}/none.csv", validate=False, infer_column_types=False
        )
        with pytest.raises(DatasetExecutionError, match=r"none\.csv"):
            late.to_pandas_dataframe()


@contextmanager
def served(folder):
    """A web server of a folder, on loopback."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_nothing_is_read_when_nothing_is_to_be_checked(datastore):
    """With validate and infer_column_types False a dataset of files that are not there is made."""
    dataset = Dataset.Tabular.from_delimited_files(
        (datastore, "later/*.csv"), validate=False, infer_column_types=False
    )
    with pytest.raises(DatasetExecutionError, match=r"later/\*\.csv"):
        dataset.to_pandas_dataframe()


def _made(**arguments):
    return lambda dataset, store: Dataset.Tabular.from_delimited_files(
        (store, "data/**"), **arguments
    )


REFUSED = {
    "no file": (
        lambda dataset, store: Dataset.Tabular.from_delimited_files((store, "none/*.csv")),
        DatasetValidationError,
        r"none/\*\.csv",
    ),
    "no Parquet": (
        lambda dataset, store: Dataset.Tabular.from_parquet_files((store, "data/**")),
        DatasetValidationError,
        "Parquet",
    ),
    "encoding": (_made(encoding="utf-8"), UserErrorException, "Invalid encoding 'utf-8'.*utf8,"),
    "separator": (_made(separator="||"), ValueError, "Only single character"),
    "header": (_made(header="SOME"), UserErrorException, "Unsupported header.*NO_HEADERS"),
    "no header": (_made(header=None), UserErrorException, "Unsupported header None"),
    "types": (_made(set_column_types={"i": "int"}), UserErrorException, "must be a dictionary"),
    "format": (
        _made(set_column_types={"s": DataType.to_datetime()}),
        UserErrorException,
        "Cannot infer conversion format.*'s'",
    ),
    "partition": (_made(partition_format="/{}"), DatasetValidationError, "has no name"),
    "lines": (
        lambda dataset, store: Dataset.Tabular.from_json_lines_files(
            (store, "data"), invalid_lines="some"
        ),
        UserErrorException,
        "'error' or 'drop'",
    ),
    "columns": (
        lambda dataset, store: dataset.keep_columns(("i",)),
        ValueError,
        "column selection",
    ),
    "kept": (
        lambda dataset, store: dataset.keep_columns("no", validate=True),
        DatasetValidationError,
        "no columns",
    ),
    "filter": (lambda dataset, store: dataset.filter("i > 3"), UserErrorException, "condition"),
    "and": (lambda dataset, store: dataset["i"] > 1 and dataset["i"] < 3, RuntimeError, "&"),
    "column": (lambda dataset, store: dataset[["i"]], TypeError, "keep_columns"),
    "no time": (
        lambda dataset, store: dataset.time_before(datetime.datetime(2020, 1, 1)),
        DatasetTimestampMissingError,
        "with_timestamp_columns",
    ),
    "time is none": (
        lambda dataset, store: dataset.with_timestamp_columns("i").time_before(
            datetime.datetime(2020, 1, 1)
        ),
        DatasetValidationError,
        "expected types",
    ),
    "time is missing": (
        lambda dataset, store: dataset.with_timestamp_columns("zz", validate=True),
        DatasetValidationError,
        "do not exist",
    ),
    "index is missing": (
        lambda dataset, store: dataset.with_timestamp_columns("zz").to_pandas_dataframe(),
        DatasetExecutionError,
        "'zz'",
    ),
    "time with a zone": (
        lambda dataset, store: dataset.with_timestamp_columns("t").time_before(
            datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        ),
        TypeError,
        "without a zone",
    ),
    "times alone": (
        lambda dataset, store: dataset.with_timestamp_columns(partition_timestamp="t"),
        UserErrorException,
        "only if timestamp",
    ),
    "times twice": (
        lambda dataset, store: dataset.with_timestamp_columns("t", "t"),
        UserErrorException,
        "cannot be the same",
    ),
    "misfit": (
        lambda dataset, store: Dataset.Tabular.from_delimited_files(
            (store, "data/**"), set_column_types={"s": DataType.to_long()}
        ).to_pandas_dataframe(on_error="fail"),
        DatasetExecutionError,
        "'a' in column 's'",
    ),
    "partition_by": (lambda dataset, store: dataset.partition_by, NotServedError, "to_parquet"),
    "SQL": (
        lambda dataset, store: Dataset.Tabular.from_sql_query,
        NotServedError,
        "register_pandas_dataframe",
    ),
    "streams": (lambda dataset, store: DataType.to_stream, NotServedError, "from_files"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_its_remedy(case, dataset, datastore):
    """Under the exceptions that SDK v1's scripts catch."""
    call, error, said = REFUSED[case]
    with pytest.raises(error, match=said):
        call(dataset, datastore)


def test_headers_are_named_as_in_sdk_v1(datastore):
    """By a truth value, by the name, or by the enumeration."""
    for header in (False, "NO_HEADERS", PromoteHeadersBehavior.NO_HEADERS):
        dataset = Dataset.Tabular.from_delimited_files((datastore, "data/**"), header=header)
        assert "Column1" in dataset.take(1).to_pandas_dataframe().columns


def test_older_names_of_time_columns_are_taken(dataset):
    """fine_grain_timestamp is timestamp, with a warning; both at once are refused."""
    with pytest.warns(DeprecationWarning, match="fine_grain_timestamp"):
        older = dataset.with_timestamp_columns(fine_grain_timestamp="t")
    assert older.timestamp_columns == ("t", None)
    with pytest.raises(UserErrorException, match="cannot be used together"):
        dataset.with_timestamp_columns("t", fine_grain_timestamp="t")
