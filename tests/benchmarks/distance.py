"""A server as if it were far away: a process that passes bytes on to it, each some time later.

It looks at no request and never waits for one, so that it adds time and takes no throughput.
"""

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial


@contextmanager
def at_distance(port: int, seconds: float) -> Iterator[int]:
    """Run such a process until the block is left.

    Args:
        port: of the server.
        seconds: by how much later it gets what clients send.

    Yields:
        The port that stands for the server's.
    """
    command = [sys.executable, "-m", __name__, str(port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


class _End(asyncio.Protocol):
    """One end of a connection, which writes what the other one got, as fast as it can be read."""

    def __init__(self, delay_s: float = 0) -> None:
        self.delay_s = delay_s
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._on_the_way: deque[bytes] = deque()

    def connection_made(self, transport) -> None:
        self.transport = transport

    def connection_lost(self, error) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def data_received(self, data: bytes) -> None:
        if not self.delay_s:
            self.other.transport.write(data)
            return
        # A queue, as two timers of the same moment may go off in any order.
        self._on_the_way.append(data)
        asyncio.get_running_loop().call_later(self.delay_s, self._arrive)

    def _arrive(self) -> None:
        self.other.transport.write(self._on_the_way.popleft())

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()


class _ClientEnd(_End):
    """The end towards the client, which opens the other one."""

    def __init__(self, port: int, delay_s: float) -> None:
        super().__init__(delay_s)
        self._port = port
        self._opening: asyncio.Task | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        transport.pause_reading()
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, self.other = await loop.create_connection(_End, "127.0.0.1", self._port)
        self.other.other = self
        self.transport.resume_reading()


async def main(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(_ClientEnd, port, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
