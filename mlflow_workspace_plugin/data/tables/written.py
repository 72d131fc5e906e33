"""Tables as files: CSV or Parquet, made where they are read."""

import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.data.definition import DatasetDefinition
from mlflow_workspace_plugin.data.tables.rows import Rows
from mlflow_workspace_plugin.private_folder import make_private

if TYPE_CHECKING:
    from mlflow_workspace_plugin.data.files.found import FoundFile
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

TO_CSV = "to_csv"
TO_PARQUET = "to_parquet"
WRITING = frozenset({TO_CSV, TO_PARQUET})
"""The steps that make files of a table."""
_KEPT_S = 30 * 24 * 3600


def written(store: "WorkspaceTrackingStore | None", definition: DatasetDefinition) -> Path:
    """Return the folder that the files of a table are in: one for each file it is read from.

    They are written once for each state of what they are made of, into a folder of the user's.

    Args:
        store: of the workspace whose datastores are named; None where none is.
        definition: of files, with a step that writes them.

    Raises:
        DatasetExecutionError: the table cannot be read.
    """
    from mlflow_workspace_plugin.data.files.found import resolve

    names = [step["do"] for step in definition.steps]
    at = next(n for n, name in enumerate(names) if name in WRITING)
    table = replace(definition, kind="tabular", steps=definition.steps[:at])
    files = resolve(store, table, are_asked=True)
    step = definition.steps[at]
    above = Path(settings.CACHE_DIR.get()) / "tables"
    folder = above / _key(table, step, files)
    with suppress(FileNotFoundError):
        # When it was used last.
        os.utime(folder)
        return folder
    make_private(above)
    _free_unused(above)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=above))
    try:
        _write(Rows(table, files), step, making)
        for file in making.iterdir():
            # Mounts lead to it.
            file.chmod(0o444)
        os.replace(making, folder)  # noqa: PTH105  of a folder that may be there meanwhile
    except OSError:
        # Another process was faster.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _free_unused(above: Path) -> None:
    """Delete what nobody has read for long."""
    for folder in above.iterdir():
        # Another process may do so, too.
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _KEPT_S:
                shutil.rmtree(folder)


def _key(table: DatasetDefinition, step: Mapping[str, Any], files: "list[FoundFile]") -> str:
    # What cannot be told from what it was is written anew. Paths may be in the rows.
    states = [(file.key, file.content() or uuid.uuid4().hex) for file in files]
    known = json.dumps([table.canonical(), step, states], sort_keys=True, default=str)
    return hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _write(rows: Rows, step: Mapping[str, Any], folder: Path) -> None:
    """Write the files; again if rows further down have columns, or types, that others have not."""
    schemas: dict[int, pa.Schema] = {}
    while not _is_written(rows, step, folder, schemas):
        pass


def _is_written(
    rows: Rows, step: Mapping[str, Any], folder: Path, schemas: dict[int, pa.Schema]
) -> bool:
    """Write each file with its schema. Without one, it is that of its first batch.

    Returns:
        whether all rows are of the schemas; if not, these are of all rows now.
    """
    kind = _KINDS[step["do"]]
    is_written = True
    for position, pieces in groupby(rows.pieces(), key=lambda piece: piece[0]):
        with ExitStack() as stack:
            writer: Any = None
            for _, batch in pieces:
                table = kind.ready(pa.Table.from_batches([batch]))
                schema = schemas.setdefault(position, table.schema)
                if writer is None:
                    path = folder / f"part-{position}.{kind.ending}"
                    writer = stack.enter_context(closing(kind.writer(path, schema, step)))
                if table.schema != schema:
                    schemas[position] = _both(schema, table.schema)
                    is_written = is_written and schemas[position] == schema
                # Of no rows older versions of pyarrow write another header.
                if is_written and table.num_rows:
                    writer.write_table(_as_schema(table, schema))
    return is_written


def _both(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Return the schema of rows of both; of values of different kinds, as texts."""
    try:
        return pa.unify_schemas([schema, other], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        names = dict.fromkeys([*schema.names, *other.names])
        return pa.schema([(name, pa.string()) for name in names])


def _as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    there = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in there
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


@dataclass(frozen=True)
class _Kind:
    ending: str
    ready: Callable[[pa.Table], pa.Table]
    writer: Callable[[Path, pa.Schema, Mapping[str, Any]], Any]


def _csv_writer(path: Path, schema: pa.Schema, step: Mapping[str, Any]) -> Any:
    options = arrow_csv.WriteOptions(delimiter=step.get("separator", ","))
    return arrow_csv.CSVWriter(str(path), schema, write_options=options)


def _ready_for_csv(table: pa.Table) -> pa.Table:
    """Return a table whose times are texts, as SDK v1 wrote them: in ISO's form and UTC."""
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if pa.types.is_timestamp(field.type):
            table = table.set_column(position, field.name, _iso(column))
        elif pa.types.is_nested(field.type):
            texts = [
                None if each is None else json.dumps(each, default=str)
                for each in column.to_pylist()
            ]
            table = table.set_column(position, field.name, pa.array(texts, pa.string()))
    if table.num_columns == 1 and table.column(0).null_count:
        # A line with nothing in it is none to whoever reads the file.
        texts = table.column(0).cast(pa.string()).fill_null("")
        table = table.set_column(0, table.column_names[0], texts)
    return table


def _iso(times: pa.ChunkedArray) -> pa.ChunkedArray:
    # No more digits of the second than there are.
    for unit in ("s", "ms", "us"):
        try:
            shorter = times.cast(pa.timestamp(unit, times.type.tz))
        except pa.ArrowInvalid:
            continue
        break
    else:
        shorter = times
    if shorter.type.tz is not None:
        shorter = shorter.cast(pa.timestamp(shorter.type.unit, "UTC"))
    return pc.binary_join_element_wise(pc.strftime(shorter, "%Y-%m-%dT%H:%M:%S"), "+00:00", "")


_KINDS = {
    TO_CSV: _Kind("csv", _ready_for_csv, _csv_writer),
    TO_PARQUET: _Kind(
        "parquet",
        lambda table: table,
        lambda path, schema, _: parquet.ParquetWriter(path, schema),
    ),
}
