"""A page that is one file: it opens from a disk, and asks for nothing else."""

import base64
import hashlib
import html
import json
from typing import Any

from mlflow_workspace_plugin.web import FOLDER
from mlflow_workspace_plugin.web.bundle import module_bundle, style_sheet, uplot_script

_REPORT = "report/report"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page is drawn by a script that is in it, which is switched off here.</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def script_of() -> str:
    """Return the script that draws a report."""
    modules = module_bundle(f"{_REPORT}.js")
    # Names of its own, beside uPlot's.
    return f'{uplot_script()}\n(() => {{\n"use strict";\n{modules}}})();\n'


def style_of() -> str:
    """Return what a report looks like."""
    own = (FOLDER / f"{_REPORT}.css").read_text(encoding="utf-8")
    return f"{style_sheet()}\n{own}"


def page_of(title: str, style: str, script: str, data: Any) -> bytes:
    """Return a page. It is the same, byte for byte, for the same arguments.

    Nothing is loaded, and no script runs but this one, whatever is in the data.

    Args:
        title: of the page; any text.
        style: its CSS.
        script: what draws it.
        data: what is drawn, as JSON has it; the script finds it in the element ``data``.
    """
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return _PAGE.format(
        policy=policy,
        title=html.escape(title),
        style=style,
        data=json_in_html(data),
        script=script,
    ).encode()


def json_in_html(data: Any) -> str:
    """Return JSON in which nothing ends the element around it, or begins another one."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace").decode()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"
