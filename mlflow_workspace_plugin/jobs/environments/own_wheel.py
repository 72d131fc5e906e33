"""A wheel of this package as it is installed here: the copy that runs a job goes into its Python.

No index has it, or somebody else's of that name; and the job is to speak with its hub as its
runner does.
"""

import base64
import hashlib
import importlib.util
import io
import os
import uuid
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import mlflow_workspace_plugin
from mlflow_workspace_plugin.private_folder import make_private

_PACKAGE = "mlflow_workspace_plugin"
_WHEEL = """\
Wheel-Version: 1.0
Generator: mlflow-workspace-plugin
Root-Is-Purelib: true
Tag: py3-none-any
"""
_EXTRAS = {"postgresql": "psycopg", "azure": "azure.identity"}
"""What a hub may need beside this package, and what shows that it is installed here."""


def own_wheel(folder: Path) -> Path:
    """Return a wheel of this package, in a folder below one that is named by what is in it.

    Args:
        folder: where wheels are kept; made if it is missing.

    Raises:
        OSError: it cannot be written.
    """
    installed = distribution("mlflow-workspace-plugin")
    files = _files(installed)
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    name = f"{_PACKAGE}-{installed.version}-py3-none-any.whl"
    wheel = folder / digest.hexdigest()[:32] / name
    if not wheel.is_file():
        make_private(wheel.parent)
        unfinished = wheel.with_name(f".{uuid.uuid4().hex}")
        unfinished.write_bytes(_zipped(files, f"{_PACKAGE}-{installed.version}.dist-info/RECORD"))
        unfinished.replace(wheel)
    return wheel


def extras() -> list[str]:
    """Return the names of this package's extras that are installed here."""
    return [name for name, module in _EXTRAS.items() if _is_there(module)]


def _files(installed: Distribution) -> dict[str, bytes]:
    (package,) = mlflow_workspace_plugin.__path__
    found = {}
    for top, folders, names in os.walk(package):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        below = Path(_PACKAGE) / Path(top).relative_to(package)
        for name in sorted(names):
            if not name.endswith((".pyc", ".pyo")):
                found[(below / name).as_posix()] = Path(top, name).read_bytes()
    facts = f"{_PACKAGE}-{installed.version}.dist-info"
    metadata = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
    found[f"{facts}/METADATA"] = metadata.encode()
    found[f"{facts}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    found[f"{facts}/WHEEL"] = _WHEEL.encode()
    return found


def _zipped(files: dict[str, bytes], record: str) -> bytes:
    lines = []
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            lines.append(f"{name},sha256={digest.decode()},{len(content)}\n")
        archive.writestr(zipfile.ZipInfo(record), "".join([*lines, f"{record},,\n"]))
    return target.getvalue()


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
