"""SDK v1's authentication classes, accepted and ignored: a hub in a folder asks for none."""

import functools
from typing import Any

from mlflow_workspace_plugin.sdk.not_served import NotServedOfAuthentication
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


class AbstractAuthentication(NotServedOfAuthentication):
    """Takes whatever SDK v1's class took, and keeps none of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Accept and drop all arguments, secrets among them."""


class AzureCliAuthentication(AbstractAuthentication):
    """SDK v1: the signed-in user of the Azure CLI."""


class InteractiveLoginAuthentication(AbstractAuthentication):
    """SDK v1: the user who signs in through a browser."""


class ServicePrincipalAuthentication(AbstractAuthentication):
    """SDK v1: an application with a secret."""


class MsiAuthentication(AbstractAuthentication):
    """SDK v1: a managed identity."""


class ArmTokenAuthentication(AbstractAuthentication):
    """SDK v1: a token for Azure Resource Manager."""


class AzureMLTokenAuthentication(AbstractAuthentication):
    """SDK v1: the token of a run."""


class TokenAuthentication(AbstractAuthentication):
    """SDK v1: a function that returns tokens."""


@functools.cache
def _say_once() -> None:
    _logger.warning(
        "auth= is accepted and ignored: a workspace in a folder is guarded by the folder's "
        "permissions."
    )


def ignore(auth: object) -> None:
    """Say, once in a process, that authentication is ignored; nothing is said of None."""
    if auth is not None:
        _say_once()
