"""A bad line to an API server: a TCP relay on loopback that delays bytes and connections, and cuts all in turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

CHUNK = 65536


class Relay:
    """delay: seconds for every byte, each way. connect: seconds until a new connection passes any.

    cut: seconds between two cuts of all connections; 0: none. It runs until the end of the `with` block.
    """

    def __init__(self, host: str, port: int, *, delay: float = 0, connect: float = 0, cut: float = 0) -> None:
        self._target = host, port
        self._delay, self._connect, self._cut = delay, connect, cut
        self._links: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Relay:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._do(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._cutting = self._loop.create_task(self._cut_in_turns())

    async def _end(self) -> None:
        self._cutting.cancel()
        self._server.close()
        self._abort()

    async def _cut_in_turns(self) -> None:
        while self._cut:
            await asyncio.sleep(self._cut)
            self._abort()

    def _abort(self) -> None:
        for link in self._links:
            link.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._links.add(writer)
        await asyncio.sleep(self._connect)
        with suppress(OSError):
            there, back = await asyncio.open_connection(*self._target)
            self._links.add(back)
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
            self._links.discard(back)
        self._links.discard(writer)
        writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """In order, each chunk late by the delay, however many are under way."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        passing = asyncio.create_task(self._pass_on(chunks, sink))
        data = b"-"
        while data:
            data = b""
            with suppress(OSError):
                data = await source.read(CHUNK)
            chunks.put_nowait((self._loop.time() + self._delay, data))
        await passing

    async def _pass_on(self, chunks: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, data = await chunks.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not data:
                    break
                sink.write(data)
                await sink.drain()
        sink.close()
