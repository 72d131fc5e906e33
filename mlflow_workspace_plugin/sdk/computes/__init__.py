"""SDK v1's words for compute targets.

All kinds are imported with any of them: what a workspace has is of the class it was created as.
"""

from mlflow_workspace_plugin.sdk.computes import (
    aml_compute,
    compute_instance,
    others,
    remote_compute,
)

__all__ = ["aml_compute", "compute_instance", "others", "remote_compute"]
