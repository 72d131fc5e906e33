"""The run around a process that has nothing in it yet, offered to the first run that it begins.

A script that is run inside a run, and begins one of its own, means the same by both. So the first
run that the processes of the outer one begin is the outer one: in its experiment, and as long as
nothing was logged to it. Each later one is a run of its own.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "_MLFLOW_WORKSPACE_OUTER_RUN"
"""Names a file with the id and the tags of a run, which whoever begins the first run removes."""


@contextmanager
def offered(run_id: str, tags: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Offer a run to the processes that are started with the variables that this yields.

    Args:
        run_id: a new run.
        tags: MLflow's, of that run: as long as it has no others nothing was logged to it.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlflow-workspace-outer-"))
    try:
        offer = folder / "run.json"
        offer.write_text(json.dumps([run_id, dict(tags)]))
        yield {_VARIABLE: str(offer)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def taken() -> tuple[str, dict[str, str]] | None:
    """Return the id and the tags of the run that is offered to this process, which then has it."""
    path = os.environ.get(_VARIABLE)
    if path is None:
        return None
    try:
        run_id, tags = json.loads(Path(path).read_text())
        # Of several processes one succeeds.
        Path(path).unlink()
    except (OSError, ValueError):
        return None
    return run_id, tags


def leave() -> None:
    """Adopt no run from now on: this process begins one that is nobody else's."""
    os.environ.pop(_VARIABLE, None)
