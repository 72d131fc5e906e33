"""When a request to a storage account is sent again."""

import random
import time
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.blob import ExponentialRetry

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 8.0


class PatientRetry(ExponentialRetry):
    """The SDK's policy, limited by time and not by number, with pauses that begin short.

    Requests that meet a broken connection, a timeout, throttling or a fault of the server are sent
    again; a refusal never. Each block of a file is a request of its own.

    Args:
        patience_s: for how many seconds a request is sent again.
        is_refusal: whether an error stays what it is, although the service did not answer.
    """

    def __init__(self, patience_s: float, is_refusal: Callable[[AzureError], bool]) -> None:
        many = 10**6
        super().__init__(retry_total=many, retry_connect=many, retry_read=many, retry_status=many)
        self._patience_s = patience_s
        self._is_refusal = is_refusal

    def configure_retries(self, request: Any) -> dict[str, Any]:
        """Begin to count the time of a request; ``patience_s`` of the call goes before ours."""
        patience_s = request.context.options.pop("patience_s", self._patience_s)
        return super().configure_retries(request) | {"until": time.monotonic() + patience_s}

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Return the seconds to the next try; many clients do not come back at once."""
        pause: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(settings["count"], 10))
        left: float = max(0.0, settings["until"] - time.monotonic())
        return min(pause * random.uniform(0.5, 1), left)  # noqa: S311  no secret is made of it

    def increment(
        self,
        settings: dict[str, Any],
        request: Any,
        response: Any = None,
        error: AzureError | None = None,
    ) -> bool:
        """Whether there is time for another try."""
        if error is not None and self._is_refusal(error):
            return False
        return time.monotonic() < settings["until"] and super().increment(
            settings, request, response, error
        )
