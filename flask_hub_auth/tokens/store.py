"""Where bytes are kept: a cachelib cache, made safe for logins.

cachelib's own serializers unpickle whatever they read, its default thresholds drop entries past 500, and its file
cache answers None both for "not there" and for "could not look". Here bytes stay bytes, nothing is dropped before its
time, and what could not be asked raises :class:`StoreUnavailable`.
"""

from __future__ import annotations

import copy
import logging
import os
import stat
import struct
import sys
import time
import typing as t
import weakref
from pathlib import Path
from time import time as cache_time  # as cachelib does: ends are compared with the clock that made them
from types import ModuleType
from urllib.parse import unquote, urlsplit

from cachelib import BaseCache, FileSystemCache, RedisCache, SimpleCache

from ..errors import HubConfigError, StoreUnavailable
from ..model import RECORD_LIMIT
from ..seldom import Seldom
from .folder import check_folder, close_empty, folder_problem, write
from .locks import FileLocks, Locks, ThreadLocks, writing
from .sweep import SWEEP_SECONDS, start_sweep

log = logging.getLogger("flask_hub_auth")

_REDIS: t.Final = ("redis://", "rediss://", "unix://")
HARMLESS: t.Final = 1_000_000
"""Entries that no application has: a cache that drops some past so many drops none."""
LAST_SECOND: t.Final = (1 << 32) - 2
"""The latest end that a file of cachelib can have, in 2106."""


class Store(t.Protocol):
    """The seam of the stores: bytes by key, each with an end. Every method may raise :class:`StoreUnavailable`."""

    locks: Locks

    def get(self, key: str) -> bytes | None:
        """What is kept under `key`; None if the store was asked and has nothing usable."""

    def put(self, key: str, data: bytes, seconds: int) -> None:
        """Keep `data` for `seconds`."""

    def replace(self, key: str, before: bytes, data: bytes, seconds: int) -> bool:
        """Keep `data` in place of `before`; False, and nothing happens, where that is not there any more.

        Only under the write lock of `key`. A lock of Redis can be lost to somebody else before its owner is done.
        """

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens if it is not there."""

    def claim(self, key: str, seconds: int) -> bool:
        """True for exactly one caller among all processes within `seconds`."""

    def sweep(self) -> None:
        """Throw away what is over, at most every ten minutes and by one process."""


class BytesSerializer:
    """Bytes in, the same bytes out."""

    def dumps(self, value: bytes) -> bytes:
        return value

    def loads(self, data: bytes) -> bytes:
        return data

    def load(self, file: t.IO[bytes]) -> bytes:
        return file.read()


class _CacheStore:
    """What the kinds of stores have in common."""

    def __init__(self, cache: BaseCache, locks: Locks) -> None:
        self._cache = copy.copy(cache)  # the application's own object keeps its serializer
        self._cache.serializer = BytesSerializer()  # type: ignore[attr-defined]  # declared on the subclasses
        self.locks = locks
        self._swept = 0.0

    def get(self, key: str) -> bytes | None:
        data = self._cache.get(key)
        return data if isinstance(data, bytes) else None

    def put(self, key: str, data: bytes, seconds: int) -> None:
        if len(data) > RECORD_LIMIT:
            raise StoreUnavailable(f"A record of {len(data)} bytes is not kept; the limit is {RECORD_LIMIT}.")
        self._keep(key, data, min(max(1, seconds), int(LAST_SECOND - cache_time())))

    def _keep(self, key: str, data: bytes, seconds: int) -> None:
        self._cache.set(key, data, seconds)

    def replace(self, key: str, before: bytes, data: bytes, seconds: int) -> bool:
        if self.get(key) != before:
            return False
        self.put(key, data, seconds)
        return True

    def delete(self, key: str) -> None:
        self._cache.delete(key)

    def claim(self, key: str, seconds: int) -> bool:
        with writing(self.locks, key):
            if self.get(key) is not None:
                return False
            self.put(key, b"used", seconds)
            return True

    def _sweep_is_due(self) -> bool:
        due = time.monotonic() - self._swept >= SWEEP_SECONDS or not self._swept
        self._swept = time.monotonic() if due else self._swept
        return due


class MemoryStore(_CacheStore):
    """Logins in the memory of one process: for tests and single processes."""

    _cache: SimpleCache

    # Several applications of a process may share a cache, and then its logins and their locks.
    _shared: t.ClassVar[weakref.WeakKeyDictionary[SimpleCache, ThreadLocks]] = weakref.WeakKeyDictionary()

    def __init__(self, cache: SimpleCache | None = None) -> None:
        cache = cache or SimpleCache()
        super().__init__(cache, self._shared.setdefault(cache, ThreadLocks()))
        self._cache._threshold = sys.maxsize

    def sweep(self) -> None:
        if not self._sweep_is_due():
            return
        # Not cachelib's own sweep, which takes an end of 0, for "never", to be long past.
        with self._cache._lock:
            entries, now = self._cache._cache, cache_time()
            good = {key: entry for key, entry in entries.items() if not 0 < entry[0] < now}
            if len(good) < len(entries):
                # In place, since the application may hold the same dict; which else keeps the size that it once had.
                entries.clear()
                entries.update(good)


class FileStore(_CacheStore):
    """Logins as files of one folder: shared by all processes of a machine, and still there after a restart."""

    _cache: FileSystemCache

    def __init__(self, cache: FileSystemCache) -> None:
        self.folder = Path(cache._path)
        check_folder(self.folder)
        super().__init__(cache, FileLocks(self.folder / "locks"))
        self._may_complain = Seldom()
        self._name_length = len(Path(cache._get_filename("")).name)

    def get(self, key: str) -> bytes | None:
        path = self._cache._get_filename(key)
        try:
            entry = os.stat(path)
        except FileNotFoundError:
            if self.folder.is_dir():
                return None
            raise StoreUnavailable(f"The folder {self.folder} is gone.") from None
        except OSError as error:
            raise StoreUnavailable(f"The folder {self.folder} cannot be read: {error.strerror}") from None
        # cachelib would wait 16 seconds for a file that may not be read, and then say "not there".
        if not os.access(path, os.R_OK):
            return self._checked(path)
        if entry.st_size > 2 * RECORD_LIMIT or not stat.S_ISREG(entry.st_mode):
            return None
        data = super().get(key)
        return self._checked(path) if data is None else data

    def _checked(self, path: str) -> bytes | None:
        """None, or an error where a file is there and cannot be opened: cachelib says "not there" of both."""
        try:
            open(path, "rb").close()
        except FileNotFoundError:
            return None  # also where it was deleted just now
        except OSError as error:
            raise StoreUnavailable(f"A file in {self.folder} cannot be read: {error.strerror}") from None
        return None

    def _keep(self, key: str, data: bytes, seconds: int) -> None:
        # Not by cachelib, which leaves a file behind where that fails, logs a traceback, and has a threshold.
        try:
            write(Path(self._cache._get_filename(key)), struct.pack("I", int(cache_time()) + seconds) + data)
        except OSError as error:
            raise self._refused(error) from None

    def delete(self, key: str) -> None:
        try:
            Path(self._cache._get_filename(key)).unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> StoreUnavailable:
        if self._may_complain():
            log.error("nothing can be written into %s: %s", self.folder, error.strerror)
        return StoreUnavailable(f"Nothing can be written into {self.folder}: {error.strerror}.")

    def sweep(self) -> None:
        if self._sweep_is_due():
            start_sweep(self.folder, self.locks, name_length=self._name_length, now=cache_time())


def open_store(cache: object, instance_path: str, *, timeout: float = 5.0) -> Store:
    """The store that ``HUB_CACHE`` names.

    :param cache: None (files in the instance folder), ``memory://``, ``file:///abs/folder``, an address of Redis
        (``redis://``, ``rediss://``, ``unix://``), or one of cachelib's ``SimpleCache``, ``FileSystemCache`` and
        ``RedisCache``
    :param timeout: seconds that one call to Hub takes at most; the lease of a lock outlives it
    :raises HubConfigError: for anything else, or a folder that others may read
    """
    if problem := cache_problem(cache):
        raise HubConfigError(problem)
    if isinstance(cache, str) and cache.startswith("memory:"):
        return MemoryStore()
    if isinstance(cache, str) and cache.startswith("file:"):
        return FileStore(_file_cache(Path(unquote(urlsplit(cache).path))))
    if isinstance(cache, str) and cache.startswith(_REDIS):
        opened: Store = _redis().open_address(cache, timeout)
        return opened
    if isinstance(cache, FileSystemCache):
        _warn_of_threshold(cache, "threshold=0")
        # It has made the folder itself, open to others; with a threshold it has written this file too.
        close_empty(Path(cache._path), besides=Path(cache._get_filename(cache._fs_count_file)))
        return FileStore(cache)
    if isinstance(cache, SimpleCache):
        _warn_of_threshold(cache, f"threshold={HARMLESS}")
        return MemoryStore(cache)
    if isinstance(cache, RedisCache):
        opened = _redis().open_client(cache._write_client, cache._get_prefix, timeout)
        return opened
    if cache is None:
        return FileStore(_file_cache(Path(instance_path) / "hub-logins"))
    raise HubConfigError("HUB_CACHE is none that this version knows.")


def _warn_of_threshold(cache: FileSystemCache | SimpleCache, harmless: str) -> None:
    """Say so where the application's own use of a cache would drop logins: only our copy of it keeps all."""
    if cache._threshold and cache._threshold < HARMLESS:
        words = (
            "HUB_CACHE: past %d entries what else uses this %s drops logins. Make it with %s, or one for logins only."
        )
        log.warning(words, cache._threshold, type(cache).__name__, harmless)


def cache_problem(cache: object) -> str | None:
    """Why ``HUB_CACHE`` cannot be the store; None if it can. Nothing is opened yet."""
    if isinstance(cache, RedisCache) or (isinstance(cache, str) and cache.startswith(_REDIS)):
        try:
            from . import redis_clients as redis
        except ImportError:
            return "HUB_CACHE: the package redis is missing. Install it: pip install 'flask_hub_auth[redis]'"
        problem = redis.address_problem(cache) if isinstance(cache, str) else redis.client_problem(cache._write_client)
        return problem and f"HUB_CACHE {problem}"
    if isinstance(cache, str) and cache.startswith("file:"):
        return (problem := folder_problem(cache)) and f"HUB_CACHE {problem}"
    if cache is None or isinstance(cache, (str, SimpleCache, FileSystemCache)):
        return None
    return (
        "HUB_CACHE must be memory://, file:///folder, redis://host:port/db, or a cachelib SimpleCache, FileSystemCache"
        f" or RedisCache, got a {type(cache).__name__}. Only of these do we know how to keep bytes without unpickling."
    )


def _redis() -> ModuleType:
    """The module for Redis, whose package not everybody has."""
    from . import redis_store

    return redis_store


def _file_cache(folder: Path) -> FileSystemCache:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HubConfigError(f"HUB_CACHE: the folder {folder} cannot be made: {error.strerror}.") from error
    return FileSystemCache(str(folder), threshold=0)
