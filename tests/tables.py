"""Datasets of rows in files of a test's folder."""

import io
from dataclasses import replace

import pyarrow.parquet as pq

from mlflow_workspace_plugin.data.definition import DatasetDefinition, OnThisMachine
from mlflow_workspace_plugin.data.files.found import resolve
from mlflow_workspace_plugin.data.tables.column_types import LENIENT
from mlflow_workspace_plugin.data.tables.rows import Rows, first_rows, with_types


def delimited(folder, *contents, steps=(), infer=True, partition_format=None, **reader):
    """The dataset of delimited files; a content is the text or the bytes of one."""
    options = {"format": "delimited", "infer": infer, **reader}
    return _dataset(folder, contents, options, steps, partition_format)


def json_lines(folder, *contents, steps=(), **reader):
    return _dataset(folder, contents, {"format": "json_lines", **reader}, steps)


def parquet(folder, *tables, steps=(), **reader):
    contents = []
    for table in tables:
        file = io.BytesIO()
        pq.write_table(table, file)
        contents.append(file.getvalue())
    return _dataset(folder, contents, {"format": "parquet", **reader}, steps)


def _dataset(folder, contents, reader, steps, partition_format=None):
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"rows{number}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(OnThisMachine(str(path)))
    return DatasetDefinition(
        "tabular", tuple(paths), reader, tuple(steps), partition_format=partition_format
    )


def frame(definition, strictness=LENIENT):
    return Rows(definition, resolve(None, definition), strictness).frame()


def typed(definition):
    """The definition with the types of its columns, as it is when it is made."""
    return with_types(definition, first_rows(definition, resolve(None, definition)))


def with_steps(definition, *steps):
    return replace(definition, steps=(*definition.steps, *steps))


class Elsewhere:
    """A file that has to be copied, as of a storage account: it can be opened, and that is all."""

    def __init__(self, found):
        self.key = found.key
        self.stored = found.stored
        self.open = found.open

    def local(self):
        return None
