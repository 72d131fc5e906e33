"""Our pages, served alone: without MLflow's server, which takes a while to start."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from tests.servers import free_port
from tests.waiting import wait_until


@contextmanager
def served_pages(hub: Path) -> Iterator["ServedPages"]:
    """Serve the pages of a hub by a thread until the block is left."""
    import uvicorn
    from starlette.responses import PlainTextResponse

    from mlflow_workspace_plugin.app.pages.pages import Pages
    from mlflow_workspace_plugin.hub.hub import open_hub

    port = free_port()
    app = Pages(PlainTextResponse("MLflow is not served here.", 404), open_hub(hub))
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield ServedPages(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(30)


class ServedPages:
    """Pages that are served.

    Args:
        address: of the server.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def page(self, path: str, workspace: str, **parameters: str) -> str:
        """Return the address of a page, such as ``/runs/ID``."""
        return f"{self.address}/pages{path}?{urlencode({'workspace': workspace, **parameters})}"
