"""Files that are stored by a repository, and have to come back from it."""

import os
import threading
from pathlib import Path, PurePosixPath
from typing import Any

from hypothesis import strategies as st

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

BOTH = ("file", "in/folder/stream")
"""What :func:`store_and_fetch` stores."""


def store_and_fetch(repository: Any, folder: Path, size: int) -> bytes:
    """Store random content as a file and as a stream without an end that is known; fetch both.

    Args:
        repository: stores it, as :data:`BOTH`.
        folder: gets the file, and the copy.
        size: of the content.

    Returns:
        The content, which came back both times.
    """
    content = os.urandom(size)
    (folder / "file").write_bytes(content)
    repository.log_artifact(str(folder / "file"))
    pipe, end = os.pipe()

    def write() -> None:
        with os.fdopen(end, "wb") as stream:
            stream.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(pipe, "rb") as stream:
        repository.log_artifact_from_stream(stream, "stream", "in/folder")
    writer.join()
    for name in BOTH:
        repository.fetch(name, folder / "copy")
        assert (folder / "copy").read_bytes() == content
    return content


def _is_allowed(name: str) -> bool:
    try:
        check_path(name)
    except UnsafeArtifactPathError:
        return False
    return "\\" not in name


_NAMES = (
    st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/"), min_size=1)
    # So long may a name be on a disk.
    .map(lambda text: text.encode()[:255].decode(errors="ignore"))
    .filter(lambda name: name not in ("", ".", "..") and _is_allowed(name))
)


@st.composite
def trees(draw: Any) -> dict[PurePosixPath, bytes]:
    """Files by path, none of which is a folder of another."""
    files = draw(
        st.dictionaries(
            st.lists(_NAMES, min_size=1, max_size=3).map(lambda parts: PurePosixPath(*parts)),
            st.binary(max_size=100),
            max_size=6,
        )
    )
    folders = {parent for path in files for parent in path.parents}
    return {path: content for path, content in files.items() if path not in folders}


def write_tree(tree: dict[PurePosixPath, bytes], folder: Path) -> None:
    """Write the files of a tree into a folder."""
    for path, content in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
