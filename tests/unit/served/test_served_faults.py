"""What MLflow's app says of a database that is away, and what clients of a served hub are told."""

import asyncio
import gzip
import json
import sqlite3
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest
import requests
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from flask import Flask
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE
from mlflow.server.fastapi_app import _EfficientWSGIMiddleware
from mlflow.server.handlers import catch_mlflow_exception
from sqlalchemy import exc

from mlflow_workspace_plugin import errors
from mlflow_workspace_plugin.accounts.principal import Principal
from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.app.served.fastapi_answers import answer_in_mlflows_form
from mlflow_workspace_plugin.app.served.faults import Faults, MlflowFaults
from mlflow_workspace_plugin.errors import HubBusyError, HubFullError, HubUnreachableError
from mlflow_workspace_plugin.remote.asking import ask
from mlflow_workspace_plugin.remote.http import _refusal
from mlflow_workspace_plugin.remote.journal_target import _pause_of

EXHAUSTED = exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached, connection timed out")
LOCKED = exc.OperationalError("UPDATE t", {}, sqlite3.OperationalError("database is locked"))
GONE = exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused"))
WRONG = exc.OperationalError("SELECT x", {}, sqlite3.OperationalError("no such column: x"))
LONG = "x" * 200_000


def from_session(error):
    """What MLflow's sessions raise."""
    try:
        raise MlflowException(message=error, error_code=BAD_REQUEST) from error
    except MlflowException as raised:
        return raised


def said(message):
    return MlflowException(message, INVALID_PARAMETER_VALUE)


async def asked(app, path, principal):
    """Ask an app, as a server does; return status, headers and body of its answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"hub")],
        "client": ("127.0.0.1", 1),
        "server": ("hub", 80),
        "state": {},
    }
    current_principal.set(principal)
    await app(scope, receive, send)
    starts = [each for each in sent if each["type"] == "http.response.start"]
    assert len(starts) == 1
    body = b"".join(each.get("body", b"") for each in sent)
    return starts[0]["status"], dict(starts[0]["headers"]), body


def flask_raising(error, *, caught):
    """MLflow's way to answer: handlers whose errors it turns into answers, or Flask does."""
    app = Flask("mlflow")

    @app.get("/")
    def view():
        raise error

    if caught:
        app.view_functions["view"] = catch_mlflow_exception(view)
    return _EfficientWSGIMiddleware(app)


def fastapi_raising(error):
    app = FastAPI()

    @app.get("/")
    def view():
        raise error

    return app


@pytest.mark.parametrize(
    ("app", "status"),
    [
        (flask_raising(from_session(EXHAUSTED), caught=True), 503),
        (flask_raising(EXHAUSTED, caught=False), 503),
        (flask_raising(LOCKED, caught=False), 503),
        (flask_raising(from_session(GONE), caught=False), 503),
        (flask_raising(HubBusyError("busy"), caught=True), 503),
        (fastapi_raising(EXHAUSTED), 503),
        (fastapi_raising(GONE), 503),
        (fastapi_raising(HubUnreachableError("away")), 503),
        (flask_raising(said(f"Param 'p' has the value {EXHAUSTED}"), caught=True), 400),
        (flask_raising(said(LONG), caught=True), 400),
        (flask_raising(HubFullError("full"), caught=True), 429),
        (flask_raising(WRONG, caught=False), 500),
        (flask_raising(ValueError("a fault"), caught=False), 500),
    ],
)
def test_only_what_is_about_the_database_is_to_be_asked_again(app, status):
    """Whoever turned the error into an answer; what is a user's own stays what it is."""
    answer = asyncio.run(asked(Faults(MlflowFaults(app)), "/", Principal("alice")))
    assert answer[0] == status
    assert (b"retry-after" in answer[1]) == (status == 503)
    if status == 503:
        assert json.loads(answer[2])["error_code"] == "TEMPORARILY_UNAVAILABLE"


def caused(by):
    """What MLflow's route of traces raises where its store has raised something else."""
    error = HTTPException(422, "Failed to log")
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (caused(GONE), 503, "TEMPORARILY_UNAVAILABLE"),
        (caused(ValueError("a fault")), 422, "INTERNAL_ERROR"),
        (HTTPException(422, "No."), 422, "INVALID_PARAMETER_VALUE"),
        (RequestValidationError([{"loc": ("header", "x"), "msg": "Field required"}]), 400, None),
    ],
)
def test_what_fastapi_says_is_said_in_mlflows_form(error, status, code):
    """Else a client takes it for the word of something in between."""
    app = fastapi_raising(error)
    answer_in_mlflows_form(app)
    answer = asyncio.run(asked(Faults(MlflowFaults(app)), "/", Principal("alice")))
    said = json.loads(answer[2])
    assert (answer[0], said["error_code"]) == (status, code or "INVALID_PARAMETER_VALUE")
    if code is None:
        assert "header.x: Field required" in said["message"]


@pytest.mark.parametrize(("principal", "status"), [(Principal("alice"), 503), (None, 401)])
def test_who_is_known_is_not_told_to_log_in(principal, status):
    """MLflow says so where it cannot look the account up; of others it is true."""

    async def mlflow_app(scope, receive, send):
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"You are not authenticated."})

    answer = asyncio.run(asked(Faults(MlflowFaults(mlflow_app)), "/", principal))
    assert answer[0] == status


def test_what_is_no_matter_of_a_database_is_raised():
    """A fault of the program stays one, in the log of the server."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asked(Faults(MlflowFaults(fastapi_raising(ZeroDivisionError()))), "/", None))


def test_every_error_of_ours_is_made_of_what_a_hub_says():
    """Whatever class an answer names, it is raised, and no fault of the client's."""
    for name, known in vars(errors).items():
        if isinstance(known, type) and issubclass(known, errors.AzureMLException):
            said = {"error_code": "INTERNAL_ERROR", "message": "what it says", "error": name}
            assert type(_refusal(said)) is known


def test_answer_without_an_end_is_none():
    """Whatever answers under the address of a hub fills no memory of who asks for a log-in."""

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            piece = gzip.compress(bytes(2**20))
            with suppress(OSError):
                for _ in range(200):
                    self.wfile.write(piece)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(HubUnreachableError, match="none of a hub's"):
                ask(f"http://127.0.0.1:{server.server_port}", "GET", "/hub/v1/me")
        finally:
            server.shutdown()


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "1e400", "-1", "x"])
def test_pause_that_is_asked_for_is_one(said):
    """Whatever a proxy says of when to come again, it is waited for some seconds at most."""
    answer = requests.Response()
    answer.headers["Retry-After"] = said
    assert 0 < _pause_of(answer) <= 60
