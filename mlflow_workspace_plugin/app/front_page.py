"""MLflow's page, without its assistant, whose routes are closed."""

from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.rewritten import answer_rewritten

# The panel opens by itself on a page that was never visited, which the browser's storage tells.
_NO_ASSISTANT = b"""<style>[data-assistant-ui] { display: none !important }</style><script>
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false")
</script>"""


class FrontPage:
    """Adds to the page of MLflow's UI what keeps the assistant closed.

    Args:
        app: answers all requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        await answer_rewritten(self._app, scope, receive, send, _without_assistant)


def _without_assistant(page: bytes) -> bytes:
    return page.replace(b"</head>", _NO_ASSISTANT + b"</head>", 1)
