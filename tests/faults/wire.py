"""The way from the workers to Hub, made bad: answers that are late, cut, without end, or too big to be read."""

from __future__ import annotations

import contextlib
import functools
import gzip
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

from ..redis_servers import free_port

BLOCK = b"x" * 65536
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass
class Exchange:
    """One request to Hub, and the connection on which it waits for its answer."""

    client: socket.socket
    request: bytes
    over: threading.Event
    forward: Callable[[], bytes]
    """Hands the request to Hub and gives its answer."""

    def reset(self) -> None:
        """RST: what a client sees as "connection reset by peer"."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Fault = Callable[[Exchange], None]


def drip(exchange: Exchange) -> None:
    """A byte of the answer each second."""
    for byte in exchange.forward():
        exchange.client.sendall(bytes([byte]))
        exchange.over.wait(1)


def hang(exchange: Exchange) -> None:
    """The request is taken, and that is all."""
    while exchange.client.recv(1024):
        pass


def endless(exchange: Exchange) -> None:
    """A body that does not end."""
    exchange.client.sendall(HEAD + b'\r\n{"endless": "')
    while not exchange.over.is_set():
        exchange.client.sendall(BLOCK)


def gigabyte(exchange: Exchange) -> None:
    """A body of a gigabyte, said so beforehand."""
    exchange.client.sendall(HEAD + f"Content-Length: {1 << 30}\r\n\r\n".encode())
    for _ in range((1 << 30) // len(BLOCK)):
        exchange.client.sendall(BLOCK)


def bomb(exchange: Exchange) -> None:
    """Many more bytes than there seem to be."""
    body = _zeros()
    exchange.client.sendall(HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def long_header(exchange: Exchange) -> None:
    """A line of the head that is a megabyte long."""
    exchange.client.sendall(HEAD + b"X-Long: " + 16 * BLOCK + b"\r\n\r\n{}")


def reset(exchange: Exchange) -> None:
    """The connection breaks before Hub has read the request."""
    exchange.reset()


def reset_after(share: float) -> Fault:
    """The connection breaks after this share of Hub's answer."""

    def cut(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.client.sendall(answer[: int(share * len(answer))])
        exchange.reset()

    return cut


@functools.cache
def _zeros() -> bytes:
    return gzip.compress(bytes(100 * 1024 * 1024), 1)


@dataclass
class Wire:
    """Passes requests on to Hub and its answers back, until it has a `fault`; knows what was sent over it."""

    target: str
    fault: Fault | None = None
    path: str = ""
    """Only requests whose path ends so meet the fault."""
    _sent: list[dict[str, list[str]]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", free_port()), backlog=1024)
        self.url = f"http://localhost:{self._listener.getsockname()[1]}{urlsplit(self.target).path}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._listener.close()

    def break_with(self, fault: Fault, path: str = "") -> None:
        self.fault, self.path = fault, path

    def mend(self) -> None:
        self.fault = None

    def sent(self, name: str) -> Counter[str]:
        """How often each value of a field was sent to Hub: ``code`` or ``refresh_token``."""
        return Counter(value for form in list(self._sent) for value in form.get(name, []))

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        host, port = urlsplit(self.target).hostname, urlsplit(self.target).port
        with contextlib.suppress(OSError), client, socket.create_connection((host, port)) as server:
            reader, answers = client.makefile("rb"), server.makefile("rb")
            while request := _message(reader):
                path = request.split(b" ", 2)[1].decode().partition("?")[0]
                self._sent.append(parse_qs(request.partition(b"\r\n\r\n")[2].decode()))

                def forward(request: bytes = request) -> bytes:
                    server.sendall(request)
                    return _message(answers)

                if self.fault and path.endswith(self.path):
                    self.fault(Exchange(client, request, self._over, forward))
                    return
                client.sendall(forward())


def _message(reader: BinaryIO) -> bytes:
    """A request or an answer as a whole; nothing where the other side has gone."""
    head, length = b"", 0
    while line := reader.readline():
        head += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line == b"\r\n":
            return head + reader.read(length)
    return b""
