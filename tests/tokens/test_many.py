"""Very many records: none is lost while it is good, and nothing stays of those that are over.

With FAULTS=long there are ten times as many.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_hub_auth.sealing import Sealer, new_handle
from flask_hub_auth.tokens import LoginStore, open_store
from flask_hub_auth.tokens.store import Store

from ..redis_servers import RedisServer
from .conftest import Time, login, sweep

LONG = os.environ.get("FAULTS") == "long"
MANY = 100_000 if LONG else 10_000
NOISE = 1.1 if LONG else 1.3
"""How much longer than the same work something may take that is not slower: few measurements are noisier."""

Opened = tuple[Store, Callable[[], int]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "files", "redis"])
def open_one(
    request: pytest.FixtureRequest, tmp_path: Path, server: RedisServer, clock: Time
) -> Callable[[str], Opened]:
    """Opens a store by a name, with what it takes at its place: bytes in memory, or entries of its folder."""

    def open_one(name: str) -> Opened:
        if request.param == "redis":
            client = server.client(db=["one", "other"].index(name))
            client.flushdb()
            return open_store(f"{server.url[:-1]}{['one', 'other'].index(name)}", "/nowhere"), client.dbsize
        if request.param == "files":
            folder = tmp_path / name
            store = open_store(folder.as_uri(), "/nowhere")
            return store, lambda: sum(1 for entry in os.scandir(folder) if entry.is_file())
        store = open_store("memory://", str(tmp_path))
        return store, lambda: len(store._cache._cache)  # type: ignore[attr-defined]

    return open_one


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed counts no more, also where libc keeps it for later
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(600)
def test_very_many_records_come_and_go_and_leave_nothing(open_one: Callable[[str], Opened], clock: Time) -> None:
    """R41"""
    store, size = open_one("one")
    for number in range(MANY // 10):  # the process takes what it needs for itself
        store.put(f"first{number}", bytes(1000), 2)
    clock.advance(700)
    let_pass(store)
    for number in range(MANY // 100):
        store.put(f"good{number}", bytes(1000), 10_000)
    before, memory = size(), resident()
    for number in range(MANY):
        store.put(f"hub_{number}", bytes(1000), 2)
    clock.advance(700)
    let_pass(store)
    assert size() == before
    assert all(store.get(f"good{number}") == bytes(1000) for number in range(MANY // 100))
    assert resident() < 1.1 * memory


def let_pass(store: Store) -> None:
    """Lets what is over go: by the sweep, or by Redis in its own time."""
    end = time.monotonic() + 60
    sweep(store)
    client = getattr(store, "_client", None)
    while client and any(0 < client.pttl(key) < 60_000 for key in client.scan_iter(count=10_000)):
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.timeout(600)
def test_a_login_among_very_many_costs_what_one_among_few_costs(open_one: Callable[[str], Opened], clock: Time) -> None:
    """R41, R68"""
    few, many = open_one("one")[0], open_one("other")[0]
    sealer = Sealer([b"k" * 32], ("https://hub.test/hub", "service"))
    fill(few, 10)
    fill(many, MANY)
    readers = []
    for store in (few, many):
        logins = LoginStore(store, sealer, clock=clock, lifetime=3600)
        handle = logins.add(login(clock()))
        assert logins.load(new_handle()) is None
        readers.append((logins, handle))
    seconds: list[list[float]] = [[], []]
    for _ in range(4000):
        for (logins, handle), taken in zip(readers, seconds, strict=True):
            began = time.perf_counter()
            found = logins.load(handle)
            taken.append(time.perf_counter() - began)
            assert found
    assert statistics.median(seconds[1]) < NOISE * statistics.median(seconds[0])


def fill(store: Store, count: int) -> None:
    for number in range(count):
        store.put(f"hub_{number:064x}", bytes(1000), 3600)
