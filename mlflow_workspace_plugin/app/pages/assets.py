"""The scripts, styles and frames of our pages: files of this package, read once."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import mlflow_workspace_plugin
from mlflow_workspace_plugin.web.bundle import modules_of

_FOLDER = Path(mlflow_workspace_plugin.__file__).parent / "web"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PREFIX = "/pages/assets"

_TITLES = {
    "front": "Workspace",
    "run": "Run",
    "compare": "Compare",
    "views": "Views",
    "computes": "Computes",
    "experiment": "Experiment",
}
"""Of the frames, before their scripts say it better."""
_OF_SEVERAL = ("compare", "views", "computes", "experiment")
_MODULE = '<link rel="modulepreload" href="{{{{assets}}}}/{}">\n'
_STYLES_OF_SEVERAL = '<link rel="stylesheet" href="{{assets}}/pages/several.css">\n'


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
    files, digest = {}, hashlib.sha256()
    for file in sorted(_FOLDER.rglob("*")):
        if file.suffix in _TYPES:
            path = file.relative_to(_FOLDER).as_posix()
            files[path] = file.read_bytes(), _TYPES[file.suffix]
            digest.update(path.encode() + b"\0" + files[path][0])
    version = digest.hexdigest()[:16]
    return Assets(version, files, {page: _frame(page, version) for page in _TITLES})


@functools.cache
def page_text(name: str) -> str:
    """Return the HTML of a page as it is kept, with ``{{places}}`` to be filled.

    Args:
        name: of the page, such as ``log_in``.
    """
    return (_FOLDER / "pages" / f"{name}.html").read_text(encoding="utf-8")


def _frame(page: str, version: str) -> bytes:
    text = page_text("page")
    for name, value in {
        "styles": _STYLES_OF_SEVERAL if page in _OF_SEVERAL else "",
        # A browser would find them one behind the other, each by what imports it.
        "modules": "".join(map(_MODULE.format, modules_of(f"pages/{page}.js"))),
        "title": _TITLES[page],
        "page": page,
        "assets": f"{PREFIX}/{version}",
    }.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text.encode()
