"""What was measured of SDK v1's reading of files (``tests/azureml_v1/data.json``), here again."""

import base64
import json
import warnings

import pytest

from mlflow_workspace_plugin.errors import AzureMLException
from mlflow_workspace_plugin.sdk.data.datasets.tabular.data_type import DataType
from mlflow_workspace_plugin.sdk.data.datasets.tabular.factory import TabularDatasetFactory
from tests.azureml_v1.measure_data import RECORD, file_of

CASES = {
    case["name"]: (number, case)
    for number, case in enumerate(json.loads(RECORD.read_text(encoding="utf-8")))
    if "arguments" in case
}
MISSING = ({"repr": "nan"}, {"repr": "NaT"})
URL = "http://127.0.0.1"

# What is otherwise here, and why.
_LOST = "SDK v1 lost the values"
_MORE = "what can be read is read"
_CAUGHT = "an error that is a UserErrorException, as others are"
OTHERWISE = {
    "column ['01', '00']": _LOST,
    "column ['+1', '0']": _LOST,
    "column ['01/02/20', '01/02/20']": _LOST,
    "column ['13/02/20', '13/02/20']": _LOST,
    "column ['20/02/13', '20/02/13']": _LOST,
    "column ['99-01-02', '99-01-02']": _LOST,
    "'2020-01-02 03:04:05' after 200 of '2020-01-02', on_error=null": _MORE,
    "'2020-01-02 03:04:05' after 200 of '2020-01-02', on_error=fail": _MORE,
    "to_float(',') of ['7', '\"1,5\"', '1.5']": _LOST,
    "to_datetime('%Y-%m-%d') of ['2020-01-02 03:04:05']": _MORE,
    "to_datetime(['%Y-%m-%d', '%d/%m/%Y']) of ['2020-01-02', '03/01/2020']": "no vain warning",
    "to_datetime('%d/%m/%Y %I:%M:%S %p') of ['02/01/2020 03:04:05 PM']": "no vain warning",
    "file: line of spaces": "it is a blank line",
    "file: CR": _MORE,
    "file: header only, not looked at": "columns without rows are columns",
    "file: newline in quotes": "it belongs to the value, which is said",
    "file: quote not closed": "an error instead of broken rows",
    "file: Latin-1 as UTF-8": _CAUGHT,
    "file: utf8bom": _MORE,
    "file: partition without a part": _CAUGHT,
    "JSON lines: integer, then float": _LOST,
    "JSON lines: float, then integer": _LOST,
    "JSON lines: array": _CAUGHT,
}


@pytest.mark.parametrize("name", CASES)
def test_rows_are_those_that_sdk_v1_read(name, tmp_path):
    """Names, types and values of columns, or an error of the same kind; what is not, is listed."""
    number, case = CASES[name]
    came = _outcome(number, case, tmp_path)
    if "error" in case:
        is_same = case["error"][0] in came
    else:
        said = any("month-day" in each for each in case.get("warnings", ()))
        expected = (said, _without_kinds_of_missing(case["result"]))
        is_same = came == expected
    assert is_same != (name in OTHERWISE), came


def _outcome(number, case, folder):
    paths = []
    for place, content in enumerate(case.get("files") or [file_of(case)]):
        path = folder / f"{number}-{place}.csv"
        is_bytes = isinstance(content, dict)
        path.write_bytes(base64.b64decode(content["base64"]) if is_bytes else content.encode())
        paths.append(str(path))
    arguments = dict(case["arguments"])
    if "types" in case:
        arguments["set_column_types"] = {
            name: getattr(DataType, kind[0])(*kind[1:]) for name, kind in case["types"].items()
        }
    read = getattr(TabularDatasetFactory, case.get("call", "from_delimited_files"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = read(paths, **arguments).to_pandas_dataframe(**case.get("read", {}))
        except (AzureMLException, ValueError) as error:
            return {each.__name__ for each in type(error).__mro__}
    said = any("month-day" in str(each.message) for each in caught)
    names = ["v"] if "column" in case else frame.columns
    read = [
        [name, _dtype(frame[name]), [_plain(each, folder) for each in frame[name].tail(3)]]
        for name in names
    ]
    return said, _without_kinds_of_missing(read)


def _without_kinds_of_missing(result):
    """As pandas has it: what is missing among texts is None before pandas 3, and nan since."""
    return [
        [name, kind, [None if value in MISSING else value for value in values]]
        for name, kind, values in result
    ]


def _dtype(column):
    # Before pandas 3 texts were objects.
    return "object" if str(column.dtype) == "str" else str(column.dtype)


def _plain(value, folder):
    if isinstance(value, str):
        return value.replace(str(folder), URL)
    if value is None or isinstance(value, (bool, dict)):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    return value if isinstance(value, (bool, int, list)) else {"repr": str(value)}
