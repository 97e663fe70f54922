"""HTTP/1.1 on loopback, with connections that can be broken in all the ways that networks know."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import HTTPServer
from io import BytesIO
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from urllib.parse import urlunsplit
from wsgiref.simple_server import WSGIRequestHandler

from werkzeug.wrappers import Response

from .faults import Transport
from .gate import CONNECTION

if TYPE_CHECKING:
    from .hub import DevHub

ADDRESS = "127.0.0.1"

# A fault on the wire ends after this many seconds even if nobody stops it.
LONGEST_FAULT = 60.0

# ``drip``: one byte of the answer each time. ``endless``: one block each time.
DRIP_SECONDS = 0.1
ENDLESS_SECONDS = 0.005
ENDLESS_BLOCK = b'{"endless": "' + b"x" * 65536

IDLE_SECONDS = 60


class PortTaken(OSError):
    """Nothing can be served on this port; the message is a sentence."""


class _Broken(Exception):
    """The connection was broken on purpose; nothing more is to be said on it."""


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, hub: DevHub, port: int) -> None:
        self.hub = hub
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((ADDRESS, port), _Handler)
        self.base_environ = {
            "SERVER_NAME": "localhost",
            "SERVER_PORT": str(self.server_port),
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SCRIPT_NAME": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's full name, which can take seconds."""
        self.allow_reuse_address = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        if self.stopping.is_set():
            return
        super().handle_error(request, client_address)

    def close_connections(self) -> None:
        """Ends what is open: a Hub that is down keeps no connection alive."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: _Server

    def handle(self) -> None:
        """Requests of one connection, one after the other."""
        with contextlib.suppress(OSError, _Broken):
            self.close_connection = False
            while not self.close_connection and not self.server.stopping.is_set():
                self._handle_one()

    def _handle_one(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if len(self.raw_requestline) > 65536:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
            self.close_connection = True
            return
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            return
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(411)
            return
        environ = self.get_environ()
        environ["wsgi.input"] = BytesIO(self._body())
        environ["wsgi.errors"] = self.get_stderr()
        environ[CONNECTION] = self
        self._send(Response.from_app(self.server.hub.app, environ, buffered=True))

    def _body(self) -> bytes:
        """All of it, so that the next request begins where this one ends. Too long a one ends the connection."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > 4 * 1024 * 1024:
            self.close_connection = True
            return b""
        return self.rfile.read(int(length))

    def _send(self, answer: Response) -> None:
        head, body = self._bytes(answer)
        self.wfile.write(head + body)

    def _bytes(self, answer: Response) -> tuple[bytes, bytes]:
        body = answer.get_data()
        bodiless = answer.status_code in (204, 304)
        lines = [f"HTTP/1.1 {answer.status}"]
        lines += [f"{name}: {value}" for name, value in answer.headers if name.lower() != "content-length"]
        lines += [] if bodiless else [f"Content-Length: {len(body)}"]
        lines += ["Connection: close"] if self.close_connection else []
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head, b"" if bodiless else body

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the list of calls says more."""

    # Faults on the wire

    def break_off(self, transport: Transport, answer: Response | None) -> None:
        """Breaks this connection in one of the ways below; always raises."""
        self.close_connection = True
        head, body = self._bytes(answer) if answer else (b"", b"")
        if transport == "refuse":
            # A closed port cannot let the remote control through; not a byte comes back here either.
            self._reset()
        elif transport == "reset":
            self.wfile.write(head + body[: len(body) // 2])
            self._reset()
        elif transport == "hang":
            self._wait(LONGEST_FAULT)
        elif transport == "drip":
            self._drip(head + body)
        elif transport == "endless":
            self._endless()
        raise _Broken

    def _reset(self) -> None:
        """RST instead of FIN: what a client sees as "connection reset by peer"."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _wait(self, seconds: float) -> None:
        """Until the time is over, the server stops, or the client goes."""
        self.connection.settimeout(0.1)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.server.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1024):
                    raise _Broken

    def _drip(self, answer: bytes) -> None:
        for place in range(min(len(answer), int(LONGEST_FAULT / DRIP_SECONDS))):
            self.wfile.write(answer[place : place + 1])
            if self.server.stopping.wait(DRIP_SECONDS):
                raise _Broken

    def _endless(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        end = time.monotonic() + LONGEST_FAULT
        while time.monotonic() < end and not self.server.stopping.wait(ENDLESS_SECONDS):
            self.wfile.write(ENDLESS_BLOCK)


@dataclass(slots=True)
class Served:
    """A dev Hub on a port. ``with`` stops it at the end."""

    hub: DevHub
    port: int
    _server: _Server = field(repr=False)
    _thread: threading.Thread = field(repr=False)

    @property
    def url(self) -> str:
        return self.hub.url

    def stop(self) -> None:
        """Ends it at once, open connections and faults on the wire too; the Hub's memory stays. Twice is no harm."""
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def serve(hub: DevHub, *, port: int = 0) -> Served:
    """Serves ``hub`` on loopback in a thread of this process; port 0 takes a free one.

    From then on the Hub's url, which is the issuer of its tokens, is ``http://localhost:<port>`` and the path it had.
    A Hub that was stopped can be served again, on the same port too: users, tokens and sessions are still there.
    Raises PortTaken.
    """
    try:
        server = _Server(hub, port)
    except OverflowError:
        raise PortTaken(f"Port {port} is none: choose 0 to 65535.") from None
    except OSError as error:
        raise PortTaken(f"Port {port} is taken or not allowed ({error.strerror}). Choose another one.") from None
    hub.url = urlunsplit(("http", f"localhost:{server.server_port}", hub.path, "", ""))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="devhub", daemon=True)
    thread.start()
    return Served(hub, server.server_port, server, thread)
