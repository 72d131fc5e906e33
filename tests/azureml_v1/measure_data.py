"""Measures how SDK v1 read data: its own packages, on files from a server on loopback.

Run by the packages' own Python, which is of 3.10; nothing of this repository is imported::

    uv venv --python 3.10 sdk && uv pip install --python sdk/bin/python \
        azureml-core==1.61.0.post4 azureml-dataset-runtime==1.62.0.post1 \
        azureml-dataprep==5.5.0 azureml-dataprep-rslex==2.26.1 pandas==1.5.3 pyarrow==23.0.1
    sdk/bin/python tests/azureml_v1/measure_data.py            # says what differs from the record
    sdk/bin/python tests/azureml_v1/measure_data.py --write    # writes the record

The record is ``data.json`` beside this file: of each case its files, its arguments and what came of
them. Where a case is about a column it has that column's texts, which ``file_of`` makes a file of.
docs/azureml-v1-data.md says the same in words.
"""

import base64
import contextlib
import functools
import http.server
import io
import json
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("data.json")

FITTING = 200
"""So many rows the types are learned from."""

WORDS = [
    ["true", "false"], ["True", "False"], ["TRUE", "FALSE"], ["tRuE", "false"], ["t", "f"],
    ["T", "F"], ["y", "n"], ["Y", "N"], ["yes", "no"], ["Yes", "No"], ["YES", "NO"],
    ["on", "off"], ["On", "Off"], ["0", "1"], ["1", "1"], ["0", "0"], ["01", "00"], ["+1", "0"],
    ["1", "T"], ["true", "1"], ["true", "2"], ["true", ""], ["1", "", "0"], ["true", "NA"],
    ["1", "0", "NaN"], ["1.0", "0.0"], [" true", "false "],
]  # fmt: skip
NUMBERS = [
    ["7", "8"], ["-7", "+8"], ["007", "012"], [" 7", "8 "], ["\t7", "8"], ['"7"', '"8"'],
    ["7\u00a0", "8"], ["9223372036854775807", "7"], ["-9223372036854775808", "7"],
    ["9223372036854775808", "7"], ["12345678901234567890", "7"], ["-0", "7"], ["7", "", "8"],
    ["7", "8.0"], ["7", "2.5"], ["7.5", "8"], [".5", "7."], ["1e3", "2E-4"], ["1e400", "7"],
    ["1e-400", "7"], ["inf", "-inf"], ["Infinity", "7"], ["INF", "7"], ["+inf", "7"],
    ["nan", "7"], ["NaN", "7"], ["-nan", "7"], ["nan", "nan"], ["", "nan"], ["", ""],
    ["NA", "7"], ["N/A", "7"], ["n/a", "7"], ["null", "7"], ["NULL", "7"], ["None", "7"],
    ["?", "7"], ["-", "7"], [" ", "7"], ['""', "7"], ["7", "x"], ['"1,000"', '"2,500"'],
    ['"1,5"', '"2,5"'], ["7%", "8%"], ["$7", "$8"], ["0x10", "0x11"], ["1_000", "2_000"],
    ["7 8", "9"], ["7d", "8"],
]  # fmt: skip
TEXTS = [
    ["a", "b"], [" a", "b "], ["a", "", "b"], ["a", "NA", "nan"], ["null", "None"],
    ['"a,b"', '"c""d"'], ['a"b', "c"], ["'a'", "b"], ['""', "a"], ["é", "日本"],
]  # fmt: skip
DATES = [
    "2020-01-02", "2020-1-2", "2020/01/02", "2020.01.02", "20200102", "01/02/2020", "1/2/2020",
    "13/02/2020", "02/13/2020", "01-02-2020", "13-02-2020", "13.02.2020", "01/02/20", "13/02/20",
    "2/13/20", "20/02/13", "99-01-02", "01-02-99", "2020-01-02 03:04:05", "2020-01-02T03:04:05",
    "2020-01-02T03:04:05Z", "2020-01-02T03:04:05+02:00", "2020-01-02T03:04:05+0200",
    "2020-01-02 03:04:05 +0200", "2020-01-02 03:04:05 UTC", "2020-01-02 03:04:05 GMT",
    "2020-01-02 03:04:05.123", "2020-01-02T03:04:05.123456789Z", "2020-01-02 03:04",
    "2020-01-02T03:04", "2020-01-02 3:04:05 PM", "2020/01/02 15:04:05", "2020/01/02 15:04",
    "1/2/2020 3:04 PM", "1/2/2020 3:04:05 pm", "01/02/2020 15:04", "13/02/2020 15:04:05",
    "1/2/2020 15:04:05.123", "02-01-2020 15:04:05", "02-Jan-2020", "2-Jan-20", "02-JAN-2020",
    "02/Jan/2020", "02-Jan-2020 15:04:05", "1-Jan-1999 3:04 PM", "02-January-2020",
    "Jan-02-2020", "2020-Jan-02", "Jan 2 2020", "2 Jan 2020", "2 January 2020", "2020-01",
    "2020", "03:04", "03:04:05", "20200102T030405", "1577934245", "0001-01-01", "1600-01-01",
    "9999-12-31", "2020-02-30", " 2020-01-02 ", '"2020-01-02"', "2020-W01-1",
]  # fmt: skip
DATE_COLUMNS = [
    ["2020-01-02", "", "2020-01-03"], ["2020-01-02", "01/03/2020"], ["2020-01-02", "x"],
    ["2020-01-02", "NaN"], ["2020-01-02", "5"], ["2020-01-02", "2020-01-02 03:04:05"],
    ["01/02/2020", "13/02/2020"], ["01/02/2020", "02/13/2020"], ["13/02/2020", "02/13/2020"],
    ["01/02/2020", "02-Jan-2020"], ["2020-01-02T03:04:05Z", "2020-01-02T03:04:05"],
]  # fmt: skip
LATER = {
    "7": ["2.5", "2.0", "1e3", "abc", "", "99999999999999999999"],
    "1.5": ["abc", "7"],
    "true": ["abc", "1", "2"],
    "1": ["2"],
    "2020-01-02": ["abc", "2020-01-02 03:04:05"],
    "a": ["5"],
    "": ["5"],
}
CONVERSIONS: dict[str, list[tuple[list[Any], list[str]]]] = {
    "to_long": [([], ["7", "x", "", "2.5", "1e3"])],
    "to_float": [([], ["7", "x", "", '"1,234.5"']), ([","], ["7", '"1,5"', "1.5"])],
    "to_bool": [([], ["true", "0", "yes", "T", "", "2", "no", "Y", "False"])],
    "to_string": [([], ["007", "1.50", "true", "", "2020-01-02"])],
    "to_datetime": [
        ([], ["2020-01-02", "2020-01-03"]),
        ([], ["01/02/2020", "01/03/2020"]),
        ([], ["abc", "def"]),
        (["%d/%m/%Y"], ["01/02/2020", "x"]),
        (["%Y-%m-%d"], ["2020-01-02 03:04:05"]),
        ([["%Y-%m-%d", "%d/%m/%Y"]], ["2020-01-02", "03/01/2020"]),
        (["%d/%m/%Y %I:%M:%S %p"], ["02/01/2020 03:04:05 PM"]),
        (["%Y-%m-%dT%H:%M:%S%z"], ["2020-01-02T03:04:05+0200"]),
    ],
}
FILES: dict[str, tuple[list[str | bytes], dict[str, Any]]] = {
    "short row": (["a,b,c\n7,8,9\n4,5\n"], {}),
    "long row": (["a,b\n5,6\n7,8,9\n"], {}),
    "blank lines": (["\na,b\n5,6\n\n7,8\n\n"], {}),
    "line of separators": (["a,b\n5,6\n,\n"], {}),
    "line of spaces": (["a,b\n5,6\n  \n"], {}),
    "no newline at the end": (["a,b\n5,6"], {}),
    "CRLF": (["a,b\r\n5,x\r\n"], {}),
    "CR": (["a,b\r5,x\r"], {}),
    "empty": ([""], {}),
    "header only": (["a,b\n"], {}),
    "header only, not looked at": (["a,b\n"], {"validate": False, "infer_column_types": False}),
    "one name twice": (["a,a,a\n5,6,7\n"], {}),
    "no name": (["a,,\n5,6,7\n"], {}),
    "index of pandas": ([",x\n7,5\n8,6\n"], {}),
    "spaces around names": ([' a ,"b c"\n5,6\n'], {}),
    "case of names": (["A,a\n5,6\n"], {}),
    "no header": (["5,6\n7,8\n"], {"header": False}),
    "tab": (["a\tb\n5\tx y\n"], {"separator": "\t"}),
    "two characters": (["a||b\n5||6\n"], {"separator": "||"}),
    "wrong separator": (["a;b\n5;6\n"], {}),
    "newline in quotes": (['a,b\n"x\ny",5\nz,6\n'], {}),
    "newline in quotes, supported": (['a,b\n"x\ny",5\nz,6\n'], {"support_multi_line": True}),
    "text after a quote": (['a,b\n"x"y,5\n'], {}),
    "space before a quote": (['a,b\n5, "x,y"\n'], {}),
    "quote not closed": (['a,b\n"x,5\nz,6\n'], {}),
    "empty as text": (["a,b\nx,7\n,\n"], {"empty_as_string": True}),
    "types not inferred": (["a,b\n1,x\n,\n"], {"infer_column_types": False}),
    "BOM": ([b"\xef\xbb\xbfa,b\n5,6\n"], {}),
    "Latin-1 as UTF-8": (["a,b\né,6\n".encode("latin1")], {}),
    "Latin-1": (["a,b\né,6\n".encode("latin1")], {"encoding": "latin1"}),
    "Windows-1252": (["a,b\n€,6\n".encode("cp1252")], {"encoding": "windows1252"}),
    "UTF-16": (["a,b\né,6\n".encode("utf-16")], {"encoding": "utf16"}),
    "ASCII": (["a,b\né,6\n"], {"encoding": "ascii"}),
    "utf-8": (["a,b\n5,6\n"], {"encoding": "utf-8"}),
    "utf8bom": (["a,b\n5,6\n"], {"encoding": "utf8bom"}),
    "comment": (["#c\na,b\n5,6\n"], {}),
    "path": (["a,b\n5,6\n", "a,b\n7,8\n"], {"include_path": True}),
    "second file, misfit among the first rows": (["v\n" + "7\n" * 9, "v\nabc\n"], {}),
    "second file, misfit later": (["v\n" + "7\n" * FITTING, "v\nabc\n"], {}),
    "unknown header": (["a\n5\n"], {"header": "x"}),
    "partition": (["x\n5\n"], {"partition_format": "/{Name}.csv"}),
    "partition without a part": (["x\n5\n"], {"partition_format": "nothing"}),
}  # fmt: skip
HEADERS: list[bool | str] = [
    True,
    False,
    "ONLY_FIRST_FILE_HAS_HEADERS",
    "COMBINE_ALL_FILES_HEADERS",
]
HEADED = {
    "the same": ["x,y\n5,a\n", "x,y\n6,b\n"],
    "another order": ["x,y\n5,a\n", "y,x\nc,7\n"],
    "other columns": ["x,y\n5,a\n", "x,z\n8,q\n"],
    "more columns": ["x\n5\n", "x,y\n6,7\n"],
}
JSON_LINES: dict[str, tuple[str, dict[str, Any]]] = {
    "types": ('{"a":1,"b":"x","c":1.5,"d":true,"e":null,"f":"2020-01-02"}\n', {}),
    "0 and 1": ('{"a":0}\n{"a":1}\n', {}),
    "missing keys": ('{"a":1}\n{"b":"x"}\n', {}),
    "integer, then float": ('{"a":1}\n{"a":1.5}\n', {}),
    "float, then integer": ('{"a":1.5}\n{"a":2}\n', {}),
    "text, then number": ('{"a":"x"}\n{"a":2}\n', {}),
    "null": ('{"a":1}\n{"a":null}\n', {}),
    "nested": ('{"a":{"x":1}}\n', {}),
    "blank line": ('{"a":1}\n\n{"a":2}\n', {}),
    "broken line": ('{"a":1}\nnope\n{"a":2}\n', {}),
    "broken line, dropped": ('{"a":1}\nnope\n{"a":2}\n', {"invalid_lines": "drop"}),
    "unknown handling": ('{"a":1}\n', {"invalid_lines": "x"}),
    "array": ('[{"a":1}]\n', {}),
}
NAMES = ["a", "_x", "a1", "1a", "a-b", "a b", "é"]

Case = dict[str, Any]


def cases() -> Iterator[Case]:
    """Each case: a name, files, and the call with its arguments."""
    columns = [*WORDS, *NUMBERS, *TEXTS, *([each, each] for each in DATES), *DATE_COLUMNS]
    for values in columns:
        yield _column(f"column {values}", values)
    yield from _conversions()
    for name, (files, options) in FILES.items():
        yield {"name": f"file: {name}", "files": files, "arguments": options}
    for header in HEADERS:
        for name, texts in HEADED.items():
            arguments = {"header": header}
            yield {"name": f"headers {header}: {name}", "files": texts, "arguments": arguments}
    for name, (text, options) in JSON_LINES.items():
        yield {
            "name": f"JSON lines: {name}",
            "call": "from_json_lines_files",
            "files": [text],
            "arguments": options,
        }


def _conversions() -> Iterator[Case]:
    """What becomes of values that the types were not learned from, or that are given a type."""
    for first, others in LATER.items():
        for other in others:
            for on_error in ("null", "fail"):
                name = f"{other!r} after {FITTING} of {first!r}, on_error={on_error}"
                read = {"on_error": on_error}
                yield _column(name, [other], before=[first, FITTING], read=read)
    for count in (FITTING - 1, FITTING):
        yield _column(f"'abc' after {count} numbers", ["abc"], before=["7", count])
    for handling in ("null", "fail"):
        read = {"out_of_range_datetime": handling}
        yield _column(f"out of range: {handling}", ["9999-12-31", "2020-01-01"], read=read)
    for kind, tried in CONVERSIONS.items():
        for arguments, values in tried:
            name = f"{kind}({', '.join(map(repr, arguments))}) of {values}"
            yield _column(name, values, types={"v": [kind, *arguments]})


def _column(name: str, values: list[str], **more: Any) -> Case:
    return {"name": name, "column": values, "arguments": {}, **more}


def file_of(case: Case) -> str:
    """The file of a case about a column: ``v``, after a column of other numbers."""
    text, count = case.get("before", ["", 0])
    values = [text] * count + case["column"]
    return "k,v\n" + "".join(f"{7 + row},{value}\n" for row, value in enumerate(values))


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word on standard error."""

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def served() -> Iterator[tuple[Path, str]]:
    """A folder, and the URL that it is served under."""
    with tempfile.TemporaryDirectory() as folder:
        handler = functools.partial(Files, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield Path(folder), f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def outcome(call: Callable[[], Any], plain: Callable[[str], str]) -> Case:
    """What a call returns or raises, and what it warns of, without what differs from run to run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            came: Case = {"result": call()}
        except Exception as error:  # noqa: BLE001  # whatever SDK v1 raises is the result
            message = str(getattr(error, "message", None) or error)
            came = {"error": [type(error).__name__, plain(message)]}
    said = {plain(str(each.message)) for each in caught if each.category is UserWarning}
    return came | ({"warnings": sorted(said)} if said else {})


class Measurement:
    """SDK v1, and where it reads from."""

    def __init__(self, folder: Path, url: str) -> None:
        from azureml.core import Dataset
        from azureml.data.dataset_factory import DataType

        self._dataset, self._types = Dataset, DataType
        self._folder, self._url = folder, url

    def of_case(self, number: int, case: Case) -> Case:
        """The case with what came of it, as JSON has it."""
        urls = []
        for place, content in enumerate(case.get("files") or [file_of(case)]):
            file = self._folder / f"{number}-{place}.csv"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            urls.append(f"{self._url}/{file.name}")
        arguments = dict(case["arguments"])
        if "types" in case:
            arguments["set_column_types"] = {
                name: getattr(self._types, kind[0])(*kind[1:])
                for name, kind in case["types"].items()
            }
        read = getattr(self._dataset.Tabular, case.get("call", "from_delimited_files"))

        def result() -> Any:
            dataset = read(urls if len(urls) > 1 else urls[0], **arguments)
            return self._columns(dataset.to_pandas_dataframe(**case.get("read", {})), case)

        return case | outcome(result, self._plain)

    def of_calls(self) -> Iterator[Case]:
        """What is no column: splits, names, paths."""
        file = self._folder / "thousand.csv"
        file.write_text("i,x\n" + "".join(f"{row + 5},a\n" for row in range(1000)))
        url = f"{self._url}/{file.name}"
        dataset = self._dataset.Tabular.from_delimited_files(url)

        def rows(part: Any) -> list[int]:
            return [int(each) for each in part.to_pandas_dataframe()["i"]]

        def split(seed: int) -> dict[str, Any]:
            one, other = (rows(part) for part in dataset.random_split(0.8, seed=seed))
            return {
                "rows": [len(one), len(other)],
                "first": one[:6],
                "complete": sorted(one + other) == [*range(5, 1005)],
                "in order": one == sorted(one) and other == sorted(other),
                "again": rows(dataset.random_split(0.8, seed=seed)[0]) == one,
                "take_sample": rows(dataset.take_sample(0.8, seed=seed)) == one,
            }

        def files(*paths: str) -> list[str]:
            return [self._plain(each) for each in self._dataset.File.from_files([*paths]).to_path()]

        calls: dict[str, Callable[[], Any]] = {
            **{
                f"random_split(0.8, seed={seed})": functools.partial(split, seed) for seed in (1, 2)
            },
            "random_split(1.5)": lambda: dataset.random_split(1.5),
            **{
                f"take({count!r})": functools.partial(
                    lambda count: [*dataset.take(count).to_pandas_dataframe().shape], count
                )
                for count in (2, 0, -1, "1", 5000)
            },
            "skip(998)": lambda: rows(dataset.skip(998)),
            "keep_columns(['x', 'i'])": lambda: [
                *dataset.keep_columns(["x", "i"]).take(1).to_pandas_dataframe()
            ],
            "keep_columns(['x', 'none'])": lambda: [
                *dataset.keep_columns(["x", "none"]).take(1).to_pandas_dataframe()
            ],
            "keep_columns(['none'])": lambda: dataset.keep_columns(["none"]).to_pandas_dataframe(),
            "drop_columns(['none'])": lambda: [
                *dataset.drop_columns(["none"]).take(1).to_pandas_dataframe()
            ],
            "time_before": lambda: dataset.time_before(None),
            **{
                f"as_named_input({name!r})": functools.partial(
                    lambda name: vars(dataset.as_named_input(name))["arg_val"], name
                )
                for name in NAMES
            },
            "as_named_input('a').as_mount()": lambda: dataset.as_named_input("a").as_mount(),
            "to_path of one": lambda: files(url),
            "to_path of two": lambda: files(url, url),
            "to_path of a folder": lambda: files(f"{self._url}/"),
            "a local path": lambda: self._dataset.File.from_files("data/a.csv"),
            "nothing there": lambda: self._dataset.Tabular.from_delimited_files(f"{url}x"),
        }
        for name, call in calls.items():
            yield {"name": name} | outcome(call, self._plain)

    def _plain(self, text: str) -> str:
        """The text without what differs from run to run."""
        text = re.sub(r"\|?\s*session_id=[\w-]+", "", text)
        return re.sub(rf"(:|%3A){self._url.rpartition(':')[2]}\b", "", text)

    def _columns(self, frame: Any, case: Case) -> list[list[Any]]:
        return [
            [name, str(frame[name].dtype), [self._value(each) for each in frame[name].tail(3)]]
            for name in (["v"] if "column" in case else frame.columns)
        ]

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._plain(value)
        if value is None or isinstance(value, (bool, dict)):
            return value
        if hasattr(value, "tolist"):
            value = value.tolist()
        return value if isinstance(value, (bool, int, list)) else {"repr": str(value)}


def measured() -> list[Case]:
    """All cases with what came of them; the engine's own words go nowhere."""
    os.environ["AZUREML_LOG_LEVEL"] = "CRITICAL"
    with served() as (folder, url), contextlib.redirect_stdout(io.StringIO()):
        measurement = Measurement(folder, url)
        logging.disable()
        return [
            *(measurement.of_case(number, case) for number, case in enumerate(cases())),
            *measurement.of_calls(),
        ]


def _base64(content: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(content).decode()}


def compared(cases: list[Case], record: Path) -> int:
    """Write the record, or say what of it is no longer so; the command's exit code."""
    found = json.loads(json.dumps(cases, default=_base64))
    if "--write" in sys.argv:
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in found)
        record.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        return 0
    recorded = {case["name"]: case for case in json.loads(record.read_text(encoding="utf-8"))}
    differing = [case for case in found if recorded.get(case["name"]) != case]
    for case in differing:
        sys.stdout.write(f"{case}\ninstead of {recorded.get(case['name'])}\n\n")
    sys.stdout.write(f"{len(found)} cases, {len(differing)} differ\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(compared(measured(), RECORD))
