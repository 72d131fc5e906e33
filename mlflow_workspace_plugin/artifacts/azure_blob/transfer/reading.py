"""Reading a blob as a file: from any place, by blocks, and of one content only."""

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceModifiedError

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK, Container
from mlflow_workspace_plugin.artifacts.azure_blob.connection.faults import translate
from mlflow_workspace_plugin.artifacts.piecewise_file import PiecewiseFile
from mlflow_workspace_plugin.errors import HubBusyError


class BlobFile(PiecewiseFile):
    """A blob that is read.

    Args:
        container: where it is.
        name: of the blob.

    Raises:
        ResourceNotFoundError: there is no such blob.
        AzureError: it cannot be read.
    """

    def __init__(self, container: Container, name: str) -> None:
        first = container.blob(name).download_blob()
        super().__init__(name, first.properties.size, next(iter(first.chunks()), b""))
        self.etag = first.properties.etag
        self._container = container

    def _fetch(self, start: int) -> bytes:
        try:
            piece: bytes = (
                self._container.blob(self._name)
                .download_blob(
                    start,
                    min(BLOCK, self._size - start),
                    etag=self.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
                .readall()
            )
        except ResourceModifiedError:
            replaced = True
        except AzureError as error:
            replaced, original = False, error
        else:
            return piece
        if replaced:
            raise HubBusyError(
                f"{self._name!r} was replaced while it was read. Read it again when its writer is "
                "done."
            )
        raise translate(original, self._container)
