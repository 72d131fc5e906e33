"""Where the files of a model version may be: in the hub, and nowhere that the server would ask."""

from collections.abc import Mapping
from typing import Any

from mlflow_workspace_plugin.app.served.asking.refusals import Refusal
from mlflow_workspace_plugin.app.served.routes.table import Line
from mlflow_workspace_plugin.artifacts.paths import followed

_CREATION = "/mlflow/model-versions/create"
_SHOWN = 200


def is_asked(line: Line) -> bool:
    """Whether a route is sent where the files of a model version are.

    Args:
        line: of the route.
    """
    return line.path.endswith(_CREATION)


def refused(body: Mapping[str, Any]) -> Refusal | None:
    """Return the refusal of a source that is not in the hub; None if it is.

    Args:
        body: of the request.
    """
    source = body.get("source")
    if not isinstance(source, str) or followed(source) == source:
        return None
    return Refusal(
        403,
        f"The source {source[:_SHOWN]!r} is not in this hub, so its server does not take it: who "
        "reads the model would make it ask there. Log the model to a run of the hub, and register "
        "it from there.",
    )
