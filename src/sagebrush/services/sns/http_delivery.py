"""Notices over HTTP: one POST on a connection of its own, with a limit on everything.

Headers, the time an endpoint has and what counts as delivered: "Amazon SNS message delivery
retries" and "Fanout to HTTP/S endpoints", Amazon SNS Developer Guide.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

from sagebrush.engines.topics import Notice, Subscription, Topic, UndeliverableError
from sagebrush.services.platform import Platform
from sagebrush.services.sns.delivery_policies import effective
from sagebrush.services.sns.envelopes import TYPES, envelope
from sagebrush.services.sns.lookups import subscription_arn, topic_arn

_TIMEOUT_S = 15.0
_MAXIMUM_HEAD_BYTES = 16 * 1024
_AGENT = "Amazon Simple Notification Service Agent"
_TOO_MANY_REQUESTS = 429


class HttpDelivery:
    """Posts notices to http and https endpoints."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._trust: ssl.SSLContext | None = None

    async def deliver(self, topic: Topic, subscription: Subscription, notice: Notice) -> None:
        """Post a notice.

        Raises:
            UndeliverableError: the endpoint did not take it. Final where the endpoint refused it
                for good, or the server runs offline and the endpoint is elsewhere.
        """
        url = urlsplit(subscription.endpoint)
        message = self._request(url, topic, subscription, notice)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status = await self._post(url, message)
        except TimeoutError:
            reason = f"{url.hostname} did not answer within {_TIMEOUT_S:g} seconds"
            raise UndeliverableError(reason, is_final=False) from None
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise UndeliverableError(f"{url.hostname}: {error}", is_final=False) from None
        except asyncio.LimitOverrunError:
            reason = f"{url.hostname} answered with too long a head"
            raise UndeliverableError(reason, is_final=True) from None
        if not 200 <= status < 300:
            again = status >= 500 or status == _TOO_MANY_REQUESTS
            raise UndeliverableError(f"the endpoint answered {status}", is_final=not again)

    async def _post(self, url: SplitResult, message: bytes) -> int:
        """Send a whole request and return the status of the answer."""
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        address = await self._address(host, port)
        secure = self._context() if url.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            address,
            port,
            ssl=secure,
            server_hostname=host if secure else None,
            limit=_MAXIMUM_HEAD_BYTES,
        )
        try:
            writer.write(message)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()
        version, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise ValueError("the endpoint does not speak HTTP/1.1")
        return int(rest[:3])

    async def _address(self, host: str, port: int) -> str:
        """Return the address to connect to: what was checked is what is used."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        if not self._platform.settings.offline:
            return addresses[0]
        for address in addresses:
            if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
                return address
        reason = f"{host} is not on this machine and this server runs with --offline"
        raise UndeliverableError(reason, is_final=True)

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            # The public authorities and this server's own.
            bundle = self._platform.settings.data_dir / "tls" / "bundle.pem"
            self._trust = ssl.create_default_context(cafile=bundle)
        return self._trust

    def _request(
        self, url: SplitResult, topic: Topic, subscription: Subscription, notice: Notice
    ) -> bytes:
        raw = subscription.settings.is_raw and notice.kind == "notification"
        body = (
            notice.body_for(subscription.protocol)
            if raw
            else envelope(self._platform, topic, subscription, notice)
        ).encode()
        kind = effective(topic, subscription)["requestPolicy"].get("headerContentType")
        headers = {
            "x-amz-sns-message-type": TYPES[notice.kind],
            "x-amz-sns-message-id": notice.message_id,
            "x-amz-sns-topic-arn": topic_arn(topic),
            "Content-Length": str(len(body)),
            "Content-Type": str(kind),
            "Host": url.netloc.rpartition("@")[2],
            "Connection": "close",
            "User-Agent": _AGENT,
            "Accept-Encoding": "identity",
        }
        if notice.kind == "notification":
            headers["x-amz-sns-subscription-arn"] = subscription_arn(topic, subscription)
        if raw:
            headers["x-amz-sns-rawdelivery"] = "true"
        if url.username is not None:
            who = f"{unquote(url.username)}:{unquote(url.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(who.encode()).decode()}"
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        lines = [f"POST {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body
