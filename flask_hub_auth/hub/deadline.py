"""Connections that keep to a deadline: whatever the other side does, a call is over when its time is.

Several calls that somebody waits for have a time together: see :func:`within`.
The timeouts of sockets and of requests count from the last byte, so a server that sends one byte a second holds a call
for ever. Here every read and write of a call gets what is left of the call's own time.
"""

from __future__ import annotations

import io
import queue
import socket
import threading
import time
import typing as t
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import create_connection


@dataclass(slots=True)
class Call:
    """One call: when it must be over (of `time.monotonic`), and whether a byte of it may have been sent."""

    until: float
    sent: bool = True

    def left(self) -> float:
        """Seconds that the call may still take. `TimeoutError` where there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time of the call is over")
        return left


@dataclass(slots=True)
class Patience:
    """Seconds that somebody waits for calls to Hub, and how many these have taken. Waiting for a lock is no call."""

    seconds: float
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.seconds - self.spent


_patience: ContextVar[Patience | None] = ContextVar("flask_hub_auth.hub.patience", default=None)


@contextmanager
def within(seconds: float) -> t.Iterator[Patience]:
    """All calls to Hub in the block together take so long at most, and no longer than a block around this one says."""
    outer = _patience.get()
    patience = Patience(min(seconds, outer.left) if outer else seconds)
    reset = _patience.set(patience)
    try:
        yield patience
    finally:
        _patience.reset(reset)
        if outer:
            outer.spent += patience.spent


@contextmanager
def call_of(seconds: float) -> t.Iterator[Call]:
    """One call, of so many seconds or of what is left where somebody waits."""
    patience, began = _patience.get(), time.monotonic()
    call = Call(began + min(seconds, time_left()))
    reset = current.set(call)
    try:
        yield call
    finally:
        current.reset(reset)
        if patience:
            patience.spent += time.monotonic() - began


def time_left() -> float:
    """Seconds that whoever waits still has for calls."""
    patience = _patience.get()
    return patience.left if patience else float("inf")


current: ContextVar[Call] = ContextVar("flask_hub_auth.hub.call")
"""The call that this thread is in. Outside of one the sockets below cannot be used."""


class DeadlineAdapter(HTTPAdapter):
    """The adapter for a session whose requests are made inside a :class:`Call`."""

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        """As the base class says, with our kind of connection."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: t.Any, **kwargs: t.Any) -> urllib3.ProxyManager:
        """As the base class says, with our kind of connection."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """As the base class says. From here on the call knows whether something was sent."""
        current.get().sent = False
        return super().send(*args, **kwargs)


class _Connection(HTTPConnection):
    def _new_conn(self) -> t.Any:
        return _Socket(_connected(self._dns_host, self.port, self.socket_options))


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> t.Any:
        return _Socket(_connected(self._dns_host, self.port, self.socket_options))

    def connect(self) -> None:
        super().connect()
        # TLS has put a socket of its own around ours.
        self.sock = t.cast(socket.socket, _Socket(self.sock))


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS: t.Final = {"http": _Pool, "https": _TLSPool}


class _Socket:
    """A connected socket that waits no longer than the current call may take."""

    def __init__(self, sock: t.Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._sock, name)

    def gettimeout(self) -> float:
        # TLS asks this when it takes the socket over for its handshake; an error would leave the file with two owners.
        return max(current.get().until - time.monotonic(), 0.001)

    def sendall(self, data: t.Any) -> None:
        call = current.get()
        self._sock.settimeout(call.left())
        call.sent = True
        self._sock.sendall(data)

    def makefile(self, *args: t.Any, **kwargs: t.Any) -> io.BufferedReader:
        return io.BufferedReader(_File(self._sock))


class _File(io.RawIOBase):
    """What http.client reads an answer from."""

    def __init__(self, sock: t.Any) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        self._sock.settimeout(current.get().left())
        return t.cast("int | None", self._file.readinto(buffer))

    def close(self) -> None:
        self._file.close()
        super().close()


def _connected(host: str, port: int, options: t.Any) -> socket.socket:
    """A socket connected to the first of the host's addresses that answers; each gets its share of the time."""
    call = current.get()
    addresses = _addresses(host, port)
    while True:
        address = addresses.pop(0)
        try:
            return create_connection((address, port), call.left() / (len(addresses) + 1), socket_options=options)
        except OSError:
            if not addresses:
                raise


def _addresses(host: str, port: int) -> list[str]:
    """The addresses of `host`. Asked in a thread, since a name server that is silent cannot be given a timeout."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else socket.gaierror("not a host name"))
        else:
            answers.put([str(address[0]) for *_, address in found])

    threading.Thread(target=ask, name="hub-addresses", daemon=True).start()
    try:
        answer = answers.get(timeout=current.get().left())
    except queue.Empty:
        raise TimeoutError("the name server did not answer") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
