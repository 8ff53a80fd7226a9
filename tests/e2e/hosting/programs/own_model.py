"""A model server of a user's own: streams, keeps conversations in memory, and breaks when asked to.

The standard library alone, as it could run in a user's container. A request's body is JSON:

- `{}` opens a conversation under the session id NEW_SESSION, or goes on with the one of its id;
  `say` adds a word; `close` ends it; `lasts_s` says when it expires.
- `parts` streams them in chunks. `wait_for` holds the last one back until another request has
  `release` of that name. `then` is how the stream ends: whole, or by `die`, `hang up`, `garble`.
- `cut_streams` tells how many streams their readers have left.
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler
from typing import Any

SESSION_HEADER = "X-Amzn-SageMaker-Session-Id"
LAST_WAIT_S = 20.0
PAUSE_S = 0.02
# Each process has a name of its own; in a sandbox all have the same number.
PROCESS = uuid.uuid4().hex

conversations: dict[str, list[str]] = {}
released: dict[str, threading.Event] = {}
cut_streams = 0
changing = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """Return who asks: a unix socket has no address."""
        return "router"

    def do_GET(self) -> None:
        """Answer a ping."""
        self.answer(200, {})

    def do_POST(self) -> None:
        """Answer an invocation."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "release" in asked:
            event(asked["release"]).set()
            self.answer(200, {})
        elif "cut_streams" in asked:
            self.answer(200, {"cut_streams": cut_streams})
        elif "parts" in asked:
            self.stream(asked)
        else:
            self.converse(asked)

    def converse(self, asked: dict[str, Any]) -> None:
        """Open, go on with or end a conversation; without a session there is none."""
        session, headers = self.headers.get(SESSION_HEADER), {}
        if session == "NEW_SESSION":
            session = uuid.uuid4().hex
            conversations[session] = []
            expires = time.time() + asked.get("lasts_s", 600)
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
            headers["X-Amzn-SageMaker-New-Session-Id"] = f"{session}; Expires={moment}"
        if session is None:
            self.answer(200, {"process": PROCESS})
            return
        if session not in conversations:
            self.answer(400, {"error": f"this process knows no conversation {session}"})
            return
        if "say" in asked:
            conversations[session].append(asked["say"])
        said = list(conversations[session])
        if asked.get("close"):
            del conversations[session]
            headers["X-Amzn-SageMaker-Closed-Session-Id"] = session
        self.answer(200, {"process": PROCESS, "said": said}, headers)

    def stream(self, asked: dict[str, Any]) -> None:
        """Send parts one by one, what was said in the session before them."""
        global cut_streams
        said = conversations.get(self.headers.get(SESSION_HEADER, ""), [])
        parts = [*said, *asked["parts"]]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number, part in enumerate(parts, start=1):
                if number == len(parts) and "wait_for" in asked:
                    event(asked["wait_for"]).wait(LAST_WAIT_S)
                self.chunk(part.encode())
            self.end(asked.get("then", ""))
        except (BrokenPipeError, ConnectionResetError):
            with changing:
                cut_streams += 1
            self.close_connection = True

    def end(self, how: str) -> None:
        """End a stream as asked."""
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "hang up":
            self.close_connection = True
        elif how == "garble":
            self.wfile.write(b"this is no chunk\r\n")
            self.wfile.flush()
        elif how == "go on":
            while True:
                self.chunk(b".")
        else:
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

    def chunk(self, content: bytes) -> None:
        """Send a chunk, and wait so that it travels alone."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))
        self.wfile.flush()
        time.sleep(PAUSE_S)

    def answer(
        self, status: int, told: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole answer."""
        body = json.dumps(told).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread for each connection."""

    daemon_threads = True


def event(name: str) -> threading.Event:
    """Return what requests wait for and others release."""
    with changing:
        return released.setdefault(name, threading.Event())


def main() -> None:
    """Serve on the socket that the first argument names until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Server(sys.argv[1], Handler).serve_forever()


if __name__ == "__main__":
    main()
