"""Signatures of single blobs, by which files go straight to a storage account and come from it."""

from dataclasses import asdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_CONFLICT

from mlflow_workspace_plugin.app.hub_api.answers import Asked
from mlflow_workspace_plugin.app.hub_api.files.asked import (
    above,
    bytes_of,
    list_of,
    location_asked,
    objects_of,
)
from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.errors import UserErrorException, WrittenOnceError
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.files import ACTS, SIGNED, STREAMED

if TYPE_CHECKING:
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import Signer

_BLOCK = 8 * 2**20
"""From this size on a file is stored in blocks."""


def storage(asked: Asked) -> dict[str, Any]:
    """Say how files come and go."""
    signer = _signer(asked.hub)
    if signer is None:
        return {"kind": STREAMED}
    return {"kind": SIGNED, **_place(signer)}


def sign_reads(asked: Asked) -> dict[str, Any]:
    """Sign for files that are to be read."""
    signer = _needed_signer(asked.hub)
    locations = [location_asked(asked, each, "read") for each in list_of(asked, "locations")]
    return _signed(signer, [{"signature": _sign(signer, each, "read")} for each in locations])


def sign_writes(asked: Asked) -> dict[str, Any]:
    """Sign for files that are to be stored, and say what is known of those that may be there."""
    signer = _needed_signer(asked.hub)
    answers = []
    for each in objects_of(asked, "files"):
        location = location_asked(asked, each.get("location"), "edit")
        repository, name = above(asked.hub, location)
        repository.check_storable(name)
        act = each.get("act")
        answer: dict[str, Any] = {}
        if named_by_content(location) is not None:
            # Whoever may write may replace; a large file takes that, and so comes by the server.
            is_large = act == "look" and bytes_of(each.get("size"), "size") >= _BLOCK
            if act == "append" or is_large:
                raise WrittenOnceError(
                    f"{str(location)!r} is named by its content and written once, so nothing is "
                    "signed for that could change it. Send it to the hub; newer versions of the "
                    "client do that."
                )
            if act == "look":
                known = repository.file_at(name)
                answer["known"] = None if known is None else asdict(known)
            act = "create" if act in (*ACTS, "look") else act
        if act == "look":
            known = repository.file_at(name)
            is_large = bytes_of(each.get("size"), "size") >= _BLOCK
            act = "write" if known is not None or is_large else "create"
            answer["known"] = None if known is None else asdict(known)
            if is_large:
                answer["blocks"] = _blocks(repository, name)
        if act not in ACTS:
            raise UserErrorException(f"act is to be one of: look, {', '.join(ACTS)}.")
        answers.append({**answer, "act": act, "signature": _sign(signer, location, act)})
    return _signed(signer, answers)


def _blocks(repository: FileSpace, name: str) -> list[list[str]]:
    from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository

    if not isinstance(repository, AzureRepository):
        return [[], []]
    return list(repository.blocks(name))


def _signer(hub: Hub) -> "Signer | None":
    root = hub.settings.artifact_root
    if root is None:
        return None
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import signer_of

    return signer_of(root)


def _needed_signer(hub: Hub) -> "Signer":
    signer = _signer(hub)
    if signer is None:
        raise MlflowException(
            "Nothing is signed here: the hub's files come and go through its server. Ask how they "
            "are stored again.",
            RESOURCE_CONFLICT,
        )
    return signer


def _sign(signer: "Signer", location: PurePosixPath, act: Any) -> str:
    return signer.sign(signer.root.blob(location), act)


def _signed(signer: "Signer", files: list[dict[str, Any]]) -> dict[str, Any]:
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import GIVEN_S

    return {**_place(signer), "seconds": GIVEN_S, "files": files}


def _place(signer: "Signer") -> dict[str, Any]:
    root = signer.root
    return {
        "service": signer.credential.service,
        "account": root.account,
        "container": root.container,
        "prefix": root.prefix,
    }
