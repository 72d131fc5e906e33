"""Files of a served hub: signed for, so that they go straight to storage, or passed on.

Where the hub's files are in a storage account, a client is given signatures of single blobs and
talks to the account itself. Where they are in a folder, or the account gives no signatures, they
come and go through here, piece by piece. Either way each place is asked about: whose it is, and
whether who asks may read or write there.
"""

from typing import Any

from starlette.routing import BaseRoute

from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, get, post
from mlflow_workspace_plugin.app.hub_api.files.asked import location_asked, place_at
from mlflow_workspace_plugin.app.hub_api.files.reading import content, find, list_files
from mlflow_workspace_plugin.app.hub_api.files.receiving import append, store
from mlflow_workspace_plugin.app.hub_api.files.signing import sign_reads, sign_writes, storage
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.protocol.files import PIECE

_FILES = PREFIX + "/workspaces/{workspace}/files"


def _delete(asked: Asked) -> dict[str, Any]:
    # As MLflow's own route has it: it takes more than storing there.
    body = asked.json()
    location = location_asked(asked, body.get("location"), "manage", is_removal=True)
    path = body.get("path")
    if path is None:
        place_at(asked.hub, location).delete_artifacts()
        return {}
    if not isinstance(path, str):
        raise UserErrorException("path is to be a text.")
    below = location_asked(asked, f"{location}/{path}", "manage", is_removal=True)
    place_at(asked.hub, location).delete_artifacts(str(below.relative_to(location)))
    return {}


ROUTES: list[BaseRoute] = [
    get(_FILES + "/storage", storage),
    post(_FILES + "/list", list_files),
    post(_FILES + "/find", find),
    post(_FILES + "/sign-reads", sign_reads),
    post(_FILES + "/sign-writes", sign_writes),
    post(_FILES + "/delete", _delete),
    post(_FILES + "/append", append, max_body=PIECE),
    get(_FILES + "/content", content),
    post(_FILES + "/content", store, max_body=PIECE),
]
