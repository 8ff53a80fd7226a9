"""File bodies: copied by the kernel to plain sockets, read in pieces for encrypted ones."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from sagebrush.base.streams import FileRange
from sagebrush.gateway.messages import ClientDisconnectedError, ResponseBody

if TYPE_CHECKING:
    from sagebrush.gateway.connection import Connection

# Below this the copy through Python costs less than waiting for an empty write buffer.
_SMALL_BYTES = 128 * 1024
_PIECE_BYTES = 512 * 1024


class OpenedFile:
    """An open file range; opened as soon as a handler names it, so that deleting it is no race."""

    __slots__ = ("descriptor", "length", "offset")

    def __init__(self, source: FileRange) -> None:
        self.descriptor = os.open(source.path, os.O_RDONLY)
        self.offset = source.offset
        self.length = source.length

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def opened(body: ResponseBody) -> ResponseBody:
    """Return `body`, a short file range as its bytes and a long one as an open file."""
    if not isinstance(body, FileRange):
        return body
    source = OpenedFile(body)
    if body.length > _SMALL_BYTES:
        return source
    try:
        return _piece(source.descriptor, body.offset, body.length)
    finally:
        source.close()


async def send_file(connection: Connection, body: OpenedFile) -> None:
    """Write the range to the client.

    Raises:
        ClientDisconnectedError: the client went away, or the file ends early (the length is
            announced already, so only a closed connection tells the client).
    """
    if connection.transport.get_extra_info("sslcontext") is not None:
        await _send_pieces(connection, body)
    else:
        await _send_by_kernel(connection, body)


def _piece(descriptor: int, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    if len(data) != length:
        raise ClientDisconnectedError("a stored file is shorter than its record says")
    return data


async def _send_pieces(connection: Connection, body: OpenedFile) -> None:
    end = body.offset + body.length
    for offset in range(body.offset, end, _PIECE_BYTES):
        size = min(_PIECE_BYTES, end - offset)
        data = await asyncio.to_thread(_piece, body.descriptor, offset, size)
        await connection.drain()
        connection.transport.write(data)


async def _send_by_kernel(connection: Connection, body: OpenedFile) -> None:
    await _buffer_empty(connection)
    # The event loop refuses to watch a descriptor that its transport owns; a duplicate is free.
    socket = os.dup(connection.transport.get_extra_info("socket").fileno())
    offset, end = body.offset, body.offset + body.length
    try:
        while offset < end:
            try:
                sent = os.sendfile(socket, body.descriptor, offset, end - offset)
            except BlockingIOError:
                await _room(socket)
                continue
            except OSError as error:
                raise ClientDisconnectedError(str(error)) from None
            if sent == 0:
                raise ClientDisconnectedError("a stored file is shorter than its record says")
            offset += sent
    finally:
        os.close(socket)


async def _buffer_empty(connection: Connection) -> None:
    """Wait until nothing of the head is left in the transport's own buffer."""
    transport = connection.transport
    low, high = transport.get_write_buffer_limits()
    transport.set_write_buffer_limits(high=0)
    try:
        while transport.get_write_buffer_size():
            await connection.drain()
            await asyncio.sleep(0)
    finally:
        transport.set_write_buffer_limits(high=high, low=low)


async def _room(socket: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(socket, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_writer(socket)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
