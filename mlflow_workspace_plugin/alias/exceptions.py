"""SDK v1's exceptions by their names, those that nothing here raises included.

An ``except`` clause that names one of those goes on working; it is never entered.
"""

from mlflow_workspace_plugin import errors
from mlflow_workspace_plugin.alias.names import EXCEPTIONS


def __getattr__(name: str) -> type[Exception]:
    """Return our exception of that name, or make one that is never raised (PEP 562)."""
    if name not in EXCEPTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: type[Exception] | None = getattr(errors, name, None)
    if found is None:
        docs = {"__module__": __name__, "__doc__": "SDK v1's; nothing here raises it."}
        is_users = name == "AuthenticationException"
        parent = errors.UserErrorException if is_users else errors.AzureMLException
        found = type(name, (parent,), docs)
    globals()[name] = found
    return found
