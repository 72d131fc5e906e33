"""A page that draws figures as pages do, served with the policy that ours are served with."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type

from mlflow_workspace_plugin.web import FOLDER

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/picture.svg">
<link rel="stylesheet" href="/web/vendor/uplot/uPlot.min.css">
<link rel="stylesheet" href="/web/style.css">
<script src="/web/vendor/uplot/uPlot.iife.min.js"></script>
<script type="module" src="/page.js"></script>
</head><body class="mw"><main class="mw-figures"></main></body></html>"""
_SCRIPT = """
import { drawFigure } from "/web/figures/figure.js";
const host = document.querySelector("main");
// What the figures asked for, and what they are answered with.
window.handles = [];
window.asked = [];
window.answers = {};
const answer = (kind) => async (...asked) => {
  window.asked.push(asked);
  return window.answers[kind](...asked);
};
window.draw = (figure, options) => {
  const own = { image: () => "/picture.svg", rows: answer("rows"), range: answer("range") };
  window.handles.push(drawFigure(host, figure, { ...own, isEager: true, ...options }));
};
// What is written on canvases, which no test can read otherwise.
window.written = [];
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const width = this.measureText(text).width;
  const left = { left: x, start: x, center: x - width / 2 }[this.textAlign] ?? x - width;
  window.written.push({ text: String(text), left, right: left + width, canvas: this.canvas.width });
  return fillText.call(this, text, x, y);
};
window.isReady = true;
"""
_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"></svg>'
_OWN = {
    "/": ("text/html; charset=utf-8", _PAGE),
    "/page.js": ("text/javascript", _SCRIPT),
    "/picture.svg": ("image/svg+xml", _PICTURE),
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, body = _OWN.get(self.path, (None, ""))
        if kind is None:
            path = FOLDER / self.path.removeprefix("/web/")
            kind, body = guess_type(path.name)[0], path.read_text()
        self.send_response(200)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def figure_page() -> Iterator[str]:
    """Serve the page until the block is left; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class FigurePage:
    """The page in a browser.

    Args:
        page: playwright's.
        address: of the page.
    """

    def __init__(self, page, address: str) -> None:
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._hear)
        page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.wait_for_function("window.isReady")

    def clear(self) -> None:
        """Take away what was drawn, and forget what was asked for and written."""
        self.page.evaluate(
            """() => {
              window.handles.splice(0).forEach((handle) => handle.destroy());
              window.asked.length = window.written.length = 0;
              delete document.documentElement.dataset.theme;
            }"""
        )
        self.page.emulate_media(color_scheme="light")
        self.page.mouse.move(0, 0)

    def draw(self, *figures, **options):
        """Draw figures; returns the element of the last one."""
        # As text: playwright takes long over each value of a large figure.
        self.page.evaluate(
            "([figures, options]) => "
            "JSON.parse(figures).forEach((figure) => window.draw(figure, options))",
            [json.dumps(figures), options],
        )
        self.settle()
        return self.page.locator(".mw-figure").nth(self.page.locator(".mw-figure").count() - 1)

    def update(self, figure) -> None:
        """Show another state of the figure that was drawn last."""
        self.page.evaluate("figure => window.handles.at(-1).update(figure)", figure)
        self.settle()

    def set_for_all(self, **changed) -> None:
        """Change what a page sets for all of its figures."""
        self.page.evaluate("changed => window.handles.at(-1).set(changed)", changed)
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for is answered, and drawn."""
        self.page.evaluate(
            "() => new Promise(done =>"
            " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        )

    def answer_ranges(self, figure) -> None:
        """Answer questions for a range with this figure."""
        self.page.evaluate("figure => { window.answers.range = () => figure }", figure)

    def asked(self) -> list:
        """Return what was asked for, and forget it."""
        return self.page.evaluate("() => window.asked.splice(0)")

    def written(self) -> list:
        """Return what was written on canvases, and forget it."""
        return json.loads(self.page.evaluate("() => JSON.stringify(window.written.splice(0))"))

    def colours(self, element) -> set[str]:
        """Return the colours of a figure's canvas."""
        found = element.locator("canvas").evaluate(
            """(canvas) => {
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              const counts = {};
              for (let at = 0; at < data.length; at += 4) {
                if (data[at + 3] === 255) {
                  const parts = [...data.slice(at, at + 3)];
                  const key = parts.map((part) => part.toString(16).padStart(2, "0")).join("");
                  counts[key] = (counts[key] ?? 0) + 1;
                }
              }
              return counts;
            }"""
        )
        return {f"#{colour}" for colour, count in found.items() if count > 8}

    def _hear(self, said) -> None:
        if said.type == "error":
            self.faults.append(said.text)


def golden(path) -> dict:
    """Return a figure of the files that every renderer is tested with."""
    return json.loads(path.read_text())
