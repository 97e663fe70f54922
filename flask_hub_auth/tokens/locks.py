"""One at a time: threads of a process, processes of a machine, hosts that share a Redis.

There are two locks per login: the *renew* lock is held across a call to Hub, the *write* lock for the milliseconds of
one change; and an *index* lock per person. Whoever needs several takes them in this order. Locks of files are striped:
a fixed number for all, never gone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import threading
import time
import typing as t
import zlib
from pathlib import Path
from weakref import WeakValueDictionary

from filelock import FileLock, SoftFileLock, Timeout

from ..errors import HubConfigError, StoreUnavailable

log = logging.getLogger("flask_hub_auth")

Kind = t.Literal["renew", "write", "index"]
STRIPES: t.Final[dict[Kind, int]] = {"renew": 65536, "write": 256, "index": 64}
"""Files for all names of a kind. A renewal may take as long as a call to Hub; nobody is to wait for a stranger's."""
_WRITE_WAIT: t.Final = 5.0  # seconds; the write lock is held for milliseconds
_POLL: t.Final[dict[Kind, float]] = {"renew": 0.01, "write": 0.002, "index": 0.002}
"""Seconds between two looks at a lock that another process holds: the shorter it is held, the shorter."""
_WRITE_LEASE: t.Final = 3.0
"""Seconds after which a lock of Redis is free whose owner was killed with a change half done: less than others wait."""


_PAUSE: t.Final = 0.3
"""Seconds for which a renewal asks a Redis again that refuses its lock at once."""


class Locks(t.Protocol):
    """The seam of the locks; chosen with the store."""

    def hold(
        self, kind: Kind, name: str, *, wait: float, done: t.Callable[[], bool] | None = None
    ) -> contextlib.AbstractContextManager[bool]:
        """A context that says whether the lock is held: False after `wait` seconds, or once `done` says so.

        `done` is asked between two looks, and once more when the lock is there, so that whoever waits for a result can
        leave with it.
        """


T = t.TypeVar("T")


class OfProcess(t.Generic[T]):
    """A value that every process makes for itself: what a lock is. Where one is held while the process forks, the child
    has no thread that would ever free it.
    """

    def __init__(self, make: t.Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def __call__(self) -> T:
        process = os.getpid()
        if process not in self._made:
            # Of threads that come here at once all get what one of them made. The number of an ancestor may come again.
            self._made.setdefault(process, self._make())
            for other in set(self._made) - {process}:
                self._made.pop(other, None)
        return self._made[process]


class _Named:
    """The locks of one process by their names. A lock lives as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[Kind, str], threading.Lock] = WeakValueDictionary()
        self._choosing = threading.Lock()

    def __len__(self) -> int:
        return len(self._locks)

    def of(self, kind: Kind, name: str) -> threading.Lock:
        with self._choosing:
            return self._locks.setdefault((kind, name), threading.Lock())


class ThreadLocks:
    """Locks between the threads of one process. One that is forked off finds them all free."""

    def __init__(self) -> None:
        self._named = OfProcess(_Named)

    @contextlib.contextmanager
    def hold(self, kind: Kind, name: str, *, wait: float, done: t.Callable[[], bool] | None = None) -> t.Iterator[bool]:
        lock = self._named().of(kind, name)
        held = lock.acquire(timeout=wait) if wait > 0 else lock.acquire(blocking=False)
        try:
            yield held and not (done and done())
        finally:
            if held:
                lock.release()


class _SharedLocks:
    """Locks between processes. Threads of one process queue among themselves first, so that only one of them looks."""

    def __init__(self) -> None:
        self._threads = ThreadLocks()

    @contextlib.contextmanager
    def hold(self, kind: Kind, name: str, *, wait: float, done: t.Callable[[], bool] | None = None) -> t.Iterator[bool]:
        deadline = time.monotonic() + wait
        with self._threads.hold(kind, name, wait=wait, done=done) as mine:
            if not mine:
                yield False
                return
            with self._taken(kind, name, deadline, done) as held:
                yield held

    def _taken(
        self, kind: Kind, name: str, deadline: float, done: t.Callable[[], bool] | None
    ) -> contextlib.AbstractContextManager[bool]:
        """The lock of all processes, tried until `deadline` of the monotonic clock or until `done`."""
        raise NotImplementedError


class FileLocks(_SharedLocks):
    """Locks between the processes of one machine: files in `folder`, freed by the kernel when their holder dies."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        probe = FileLock(folder / "probe.lock", mode=0o600)
        with probe:
            # Without flock the library turns to files that nobody frees when their owner is killed.
            if isinstance(probe, SoftFileLock):
                raise HubConfigError(f"The file system of {folder} has no file locks. Choose another with HUB_CACHE.")

    @contextlib.contextmanager
    def _taken(self, kind: Kind, name: str, deadline: float, done: t.Callable[[], bool] | None) -> t.Iterator[bool]:
        lock = FileLock(self._folder / f"{kind}-{stripe(kind, name)}.lock", mode=0o600)

        def take() -> bool:
            with contextlib.suppress(Timeout):
                lock.acquire(blocking=False)
            return lock.is_locked

        try:
            # The lock would make all missing folders above it, open to others, and an emptied store look healthy.
            self._folder.mkdir(mode=0o700, exist_ok=True)
            held = _polled(take, kind, deadline, done)
        except OSError as error:
            held = _without(kind, f"The lock of the store cannot be taken: {error.strerror}")
        try:
            yield held
        finally:
            lock.release()


class LeasedLock(t.Protocol):
    """A lock on another machine, free again when its lease has run out. May raise :class:`StoreUnavailable`."""

    def acquire(self, token: str) -> bool:
        """True if it is ours from now on; never waits."""

    def owns(self, token: str) -> bool:
        """Whether an earlier try with this token has taken it, although no answer came."""

    def release(self) -> None:
        """Free it, if it is still ours."""


class RedisLocks(_SharedLocks):
    """Locks between hosts, each with a lease and a random owner.

    :param lock: makes the lock of a name that has a lease of so many seconds
    :param lease: seconds of a renew lock; they outlive the deadline of a call to Hub
    """

    def __init__(self, lock: t.Callable[[str, float], LeasedLock], *, lease: float) -> None:
        super().__init__()
        self._lock = lock
        self._lease = lease

    @contextlib.contextmanager
    def _taken(self, kind: Kind, name: str, deadline: float, done: t.Callable[[], bool] | None) -> t.Iterator[bool]:
        lock = self._lock(f"lock:{kind}:{name}", self._lease if kind == "renew" else _WRITE_LEASE)
        take, ours = _Try(lock, patient=kind == "renew"), False
        try:
            held = ours = _polled(take, kind, deadline, done)
        except StoreUnavailable as failure:
            # Who has seen that somebody else renews does not renew beside them.
            held = False if take.was_held else _without(kind, str(failure))
        try:
            yield held
        finally:
            if ours:
                self._release(lock, kind)

    def _release(self, lock: LeasedLock, kind: Kind) -> None:
        try:
            lock.release()
        except StoreUnavailable as failure:
            # Its lease has run out, or will: what was done under it is done.
            log.warning("%s lock was not released: %s", kind, failure)


class _Try:
    """Takes a lock of Redis, and knows what became of the tries before.

    :param patient: whether a Redis that pauses, or changes its master, is asked again before it counts as away
    """

    def __init__(self, lock: LeasedLock, *, patient: bool) -> None:
        self._lock = lock
        self._patient = patient
        self._token = secrets.token_hex(16)
        self._is_unclear = False
        self.was_held = False
        """Whether somebody else had it when it was last seen."""

    def __call__(self) -> bool:
        began, tries = time.monotonic(), 0
        while True:
            try:
                taken = self._lock.acquire(self._token) or (self._is_unclear and self._lock.owns(self._token))
            except StoreUnavailable:
                self._is_unclear, tries = True, tries + 1
                if not self._patient or (tries > 1 and time.monotonic() - began >= _PAUSE):
                    raise
                time.sleep(_POLL["renew"])
            else:
                self.was_held = not taken
                return taken


def _polled(take: t.Callable[[], bool], kind: Kind, deadline: float, done: t.Callable[[], bool] | None) -> bool:
    """Whether `take` succeeded before `deadline` of the monotonic clock, and before `done`."""
    pause = _POLL[kind]
    while not take():
        if time.monotonic() >= deadline:
            return False
        # Not in step with those of other processes, and rarer the longer it takes.
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(1.5 * pause, 3 * _POLL[kind])
        if done and done():
            return False
    return True


def _without(kind: Kind, failure: str) -> bool:
    """What holds where a lock cannot be had: two renewals are better than none, but a change needs its lock."""
    if kind != "renew":
        raise StoreUnavailable(failure)
    log.warning("the renew lock between processes is not to be had: %s", failure)
    return True


@contextlib.contextmanager
def writing(locks: Locks, name: str, kind: t.Literal["write", "index"] = "write") -> t.Iterator[None]:
    """The write lock of `name`, or :class:`StoreUnavailable` where it is not to be had in time."""
    with locks.hold(kind, name, wait=_WRITE_WAIT) as held:
        if not held:
            raise StoreUnavailable("The write lock of the store was not to be had.")
        yield


def stripe(kind: Kind, name: str) -> int:
    """Which of the files of `kind` guards `name`."""
    return zlib.crc32(name.encode()) % STRIPES[kind]
