"""A real JupyterLab, its notebooks in a real browser."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.servers import free_port
from tests.waiting import wait_until

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_TIMEOUT_MS = 180_000
_PAGE = {
    "buildCheck": False,
    "buildAvailable": False,
    "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True},
}


@contextmanager
def jupyterlab(folder: Path, variables: dict[str, str]) -> Iterator[str]:
    """Serve notebooks of a folder, whose kernels have variables; yields the address."""
    port = free_port()
    own = folder.parent / "jupyter"
    environment = {
        **os.environ,
        **{name: str(own / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")},
        **{name: str(own / name) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")},
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        **variables,
    }
    environment.pop("PYTEST_CURRENT_TEST", None)
    # Whether its assets are to be built anew takes it long to find out.
    page = own / "JUPYTER_CONFIG_DIR" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps(_PAGE))
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", f"--port={port}"]
    for name, value in {
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": "",
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port_retries": 0,
        "ServerApp.disable_check_xsrf": True,
        "LabApp.news_url": "None",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }.items():
        options.append(f"--{name}={value}")
    command = [sys.executable, "-m", "jupyterlab", *options]
    log = folder.parent / "jupyterlab.log"
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:

            def answers() -> bool:
                assert process.poll() is None, log.read_text()[-4000:]
                try:
                    return requests.get(f"{address}/api/status", timeout=10).ok
                except (requests.ConnectionError, requests.Timeout):
                    # It takes a while, and would take longer were it asked all the time.
                    time.sleep(0.5)
                    return False

            wait_until(answers, 300)
            yield address
        finally:
            # It ends its kernels, too.
            process.terminate()
            process.wait(60)


def open_jupyterlab(context, address: str, without: str | None = None):
    """Return a tab with JupyterLab, in which notebooks are opened one after another.

    Args:
        context: of a browser.
        address: of JupyterLab, or of a notebook in it.
        without: an extension that is not there for it.
    """
    page = context.new_page()
    if without is not None:
        page.route(f"**/{without}/**", lambda route: route.abort())
    page.set_viewport_size({"width": 1400, "height": 1100})
    page.set_default_timeout(_TIMEOUT_MS)
    page.goto(address)
    page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    return page


class Notebook:
    """A notebook, open in JupyterLab; whatever was open is closed.

    Args:
        page: with JupyterLab.
        file: the notebook.
        cells: their code, if the notebook is to be made.
    """

    def __init__(self, page, file: Path, cells: list[str] | None = None) -> None:
        self.file = file
        self.page = page
        if cells is not None:
            file.write_text(json.dumps(_notebook(cells)))
        self.open()

    def open(self) -> None:
        """Open it, or open it again as it is stored."""
        self.page.evaluate(
            """async path => {
              const { commands, shell } = window.jupyterapp;
              for (const each of [...shell.widgets("main")]) {
                each.dispose();
              }
              const opened = await commands.execute("docmanager:open", { path });
              await opened.context.ready;
              await opened.sessionContext.ready;
            }""",
            self.file.name,
        )
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")

    def command(self, name: str) -> None:
        """Do what a command of a menu does; it is not waited for its end."""
        self.page.evaluate(
            "name => { window.jupyterapp.commands.execute(name).catch(console.error) }", name
        )

    def run_all(self) -> None:
        """Run all cells, as soon as there is a kernel."""
        self.page.wait_for_function(
            """() => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
              return kernel?.status === "idle";
            }""",
        )
        self.command("notebook:run-all-cells")

    def save(self) -> dict:
        """Save it; return what is stored."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        return json.loads(self.file.read_text())

    def restart_kernel(self) -> None:
        """Restart its kernel, as its menu does."""
        self._session("session.kernel.restart()")

    def shut_kernel_down(self) -> None:
        """End its kernel."""
        self._session("shutdown()")

    def _session(self, call: str) -> None:
        widget = "window.jupyterapp.shell.currentWidget"
        self.page.evaluate(f"() => {widget}.sessionContext.{call}")

    def output(self, cell: int):
        """Return what stands below a cell, of which pictures and text may be asked."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-Cell-outputArea")

    def wait_for_text(self, cell: int, text: str, timeout_s: float = 120) -> None:
        """Wait until some text stands below a cell."""
        found = self.output(cell).get_by_text(text).first
        found.wait_for(state="attached", timeout=timeout_s * 1000)

    def pictures(self, cell: int) -> list[int]:
        """Return how wide the pictures are that are shown below a cell; 0 of one that is not."""
        return (
            self.output(cell)
            .locator("img")
            .evaluate_all(
                "async found => { for (const each of found) await each.decode().catch(() => 0);"
                " return found.map(each => each.naturalWidth) }"
            )
        )


def _notebook(cells: list[str]) -> dict:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": code,
            }
            for number, code in enumerate(cells)
        ],
    }
