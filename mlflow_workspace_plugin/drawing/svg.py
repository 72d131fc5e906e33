"""Elements of SVG, as text."""

import base64
import html

from mlflow_workspace_plugin.terminal import shown

FONT = "system-ui,-apple-system,Segoe UI,Roboto,sans-serif"
SIZE = 11
"""Of letters, in pixels."""

INK = "#777"
"""Of what is written: to be read on white and on black, as a picture knows nothing of its page."""

GRID = "#8883"


def element(name: str, inner: str = "", /, **attributes: object) -> str:
    """Return an element.

    Args:
        name: of it.
        inner: what it holds: elements, or text that is escaped.
        attributes: by name, whose ``_`` is ``-``; one that is None is left out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{inner}</{name}>" if inner else f"<{name}{told}/>"


def text(words: object, x: float, y: float, **attributes: object) -> str:
    """Return text at a place; what XML does not take is escaped."""
    return element("text", html.escape(shown(words), quote=False), x=x, y=y, **attributes)


def document(inner: str, width: float, height: float, title: object) -> str:
    """Return a picture.

    Args:
        inner: its elements.
        width: in pixels.
        height: in pixels.
        title: what it shows.
    """
    return element(
        "svg",
        element("title", html.escape(shown(title), quote=False)) + inner,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        width=width,
        height=height,
        font_family=FONT,
        font_size=SIZE,
        fill=INK,
    )


def data_uri(svg: str) -> str:
    """Return a picture as an address, which holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return shown(value)
