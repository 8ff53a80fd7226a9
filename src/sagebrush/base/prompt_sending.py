"""Sending at once, instead of at the end of the event loop's turn."""

from __future__ import annotations

import asyncio
import os


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
