"""Servers on this machine that only listen, and a relay before a server that changes its words."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_NO_TLS = b"N"
# AuthenticationCleartextPassword of PostgreSQL's protocol.
_IN_CLEAR = b"R" + struct.pack("!II", 8, 3)


class Listener:
    """What a server of somebody else's has heard. It asks PostgreSQL's clients for a password."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        """What came in, by message."""
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        with connection, suppress(OSError):
            connection.settimeout(20)
            while data := connection.recv(65536):
                self.heard.append(data)
                if data[4:8] in (struct.pack("!I", 80877103), struct.pack("!I", 80877104)):
                    connection.sendall(_NO_TLS)
                elif data[4:6] == b"\x00\x03":
                    connection.sendall(_IN_CLEAR)
                else:
                    return


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen until the block is left."""
    listener = Listener()
    with _accepting(listener.socket, listener.serve):
        yield listener


@contextmanager
def relay(port: int, change: Callable[[bytes], bytes]) -> Iterator[int]:
    """Pass on what a server on this machine and its clients say; yields the port to connect to.

    Args:
        port: the server's.
        change: given what the server says, returns what its clients hear.
    """

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=_pass, args=(server, client, change), daemon=True)
            back.start()
            _pass(client, server, bytes)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as waiting, _accepting(waiting, serve):
        yield waiting.getsockname()[1]


def _pass(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(change(data))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def _accepting(waiting: socket.socket, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = waiting.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        with suppress(OSError):
            waiting.shutdown(socket.SHUT_RDWR)
        waiting.close()
