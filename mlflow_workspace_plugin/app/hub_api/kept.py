"""Whether what a client stored for a run, or a dataset, is there, once that is named in a row.

What frees the files that no row names works under the hub's lock. So what is there under that lock,
after a row names it, stays.
"""

import re
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, post
from mlflow_workspace_plugin.app.hub_api.sent import text_of
from mlflow_workspace_plugin.data.files.manifests import Manifests
from mlflow_workspace_plugin.errors import RoleNeededError, UserErrorException
from mlflow_workspace_plugin.protocol.files import MANIFEST, SNAPSHOT
from mlflow_workspace_plugin.runs.snapshots.snapshots import Snapshots

_MAX_BODY = 4 * 1024
_NAME = re.compile(r"[0-9a-f-]{1,100}")
_WITHIN_S = 8.0
"""Who asks waits, and asks again."""


def _is_kept(asked: Asked) -> Any:
    workspace, said = asked.path["workspace"], asked.json()
    # A job stores what it starts below itself as its owner.
    owner = None if asked.principal is None else asked.principal._replace(run_id=None)
    if owner is None or not asked.access.writes_somewhere(owner, workspace):
        raise RoleNeededError.to_change(workspace)
    if not asked.access.may(owner, workspace, level="edit"):
        raise MlflowException(
            "You may not store files in the workspace. Ask a manager of it.", PERMISSION_DENIED
        )
    kind, name = text_of(said, "kind"), text_of(said, "name")
    if not _NAME.fullmatch(name):
        raise UserErrorException("'name' is that of no snapshot or list of files.")
    if kind == SNAPSHOT:
        is_kept = Snapshots(asked.hub, workspace).is_kept(name, _WITHIN_S)
    elif kind == MANIFEST:
        is_kept = Manifests(asked.hub, workspace).is_kept(name, _WITHIN_S)
    else:
        raise UserErrorException(f"'kind' has to be one of {SNAPSHOT}, {MANIFEST}.")
    return {"is_kept": is_kept}


ROUTES = [post(f"{PREFIX}/workspaces/{{workspace}}/files/kept", _is_kept, _MAX_BODY)]
