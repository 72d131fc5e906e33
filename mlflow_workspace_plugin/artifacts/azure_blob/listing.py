"""What blobs there are. The SDK asks for page after page."""

from base64 import b64decode
from collections import deque
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from azure.storage.blob import BlobPrefix, BlobProperties
from mlflow.entities import FileInfo

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import Container


def children(container: Container, folder: str) -> list[FileInfo]:
    """Return the files and folders directly below a folder, by name; their paths are full names."""
    found = []
    for each in container.client.walk_blobs(
        name_starts_with=f"{folder}/", include=["metadata"], delimiter="/"
    ):
        if isinstance(each, BlobPrefix):
            found.append(FileInfo(each.name.rstrip("/"), is_dir=True, file_size=None))
        elif not is_folder(each):
            found.append(FileInfo(each.name, is_dir=False, file_size=each.size))
    return sorted(found, key=lambda info: info.path)


def blobs_below(container: Container, folder: str) -> Iterator[BlobProperties]:
    """Yield all files below a folder, with their metadata."""
    return (each for each in all_below(container, folder) if not is_folder(each))


def all_below(container: Container, folder: str) -> Iterator[BlobProperties]:
    """Yield all blobs below a folder, by name, with their metadata; those of folders, too."""
    return iter(container.client.list_blobs(name_starts_with=f"{folder}/", include=["metadata"]))


def contents_below(container: Container, folder: str) -> dict[str, BlobProperties]:
    """Return all blobs below a folder by name, with their sizes and hashes and nothing else.

    The SDK takes most of the time of a listing to make its objects of each page, but not when it is
    asked for names; it then shows the page itself, too.
    """
    found = {}

    def read(response: Any) -> None:
        if response.http_response.status_code != 200:
            return
        # The SDK reads it by the same parser.
        page = ElementTree.fromstring(response.http_response.text())  # noqa: S314
        for each in page.iter("Blob"):
            metadata = {field.tag: field.text or "" for field in each.iterfind("Metadata/*")}
            properties = BlobProperties(metadata=metadata)
            properties.size = int(each.findtext("Properties/Content-Length", "0"))
            md5 = each.findtext("Properties/Content-MD5")
            properties.content_settings.content_md5 = bytearray(b64decode(md5)) if md5 else None
            found[each.findtext("Name", "")] = properties

    names = container.client.list_blob_names(
        name_starts_with=f"{folder}/", include=["metadata"], raw_response_hook=read
    )
    deque(names, maxlen=0)
    return found


def is_folder(blob: BlobProperties) -> bool:
    """Whether a blob stands for a folder and is no file."""
    # So an account with a hierarchical namespace shows a folder, and Hadoop's tools make one.
    return (blob.metadata or {}).get("hdi_isfolder") == "true"


def check(container: Container) -> None:
    """Ask for the name of one blob.

    Raises:
        AzureError: the container is not there, or does not answer to this process.
    """
    next(iter(container.client.list_blobs(results_per_page=1)), None)
