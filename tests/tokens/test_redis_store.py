"""What only Redis can do to a store: refuse, be full, hold what is none of ours, or give somebody another's answer."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cachelib import RedisCache

from flask_hub_auth.breaker import SHORTEST
from flask_hub_auth.errors import StoreUnavailable
from flask_hub_auth.tokens.locks import writing
from flask_hub_auth.tokens.redis_store import PREFIX, RedisStore
from flask_hub_auth.tokens.store import RECORD_LIMIT

from ..redis_servers import RedisServer
from .conftest import at_once
from .processes import together
from .redis_asked import everything, until


@pytest.fixture
def store(redis_server: RedisServer, open_redis: Callable[[object], RedisStore]) -> RedisStore:
    return open_redis(redis_server.url)


class TestRefusing:
    def test_a_full_one_takes_nothing_and_gives_what_it_has(
        self, redis_server: RedisServer, store: RedisStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        """R14, R34: for however long: it is not away."""
        store.put("key", b"data", 100)
        redis_server.control.config_set("maxmemory-policy", "noeviction")
        redis_server.control.config_set("maxmemory", 1)
        end = time.monotonic() + SHORTEST + 0.1
        while time.monotonic() < end:
            for ask in everything(store)[1:4]:
                with pytest.raises(StoreUnavailable, match="maxmemory"):
                    ask()
        assert store.get("key") == b"data"
        assert caplog.records == []
        with store.locks.hold("renew", "name", wait=0) as held:
            assert held
        with pytest.raises(StoreUnavailable), writing(store.locks, "name"):
            raise AssertionError("the lock was not to be had")
        store.delete("key")
        assert store.get("key") is None
        redis_server.control.config_set("maxmemory", 0)
        for ask in everything(store):
            ask()

    @pytest.mark.parametrize("redis_server", [{"options": ("--repl-diskless-sync-delay", "0")}], indirect=True)
    def test_a_replica_is_read_and_a_master_again_when_it_is_one(
        self, redis_server: RedisServer, open_redis: Callable[[object], RedisStore], tmp_path: Path
    ) -> None:
        """R34"""
        open_redis(redis_server.url).put("key", b"data", 100)
        options = ("--replicaof", "127.0.0.1", str(redis_server.port))
        with RedisServer(tmp_path / "replica", options=options) as replica:
            store = open_redis(replica.url)
            until(lambda: store.get("key") == b"data", 10)
            for _ in range(10):
                for ask in everything(store)[1:]:
                    with pytest.raises(StoreUnavailable, match="read only replica"):
                        ask()
                assert store.get("key") == b"data"
            replica.control.replicaof("NO", "ONE")
            for ask in everything(store):
                ask()

    @pytest.mark.parametrize("redis_server", [{"options": ("--requirepass", "canary")}], indirect=True)
    def test_one_that_wants_another_password_is_away_and_no_password_is_told(
        self, redis_server: RedisServer, open_redis: Callable[[object], RedisStore], caplog: pytest.LogCaptureFixture
    ) -> None:
        """R34"""
        right = open_redis(redis_server.url.replace("//", "//:canary@"))
        right.put("key", b"data", 100)
        wrong = [open_redis(redis_server.url), open_redis(redis_server.url.replace("//", "//:stale-canary@"))]
        for store in wrong:
            for ask in everything(store):
                with pytest.raises(StoreUnavailable) as refusal:
                    ask()
                assert "canary" not in f"{refusal.value} {refusal.value.get_response().get_data(as_text=True)}"
        assert right.get("key") == b"data"
        assert "canary" not in caplog.text


PLANTED: dict[str, Callable[[Any, str], object]] = {
    "list": lambda client, key: client.rpush(key, b"x", b"y"),
    "set": lambda client, key: client.sadd(key, b"x"),
    "hash": lambda client, key: client.hset(key, "user", "jane"),
    "sorted set": lambda client, key: client.zadd(key, {"x": 1}),
    "stream": lambda client, key: client.xadd(key, {"x": "y"}),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_no_string_under_our_key_is_nothing_and_can_be_replaced(
    kind: str, redis_server: RedisServer, store: RedisStore
) -> None:
    """R34, S46: it is no outage either: everybody else goes on."""
    store.put("good", b"data", 100)
    for _ in range(10):
        PLANTED[kind](redis_server.control, PREFIX + "key")
        assert store.get("key") is None
        assert not store.claim("key", 100)
        assert not store.replace("key", b"", b"data", 100)
        store.delete("key")
        assert store.claim("key", 100)
        redis_server.control.delete(PREFIX + "key")
        PLANTED[kind](redis_server.control, PREFIX + "key")
        store.put("key", b"data", 100)
        assert store.get("key") == b"data"
        assert store.get("good") == b"data"
        store.delete("key")


def test_of_a_value_without_end_only_so_much_is_read(redis_server: RedisServer, store: RedisStore) -> None:
    """S46"""
    for size in (RECORD_LIMIT, RECORD_LIMIT + 1, 10_000_000):
        redis_server.control.set(PREFIX + "key", b"n" * size)
        before = redis_server.control.info("stats")["total_net_output_bytes"]
        assert store.get("key") == (b"n" * size if size == RECORD_LIMIT else None)
        assert redis_server.control.info("stats")["total_net_output_bytes"] - before < RECORD_LIMIT + 20_000


def test_a_cache_of_the_application_stays_as_it_was_and_its_prefix_keeps_the_keys_apart(
    redis_server: RedisServer, open_redis: Callable[[object], RedisStore]
) -> None:
    caches = [RedisCache(redis_server.client(), key_prefix=prefix) for prefix in ("one:", "two:", lambda: "three:")]
    before = [dict(vars(cache)) for cache in caches]
    stores = [open_redis(cache) for cache in caches]
    for number, (cache, store) in enumerate(zip(caches, stores, strict=True)):
        cache.set("mine", {"a": [number]})
        store.put("ours", b"%d" % number, 100)
    assert [store.get("ours") for store in stores] == [b"0", b"1", b"2"]
    assert [cache.get("mine") for cache in caches] == [{"a": [0]}, {"a": [1]}, {"a": [2]}]
    assert [vars(cache) for cache in caches] == before
    assert sorted(redis_server.control.keys("*ours")) == [b"one:ours", b"three:ours", b"two:ours"]


class TestAnswers:
    """Whoever gives up leaves an answer behind, which is nobody else's."""

    NAMES = tuple(f"key{number}" for number in range(20))

    def test_nobody_gets_the_answer_that_somebody_else_was_too_impatient_for(
        self, redis_server: RedisServer, open_redis: Callable[[object], RedisStore]
    ) -> None:
        """S99"""
        store = open_redis(redis_server.url + "?socket_timeout=0.02")
        for name in self.NAMES:
            store.put(name, name.encode(), 1000)
        done, chance = threading.Event(), random.Random(99)

        def disturb() -> int:
            while not done.wait(0.01 * chance.random()):
                redis_server.freeze()
                time.sleep(0.04 * chance.random())
                redis_server.thaw()
            return 0

        def read(number: int) -> int:
            own, gave_up = random.Random(number), 0
            for _ in range(100):
                name = own.choice(self.NAMES)
                try:
                    assert store.get(name) == name.encode()
                except StoreUnavailable:
                    gave_up += 1
            return gave_up

        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        try:
            gave_up = sum(at_once([partial(read, number) for number in range(20)]))
        finally:
            done.set()
            disturbing.join()
        assert 100 < gave_up < 1900

    def test_nobody_gets_the_answer_to_a_call_that_was_cut_short(
        self, redis_server: RedisServer, store: RedisStore
    ) -> None:
        for name in self.NAMES:
            store.put(name, name.encode(), 1000)
        [lines] = together(
            """
            import random, signal, threading
            from flask_hub_auth.tokens import open_store

            class CutShort(BaseException):
                pass

            def cut_short(*args):
                global armed
                if armed:
                    armed = False
                    raise CutShort

            store, names, chance = open_store(sys.argv[1], "/nowhere"), sys.argv[2:], random.Random(99)
            armed, cut, wrong, done = False, 0, 0, threading.Event()
            signal.signal(signal.SIGALRM, cut_short)

            def read(chance):
                global wrong
                name = chance.choice(names)
                wrong += store.get(name) != name.encode()

            def go_on(chance):
                while not done.wait(0.001):
                    read(chance)

            others = [threading.Thread(target=go_on, args=(random.Random(number),)) for number in range(3)]
            go()
            began = time.monotonic()
            [read(chance) for _ in range(100)]
            usual = (time.monotonic() - began) / 100
            [other.start() for other in others]
            while cut < 1000:
                try:
                    armed = True
                    signal.setitimer(signal.ITIMER_REAL, max(usual * chance.random(), 1e-6))
                    read(chance)
                    armed = False
                except CutShort:
                    cut += 1
                armed = False
                read(chance)
            done.set()
            [other.join() for other in others]
            print(cut, wrong)
            """,
            redis_server.url,
            *self.NAMES,
            count=1,
        )
        assert lines == ["1000 0"]

    def test_a_process_that_was_forked_off_has_connections_of_its_own(
        self, redis_server: RedisServer, store: RedisStore
    ) -> None:
        """S98, R65"""
        for name in self.NAMES:
            store.put(name, name.encode(), 1000)
        [lines] = together(
            """
            import os
            from flask_hub_auth.tokens import open_store
            store = open_store(sys.argv[1], "/nowhere")
            store.get("key0")
            child = os.fork()
            wrong = sum(store.get(name) != name.encode() for name in sys.argv[2:] * 20)
            if child == 0:
                os._exit(wrong)
            go()
            print(wrong, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            """,
            redis_server.url,
            *self.NAMES,
            count=1,
        )
        assert lines == ["0 0"]
