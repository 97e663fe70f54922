"""Stands between a client and Redis, and puts other answers in place of its own."""

from __future__ import annotations

import contextlib
import socket
import threading


class RedisWire:
    """Passes on what both say, or `answer` for whatever Redis says while there is one."""

    def __init__(self, port: int) -> None:
        self.answer = b""
        self.opened = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._ends: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self.opened += 1
                self._ends += [client, server]
                for ends in ((client, server, False), (server, client, True)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=ends, daemon=True))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(self.answer if is_answer and self.answer else data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
