"""The alias in a whole Python environment: one line that its Python executes when it starts."""

import sysconfig
from pathlib import Path

from mlflow_workspace_plugin.alias.finder import real_sdk, refusal

# Where this package was uninstalled, or the real SDK installed, the line does nothing.
_LINE = """\
import sys; exec("try: import mlflow_workspace_plugin.azureml\\nexcept ImportError: pass")
"""


def startup_file() -> Path:
    """Return the file that enables the alias where it exists."""
    return Path(sysconfig.get_path("purelib")) / "mlflow_workspace_plugin_azureml.pth"


def enable() -> Path:
    """Let every Python of this environment serve ``azureml``; return the file that does it.

    Raises:
        UserErrorException: the real ``azureml-core`` is installed.
        OSError: the environment cannot be written.
    """
    found = real_sdk()
    if found is not None:
        # Only now: errors are MLflow's, which takes a second to import.
        from mlflow_workspace_plugin.errors import UserErrorException

        raise UserErrorException(refusal(found))
    path = startup_file()
    path.write_text(_LINE, encoding="ascii")
    return path


def disable() -> bool:
    """Undo :func:`enable`; return whether there was anything to undo.

    Raises:
        OSError: the environment cannot be written.
    """
    path = startup_file()
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed
