"""What uploads files: MLflow's own repository, the workspace's, and Azure's SDK alone."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from azure.storage.blob import BlobClient, ContainerClient
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.azure_blob_artifact_repo import AzureBlobArtifactRepository

from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository
from mlflow_workspace_plugin.hub.azure import parse
from tests.azurite import ACCOUNT
from tests.benchmarks.measure import memory, stopwatch
from tests.benchmarks.sides import MLFLOW, OURS

SDK = "SDK"
CONNECTION, CONTAINER = "AZURE_STORAGE_CONNECTION_STRING", "BENCHMARK_CONTAINER"
# As many as ours has.
_CLIENTS = 16
# Its defaults, 4 MB and one connection, are slower; larger blocks and more connections not faster.
_BEST = {"max_block_size": 8 * 2**20, "max_single_put_size": 8 * 2**20}
_CONNECTIONS = 8


def measured(uploader: str, path: Path, times: int) -> dict:
    """Upload a file, or the files of a folder, so many times; the first time there is nothing.

    Args:
        uploader: a key of ``UPLOADERS``.
        path: the file or folder.
        times: how often.
    """
    upload = UPLOADERS[uploader]
    # Connected and imported, as in a training that logs more than one file.
    upload(Path(__file__), "before")
    seconds, before = [], memory("VmRSS")
    for _ in range(times):
        with stopwatch() as watch:
            upload(path, "files")
        seconds.append(watch.seconds)
    return {"seconds": seconds, "megabytes": memory("VmHWM") - before}


def _mlflow(path: Path, folder: str) -> None:
    container = os.environ[CONTAINER]
    _log(
        AzureBlobArtifactRepository(
            f"wasbs://{container}@{ACCOUNT}.blob.core.windows.net/mlflow/{folder}"
        ),
        path,
    )


def _workspace(path: Path, folder: str) -> None:
    root = parse(f"azure://{ACCOUNT}/{os.environ[CONTAINER]}/workspace")
    _log(AzureRepository(root, PurePosixPath(folder)), path)


def _log(repository: ArtifactRepository, path: Path) -> None:
    if path.is_dir():
        repository.log_artifacts(str(path))
    else:
        repository.log_artifact(str(path))


def _sdk(path: Path, folder: str) -> None:
    if not path.is_dir():
        _sdk_file(path, f"sdk/{folder}/{path.name}")
        return
    of_thread = threading.local()

    def client() -> ContainerClient:
        if not hasattr(of_thread, "client"):
            of_thread.client = ContainerClient.from_connection_string(
                os.environ[CONNECTION], os.environ[CONTAINER]
            )
        return of_thread.client

    def upload(file: Path) -> None:
        client().upload_blob(f"sdk/{folder}/{file.name}", file.read_bytes(), overwrite=True)

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(upload, path.iterdir()))


def _sdk_file(file: Path, name: str) -> None:
    blob = BlobClient.from_connection_string(
        os.environ[CONNECTION], os.environ[CONTAINER], name, **_BEST
    )
    with file.open("rb") as stream:
        blob.upload_blob(stream, overwrite=True, max_concurrency=_CONNECTIONS)


UPLOADERS: dict[str, Callable[[Path, str], None]] = {
    MLFLOW: _mlflow,
    OURS: _workspace,
    SDK: _sdk,
}
