"""SDK v1's exceptions by their names, those that nothing here raises included.

An ``except`` clause that names one of those goes on working; it is never entered.
"""

from typing import Any

from mlflow_workspace_plugin import errors
from mlflow_workspace_plugin.alias.names import is_exception

# What SDK v1's ``ServiceException`` is one of.
_SERVICE_EXCEPTIONS = ("AzureMLRestClientException", "ErrorResponseException")


def __getattr__(name: str) -> Any:
    """Return our exception of that name, or make one that is never raised (PEP 562)."""
    if not is_exception(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    ours = "ServiceException" if name in _SERVICE_EXCEPTIONS else name
    found: type[Exception] | None = getattr(errors, ours, None)
    if found is None:
        docs = {"__module__": __name__, "__doc__": "SDK v1's; nothing here raises it."}
        found = type(name, (errors.AzureMLException,), docs)
    globals()[name] = found
    return found
