"""Rows of files: what SDK v1 made of them, measured there, is what is made of them here."""

import datetime
import decimal
import itertools
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin.data.definition import DatasetDefinition
from mlflow_workspace_plugin.data.files.found import resolve
from mlflow_workspace_plugin.data.tables import delimited as delimited_files
from mlflow_workspace_plugin.data.tables import filters
from mlflow_workspace_plugin.data.tables.column_types import Strictness
from mlflow_workspace_plugin.data.tables.rows import Rows
from mlflow_workspace_plugin.errors import DatasetExecutionError, UserErrorException
from tests.tables import (
    Elsewhere,
    delimited,
    frame,
    json_lines,
    parquet,
    typed,
    with_steps,
)

NONE = None
NAN = float("nan")
FOLDER = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def day(text):
    return pd.Timestamp(text)


def column(*values):
    """A file with a column that is looked at, and another one, so that no line is blank."""
    return "a,b\n" + "".join(f"{value},x\n" for value in values)


def kind(dtype):
    """The dtype as older pandas called it, whose texts were objects."""
    return "object" if str(dtype) == "str" else str(dtype)


def plain(values):
    return [
        None if value is None or value is pd.NaT or value != value else value for value in values
    ]


# The file's values, the type and the values of SDK v1 (azureml-dataprep 5.5.0).
INFERRED = {
    "whole numbers": (("1", "-2", "+3"), "int64", [1, -2, 3]),
    "leading zeros": (("007", "08"), "int64", [7, 8]),
    "blanks around": ((" 1 ", "\t2"), "int64", [1, 2]),
    "the largest of 64 bits": (("9223372036854775807", "1"), "int64", [2**63 - 1, 1]),
    "beyond 64 bits": (("9223372036854775808", "1"), "float64", [2.0**63, 1]),
    "with a missing one": (("1", "", "3"), "float64", [1, NONE, 3]),
    "fractions": (("1.5", ".5", "5.", "1e3", "2E-3"), "float64", [1.5, 0.5, 5, 1000, 0.002]),
    "whole and not": (("1", "2.5"), "float64", [1, 2.5]),
    "no number": (("1", "nan", "NaN"), "float64", [1, NONE, NONE]),
    "infinity": (
        ("1.5", "inf", "-inf", "Infinity"),
        "float64",
        [1.5, np.inf, -np.inf, np.inf],
    ),
    "too large for a float": (("1e400", "2"), "float64", [np.inf, 2]),
    "truth": (("true", "False", "TRUE", "T", "f", "Y", "N"), "bool", [1, 0, 1, 1, 0, 1, 0]),
    "truth in words": (("Yes", "NO", "f"), "bool", [1, 0, 0]),
    "only 0 and 1": (("0", "1"), "bool", [0, 1]),
    "only 1": (("1", "1"), "bool", [1, 1]),
    "truth with a missing one": (("TRUE", ""), "object", [True, NONE]),
    "1 and true": (("1", "true"), "bool", [1, 1]),
    "1 and -1": (("1", "-1"), "int64", [1, -1]),
    "1.0 and 0.0": (("1.0", "0.0"), "float64", [1, 0]),
    "yes": (("yes", "no"), "object", ["yes", "no"]),
    "small y": (("y", "n"), "object", ["y", "n"]),
    "odd capitals": (("tRUE", "0"), "object", ["tRUE", "0"]),
    "a word among numbers": (("1", "x", "2"), "object", ["1", "x", "2"]),
    "words for missing": (("NA", "null", "None", "-"), "object", ["NA", "null", "None", "-"]),
    "NA among numbers": (("1", "NA"), "object", ["1", "NA"]),
    "missing texts": (("a", "", " "), "object", ["a", NONE, " "]),
    "quoted empty": (('""', "q", ""), "object", ["", "q", NONE]),
    "all missing": (("", ""), "object", [NONE, NONE]),
    "quoted numbers": (('"1"', '"2"'), "int64", [1, 2]),
    "thousands": (('"1,000"', '"2,000"'), "object", ["1,000", "2,000"]),
    "other signs": (("5%", "$1", "0x10", "1_000"), "object", ["5%", "$1", "0x10", "1_000"]),
    "quotes": (('"x ""q"" y"', "it's", 'ab"c'), "object", ['x "q" y', "it's", 'ab"c']),
    "dates": (("2020-01-02", "2020-1-3"), "time", ["2020-01-02", "2020-01-03"]),
    "dates with slashes": (("2020/01/02", "2020-01-03"), "time", ["2020-01-02", "2020-01-03"]),
    "month first": (("01/02/2020", "1-3-2020"), "time", ["2020-01-02", "2020-01-03"]),
    "day first, as one says": (("01/02/2020", "13/03/2020"), "time", ["2020-02-01", "2020-03-13"]),
    "both at once": (("13/02/2020", "02/13/2020"), "object", ["13/02/2020", "02/13/2020"]),
    "months by name": (("02-Jan-2020", "2/feb/20"), "time", ["2020-01-02", "2020-02-02"]),
    "each format its own order": (
        ("01/02/2020", "13-02-2020", "01-Feb-2020"),
        "time",
        ["2020-01-02", "2020-02-13", "2020-02-01"],
    ),
    "times": (
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05.123456789", "2020-01-03"),
        "time",
        ["2020-01-02 03:04:05", "2020-01-02 03:04:05.123456789", "2020-01-03"],
    ),
    "times with zones": (
        ("2020-01-02T03:04:05Z", "2020-01-02 03:04:05+02:00", "2020-01-02 03:04:05 +0200"),
        "time",
        ["2020-01-02 03:04:05", "2020-01-02 01:04:05", "2020-01-02 01:04:05"],
    ),
    "times of clocks": (
        ("1/2/2020 3:04 PM", "1/13/2020 15:04"),
        "time",
        ["2020-01-02 15:04", "2020-01-13 15:04"],
    ),
    "dates with a missing one": (("2020-01-02", ""), "time", ["2020-01-02", NONE]),
    "dates out of pandas' range": (("3000-01-01", "2000-01-01"), "time", [NONE, "2000-01-01"]),
    "dates of the first year": (("0001-01-01", "2000-01-01"), "time", [NONE, "2000-01-01"]),
    "no dates": (
        ("2020-02-30", "2020-01", "2020.01.02", "Jan 2 2020"),
        "object",
        ["2020-02-30", "2020-01", "2020.01.02", "Jan 2 2020"],
    ),
    "times without seconds": (("2020-01-02 03:04",), "object", ["2020-01-02 03:04"]),
    "digits of other scripts": (("\u0663", "\u0664"), "object", ["\u0663", "\u0664"]),
    "a day as a number": (("20200102", "20200203"), "int64", [20200102, 20200203]),
    "blanks around a date": ((" 2020-01-02 ",), "object", [" 2020-01-02 "]),
}


@pytest.mark.parametrize("case", INFERRED)
def test_types_of_columns_are_those_of_sdk_v1(case, tmp_path):
    """The first rows say the type of a column, by the same rules; what is missing is missing."""
    values, expected, wanted = INFERRED[case]
    read = frame(delimited(tmp_path, column(*values)))["a"]
    assert kind(read.dtype) == ("datetime64[ns]" if expected == "time" else expected)
    if expected == "time":
        wanted = [each and day(each) for each in wanted]
    assert plain(read) == wanted


def test_a_column_without_hints_to_its_order_is_named(tmp_path):
    """Dates whose day and month could be either are said, unless their format is set."""
    definition = delimited(tmp_path, "a,b,c\n01/02/2020,2020-01-02,13/01/2020\n")
    assert typed(definition)[1] == ("a",)
    set_types = {"a": {"type": "datetime", "formats": ["%d/%m/%Y"]}}
    chosen, ambiguous = typed(delimited(tmp_path, "a\n01/02/2020\n", types=set_types))
    assert ambiguous == ()
    assert plain(frame(chosen)["a"]) == [day("2020-02-01")]


# What comes after the first 200 rows, and what SDK v1 made of it.
LATE = {
    "7": (
        ("2.5", "2.0", "1e3", "abc", "", "99999999999999999999", " +5 ", "-2.9", "true"),
        [2, 2, 1000, NONE, NONE, 2.0**63, 5, -2, NONE],
    ),
    "true": (("2", "T", "1", " 0 ", "y", "yes", "", "1.0"), [NONE, 1, 1, 0] + [NONE] * 4),
    "1.5": (("2", " 3 ", "1e3", "inf", "abc", '"1,5"', "+7"), [2, 3, 1000, np.inf, NONE, NONE, 7]),
    "2020-01-02": (("2020-1-3", "03/04/2020", "x"), [day("2020-01-03"), NONE, NONE]),
    "word": (("1", '""', "", " x "), ["1", "", NONE, " x "]),
}


@pytest.mark.parametrize("first", LATE)
def test_later_values_are_converted_and_change_no_type(first, tmp_path):
    """Behind row 200 a value of another type is missing, and a fraction of a whole number cut."""
    later, wanted = LATE[first]
    definition = delimited(tmp_path, column(*[first] * 250, *later))
    assert plain(frame(definition)["a"])[250:] == wanted


def test_row_200_decides_and_row_201_does_not(tmp_path):
    """A word as the 200th value makes texts of the column, and as the 201st is missing."""
    assert kind(frame(delimited(tmp_path, column(*range(199), "x")))["a"].dtype) == "object"
    assert kind(frame(delimited(tmp_path, column(*range(200), "x")))["a"].dtype) == "float64"


def test_misfits_fail_when_asked_to(tmp_path):
    """on_error='fail' names the value, its column and the remedy; without such values it reads."""
    definition, _ = typed(delimited(tmp_path, column(*range(250), "x")))
    with pytest.raises(DatasetExecutionError, match=r"'x' in column 'a' is not .* int\..*on_error"):
        frame(definition, Strictness(misfits_fail=True))
    clean = delimited(tmp_path, column(*range(250), ""))
    assert len(frame(clean, Strictness(misfits_fail=True))) == 251


def test_times_out_of_range_fail_when_asked_to(tmp_path):
    """out_of_range_datetime other than 'null' is an error for such times, of each format."""
    strict = Strictness(out_of_range_fails=True)
    with pytest.raises(DatasetExecutionError, match="'3000-01-01' in column 'a'"):
        frame(delimited(tmp_path, column("2000-01-01", "3000-01-01")), strict)
    far = pa.table({"t": pa.array([datetime.datetime(3000, 1, 1)], pa.timestamp("us"))})
    with pytest.raises(DatasetExecutionError, match="1677-09-21"):
        frame(parquet(tmp_path, far), strict)


SET_TYPES = {
    "text": ({"type": "text"}, ("007", "1.50", ""), ["007", "1.50", NONE]),
    "int": ({"type": "int"}, ("7", "x", "", "2.5", "1e3"), [7, NONE, NONE, 2, 1000]),
    "float": ({"type": "float"}, ("1", "x", ""), [1, NONE, NONE]),
    "float with a comma": (
        {"type": "float", "decimal_mark": ","},
        ('"1,5"', '"1.234,5"', "2", "1.5", "1.234.567"),
        [1.5, 1234.5, 2, 1.5, 1234567],
    ),
    "bool": ({"type": "bool"}, ("true", "0", "x", "yes", "T"), [True, False, NONE, NONE, True]),
    "datetime": (
        {"type": "datetime", "formats": ["%Y-%m-%d", "%d/%m/%Y"]},
        ("2020-01-02", "13/02/2020", "2020-01-02 03:04:05"),
        [day("2020-01-02"), day("2020-02-13"), NONE],
    ),
    "datetime of another form": (
        {"type": "datetime", "formats": ["%b %d %Y %I:%M %p"]},
        ("Jan 2 2020 03:04 PM", "x"),
        [day("2020-01-02 15:04"), NONE],
    ),
    "datetime to be found": ({"type": "datetime"}, ("2020-01-02", ""), [day("2020-01-02"), NONE]),
}


@pytest.mark.parametrize("infer", [True, False])
@pytest.mark.parametrize("case", SET_TYPES)
def test_types_can_be_set(case, infer, tmp_path):
    """A type that is set goes before what would be found, with and without looking for types."""
    stored, values, wanted = SET_TYPES[case]
    definition = delimited(tmp_path, column(*values), types={"a": stored}, infer=infer)
    assert plain(frame(definition)["a"]) == wanted


@pytest.mark.parametrize("values", [("01/02/2020",), ("x",)])
def test_a_format_that_cannot_be_found_is_asked_for(values, tmp_path):
    """Times whose format nothing says are refused with SDK v1's words, naming the column."""
    definition = delimited(tmp_path, column(*values), types={"a": {"type": "datetime"}})
    with pytest.raises(UserErrorException, match=r"Cannot infer conversion format .*'a'"):
        typed(definition)


SHAPES = {
    "short rows": (
        "a,b,c\n1,2\n3,4,5\n6\n",
        {"a": [1, 3, 6], "b": [2, 4, NONE], "c": [NONE, 5, NONE]},
    ),
    "long rows": ("a,b\n5,2\n3,4,5\n", {"a": [5, 3], "b": [2, 4], "Column3": [NONE, 5]}),
    "all rows longer": ("a\n5,2\n6,4\n", {"a": [5, 6], "Column2": [2, 4]}),
    "blank lines": ("\na,b\n\n5,2\n\n3,4\n\n", {"a": [5, 3], "b": [2, 4]}),
    "blank lines of one column": ("a\n5\n\n3\n", {"a": [5, 3]}),
    "a separator at the end": ("a,b,\n5,2,\n", {"a": [5], "b": [2], "Column3": [NONE]}),
    "names twice": ("a,a,A,a\n5,2,3,4\n", {"a": [5], "a_1": [2], "A": [3], "a_2": [4]}),
    "no name": (",x\n5,2\n", {"Column1": [5], "x": [2]}),
    "blanks around names": ("a, b \n5,2\n", {"a": [5], "b": [2]}),
    "CRLF": ("a,b\r\n5,2\r\n", {"a": [5], "b": [2]}),
    "another encoding": (
        "é,b\nç\n3,4,5\n".encode("utf16"),
        {"é": ["ç", "3"], "b": [NONE, 4], "Column3": [NONE, 5]},
    ),
    "no line end": ("a,b\n5,2", {"a": [5], "b": [2]}),
    "a mark of UTF-8": ("\ufeffa,b\n5,2\n", {"a": [5], "b": [2]}),
}


@pytest.mark.parametrize("case", SHAPES)
def test_odd_files_are_read_as_sdk_v1_did(case, tmp_path):
    """Rows of other lengths, blank lines, and names that are missing or there twice."""
    content, wanted = SHAPES[case]
    encoding = "utf8" if isinstance(content, str) else "utf16"
    read = frame(delimited(tmp_path, content, encoding=encoding))
    assert {name: plain(read[name]) for name in read.columns} == wanted


def test_a_row_of_another_length_far_down_changes_nothing_above(tmp_path):
    """What pyarrow has read before it found an uneven row is not read twice, nor lost."""
    rows = [f"{n},{n / 2}" for n in range(3000)]
    rows[2900] += ",extra"
    definition = delimited(tmp_path, "\n".join(["a,b", *rows]) + "\n")
    files = resolve(None, definition)
    read = Rows(definition, files, block=4096).frame()
    assert read["a"].tolist() == list(range(3000))
    assert read["b"].tolist() == [n / 2 for n in range(3000)]
    assert plain(read["Column3"])[2899:2902] == [NONE, "extra", NONE]


OPTIONS = {
    "no header": (
        {"header": "NO_HEADERS"},
        "5,x\n6,y\n",
        {"Column1": [5, 6], "Column2": ["x", "y"]},
    ),
    "semicolons": ({"separator": ";"}, "a;b\n5;2\n", {"a": [5], "b": [2]}),
    "tabs": ({"separator": "\t"}, "a\tb\n5\t2\n", {"a": [5], "b": [2]}),
    "no inference": ({"infer": False}, "a,b\n5,\n", {"a": ["5"], "b": [NONE]}),
    "empty as text": ({"empty_as_string": True}, "a,b\n5,\n", {"a": [5], "b": [""]}),
    "lines in values": (
        {"support_multi_line": True},
        'a,b\n"x\ny",2\nz,3\n',
        {"a": ["x\ny", "z"], "b": [2, 3]},
    ),
    "latin1": ({"encoding": "latin1"}, "é,b\nç,2\n".encode("latin1"), {"é": ["ç"], "b": [2]}),
    "windows1252": (
        {"encoding": "windows1252"},
        "a,b\n€,2\n".encode("cp1252"),
        {"a": ["€"], "b": [2]},
    ),
    "utf16": ({"encoding": "utf16"}, "a,b\nç,2\n".encode("utf16"), {"a": ["ç"], "b": [2]}),
    "ascii that is not": ({"encoding": "ascii"}, "a,b\nç,2\n", {"a": ["ç"], "b": [2]}),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_files_are_read_as_is_asked(case, tmp_path):
    """Header, separator, inference, empty values and encodings, as SDK v1 has them."""
    reader, content, wanted = OPTIONS[case]
    read = frame(delimited(tmp_path, content, **reader))
    assert {name: plain(read[name]) for name in read.columns} == wanted


FILES = {
    "columns by position": (
        "ALL_FILES_HAVE_SAME_HEADERS",
        ("a,b\n5,2\n", "b,a\n3,4\n"),
        {"a": [5, 3], "b": [2, 4]},
    ),
    "columns by name": (
        "COMBINE_ALL_FILES_HEADERS",
        ("a,b\n5,2\n", "b,c\n3,4\n"),
        {"a": [5, NONE], "b": [2, 3], "c": [NONE, 4]},
    ),
    "one header": (
        "ONLY_FIRST_FILE_HAS_HEADERS",
        ("a,b\n5,2\n", "3,4\n"),
        {"a": [5, 3], "b": [2, 4]},
    ),
    "none": ("NO_HEADERS", ("5,2\n", "3,4\n"), {"Column1": [5, 3], "Column2": [2, 4]}),
    "a narrower one": (
        "ALL_FILES_HAVE_SAME_HEADERS",
        ("a,b\n5,2\n", "a\n3\n"),
        {"a": [5, 3], "b": [2, NONE]},
    ),
    "a wider one": (
        "ALL_FILES_HAVE_SAME_HEADERS",
        ("a,b\n5,2\n", "a,b,c\n3,4,5\n"),
        {"a": [5, 3], "b": [2, 4], "Column3": [NONE, 5]},
    ),
    "the types are of all": (
        "ALL_FILES_HAVE_SAME_HEADERS",
        ("a,b\n5,2\n", "a,b\nx,4\n"),
        {"a": ["5", "x"], "b": [2, 4]},
    ),
    "an empty one": (
        "ALL_FILES_HAVE_SAME_HEADERS",
        ("a,b\n5,2\n", "", "a,b\n"),
        {"a": [5], "b": [2]},
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_several_files_are_one_table(case, tmp_path):
    """Their rows follow each other in the files' order; headers are taken as is asked."""
    header, contents, wanted = FILES[case]
    read = frame(delimited(tmp_path, *contents, header=header))
    assert {name: plain(read[name]) for name in read.columns} == wanted


def test_files_elsewhere_are_read_as_those_here(tmp_path):
    """What only can be opened, as of a storage account, gives the same rows."""
    tables = [pa.table({"a": [1, 2], "b": ["x", None]})]
    folders = [tmp_path / name for name in ("delimited", "parquet", "json")]
    for folder in folders:
        folder.mkdir()
    for definition in (
        delimited(folders[0], "a,b\n5,2\n3,4,5\n", column("2020-01-02", "x")),
        parquet(folders[1], *tables),
        json_lines(folders[2], '{"a": 1}\n{"a": null, "b": "x"}\n'),
    ):
        files = [Elsewhere(each) for each in resolve(None, definition)]
        pd.testing.assert_frame_equal(Rows(definition, files).frame(), frame(definition))


PARTS = {
    "/{country}/{day:yyyy/MM/dd}/d.csv": {"country": "US", "day": day("2019-03-04")},
    "{country}/{day:yyyy/MM/dd}/*.csv": {"country": "US", "day": day("2019-03-04")},
    "/{number}/{m}/{d}/d.csv": {"number": 2019, "m": 3, "d": 4},
    "/{day:yyyy/MM}/{n}/{name}.csv": {"n": 4, "name": "d", "day": day("2019-03-01")},
}


@pytest.mark.parametrize("written", PARTS)
def test_paths_say_columns(written, tmp_path):
    """partition_format makes columns of paths, before those of the file; the time comes last."""
    file = tmp_path / "US" / "2019" / "03" / "04" / "d.csv"
    file.parent.mkdir(parents=True)
    file.write_text("a\n5\n")
    definition = DatasetDefinition.from_json(
        {
            "kind": "tabular",
            "paths": [{"local": str(file)}],
            "reader": {"format": "delimited", "infer": True, "include_path": True},
            "partition_format": written,
        }
    )
    read = frame(definition)
    assert dict(read.iloc[0]) == {"Path": str(file), **PARTS[written], "a": 5}
    assert list(read.columns) == ["Path", *PARTS[written], "a"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("/{}/d.csv", "a column has no name"),
        ("/d.csv", "it names no column"),
        ("/{d:MM}/d.csv", "the year"),
        ("/{a{b}}/d.csv", "a brace"),
        ("/{d:yyyy}/{e:yyyy}/d.csv", "two times"),
        ("/{d:}/d.csv", "is missing"),
        ("/{country}/other.csv", "is not of the partition_format"),
        ("/{a}/rows0", "has a column 'a'"),
    ],
)
def test_partition_formats_that_cannot_be_are_refused(written, said, tmp_path):
    """A format that is none, that a path is not of, or whose column is there already."""
    with pytest.raises(UserErrorException, match=said):
        frame(delimited(tmp_path, "a\n5\n", partition_format=written))


JSON = {
    "kinds": (
        '{"a":1,"b":"x","c":1.5,"d":true,"e":null}\n{"a":2,"b":"","c":2,"d":false,"e":null}\n',
        {"a": [1, 2], "b": ["x", ""], "c": [1.5, 2], "d": [True, False], "e": [NONE, NONE]},
    ),
    "other names": ('{"b":1}\n{"a":"y","b":2}\n', {"b": [1, 2], "a": [NONE, "y"]}),
    "another kind": ('{"a":1}\n{"a":"x"}\n{"a":2.5}\n', {"a": [1, NONE, 2.5]}),
    "dates stay texts": ('{"a":"2020-01-02"}\n', {"a": ["2020-01-02"]}),
    "blank lines": ('{"a":1}\r\n\r\n{"a":2}\n', {"a": [1, 2]}),
    "nothing": ('{}\n{"a":1}\n', {"a": [NONE, 1]}),
    "signs": ('{"a":"\\u00e9\\ud83d\\ude00"}\n', {"a": ["é😀"]}),
    "too large": ('{"a":12345678901234567890}\n{"a":1}\n', {"a": [12345678901234567890.0, 1.0]}),
}


@pytest.mark.parametrize("case", JSON)
def test_json_lines_are_read(case, tmp_path):
    """A column is of the kind of its first value; texts stay texts."""
    content, wanted = JSON[case]
    read = frame(json_lines(tmp_path, content))
    assert {name: plain(read[name]) for name in read.columns} == wanted


@pytest.mark.parametrize("line", ['{"a":', "[1,2]", "1"])
def test_lines_that_are_no_objects_are_named_or_dropped(line, tmp_path):
    """The error names the line and the file; invalid_lines='drop' leaves it out."""
    content = f'{{"a":1}}\n{line}\n{{"a":3}}\n'
    with pytest.raises(DatasetExecutionError, match=r"Line 2 of file .*rows0.*invalid_lines"):
        frame(json_lines(tmp_path, content))
    assert frame(json_lines(tmp_path, content, invalid_lines="drop"))["a"].tolist() == [1, 3]


def test_parquet_keeps_its_types(tmp_path):
    """Columns are of the file's types, and zones are kept."""
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int8()),
            "f": pa.array([1.5, 2], pa.float32()),
            "t": pa.array([1577836800000, None], pa.timestamp("ms")),
            "z": pa.array([1577836800000, None], pa.timestamp("ms", "Europe/Paris")),
            "d": [datetime.date(2020, 1, 2), None],
            "n": [decimal.Decimal("1.25"), None],
            "l": [[1, 2], None],
        }
    )
    read = frame(parquet(tmp_path, table))
    assert [str(each) for each in read.dtypes] == [
        "float64",
        "float32",
        "datetime64[ns]",
        "datetime64[ns, Europe/Paris]",
        "object",
        "object",
        "object",
    ]


def test_what_pandas_noted_in_parquet_is_so_again(tmp_path):
    """An index is the index, whatever rows are left; pandas' own types stay, too."""
    index = pd.Index([5, 6, 7], name="index")
    written = pd.DataFrame({"a": [1.5, 2, 3], "n": pd.array([1, None, 3], "Int64")}, index=index)
    table = pa.Table.from_pandas(written)
    pd.testing.assert_frame_equal(frame(parquet(tmp_path, table)), written)
    some = [{"do": "filter", "condition": ["gt", ["column", "a"], ["value", 1.7]]}]
    pd.testing.assert_frame_equal(frame(parquet(tmp_path, table, steps=some)), written[1:])
    columns = [{"do": "keep_columns", "columns": ["a"]}]
    read = frame(parquet(tmp_path, table, steps=columns))
    assert (list(read.columns), read.index.tolist()) == (["a"], [0, 1, 2])
    unnamed = pd.DataFrame({"a": [1, 2]}, index=[5, 6])
    pd.testing.assert_frame_equal(frame(parquet(tmp_path, pa.Table.from_pandas(unnamed))), unnamed)
    types = {"n": {"type": "text"}}
    assert frame(parquet(tmp_path, table, types=types))["n"].tolist()[0] == "1"


def test_parquet_files_are_put_together_by_name(tmp_path):
    """Columns in another order and columns that are missing fit; other types are refused."""
    one = pa.table({"a": [1], "b": ["x"]})
    read = frame(parquet(tmp_path, one, pa.table({"b": ["y"], "a": [2]}), pa.table({"a": [3]})))
    assert (plain(read["a"]), plain(read["b"])) == ([1, 2, 3], ["x", "y", NONE])
    other = pa.table({"a": ["x"]})
    with pytest.raises(DatasetExecutionError, match=r"differ in the type of a column.*set_column"):
        frame(parquet(tmp_path, one, other))
    types = {"a": {"type": "text"}}
    assert frame(parquet(tmp_path, one, other, types=types))["a"].tolist() == ["1", "x"]


BROKEN = {
    "no UTF-8": (lambda folder: delimited(folder, "a\nçé\n".encode("latin1")), "encoding"),
    "no UTF-8 far down": (
        lambda folder: delimited(folder, column(*range(300)).encode() + b"\xe7,x\n"),
        "encoding",
    ),
    "no UTF-8 in JSON": (lambda folder: json_lines(folder, b'{"a":"\xe7"}\n'), "encoding"),
    "a quotation mark alone": (lambda folder: delimited(folder, 'a,b\n"x,1\ny,2\n'), "Correct"),
    "no Parquet": (
        lambda folder: delimited(folder, "a\n1\n", format="parquet", infer=False),
        "Parquet",
    ),
    "a quotation mark alone, and a long file": (
        lambda folder: delimited(folder, 'a,b\n"x,1\n' + "y,2\n" * 2_500_000),
        "more than 8 MB.*quotation mark",
    ),
    "two columns of one name": (
        lambda folder: parquet(
            folder, pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
        ),
        "two columns 'a'",
    ),
    "too deep": (
        lambda folder: json_lines(folder, '{"a":' + "[" * 5000 + "]" * 5000 + "}\n"),
        "Line 1.*too deep",
    ),
    "a step of a later version": (
        lambda folder: delimited(folder, "a\n1\n", steps=[{"do": "sort", "column": "a"}]),
        "later version.*'sort'",
    ),
    "a condition of a later version": (
        lambda folder: delimited(
            folder, "a\n1\n", steps=[{"do": "filter", "condition": ["like", ["column", "a"]]}]
        ),
        "later version.*'like'",
    ),
    "a format of a later version": (
        lambda folder: delimited(folder, "a\n1\n", format="orc"),
        "later version.*'orc'",
    ),
    "no column left": (
        lambda folder: delimited(
            folder, "a\n1\n", steps=[{"do": "keep_columns", "columns": ["A"]}]
        ),
        r"no columns: .*\['a'\].*\['A'\]",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_is_named(case, tmp_path):
    """The error is one that SDK v1's scripts catch, and names the thing and the remedy."""
    make, said = BROKEN[case]
    with pytest.raises(DatasetExecutionError, match=said) as raised:
        frame(make(tmp_path))
    assert isinstance(raised.value, UserErrorException)


def test_a_column_that_only_some_files_have_is_kept(tmp_path):
    """Rows of the others are missing there; that no file has any such column is an error."""
    steps = [{"do": "keep_columns", "columns": ["c"]}]
    combined = delimited(
        tmp_path, "a,b\n5,2\n", "b,c\n3,4\n", steps=steps, header="COMBINE_ALL_FILES_HEADERS"
    )
    assert plain(frame(combined)["c"]) == [NONE, 4]
    tables = [pa.table({"a": [1, 2]}), pa.table({"c": ["x"]})]
    assert plain(frame(parquet(tmp_path, *tables, steps=steps))["c"]) == [NONE, NONE, "x"]
    assert plain(frame(json_lines(tmp_path, '{"a":1}\n', '{"c":1}\n', steps=steps))["c"]) == [
        NONE,
        1,
    ]
    with pytest.raises(DatasetExecutionError, match=r"\['a'\].*\['c'\]"):
        frame(json_lines(tmp_path, '{"a":1}\n', '{"a":2}\n', steps=steps))


def test_line_breaks_in_values_are_told(tmp_path):
    """A value in quotation marks keeps its line break, and who did not ask for it is warned."""
    with pytest.warns(UserWarning, match="column 'a'.*line break.*support_multi_line"):
        read = frame(delimited(tmp_path, 'a,b\n"x\ny",2\n'))
    assert read["a"].tolist() == ["x\ny"]


def test_frames_can_be_written_to(tmp_path):
    """A DataFrame is the caller's own: nothing of it is read-only."""
    for rows in (3, 100_000):
        definition = parquet(tmp_path, pa.table({"a": range(rows), "b": [0.5] * rows}))
        read = frame(definition)
        read.loc[0, "a"] = 7
        read["b"].to_numpy(copy=True)[0] = 1
        assert read["a"][0] == 7


CONDITIONS = {
    "gt": (["gt", ["column", "a"], ["value", 2]], [3, 4]),
    "and": (
        ["and", ["gt", ["column", "a"], ["value", 1]], ["lt", ["column", "c"], ["value", 5]]],
        [2],
    ),
    "not": (["not", ["gt", ["column", "a"], ["value", 1]]], [1]),
    "of two columns": (["eq", ["column", "a"], ["column", "c"]], [2]),
    "missing meets nothing": (["ne", ["column", "b"], ["value", "x"]], [2, 4]),
    "missing": (["is_null", ["column", "b"]], [3]),
    "text": (["starts_with", ["column", "b"], ["value", "q"]], [2]),
    "sums": (["gt", ["add", ["column", "a"], ["value", 1]], ["value", 3]], [3, 4]),
    "times": (["gt", ["column", "e"], filters.value(datetime.datetime(2020, 1, 2))], [2]),
    "to nanoseconds": (
        ["gt", ["column", "e"], filters.value(pd.Timestamp(1_577_923_200 * 10**9 + 1))],
        [2],
    ),
    "infinity": (["lt", ["column", "a"], filters.value(np.inf)], [1, 2, 3, 4]),
    "no number": (["lt", ["column", "a"], filters.value(np.nan)], []),
    "beyond 64 bits": (["lt", ["column", "a"], filters.value(10**30)], [1, 2, 3, 4]),
    "beyond all floats": (["lt", ["column", "a"], filters.value(-(10**400))], []),
    "another kind": (["eq", ["column", "a"], ["value", "1"]], []),
    "no such column": (["gt", ["column", "zz"], ["value", 1]], []),
    "None": (["eq", ["column", "b"], ["value", None]], []),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_rows_that_meet_a_condition_are_left(case, tmp_path):
    """As in SDK v1: what is missing meets none, nor does a value of another kind."""
    condition, wanted = CONDITIONS[case]
    condition = json.loads(json.dumps(condition, allow_nan=False))
    content = 'a,b,c,e\n1,x,1.5,2020-01-02\n2,q z,2.0,2020-01-02 03:04:05\n3,,,\n4,"",1e10,\n'
    steps = [{"do": "filter", "condition": condition}]
    assert frame(delimited(tmp_path, content, steps=steps))["a"].tolist() == wanted


@FOLDER
@given(
    count=st.integers(0, 300),
    block=st.integers(64, 4096),
    share=st.floats(0, 1),
    seed=st.integers(-(2**40), 2**40),
    taken=st.integers(0, 350),
)
def test_parts_of_a_dataset_are_disjoint_and_complete(tmp_path, count, block, share, seed, taken):
    """Both parts of a split are all rows, in their order; so are take and skip.

    Blocks are no matter, and a sample is the first part of the split of its seed.
    """
    content = "a,b\n" + "".join(f"{n},x\n" for n in range(count))
    definition = delimited(tmp_path, content, infer=False, types={"a": {"type": "int"}})
    files = resolve(None, definition)

    def rows(step, block=block):
        read = Rows(with_steps(definition, step), files, block=block).frame()
        return read["a"].tolist() if len(read.columns) else []

    how = {"do": "split", "percentage": share, "seed": seed}
    first, second = (rows({**how, "part": part}) for part in (0, 1))
    assert sorted([*first, *second]) == list(range(count))
    assert first == sorted(first)
    assert first == rows({**how, "part": 0}, block=1 << 20)
    assert first == rows({"do": "sample", "probability": share, "seed": seed})
    assert [
        *rows({"do": "take", "count": taken}),
        *rows({"do": "skip", "count": taken}),
    ] == list(range(count))


VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "true", "F", "nan", "x", " 1 ", "+1", "1e3", ".5", "2020-01-02", "1/2/2020", "Inf"]
    ),
)


@FOLDER
@given(values=st.lists(VALUES, min_size=1, max_size=30), late=st.lists(VALUES, max_size=10))
def test_both_ways_of_reading_give_the_same(tmp_path, values, late):
    """What pyarrow reads as its type is what a text is converted to, where a misfit comes late."""
    types = typed(delimited(tmp_path, column(*values)))[0].reader["types"]
    content = column(*values, *late)
    read, again = (
        # Not as a DataFrame, in which a missing one makes floats of all.
        Rows(definition, resolve(None, definition)).table()["a"].to_pylist()
        for text in (content, content + "misfit,x\n")
        if (definition := delimited(tmp_path, text, infer=False, types=types))
    )
    assert plain(read) == plain(again)[:-1]


@FOLDER
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1
            ),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_pandas_wrote_is_read(tmp_path, rows):
    """Numbers and texts come back from a file that pandas wrote, whatever is in them."""
    written = pd.DataFrame(rows, columns=["i", "f", "s"])
    types = {"i": {"type": "int"}, "f": {"type": "float"}}
    definition = delimited(
        tmp_path,
        written.to_csv(index=False),
        infer=False,
        types=types,
        support_multi_line=True,
    )
    read = frame(definition)
    assert [tuple(row) for row in read.itertuples(index=False)] == rows


def test_a_batch_at_a_time_is_read(tmp_path):
    """take() of a long file reads its start: what is broken far down is never seen."""
    content = column(*range(200_000)) + '"never closed,x\n'
    steps = [{"do": "take", "count": 3}]
    read = frame(delimited(tmp_path, content, steps=steps))
    assert read["a"].tolist() == [0, 1, 2]


def test_what_is_skipped_is_not_held(tmp_path):
    """Of a long file no more is kept in memory than what is left of it."""
    content = "a,b\n" + f"1,{'x' * 100}\n" * 400_000
    before = pa.total_allocated_bytes()
    definition = delimited(tmp_path, content, steps=[{"do": "skip", "count": 399_999}])
    left = Rows(definition, resolve(None, definition)).table()
    assert left.num_rows == 1
    assert pa.total_allocated_bytes() - before < 2 * delimited_files.BLOCK


@pytest.mark.parametrize("value", ["x" * 200_000, '"' + "x,\n" * 50_000 + '"'])
def test_values_may_be_long(tmp_path, value):
    """However long, in the first row, too, which decides on the columns, or the header."""
    long = value.strip('"')
    read = frame(delimited(tmp_path, f"a,b\n1,{value}\n2,y\n", support_multi_line=True))
    assert read["b"].tolist() == [long, "y"]
    read = frame(delimited(tmp_path, f"a,{value}\n1,z\n", support_multi_line=True))
    assert read.columns.tolist() == ["a", long.strip()]


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\r\n\r\n", "\ufeffa,b"])
def test_a_header_alone_is_a_table_without_rows(tmp_path, content):
    """Whether its line ends or not."""
    read = frame(delimited(tmp_path, content))
    assert (read.columns.tolist(), len(read)) == (["a", "b"], 0)


def test_rows_are_numbered_in_order_over_files(tmp_path):
    """take and skip go through files as if they were one."""
    contents = [column(*range(n, n + 10)) for n in (10, 20, 30)]
    steps = [{"do": "skip", "count": 5}, {"do": "take", "count": 12}]
    read = frame(delimited(tmp_path, *contents, steps=steps))
    assert read["a"].tolist() == list(itertools.chain(range(15, 27)))
