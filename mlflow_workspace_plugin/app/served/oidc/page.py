"""The two addresses of a log-in by a provider of identities: to it, and back from it."""

import hmac
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.accounts.attempts import Attempts
from mlflow_workspace_plugin.accounts.identities import STATE_SECONDS, Identities
from mlflow_workspace_plugin.accounts.tokens import SESSION_SECONDS, Tokens
from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.served.asking.gate import NEXT
from mlflow_workspace_plugin.app.served.asking.who import BEGUN_COOKIE, SAFE_BEGUN_COOKIE
from mlflow_workspace_plugin.app.served.browsers.log_in_form import LogInForm, local, place
from mlflow_workspace_plugin.app.served.faults import is_away
from mlflow_workspace_plugin.app.served.oidc.begun import Begun
from mlflow_workspace_plugin.app.served.oidc.options import BACK, BEGIN, OidcOptions
from mlflow_workspace_plugin.errors import (
    AccountError,
    IdentityProviderError,
    IdentityRefusedError,
    TooManyAttemptsError,
)
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.app.served.oidc.id_tokens import Said
    from mlflow_workspace_plugin.app.served.oidc.provider import Provider
    from mlflow_workspace_plugin.hub.hub import Hub

_logger = get_logger(__name__)
_T = TypeVar("_T")

# Threads of their own: whoever asks for the provider, and waits for it, holds up nobody else.
_AT_ONCE = 4
_MOST_WAITING = 32
# With those for whose answer nobody waits any more.
_MOST_THREADS = 16
_LONGEST_S = 10.0
_BUSY = "Too many log in at this moment. Try again in some seconds."
_AWAY = "The hub's database does not answer now, or is busy. Log in again in some seconds."
_ELSEWHERE = (
    "This log-in was not begun in this browser and at this address, or more than "
    f"{STATE_SECONDS // 60} minutes ago, or another one was begun since. Begin it again."
)
_ONE_EACH = ("code", "state", "iss", "error")


class OidcPage:
    """Sends browsers to the provider, and lets in who comes back from it.

    Args:
        app: answers all other requests.
        hub: that is served.
        form: where it is shown what went wrong.
        options: which provider; None if there is none.
        secret: by which the provider knows the hub.
        public_url: under which browsers reach the hub.
    """

    def __init__(
        self,
        app: ASGIApp,
        hub: "Hub",
        form: LogInForm,
        options: OidcOptions | None,
        *,
        secret: str,
        public_url: str,
    ) -> None:
        self._app = app
        self._form = form
        self._is_https = public_url.startswith("https://")
        self._threads = OwnThreads(_AT_ONCE)
        self._alive = threading.BoundedSemaphore(_MOST_THREADS)
        self._provider: Provider | None = None
        if options is not None:
            # It needs what is installed for this only.
            from mlflow_workspace_plugin.app.served.oidc import provider

            self._provider = provider.Provider(options, secret, f"{public_url}{BACK}")
            self._identities = Identities(hub)
            self._tokens = Tokens(hub)
            self._attempts = Attempts(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path not in (BEGIN, BACK):
            await self._app(scope, receive, send)
            return
        answer: Response
        if self._provider is None or scope["method"] != "GET":
            answer = PlainTextResponse("Nobody logs in here.", 404)
        else:
            answer = await self._answered(Request(scope, receive), self._provider, path)
        await answer(scope, receive, send)

    async def _answered(self, request: Request, provider: "Provider", path: str) -> Response:
        if path == BEGIN:
            begun, there = None, _asked_for(request)
        else:
            begun = Begun.of(request.scope["state"].get("begun"))
            there = "/" if begun is None else _there(begun)
        try:
            if path == BACK:
                return await self._back(request, provider, begun)
            return await self._begin(there, provider)
        except IdentityRefusedError as error:
            _logger.warning("A log-in was refused: %s", error.message)
            return self._form.page(there, error.message, 403)
        except TooManyAttemptsError as error:
            answer = self._form.page(there, error.message, 429)
            answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
            return answer
        except IdentityProviderError as error:
            _logger.warning("A log-in failed: %s", error.message)
            return self._form.page(there, error.message, 502)
        except Exception as error:
            if not is_away(error):
                raise
            # The code may be used up: who asks for the same again would be refused.
            _logger.warning("A log-in failed: %s", type(error).__name__)
            return self._form.page(there, _AWAY, 503)

    async def _begin(self, there: str, provider: "Provider") -> Response:
        begun = Begun.new(there)
        url = await self._asked(
            lambda: provider.authorization_url(begun.state, begun.nonce, begun.verifier)
        )
        redirect = RedirectResponse(url, 303, headers={"Cache-Control": "no-store"})
        redirect.set_cookie(
            SAFE_BEGUN_COOKIE if self._is_https else BEGUN_COOKIE,
            begun.cookie(),
            max_age=STATE_SECONDS,
            path="/",
            secure=self._is_https,
            httponly=True,
            # The provider's page sends the browser back.
            samesite="lax",
        )
        return redirect

    async def _back(self, request: Request, provider: "Provider", begun: Begun | None) -> Response:
        given = parse_qs(request.scope["query_string"].decode("latin-1"))
        if any(len(given.get(name, [])) > 1 for name in _ONE_EACH):
            raise IdentityRefusedError("The provider's answer says something twice. Begin again.")
        state, code, issuer, error = (
            given.get(name, [None])[0] for name in ("state", "code", "iss", "error")
        )
        if begun is None or state is None or not _is_same(state, begun.state):
            raise IdentityRefusedError(_ELSEWHERE)
        if code is None or error is not None:
            word = f" ({error})" if error and error.replace("_", "").isalpha() else ""
            raise IdentityRefusedError(f"The provider of identities let nobody in{word[:60]}.")
        client = request.client.host if request.client else None
        await to_thread.run_sync(self._attempts.check_provider, client)
        try:
            said = await self._asked(
                lambda: provider.identity(code, issuer, nonce=begun.nonce, verifier=begun.verifier)
            )
        except IdentityRefusedError:
            await to_thread.run_sync(self._attempts.failed_provider, client)
            raise
        try:
            text = await to_thread.run_sync(self._opened, begun, said)
        except AccountError as gone:
            # It was removed just now, or others take each name that it was to have.
            raise IdentityRefusedError(gone.message) from None
        return self._form.let_in(_there(begun), text)

    def _opened(self, begun: Begun, said: "Said") -> str:
        """Return the text of a cookie for who was logged in by the provider."""
        self._identities.use_up(begun.state)
        name = self._identities.account_of(*said)
        issued = self._tokens.issue(
            name,
            kind="session",
            seconds=SESSION_SECONDS,
            only_if=self._identities.while_theirs(said.issuer, said.subject, name),
        )
        return issued.access

    async def _asked(self, ask: Callable[[], _T]) -> _T:
        """Return what the provider says, within some seconds however slowly it answers."""
        if self._threads.waiting >= _MOST_WAITING:
            raise IdentityProviderError(_BUSY)

        def asked() -> _T:
            # Of one that is given up the limiter's place is free at once, and its thread is not.
            if not self._alive.acquire(blocking=False):
                raise IdentityProviderError(_BUSY)
            try:
                return ask()
            finally:
                self._alive.release()

        try:
            with anyio.fail_after(_LONGEST_S):
                return await self._threads.run_or_abandon(asked)
        except TimeoutError:
            raise IdentityProviderError(
                f"The provider of identities did not answer within {_LONGEST_S:g} s. Try again "
                "later."
            ) from None


def _asked_for(request: Request) -> str:
    """Return where a browser says that it goes then: on this server, whatever it says."""
    given = request.query_params
    return local(given.get(NEXT, "")) + place(given.get("place", ""))


def _there(begun: Begun) -> str:
    """Return where a browser goes: on this server, whatever it kept."""
    path, mark, fragment = begun.there.partition("#")
    return local(path) + place(mark + fragment)


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
