"""The form for logging in, and the cookie that a browser gets which is let in."""

import html
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse, Response

from mlflow_workspace_plugin.accounts.tokens import SESSION_SECONDS
from mlflow_workspace_plugin.app.pages.assets import PREFIX, load_assets, page_text
from mlflow_workspace_plugin.app.served.asking.gate import LOG_IN, NEXT
from mlflow_workspace_plugin.app.served.asking.who import COOKIE, SAFE_COOKIE

if TYPE_CHECKING:
    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions

LOG_OUT = "/log-out"

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" browsers would not say of the form that it is ours.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class LogInForm:
    """Shows the form, and lets browsers in.

    Args:
        is_https: whether browsers reach the hub by HTTPS.
        oidc: the provider of identities that people may log in by.
    """

    def __init__(self, *, is_https: bool, oidc: "OidcOptions | None") -> None:
        self._is_https = is_https
        self._oidc = oidc

    def page(
        self, there: str, fault: str = "", status: int = 200, *, is_logged_in: bool = False
    ) -> Response:
        """Return the page with the form.

        Args:
            there: where to go then.
            fault: what went wrong before.
            status: of the answer.
            is_logged_in: whether there is somebody to log out.
        """
        hidden = " hidden"
        text = page_text("log_in")
        for name, value in {
            "assets": f"{PREFIX}/{load_assets().version}",
            "fault": html.escape(fault),
            "log_out": "" if is_logged_in else hidden,
            "password": hidden if self._oidc is not None and self._oidc.only else "",
            "provider": hidden if self._oidc is None else "",
        }.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        # Last, and none into another: somebody sent it, or chose it.
        parts = {
            "name": "" if self._oidc is None else self._oidc.name,
            "begin": f"{NEXT}={quote(there, safe='/')}",
            "next": there,
        }
        for name, value in parts.items():
            escaped = html.escape(value).replace("{", "&#123;")
            text = text.replace(f"{{{{{name}}}}}", escaped)
        return HTMLResponse(text, status, headers=_HEADERS)

    def let_in(self, there: str, text: str) -> Response:
        """Return the answer to a browser whose user is let in.

        Args:
            there: where it goes.
            text: of its cookie.
        """
        # 303 makes the browser ask by GET.
        redirect = RedirectResponse(there, 303, headers={"Cache-Control": "no-store"})
        redirect.set_cookie(
            self._cookie,
            text,
            max_age=SESSION_SECONDS,
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="lax",
        )
        return redirect

    def let_out(self) -> Response:
        """Return the answer to a browser whose user has logged out."""
        redirect = RedirectResponse(LOG_IN, 303, headers={"Cache-Control": "no-store"})
        redirect.delete_cookie(
            self._cookie, path="/", secure=self._is_https, httponly=True, samesite="lax"
        )
        return redirect

    @property
    def _cookie(self) -> str:
        return SAFE_COOKIE if self._is_https else COOKIE


def local(address: str) -> str:
    """Return an address that is on this server, whatever was given."""
    is_plain = address.isascii() and address.isprintable() and "\\" not in address
    is_local = address.startswith("/") and not address.startswith(("//", LOG_IN, LOG_OUT))
    return address.partition("#")[0] if is_plain and is_local else "/"


def place(fragment: str) -> str:
    """Return what stood behind ``#``, which is a page of MLflow's."""
    is_plain = fragment.isascii() and fragment.isprintable() and " " not in fragment
    return fragment if fragment.startswith("#") and is_plain else ""
