"""What MLflow's routes of FastAPI refuse, said in the form of all its other routes.

FastAPI says ``{"detail": ...}``, as any server does that is made with it. A client takes that for
the word of something in between, and asks the same again.
"""

from typing import cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlflow_workspace_plugin.app.served.faults import is_away, unavailable

_WRONG = "INVALID_PARAMETER_VALUE"
_FAILED = "INTERNAL_ERROR"


def answer_in_mlflows_form(app: FastAPI) -> None:
    """Let the routes of an app refuse in MLflow's form; MLflow's words stay as they are.

    Args:
        app: MLflow's, which has not answered yet.
    """
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)


def _refused(_: Request, error: Exception) -> Response:
    # MLflow says 422, too, where its store raised what is none of MLflow's errors.
    if is_away(error):
        return unavailable()
    refusal = cast("HTTPException", error)
    is_failure = refusal.__cause__ is not None or refusal.status_code >= 500
    return JSONResponse(
        {"error_code": _FAILED if is_failure else _WRONG, "message": str(refusal.detail)},
        status_code=refusal.status_code,
        headers=refusal.headers,
    )


def _invalid(_: Request, error: Exception) -> Response:
    flaws = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in cast("RequestValidationError", error).errors()
    ]
    message = f"What was sent is not what this route takes: {'; '.join(flaws)}."
    return JSONResponse({"error_code": _WRONG, "message": message}, status_code=400)
