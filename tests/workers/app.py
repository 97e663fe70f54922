"""The service of these tests, set up from the environment. gunicorn imports it in every worker, or once before."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachelib import RedisCache
from flask import Flask, request

from flask_hub_auth import HubAuth, current_hub_token, current_hub_user, hub_login_required
from flask_hub_auth.sealing import HANDLE_BYTES, store_key

from ..redis_groups import MASTER, asked_sentinels
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


class Stops:
    """Stops a worker before or after it writes a login: where a file says so, the first one that comes there.

    :param folder: where a test puts the file ``stop-before`` or ``stop-after``. The worker that stops makes
        ``stopped-<pid>`` of it, and goes on when that is gone.
    """

    LONGEST = 30.0  # seconds

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """`write`, a method of the store, with these two places."""
        names = len(store_key(bytes(HANDLE_BYTES)))

        def watched(key: str, *arguments: Any) -> Any:
            if len(key) != names:
                return write(key, *arguments)
            self._here("before")
            try:
                return write(key, *arguments)
            finally:
                self._here("after")

        return watched

    def _here(self, place: str) -> None:
        mine = self._folder / f"stopped-{os.getpid()}"
        try:
            (self._folder / f"stop-{place}").rename(mine)
        except FileNotFoundError:
            return
        end = time.monotonic() + self.LONGEST
        while mine.exists() and time.monotonic() < end:
            time.sleep(0.01)


folder = Path(os.environ["WORKERS_FOLDER"])
under_way = UnderWay(folder / "under-way")
app = Flask(__name__, instance_path=str(folder / "instance"))
app.config.from_prefixed_env()
app.testing = True
if ports := os.environ.get("WORKERS_SENTINELS"):
    app.config["HUB_CACHE"] = RedisCache(host=asked_sentinels(map(int, ports.split())).master_for(MASTER))
hub = HubAuth(app, clock=SharedTime(folder / "time"))
store = app.extensions["hub_auth"].keeper.logins.store
for write in ("put", "replace"):
    setattr(store, write, Stops(folder).around(getattr(store, write)))


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


@app.get("/public")
def public() -> dict[str, Any]:
    return {"pid": os.getpid()}


@app.get("/page")
@hub_login_required
def page() -> dict[str, Any]:
    """A page that only has to know who it is."""
    return {"pid": os.getpid(), "login": current_hub_user.login}


@app.get("/slow")
@hub_login_required
def slow() -> dict[str, Any]:
    """A page that takes as many seconds as its address says, and then wants to have a token."""
    time.sleep(float(request.args["seconds"]))
    return who()


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
