"""Whether MLflow attaches this process to the run that it was started in."""

import os
import sys
from types import FrameType

RUN_ID_VARIABLE = "AZUREML_RUN_ID"
"""SDK v1's variable with the id of the run around a process. MLflow's goes when it was read."""

_FLUENT = "mlflow.tracking.fluent"


def is_attaching(run_id: str) -> bool:
    """Whether this call is one of ``mlflow.start_run`` for the run that this process is in.

    It gives that run the status and the name of one that it starts, by the same call to a store by
    which a client renames a run. So what tells them apart is who calls.

    Args:
        run_id: the run that is to be changed.
    """
    if os.environ.get(RUN_ID_VARIABLE) != run_id:
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "start_run" and frame.f_globals.get("__name__") == _FLUENT:
            return True
        frame = frame.f_back
    return False
