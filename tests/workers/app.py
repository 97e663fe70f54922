"""The service of these tests, set up from the environment. gunicorn imports it in every worker, or once before."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

from flask_hub_auth import HubAuth, current_hub_token, current_hub_user, hub_login_required

from .harness import SharedTime

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class UnderWay:
    """Counts the requests that all workers together have under way, and the most there ever were.

    Two numbers in a file that is mapped into every process, behind a lock between processes and one between threads.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, 16)
        self._memory = mmap.mmap(self._file, 16)
        self._threads = threading.Lock()

    def add(self, number: int) -> None:
        with self._threads:
            # The lock of a process, not of an open file: processes forked off later do not share it.
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                now, most = struct.unpack("qq", self._memory[:])
                now += number
                self._memory[:] = struct.pack("qq", now, max(most, now))
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def take_most(self) -> int:
        """The most there were since this was last asked."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                now, most = struct.unpack("qq", self._memory[:])
                self._memory[:] = struct.pack("qq", now, now)
                return int(most)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


folder = Path(os.environ["WORKERS_FOLDER"])
under_way = UnderWay(folder / "under-way")
app = Flask(__name__, instance_path=str(folder / "instance"))
app.config.from_prefixed_env()
app.testing = True
hub = HubAuth(app, clock=SharedTime(folder / "time"))


class Counted:
    """The application, with every request to a guarded page counted from its first byte to the end of its answer."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("/pid", "/most"):
            return self._inner(environ, start_response)  # type: ignore[no-any-return]
        under_way.add(1)
        try:
            with contextlib.closing(self._inner(environ, start_response)) as answer:
                return [b"".join(answer)]
        finally:
            under_way.add(-1)


app.wsgi_app = Counted(app.wsgi_app)  # type: ignore[method-assign]


@app.get("/pid")
def pid() -> dict[str, Any]:
    return {"pid": os.getpid()}


@app.get("/most")
def most() -> dict[str, Any]:
    return {"most": under_way.take_most()}


@app.get("/who")
@hub_login_required
def who() -> dict[str, Any]:
    """Who it is, and by which token: what of it may be told."""
    token = hashlib.sha256(current_hub_token.access_token.reveal().encode()).hexdigest()[:12]
    return {"pid": os.getpid(), "login": current_hub_user.login, "token": token}


if os.environ.get("WORKERS_USE_BEFORE_FORK"):
    # Leaves a pooled connection to Hub and a used store behind, which the workers then inherit.
    _state = app.extensions["hub_auth"]
    assert _state.transport.request("GET", "/api/rest/settings/public").status == 200
    assert _state.keeper.current(b"\0" * 32) is None
