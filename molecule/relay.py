"""A bad line to an API server: a TCP relay on loopback that delays bytes and connections, and cuts them in turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

CHUNK = 65536


class Relay:
    """delay: seconds until an answer to what goes in can come out. connect: seconds until a new connection passes any.

    cut: seconds between two cuts of all connections; 0: none. only: what the first bytes of a connection must have for
    all that; others pass as they are. It runs until the end of the `with` block.
    """

    def __init__(
        self, host: str, port: int, *, delay: float = 0, connect: float = 0, cut: float = 0, only: bytes = b""
    ) -> None:
        self._target = host, port
        self._delay, self._connect, self._cut, self._only = delay / 2, connect, cut, only
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
        self._cutting = self._loop.create_task(self._cut_in_turns())  # tasks that nobody holds may go

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _cut_in_turns(self) -> None:
        while self._cut:
            await asyncio.sleep(self._cut)
            self._abort()

    def _abort(self) -> None:
        for link in self._links:
            link.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError, asyncio.CancelledError):  # the latter at the end of the relay
            begin = await reader.read(CHUNK) if self._only else b""
            bad = self._only in begin
            if bad:
                self._links.add(writer)
                await asyncio.sleep(self._connect)
            there, back = await asyncio.open_connection(*self._target)
            delay = self._delay if bad else 0.0
            await asyncio.gather(self._carry(reader, back, delay, begin), self._carry(there, writer, delay))
        self._links.discard(writer)
        writer.close()

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float, data: bytes = b""
    ) -> None:
        """In order, each chunk late by the delay, however many are under way."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        passing = asyncio.create_task(self._pass_on(chunks, sink))
        if data:
            chunks.put_nowait((self._loop.time() + delay, data))
        with suppress(OSError):
            while data := await source.read(CHUNK):
                chunks.put_nowait((self._loop.time() + delay, data))
        chunks.put_nowait((0.0, b""))  # once the rest has passed
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
