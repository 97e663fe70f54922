"""The stores that every test of this floor runs with, and the values it keeps in them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cachelib.file
import cachelib.simple
import pytest
from cachelib import FileSystemCache, SimpleCache

import flask_hub_auth.tokens.store as store_module
from flask_hub_auth.model import HubToken, HubUser, Login, Secret
from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.redis_store import RedisStore
from flask_hub_auth.tokens.store import Store

from ..redis_servers import RedisServer

if TYPE_CHECKING:
    from .redis_places import RedisPlaces

T = TypeVar("T")


class Time:
    """The clock of this floor, and of cachelib below it: the real one, plus what a test has added."""

    def __init__(self) -> None:
        self._time, self._monotonic = time.time, time.monotonic
        self._ahead = 0.0
        self.followers: list[Callable[[float], object]] = []
        """What else has to be moved along: clocks that are not in this process."""

    def __call__(self) -> float:
        return self._time() + self._ahead

    def monotonic(self) -> float:
        return self._monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        for follow in self.followers:
            follow(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(cachelib.file, "time", clock)
    monkeypatch.setattr(cachelib.simple, "time", clock)
    monkeypatch.setattr(store_module, "cache_time", clock)
    return clock


@dataclass
class Place:
    """A kind of store: how it is opened, and how a test looks below it.

    `open` gives one more store at the same place, as another process would; None where nobody else can get there.
    """

    store: Store
    entries: Callable[[], int]
    """How many entries there are, those that are over included."""
    plant: Callable[[str, Any], None]
    """Puts something under a key as somebody else would: bytes as they are, anything else by cachelib's own means."""
    open: Callable[[], Store] | None = None
    cache: Any = None
    """The cachelib object, where one was given."""
    folder: Path | None = None
    address: str | None = None
    """What ``HUB_CACHE`` takes in another process; None where it has no address."""
    contents: Callable[[], Iterable[bytes]] | None = None
    """Names and values of all that is kept, where it is neither in memory nor in files."""
    age: Callable[[float], object] = lambda seconds: None
    """Makes everything so much older where that goes by another clock than ours; what is over is gone then."""

    @property
    def is_redis(self) -> bool:
        return isinstance(self.store, RedisStore)


def memory(folder: Path) -> Place:
    store = open_store("memory://", str(folder))
    return _in_memory(store, store._cache)  # type: ignore[attr-defined]


def simple_cache(folder: Path) -> Place:
    cache = SimpleCache()
    place = _in_memory(open_store(cache, str(folder)), cache)
    return Place(place.store, place.entries, place.plant, lambda: open_store(cache, str(folder)), cache)


def _in_memory(store: Store, cache: SimpleCache) -> Place:
    def plant(key: str, value: Any) -> None:
        if isinstance(value, bytes):
            cache._cache[key] = (0, value)
        else:
            SimpleCache.set(_with_pickle(cache), key, value)
            # An integer can be there as it is.
            if isinstance(value, int):
                cache._cache[key] = (0, value)

    return Place(store, lambda: len(cache._cache), plant)


def _with_pickle(cache: Any) -> Any:
    twin = type(cache).__new__(type(cache))
    twin.__dict__.update(cache.__dict__)
    twin.__dict__.pop("serializer", None)
    return twin


def files(folder: Path) -> Place:
    where = folder / "logins"
    address = where.as_uri()
    return _in_files(where, lambda: open_store(address, "/nowhere"))


def file_system_cache(folder: Path) -> Place:
    where = folder / "cache"
    cache = FileSystemCache(str(where), threshold=5, default_timeout=1, mode=0o644)
    place = _in_files(where, lambda: open_store(cache, "/nowhere"))
    place.cache = cache
    return place


def _in_files(where: Path, open: Callable[[], Store]) -> Place:
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Always with the address of the folder, since the object given has another serializer.
    below = FileSystemCache(str(where), threshold=0)
    before = {path.name for path in where.iterdir()}

    def plant(key: str, value: Any) -> None:
        if isinstance(value, bytes):
            Path(below._get_filename(key)).write_bytes(bytes(4) + value)
        else:
            below.set(key, value)

    def entries() -> int:
        return sum(path.is_file() and path.name not in before for path in where.iterdir())

    return Place(open(), entries, plant, open, folder=where, address=where.as_uri())


PLACES = {
    "memory": memory,
    "files": files,
    "SimpleCache": simple_cache,
    "FileSystemCache": file_system_cache,
}


REDIS_PLACES = (
    "Redis",
    "Redis by TLS",
    "Redis by UNIX socket",
    "RedisCache",
    "RedisCache of Sentinels",
    "RedisCache of a Cluster",
)
# For tests of many steps: how Redis is reached makes each of them longer and none of them another.
with_one_redis = pytest.mark.parametrize("place", [*PLACES, "Redis"], indirect=True)


@pytest.fixture(scope="session")
def redis_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPlaces]:
    from .redis_places import RedisPlaces

    with contextlib.closing(RedisPlaces(tmp_path_factory.mktemp("redis"))) as places:
        yield places


@pytest.fixture
def open_place(request: pytest.FixtureRequest, tmp_path: Path, clock: Time) -> Iterator[Callable[[str], Place]]:
    """Opens the place of a name; its time goes with the clock."""
    with contextlib.ExitStack() as opened:

        def open(name: str) -> Place:
            if name in PLACES:
                return PLACES[name](tmp_path)
            place = opened.enter_context(request.getfixturevalue("redis_places").place(name))
            clock.followers.append(place.age)
            return place

        yield open


@pytest.fixture(params=[*PLACES, *REDIS_PLACES])
def place(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Place:
    return open_place(request.param)


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may stop, freeze and change; a parameter has options of :class:`RedisServer`."""
    with RedisServer(tmp_path / "redis", **getattr(request, "param", {})) as server:
        yield server


@pytest.fixture
def open_redis() -> Iterator[Callable[[object], RedisStore]]:
    """Opens stores, and closes their connections at the end."""
    stores: list[Any] = []

    def open(cache: object) -> RedisStore:
        stores.append(open_store(cache, "/nowhere"))
        return stores[-1]

    yield open
    for store in stores:
        store._client.close()


def sweep(store: Store) -> None:
    """Sweeps, and waits until that is done."""
    store.sweep()
    for thread in threading.enumerate():
        if thread.name == "hub-sweep":
            thread.join(50)


def at_once(work: Iterable[Callable[[], T]]) -> list[T]:
    """What each of `work` gives, all of them begun at the same moment in threads of their own."""
    work = list(work)
    barrier = threading.Barrier(len(work))

    def begin(each: Callable[[], T]) -> T:
        barrier.wait(timeout=20)
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(begin, work, timeout=50))


def login(now: float = 1_800_000_000, **fields: Any) -> Login:
    """A login that began at `now`."""
    times = {"since": int(now), "last_seen": int(now), "read_at": int(now), "token_life": 3600}
    usual = {
        "user": HubUser(id="u1", login="jane", name="Jane Doe", groups=frozenset({"Developers"})),
        "token": HubToken(Secret("access"), Secret("refresh"), expires_at=int(now) + 3600),
    }
    return Login(**(usual | times | fields))
