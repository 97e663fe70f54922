"""A look at the wire: a proxy on loopback that passes everything on and writes it down."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Exchange:
    """One request and its answer, as they were on the wire."""

    request: bytes
    answer: bytes = b""


class Tap:
    """Stands before a server and writes what goes through into `exchanges`, in the order in which requests come.

    It closes every connection after one exchange, so that each stands by itself.
    """

    def __init__(self, port: int, exchanges: list[Exchange]) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port: int = self._listener.getsockname()[1]
        self._exchanges = exchanges
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        client.settimeout(5)
        with client:
            request = _message(client)
            if not request:
                return
            exchange = Exchange(request)
            self._exchanges.append(exchange)
            with socket.create_connection(("127.0.0.1", self._target), timeout=5) as server:
                server.sendall(_closing(request))
                exchange.answer = b"".join(_until_closed(server))
            client.sendall(exchange.answer)


def _message(sock: socket.socket) -> bytes:
    """One request: its head, and as much body as ``Content-Length`` says."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def _closing(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def _until_closed(sock: socket.socket) -> Iterator[bytes]:
    while chunk := sock.recv(65536):
        yield chunk
