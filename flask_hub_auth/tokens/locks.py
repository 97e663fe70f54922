"""One at a time: threads of a process, processes of a machine.

There are two locks per login: the *renew* lock is held across a call to Hub, the *write* lock for the milliseconds of
one change; and an *index* lock per person. Whoever needs several takes them in this order. Locks are striped: a fixed
number for all, never gone.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import typing as t
import zlib
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from ..errors import HubConfigError, StoreUnavailable

log = logging.getLogger("flask_hub_auth")

Kind = t.Literal["renew", "write", "index"]
STRIPES: t.Final[dict[Kind, int]] = {"renew": 1024, "write": 256, "index": 64}
_WRITE_WAIT: t.Final = 5.0  # seconds; the write lock is held for milliseconds
_POLL: t.Final[dict[Kind, float]] = {"renew": 0.01, "write": 0.002, "index": 0.002}
"""Seconds between two looks at a file lock that another process holds: the shorter it is held, the shorter."""


class Locks(t.Protocol):
    """The seam of the locks; chosen with the store."""

    def hold(
        self, kind: Kind, name: str, *, wait: float, done: t.Callable[[], bool] | None = None
    ) -> contextlib.AbstractContextManager[bool]:
        """A context that says whether the lock is held: False after `wait` seconds, or once `done` says so.

        `done` is asked between two looks, and once more when the lock is there, so that whoever waits for a result can
        leave with it.
        """


class ThreadLocks:
    """Locks between the threads of one process."""

    def __init__(self) -> None:
        self._stripes = {kind: [threading.Lock() for _ in range(count)] for kind, count in STRIPES.items()}

    @contextlib.contextmanager
    def hold(self, kind: Kind, name: str, *, wait: float, done: t.Callable[[], bool] | None = None) -> t.Iterator[bool]:
        lock = self._stripes[kind][stripe(kind, name)]
        held = lock.acquire(timeout=wait) if wait > 0 else lock.acquire(blocking=False)
        try:
            yield held and not (done and done())
        finally:
            if held:
                lock.release()


class FileLocks:
    """Locks between the processes of one machine: files in `folder`, freed by the kernel when their holder dies.

    Threads of one process queue among themselves first, so that only one of them looks at the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadLocks()
        folder.mkdir(mode=0o700, exist_ok=True)
        probe = FileLock(folder / "probe.lock", mode=0o600)
        with probe:
            # Without flock the library turns to files that nobody frees when their owner is killed.
            if isinstance(probe, SoftFileLock):
                raise HubConfigError(f"The file system of {folder} has no file locks. Choose another with HUB_CACHE.")

    @contextlib.contextmanager
    def hold(self, kind: Kind, name: str, *, wait: float, done: t.Callable[[], bool] | None = None) -> t.Iterator[bool]:
        deadline = time.monotonic() + wait
        with self._threads.hold(kind, name, wait=wait, done=done) as mine:
            if not mine:
                yield False
                return
            lock = FileLock(self._folder / f"{kind}-{stripe(kind, name)}.lock", mode=0o600)
            held = self._take(lock, kind, deadline, done)
            try:
                yield held
            finally:
                lock.release()

    def _take(self, lock: FileLock, kind: Kind, deadline: float, done: t.Callable[[], bool] | None) -> bool:
        try:
            # The lock would make all missing folders above it, open to others, and an emptied store look healthy.
            self._folder.mkdir(mode=0o700, exist_ok=True)
            while True:
                with contextlib.suppress(Timeout):
                    lock.acquire(blocking=False)
                    return True
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_POLL[kind])
                if done and done():
                    return False
        except OSError as error:
            if kind == "renew":
                # Two renewals are better than none while the disk is full; the write lock stays strict.
                log.warning("renew lock between processes is not to be had: %s", error.strerror)
                return True
            raise StoreUnavailable(f"The lock of the store cannot be taken: {error.strerror}") from None


@contextlib.contextmanager
def writing(locks: Locks, name: str, kind: t.Literal["write", "index"] = "write") -> t.Iterator[None]:
    """The write lock of `name`, or :class:`StoreUnavailable` where it is not to be had in time."""
    with locks.hold(kind, name, wait=_WRITE_WAIT) as held:
        if not held:
            raise StoreUnavailable("The write lock of the store was not to be had.")
        yield


def stripe(kind: Kind, name: str) -> int:
    """Which of the locks of `kind` guards `name`."""
    return zlib.crc32(name.encode()) % STRIPES[kind]
