"""Which notebook this process is the kernel of."""

import os
import sys
from pathlib import PurePath
from typing import Any

from mlflow.entities import SourceType
from mlflow.utils.mlflow_tags import MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

_OF_VS_CODE = "__vsc_ipynb_file__"
_OF_JUPYTER = "JPY_SESSION_NAME"
_SUFFIX = ".ipynb"


def shell() -> Any:
    """Return the shell of the notebook; None where this process is no kernel of one."""
    # Another thread may import it just now, and some put a module of their own in its place.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    found = None if get_ipython is None else get_ipython()
    return found if getattr(found, "kernel", None) is not None else None


def source_tags() -> dict[str, str]:
    """Return MLflow's tags that say what a run comes from, if that is a notebook of known name."""
    found = shell()
    if found is None:
        return {}
    told = found.user_ns.get(_OF_VS_CODE), os.environ.get(_OF_VS_CODE), os.environ.get(_OF_JUPYTER)
    for each in told:
        # Of a console Jupyter tells another name.
        if isinstance(each, str) and each.endswith(_SUFFIX):
            return {
                MLFLOW_SOURCE_NAME: PurePath(each.replace("\\", "/")).name,
                MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.NOTEBOOK),
            }
    return {}
