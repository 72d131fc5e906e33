"""The scripts, styles and frames of our pages: files of this package, read once."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import mlflow_workspace_plugin

_FOLDER = Path(mlflow_workspace_plugin.__file__).parent / "web"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_VERSION_HERE = "{{assets}}"
PREFIX = "/pages/assets"


@dataclass(frozen=True)
class Assets:
    """What browsers load.

    Attributes:
        version: changes with the content of any of them, and is part of their addresses. So they
            may be kept for ever, and modules that import each other are of one version.
        files: content and media type by path.
        frames: the HTML of each page by its name, such as ``run``.
    """

    version: str
    files: dict[str, tuple[bytes, str]]
    frames: dict[str, bytes]


@functools.cache
def load_assets() -> Assets:
    """Return them all; nothing else below their folder is ever served."""
    files, frames, digest = {}, {}, hashlib.sha256()
    for file in sorted(_FOLDER.rglob("*")):
        if file.suffix in _TYPES:
            path = file.relative_to(_FOLDER).as_posix()
            files[path] = file.read_bytes(), _TYPES[file.suffix]
            digest.update(path.encode() + b"\0" + files[path][0])
    version = digest.hexdigest()[:16]
    for file in _FOLDER.glob("pages/*.html"):
        text = file.read_text(encoding="utf-8")
        frames[file.stem] = text.replace(_VERSION_HERE, f"{PREFIX}/{version}").encode()
    return Assets(version, files, frames)
