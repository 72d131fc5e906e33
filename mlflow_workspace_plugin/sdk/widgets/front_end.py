"""What shows a notebook's outputs, where there is a kernel behind it."""

import os
import sys
from importlib.util import find_spec
from typing import Any

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.sdk.widgets.output import Output

_HTML_ONLY = "html"
# Jupyter's servers say so to kernels of theirs; who runs a notebook without a browser does not.
_SESSION = "JPY_SESSION_NAME"


def new_output() -> Output:
    """Return an output of the cell that is run: a richer one, where it can be."""
    if settings.WIDGET.get() != _HTML_ONLY and os.environ.get(_SESSION) and find_spec("anywidget"):
        from mlflow_workspace_plugin.sdk.widgets.rich_output import RichOutput

        return RichOutput()
    return Output()


def is_notebook() -> bool:
    """Whether outputs of this process are shown by a front end of Jupyter's kind."""
    # Who has not imported it is not within it.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


def this_cell() -> str | None:
    """Return the id of the cell that is run, as JupyterLab tells it; None if nobody did."""
    ipython: Any = sys.modules["IPython"]
    try:
        parent = ipython.get_ipython().kernel.get_parent("shell")
        found = parent["metadata"].get("cellId")
    except (AttributeError, KeyError, TypeError, LookupError):
        return None
    return found if isinstance(found, str) else None
