"""A proxy in front of a storage server that lets requests fail, and counts what went through."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], str]
"""Status, headers and body of an answer that the server never gave."""

_PIECE = 2**16


@dataclass
class Request:
    """A request, before it is passed on."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def size(self) -> int:
        """The bytes of its body."""
        return int(self.headers.get("content-length", 0))

    @property
    def operation(self) -> str:
        """What it does, such as ``PUT block``, ``PUT blocklist`` or ``GET``."""
        kind = parse_qs(urlsplit(self.target).query).get("comp", [""])[0]
        return f"{self.method} {kind}".strip()


@dataclass
class Cut:
    """Break the connection: after so many bytes of a body, or when the server has done its part."""

    of_request: int | None = None
    of_answer: int | None = None
    before_answer: bool = False
    is_silent: bool = False
    """Take the request, and neither pass it on, nor answer, nor break anything."""


@dataclass
class Late:
    """Hold back a request, or its answer, for so many seconds; who asked may have left by then."""

    request_s: float = 0
    answer_s: float = 0


@dataclass
class Proxy:
    """A running proxy.

    ``fault`` is asked about each request: None passes it on, an answer is given in the server's
    place, a cut breaks the connection, and what is late comes all the same.
    """

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    """Bytes of the bodies of requests that were passed on, also of those that broke."""
    fault: "Callable[[Request], Answer | Cut | Late | None]" = field(default=lambda _: None)
    bytes_per_s: float = inf
    """How much of the body of a request goes through in a second, on each connection."""

    @property
    def endpoint(self) -> str:
        """The address of the account behind the proxy."""
        return f"http://127.0.0.1:{self.port}/devstoreaccount1"

    def count(self, operation: str) -> int:
        """Return how many requests of a kind there were."""
        return sum(each.operation == operation for each in self.requests)

    async def pass_on(self, size: int) -> None:
        """Count bytes that were passed on, and take the time for it."""
        self.sent += size
        await asyncio.sleep(size / self.bytes_per_s)

    def forget(self) -> None:
        """Count from here."""
        self.requests.clear()
        self.sent = 0


def error(status: int, code: str, message: str = "No.", **headers: str) -> Answer:
    """Return the service's form of an error."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, {"x-ms-error-code": code, "Content-Type": "application/xml"} | headers, body


@contextmanager
def fault_proxy(*ports: int) -> Iterator[Proxy]:
    """Run a proxy in front of a port until the block is left.

    Args:
        ports: of several servers each is asked in turn.
    """
    proxy = Proxy()
    in_turn = itertools.cycle(ports)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        # What the system takes in ahead of a slow line looks sent.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)
        await asyncio.start_server(
            lambda reader, writer: _connection(proxy, in_turn, reader, writer), sock=listening
        )
        proxy.port = listening.getsockname()[1]

    loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_end_connections(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _end_connections() -> None:
    # A server that is asked to stop waits for them.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _CutError(Exception):
    """The connection is to end here."""


async def _connection(
    proxy: Proxy, ports: Iterator[int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        with suppress(_CutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await _exchange(proxy, ports, reader, writer):
                pass
    finally:
        writer.transport.abort()


async def _exchange(
    proxy: Proxy, ports: Iterator[int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Take a request, and answer it; False when the client is done."""
    head = await _head(reader)
    if not head:
        return False
    first, headers = _parsed(head)
    request = Request(first[0], first[1], headers)
    proxy.requests.append(request)
    fault = proxy.fault(request)
    if isinstance(fault, tuple):
        await reader.readexactly(request.size)
        await _answer(writer, *fault)
        return True
    late = fault if isinstance(fault, Late) else Late()
    cut = fault if isinstance(fault, Cut) else Cut()
    if cut.is_silent:
        await reader.readexactly(request.size)
        await asyncio.Event().wait()
    await asyncio.sleep(late.request_s)
    # One for each request: the server closes those that are idle for some seconds.
    server, to_server = await asyncio.open_connection("127.0.0.1", next(ports))
    try:
        to_server.write(head)
        await _copy(reader, to_server, request.size, cut.of_request, proxy.pass_on)
        await asyncio.sleep(late.answer_s)
        await _pass_answer(request.method, cut, server, writer)
    finally:
        to_server.transport.abort()
    return True


async def _pass_answer(
    method: str, cut: Cut, server: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = await _head(server)
    if cut.before_answer or not head:
        raise _CutError
    _, headers = _parsed(head)
    writer.write(head)
    if method == "HEAD":
        await writer.drain()
    elif headers.get("transfer-encoding") == "chunked":
        await _copy_chunks(server, writer, cut.of_answer)
    else:
        await _copy(server, writer, int(headers.get("content-length", 0)), cut.of_answer)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return b""


def _parsed(head: bytes) -> tuple[list[str], dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return first.split(" "), {name.lower(): value.strip() for name, _, value in pairs}


async def _copy(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    size: int,
    limit: int | None,
    passed_on: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    end = size if limit is None else min(size, limit)
    done = 0
    while done < end:
        piece = await source.read(min(_PIECE, end - done))
        if not piece:
            raise _CutError
        target.write(piece)
        await target.drain()
        done += len(piece)
        if passed_on is not None:
            await passed_on(len(piece))
    await target.drain()
    if end < size:
        raise _CutError


async def _copy_chunks(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, limit: int | None
) -> None:
    size = -1
    done = 0
    while size:
        line = await source.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        content = await source.readexactly(size + 2)
        is_cut = limit is not None and done + size > limit
        target.write(line + (content[: limit - done] if is_cut else content))
        await target.drain()
        if is_cut:
            raise _CutError
        done += size


async def _answer(
    writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: str
) -> None:
    headers = headers | {"Content-Length": str(len(body.encode()))}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    writer.write(f"HTTP/1.1 {status} No\r\n{''.join(lines)}\r\n{body}".encode())
    await writer.drain()
