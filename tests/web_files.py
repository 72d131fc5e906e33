"""A web server on this machine that gives files."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebFiles:
    """What a server gives.

    Attributes:
        url: of the server.
        files: contents by path, which may be changed.
    """

    def __init__(self, url: str, files: dict[str, bytes]) -> None:
        self.url = url
        self.files = files


@contextmanager
def web_files(files: dict[str, bytes]) -> Iterator[WebFiles]:
    """Serve files until the block is left."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            content = self._answer()
            if content is not None:
                self.wfile.write(content)

        def _answer(self) -> bytes | None:
            content = served.files.get(self.path)
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return None
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    served = WebFiles(f"http://127.0.0.1:{server.server_address[1]}", files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
