"""Answers of servers that have no end, or come too slowly, are not read for ever."""

import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from mlflow_workspace_plugin.web_answers import AnswerTooLongError, Bearer, content_within

MIB = 2**20


@contextmanager
def server_of(answer):
    """Serve what a function writes; yields the address, and the headers of what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()
            # Who asked may have gone.
            with suppress(OSError):
                answer(self.wfile)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def read(address, longest=MIB, seconds=30.0):
    with requests.get(address, stream=True, timeout=10, auth=Bearer(None)) as response:
        return content_within(response, longest, time.monotonic() + seconds)


def test_answer_is_returned_whole():
    """However many pieces it comes in, up to the limit."""
    with server_of(lambda file: [file.write(b"x" * 1000) for _ in range(300)]) as (address, _):
        assert read(address, 300_000) == b"x" * 300_000
        with pytest.raises(AnswerTooLongError):
            read(address, 299_999)


def test_answer_without_an_end_is_left():
    """After so many bytes, though more could come for ever."""

    def pour(file):
        while True:
            file.write(b"x" * MIB)

    with server_of(pour) as (address, _), pytest.raises(AnswerTooLongError):
        read(address, 3 * MIB)


def test_answer_byte_by_byte_is_left():
    """Each byte is in time; all of them are not."""

    def drip(file):
        while True:
            file.write(b"x")
            file.flush()
            time.sleep(0.01)

    with server_of(drip) as (address, _), pytest.raises(requests.exceptions.Timeout):
        read(address, 100 * MIB, seconds=1.0)


def test_token_is_sent_and_nothing_of_netrc(tmp_path, monkeypatch):
    """Nobody's password is sent where there is no token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with server_of(lambda file: file.write(b"")) as (address, asked):
        read(address)
        requests.get(address, auth=Bearer("mws_mine"), timeout=10)
    assert "Authorization" not in asked[0]
    assert asked[1]["Authorization"] == "Bearer mws_mine"


def test_connection_is_used_again():
    """What was read to its end leaves its connection to the next request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            ports.add(self.client_address[1])
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

        def log_message(self, *_):
            pass

    ports: set[int] = set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with requests.Session() as session:
        for _ in range(3):
            url = f"http://127.0.0.1:{server.server_port}"
            with session.get(url, stream=True, timeout=10) as response:
                assert content_within(response, 5, time.monotonic() + 10) == b"abcde"
    server.shutdown()
    server.server_close()
    assert len(ports) == 1


def test_answer_that_is_cut_off_is_none():
    """What has come of it is not taken for all of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 999)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(requests.exceptions.RequestException):
        read(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
