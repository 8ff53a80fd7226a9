"""Sending at once, not at the end of the event loop's turn, and reading before the next one."""

from __future__ import annotations

import asyncio
import os
import time

_READ_BYTES = 1 << 16


class PromptSender:
    """Writes short messages to a transport's socket itself where nothing waits before them.

    Whoever reads them is woken while the loop's turn goes on. What the socket does not take, and
    everything that has to be encrypted first, goes through the transport.
    """

    __slots__ = ("_descriptor", "_transport")

    def __init__(self, transport: asyncio.Transport, *, secure: bool = False) -> None:
        self._transport = transport
        found = None if secure else transport.get_extra_info("socket")
        self._descriptor = -1 if found is None else found.fileno()

    def send(self, message: bytes) -> None:
        """Send a message; the transport must not be closing."""
        transport = self._transport
        sent = 0
        if self._descriptor >= 0 and not transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, message)
            except OSError:
                # The transport meets it again, and tells its protocol.
                sent = 0
        if sent < len(message):
            transport.write(message[sent:] if sent else message)

    def look(self, limit_s: float) -> bytes:
        """Return what has come for the transport by then, as soon as something has; else nothing.

        What it returns the transport's protocol is not given. The end of the connection is left to
        the transport.
        """
        if self._descriptor < 0 or self._transport.is_closing():
            return b""
        until = time.perf_counter() + limit_s
        while True:
            try:
                return os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                if time.perf_counter() > until:
                    return b""
                # Who is to answer may need this processor.
                os.sched_yield()
            except OSError:
                return b""
