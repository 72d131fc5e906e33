"""The code by which the service says what an error is about."""

from azure.core.exceptions import AzureError


def code_of(error: AzureError) -> str:
    """Return the service's code for an error, such as ``BlobNotFound``; empty when it has none."""
    code = getattr(error, "error_code", None)
    if code is None:
        # An answer to HEAD has no body, and the code is in its headers only.
        response = getattr(error, "response", None)
        code = None if response is None else response.headers.get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")
