"""A web server on 127.0.0.1 that misbehaves to order, for the tests of downloading. Nothing leaves this machine."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Resource:
    """A file of the server and how it is served."""

    content: bytes
    cuts: list[int] = field(default_factory=list)  # bytes sent of the body before the line is cut, one entry a request
    ignore_range: bool = False  # answer 200 with the whole file
    status: int | None = None  # answer this instead


@dataclass
class Served:
    """One request as the server saw it: what was asked for and how many bytes of the body went out."""

    path: str
    range: str | None
    status: int
    sent: int


class FileServer:
    """Serves `resources` (path -> Resource) and keeps a list of requests in `log`."""

    def __init__(self, port: int) -> None:
        self.resources: dict[str, Resource] = {}
        self.log: list[Served] = []
        self.base = f"http://127.0.0.1:{port}"

    def add(self, name: str, content: bytes, **how) -> str:
        """Offer `content` as `name`; returns its address."""
        self.resources[f"/{name}"] = Resource(content, **how)
        return f"{self.base}/{name}"

    def sent(self, name: str) -> int:
        """Bytes of `name` that went out in all requests."""
        return sum(s.sent for s in self.log if s.path == f"/{name}")


@contextmanager
def serving():
    """A FileServer in a thread of its own, closed at the end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.close_connection = True
            wanted = self.headers.get("Range")
            resource = files.resources.get(self.path, Resource(b"", status=404))
            if resource.status is not None:
                return self.reply(resource.status, b"", wanted)
            total, start = len(resource.content), 0
            if wanted and not resource.ignore_range:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= total:
                    return self.reply(416, b"", wanted, {"Content-Range": f"bytes */{total}"})
            cut = resource.cuts.pop(0) if resource.cuts else None
            extra = {"Content-Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
            self.reply(206 if start else 200, resource.content[start:], wanted, extra, cut)

        def reply(self, status, body, wanted, headers=None, cut=None):
            part = body[:cut]
            files.log.append(Served(self.path, wanted, status, len(part)))
            self.send_response(status)
            for key, value in ({"Content-Length": str(len(body)), "Connection": "close"} | (headers or {})).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files = FileServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> str:
    """An address on this machine at which nobody listens."""
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}"
