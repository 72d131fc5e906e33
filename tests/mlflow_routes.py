"""The routes of MLflow's server, as it is installed: ``python -m tests.mlflow_routes`` writes them.

It writes the table of the installed version, and stops at a route that no rule speaks of: somebody
has to look at it, and to write one. With ``--look`` it says what it finds, in JSON.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import mlflow_workspace_plugin
from mlflow_workspace_plugin.app.served.routes.table import Line, name_of_table

TABLES = Path(mlflow_workspace_plugin.__file__).parent / "app" / "served" / "routes"
FEWEST = 500
"""An enumeration that finds fewer has not found FastAPI's."""
_LEFT_OUT = {"HEAD", "OPTIONS"}
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
_FLASK_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")

_API = re.compile(r"^/(ajax-)?api/[23]\.0(?=/)")

# The first that fits counts. What each takes: mlflow_workspace_plugin/app/served/routes/table.py
_RULES = [
    # What of a server is known to everybody.
    (r"GET /(health|static-files/.*|mlflow/server-info)", "public", ""),
    (r"GET /(|version|build/.*)", "login", ""),
    # What runs something on the server, sends something elsewhere, or is of no workspace.
    (r"\w+ /gateway/.*", "denied", ""),
    (r"\w+ /(mlflow/)?jobs/.*", "denied", ""),
    (
        r"\w+ /mlflow/(assistant|demo|gateway|mcp-servers|prompt-optimization|skills|webhooks)"
        r"(/.*)?",
        "denied",
        "",
    ),
    (
        r"\w+ /mlflow/(gateway-proxy|genai/evaluate/invoke|issues/invoke|issues/schedule/\w+"
        r"|runs/create-promptlab-run|scorer/invoke|scorers/online-config|ui-telemetry)",
        "denied",
        "",
    ),
    # Nobody's rules speak of them.
    (r"GET /mlflow/(get-online-trace-details|unified-traces)", "denied", ""),
    (r"POST /(ajax-)?api/2.0mlflow/experiments/search-datasets", "denied", ""),
    # Accounts are made by the hub's own commands; MLflow's page for it reads a cookie of its own.
    (r"\w+ (/signup|/mlflow/users/create-ui)", "denied", ""),
    # Accounts and roles.
    (r"GET /mlflow/users/current(/permissions)?", "login", ""),
    (r"\w+ /mlflow/users/(create|delete|update-admin)", "admin", ""),
    (r"\w+ /mlflow/(users|roles)/.*", "accounts", ""),
    (r"GET /mlflow/workspaces", "login", ""),
    # One of them MLflow's own rules show to administrators only.
    (r"\w+ /mlflow/workspaces(/.*)?", "admin", ""),
    # Addresses in the storage itself are given by the hub's own route, for one file and minutes.
    (r"\w+ /(mlflow-artifacts/presigned/.*|mlflow/artifacts/presigned-\w+-url)", "denied", ""),
    # What only looks, by whatever method.
    (r"POST /mlflow/(datasets|experiments|issues|logged-models|runs|traces)/search", "read", ""),
    (
        r"POST /mlflow/(experiments/search-datasets|registered-models/get-latest-versions)",
        "read",
        "",
    ),
    (r"POST /mlflow/traces/(batchGetInfos|calculate-filter-correlation|metrics)", "read", ""),
    (r"(GET|POST) /graphql", "read", ""),
    (r"GET /(get-artifact|model-versions/get-artifact|mlflow/.*|mlflow-artifacts/.*)", "read", ""),
    # What is deleted, which MLflow's rules ask MANAGE for.
    (r"POST /mlflow/(experiments|runs)/(delete|restore)", "manage", ""),
    (r"POST /mlflow/(review-queues/delete|traces/delete-traces)", "manage", ""),
    (r"DELETE /mlflow/(datasets|logged-models)/\{\w+\}", "manage", ""),
    (r"DELETE /mlflow/datasets/\{\w+\}/records", "manage", ""),
    (r"DELETE /mlflow/traces/\{\w+\}/assessments/\{\w+\}", "manage", ""),
    (r"POST /mlflow/review-queues/items/remove", "manage", ""),
    (
        r"DELETE /mlflow/(registered-models|model-versions|scorers|label-schemas)/delete",
        "manage",
        "",
    ),
    (r"DELETE /mlflow-artifacts/.*", "manage", ""),
    # What a run makes.
    (r"POST /mlflow/runs/create", "edit", "child"),
    (
        r"POST /mlflow/runs/(update|delete-tag|log-[a-z-]+|outputs|set-tag)",
        "edit",
        "run",
    ),
    (r"POST /mlflow/upload-artifact", "edit", "query"),
    (r"POST /mlflow/logged-models", "edit", "source"),
    (r"\w+ /mlflow/logged-models/\{model_id\}(/params|/tags.*)?", "edit", "model"),
    (r"POST /mlflow/registered-models/create", "edit", "name"),
    (r"POST /mlflow/model-versions/create", "edit", "version"),
    (r"(PUT|POST) /mlflow-artifacts/(artifacts|mpu/\w+)/\{artifact_path:path\}", "edit", "path"),
    # What else is changed.
    (r"POST /mlflow/experiments/.*", "edit", ""),
    (r"\w+ /mlflow/(registered-models|model-versions)/.*", "edit", ""),
    (r"\w+ (/mlflow/traces(/.*)?|/v1/traces)", "edit", ""),
    (r"\w+ /mlflow/(datasets|issues|label-schemas|review-queues|scorers)(/.*)?", "edit", ""),
]


def installed_routes() -> list[tuple[str, str]]:
    """Return methods and paths of all that MLflow's server with accounts answers, in order."""
    os.environ.setdefault("MLFLOW_FLASK_SERVER_SECRET_KEY", "a key of a test's")
    os.environ["_MLFLOW_SGI_NAME"] = "uvicorn"
    from mlflow.server import app as flask_app
    from mlflow.server import auth

    # The rules of accounts and roles, which it adds while it makes its store.
    auth._init_store_for_app = lambda: None
    app = auth.create_app(flask_app)
    found = set(_of_fastapi(app.routes, ""))
    for rule in flask_app.url_map.iter_rules():
        path = _FLASK_PARAMETER.sub(_as_starlette, rule.rule)
        found |= {(method, path) for method in rule.methods - _LEFT_OUT}
    assert len(found) >= FEWEST, f"{len(found)} routes are too few."
    return sorted(found, key=lambda each: (each[1], each[0]))


def _of_fastapi(routes, prefix):
    from fastapi.routing import APIRoute
    from starlette.routing import Mount

    for route in routes:
        if isinstance(route, APIRoute):
            for method in route.methods - _LEFT_OUT:
                yield method, prefix + route.path
        elif isinstance(route, Mount) and route.path == "":
            # Flask, whose own rules are read.
            continue
        elif type(route).__name__ == "_IncludedRouter":
            yield from _of_fastapi(
                route.original_router.routes, prefix + route.include_context.prefix
            )
        else:
            raise TypeError(f"{route!r} is of a kind whose routes are not known here.")


def _as_starlette(found):
    converter, name = found.groups()
    assert converter in (None, "path", "string", "int"), found[0]
    return f"{{{name}:path}}" if converter == "path" else f"{{{name}}}"


def is_guarded(method: str, path: str) -> bool:
    """Whether MLflow itself decides on who may ask a route, by a rule or by what it answers."""
    from types import SimpleNamespace

    from mlflow.server import auth

    path = path_of(path, {})
    request = SimpleNamespace(method=method, path=path)
    return bool(
        auth._find_validator(request)
        or (auth._is_proxy_artifact_path(path) and auth._get_proxy_artifact_validator(method, {}))
        or auth._authorized_outside_before_request(request)
        or auth._find_fastapi_validator(path, method)
    )


def path_of(template: str, ids: Mapping[str, str]) -> str:
    """Return the path of a route with what its parameters name; ``x`` where that is not said."""
    return _PARAMETER.sub(lambda found: ids.get(found[1], "x"), template)


def classified(method: str, path: str) -> Line:
    """Return the line of a route, by the first rule that speaks of it.

    Raises:
        LookupError: none does.
    """
    asked = f"{method} {_API.sub('', path)}"
    for pattern, kind, job in _RULES:
        if re.fullmatch(pattern, asked):
            return Line(method, path, kind, job)
    raise LookupError(f"No rule speaks of {method} {path}. Look at it, and write one.")


if __name__ == "__main__":
    import mlflow

    routes = installed_routes()
    if "--look" in sys.argv:
        json.dump([[*each, is_guarded(*each)] for each in routes], sys.stdout)
    else:
        lines = [classified(*each) for each in routes]
        text = "".join("\t".join(each).rstrip() + "\n" for each in lines)
        (TABLES / name_of_table(mlflow.__version__)).write_text(text)
        sys.stdout.write(f"{len(lines)} routes of MLflow {mlflow.__version__}\n")
