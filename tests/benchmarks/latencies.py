"""How long it takes from a call in a script until it is seen, in notebooks and on pages.

The script is a process of its own, with a journal; the notebooks' kernels are busy with their next
cell. What is measured ends when the browser has it in its document.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlencode

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.hub import create_hub
from tests.benchmarks.measure import progress, worker_command
from tests.benchmarks.report import Line
from tests.chromium import chromium
from tests.jupyterlab import Notebook, jupyterlab, open_jupyterlab
from tests.servers import free_port, serving

AT_MOST_S = 2.0
_WORKSPACE = "latencies"
_PATIENCE_MS = 60_000
_SHOW = """
import os, time
os.environ["MLFLOW_WORKSPACE_WIDGET"] = {layer!r}
from azureml.core import Workspace
from azureml.widgets import RunDetails
RunDetails(Workspace.get({workspace!r}, hub={hub!r}).get_run({run_id!r})).show()
"""
_ALIAS = "import mlflow_workspace_plugin.azureml"
_BUSY = """
while True:
    time.sleep(0.01)
"""
_CELL = 1
_IN_HTML = """([cell, text]) => {
  const output = document.querySelectorAll(".jp-Notebook .jp-Cell")[cell];
  return output.innerText.includes(text) && output.querySelector("img")?.complete
    && output.querySelector(".mw-run") === null;
}"""
# The widget is told of its figures before it is told of the text.
_IN_WIDGET = '([, text]) => document.querySelector(".mw-run")?.innerText.includes(text)'
_CURVE = """([, text]) => [...document.querySelectorAll(".mw-figure [role=img]")].some(
  (plot) => plot.querySelector("canvas") && plot.ariaLabel.includes(`${text} points`))"""
_LOG = '([, text]) => document.querySelector(".mw-log").textContent.includes(text)'
_RICH_IS_SHOWN = 'document.querySelector(".mw-run canvas") !== null'


class _Script:
    """A script that logs and prints what it is told to.

    Args:
        told: its standard input.
        run_id: of its run.
    """

    def __init__(self, told: TextIO, run_id: str) -> None:
        self._told = told
        self.run_id = run_id
        self._logged = 0

    def log(self) -> str:
        """Log a value; return it as it is shown."""
        self._logged += 1
        value = f"{self._logged}.25"
        self._do("log", value)
        return value

    def log_one_more(self) -> str:
        """Log a value; return how many there are."""
        self.log()
        return str(self._logged)

    def print(self) -> str:
        """Print a line; return it."""
        line = f"printed at {time.monotonic_ns()}"
        self._do("print", line)
        return line

    def _do(self, *words: str) -> None:
        self._told.write(" ".join(words) + "\n")
        self._told.flush()


@dataclass(frozen=True)
class _Shown:
    """A place where something is seen.

    Args:
        title: of the line.
        page: of the browser.
        do: has the script do something; returns the text that is to be seen.
        is_there: whether a text is seen, as JavaScript.
    """

    title: str
    page: Any
    do: Callable[[], str]
    is_there: str

    def seconds(self) -> float:
        """Return how long it takes until it is seen."""
        # In whichever part of the second between two looks it is.
        time.sleep(random.uniform(0.5, 1.5))
        begun = time.perf_counter()
        argument = [_CELL, self.do()]
        self.page.wait_for_function(self.is_there, arg=argument, timeout=_PATIENCE_MS, polling=10)
        return time.perf_counter() - begun


def latencies(rounds: int) -> list[Line]:
    """From a call of a script until it is seen: the median, and the worst."""
    folder = Path.cwd() / "latencies"
    folder.mkdir()
    hub = folder / "hub"
    create_hub(hub)[0].engine.dispose()
    uri = Workspace.create(_WORKSPACE, hub=hub).get_mlflow_tracking_uri()
    notebooks = folder / "lab" / "notebooks"
    notebooks.mkdir(parents=True)
    lines = []
    with ExitStack() as stack:
        script = stack.enter_context(_script(hub))
        for _ in range(2):
            script.log()
        served = stack.enter_context(_pages(hub, folder))
        lab = stack.enter_context(jupyterlab(notebooks, {"MLFLOW_TRACKING_URI": uri}))
        browser = stack.enter_context(chromium())
        shown: dict[str, Callable[[], Iterator[_Shown]]] = {
            "pictures": partial(_notebook, "html", browser, lab, notebooks, hub, script),
            "widget": partial(_notebook, "", browser, lab, notebooks, hub, script),
            "page": partial(_page, browser, served, script),
        }
        for name, places in shown.items():
            progress(f"latencies: {name}")
            for place in places():
                taken = [place.seconds() for _ in range(rounds)]
                progress(f"{place.title}: {[round(each, 2) for each in taken]} s")
                for what, seconds in ("median", statistics.median(taken)), ("worst", max(taken)):
                    title = f"{place.title}: {what}"
                    line = Line(title, "", "s", ours=seconds, rounds=rounds, at_most=AT_MOST_S)
                    lines.append(line)
    return lines


def _notebook(
    layer: str, browser: Any, lab: str, notebooks: Path, hub: Path, script: _Script
) -> Iterator[_Shown]:
    page = open_jupyterlab(browser.new_context(), f"{lab}/lab")
    name = "pictures" if layer else "widget"
    show = _SHOW.format(layer=layer, workspace=_WORKSPACE, hub=str(hub), run_id=script.run_id)
    notebook = Notebook(page, notebooks / f"{name}.ipynb", [_ALIAS, show, _BUSY])
    notebook.run_all()
    notebook.wait_for_text(_CELL, ".25")
    if not layer:
        page.wait_for_function(_RICH_IS_SHOWN)
    where = f"a notebook whose kernel is busy, {name}"
    is_there = _IN_HTML if layer else _IN_WIDGET
    yield _Shown(f"run.log until {where}", page, script.log, is_there)
    yield _Shown(f"print until {where}", page, script.print, is_there)
    notebook.shut_kernel_down()
    page.context.close()


def _page(browser: Any, served: str, script: _Script) -> Iterator[_Shown]:
    page = browser.new_page(viewport={"width": 1280, "height": 2000})
    page.goto(f"{served}/pages/runs/{script.run_id}?{urlencode({'workspace': _WORKSPACE})}")
    page.wait_for_function(_CURVE, arg=[_CELL, ""])
    yield _Shown(
        "run.log until the chart of the page of the run", page, script.log_one_more, _CURVE
    )
    yield _Shown("print until the log of the page of the run", page, script.print, _LOG)
    page.close()


@contextmanager
def _script(hub: Path) -> Iterator[_Script]:
    variables = {**os.environ, "MLFLOW_WORKSPACE_JOURNAL": "on"}
    command = worker_command("do_as_told", _WORKSPACE, str(hub))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=variables, text=True, **pipes) as process:
        yield _Script(process.stdin, json.loads(process.stdout.readline())["run_id"])
        process.stdin.close()
        process.wait(60)


@contextmanager
def _pages(hub: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", "ui", "--hub", str(hub)]
    command += ["--no-token", "--port", str(port)]
    with serving(command, port, folder / "ui.log") as address:
        yield address
