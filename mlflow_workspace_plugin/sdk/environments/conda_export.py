"""What conda says of an environment of this machine."""

import subprocess
from typing import Any

import yaml


def exported(environment: str) -> tuple[dict[str, Any] | None, str]:
    """Return what an environment of conda's holds, or None and why that is not known."""
    command = ["conda", "env", "export", "--no-builds", "--name", environment]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return None, f"conda cannot be started: {error.strerror}."
    if ended.returncode:
        return None, ended.stderr.strip() or f"conda ended with {ended.returncode}."
    content: Any = yaml.safe_load(ended.stdout)
    if not isinstance(content, dict):
        return None, "conda exported nothing."
    return content, ""
