"""The ``config.json`` of a workspace: found as SDK v1 finds it, Azure ML's own files included."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.errors import ConfigFileError

_FOLDERS = (".azureml", "aml_config", "")
_FILES = ("config.json", "project.json")
_KEYS = ("subscription_id", "resource_group", "workspace_name")
# Where the parts stand in "/subscriptions/S/resourceGroups/R/providers/P/workspaces/W".
_SUBSCRIPTION, _GROUP, _WORKSPACE = 2, 4, 8


@dataclass(frozen=True)
class WorkspaceConfig:
    """What a config file says."""

    subscription_id: str
    resource_group: str
    workspace_name: str
    tracking_uri: str | None = None
    """Ours: the workspace itself. Without it the name is looked up in the default hub."""


def find(path: "str | os.PathLike[str] | None" = None, file_name: str | None = None) -> Path:
    """Find the config file that SDK v1 would find.

    Args:
        path: a file, or the folder to start from; None is the working directory.
        file_name: the only file name to look for.

    Raises:
        ConfigFileError: there is none in the folder or above it.
    """
    start = Path(os.path.abspath(path or "."))  # noqa: PTH100  SDK v1 keeps symbolic links
    if start.is_file():
        return start
    # The folder name comes first: a .azureml/config.json far above beats ./config.json.
    for folder in _FOLDERS:
        for name in (file_name,) if file_name else _FILES:
            for parent in (start, *start.parents):
                candidate = parent / folder / name
                if candidate.is_file():
                    return candidate
    raise ConfigFileError(
        f"No workspace config file was found in {str(start)!r} or any folder above it. Write one "
        "with ws.write_config(), put Azure ML's config.json there, or pass its path."
    )


def read(file: Path) -> WorkspaceConfig:
    """Read a config file.

    Raises:
        ConfigFileError: it is unreadable, or a key is missing.
        json.JSONDecodeError: it is not JSON (as in SDK v1).
    """
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        message = f"Config file {str(file)!r} is not JSON: {error.msg}"
        raise json.JSONDecodeError(message, error.doc, error.pos) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(
            f"Config file {str(file)!r} cannot be read: {error}. "
            "Correct its permissions, or write it anew in UTF-8."
        ) from error
    if not isinstance(content, dict):
        raise ConfigFileError(f"Config file {str(file)!r} is not a JSON object. Write one anew.")
    if wrong := sorted(
        key
        for key in (*_KEYS, "Scope", "tracking_uri")
        if not isinstance(content.get(key, ""), str)
    ):
        raise ConfigFileError(
            f"Config file {str(file)!r} has {', '.join(wrong)} that is not text. "
            "Download it again, or write one with ws.write_config()."
        )
    tracking_uri = content.get("tracking_uri")
    if "Scope" in content:
        parts = content["Scope"].split("/")
        if len(parts) <= _WORKSPACE:
            raise ConfigFileError(
                f"Config file {str(file)!r} has a Scope that is no workspace's: "
                f"{content['Scope']!r}. Download it again, or write one with ws.write_config()."
            )
        return WorkspaceConfig(parts[_SUBSCRIPTION], parts[_GROUP], parts[_WORKSPACE], tracking_uri)
    if missing := [key for key in _KEYS if key not in content]:
        raise ConfigFileError(
            f"Config file {str(file)!r} lacks {', '.join(missing)}. "
            "Download it again, or write one with ws.write_config()."
        )
    subscription, group, workspace = (content[key] for key in _KEYS)
    return WorkspaceConfig(subscription, group, workspace, tracking_uri)


def write(
    config: WorkspaceConfig,
    path: "str | os.PathLike[str] | None" = None,
    file_name: str | None = None,
) -> Path:
    """Write a config file where, and in the form, SDK v1 writes it, with our key added.

    Args:
        config: what to write.
        path: the folder to write below; None is the working directory.
        file_name: the name of the file; ``.json`` is appended when missing.

    Raises:
        ConfigFileError: it cannot be written.
    """
    base = Path(path or ".")
    folder = base / "aml_config" if (base / "aml_config").is_dir() else base / ".azureml"
    if file_name is None:
        file = folder / ("project.json" if (folder / "project.json").is_file() else "config.json")
    else:
        file = folder / (file_name if file_name.endswith(".json") else f"{file_name}.json")
    scope = (
        f"/subscriptions/{config.subscription_id}/resourceGroups/{config.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{config.workspace_name}"
    )
    content = {"Id": None, "Scope": scope, "tracking_uri": config.tracking_uri}
    try:
        folder.mkdir(exist_ok=True)
        file.write_text(json.dumps(content, indent=4), encoding="utf-8")
    except OSError as error:
        raise ConfigFileError(
            f"Config file {str(file)!r} cannot be written: {error.strerror}. "
            "Pass the path of a folder that exists and that you may write to."
        ) from error
    return file
