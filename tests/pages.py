"""Our pages, served alone: without MLflow's server, which takes a while to start."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.chromium import PATIENCE_MS
from tests.servers import free_port
from tests.waiting import wait_until

PLANTED = "</script><img src=x onerror=document.title='owned'><b>"
"""Markup in the place of a name: what is in it is to be seen, and never run."""


@contextmanager
def quiet_page(browser: Any, **options: Any) -> Iterator[Any]:
    """Open a page in which nothing goes wrong, and nothing is run that was planted."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))

    def hear(said: Any) -> None:
        # Of what the policy of the pages refuses.
        if said.type == "error" and "Content" in said.text:
            faults.append(said.text)

    page.on("console", hear)
    yield page
    assert page.title() != "owned"
    context.close()
    assert faults == []


@contextmanager
def served_pages(hub: Path, port: int | None = None) -> Iterator["ServedPages"]:
    """Serve the pages of a hub by a thread until the block is left."""
    import uvicorn
    from starlette.responses import PlainTextResponse

    from mlflow_workspace_plugin.app.pages.pages import Pages
    from mlflow_workspace_plugin.hub.hub import open_hub

    port = port or free_port()
    app = Pages(PlainTextResponse("MLflow is not served here.", 404), open_hub(hub))
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield ServedPages(f"http://127.0.0.1:{port}", hub)
    finally:
        server.should_exit = True
        thread.join(30)


class ServedPages:
    """Pages that are served.

    Args:
        address: of the server.
        hub: the folder of the hub.
    """

    def __init__(self, address: str, hub: Path) -> None:
        self.address = address
        self.hub = hub

    def page(self, path: str, workspace: str, **parameters: str) -> str:
        """Return the address of a page, such as ``/runs/ID``."""
        return f"{self.address}/pages{path}?{urlencode({'workspace': workspace, **parameters})}"
