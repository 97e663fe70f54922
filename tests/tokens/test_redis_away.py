"""Redis is stopped, hangs, is restarted or emptied, or fails over: what a request sees of it, and for how long."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cachelib import RedisCache

from flask_hub_auth.errors import StoreUnavailable
from flask_hub_auth.tokens.locks import writing
from flask_hub_auth.tokens.redis_store import RedisStore

from ..redis_groups import Cluster, Sentinels
from ..redis_servers import RedisServer
from .conftest import at_once
from .redis_asked import answers, everything, refused, until
from .redis_wire import RedisWire

# What a call may take while Redis does not answer, and what it may take once that is known (R30, R31).
AWAY, SPARED = 1.2, 0.05


@pytest.fixture
def store(redis_server: RedisServer, open_redis: Callable[[object], RedisStore]) -> RedisStore:
    return open_redis(redis_server.url)


@pytest.mark.parametrize(
    ("fault", "redis_server"),
    [("stopped", {}), ("killed", {"socket": True}), ("hung", {}), ("hung", {"tls": True})],
    indirect=["redis_server"],
    ids=["stopped", "killed, by UNIX socket", "hung", "hung, by TLS"],
)
def test_nobody_waits_for_long_and_soon_nobody_at_all_and_it_is_used_again_when_it_is_back(
    fault: str, redis_server: RedisServer, store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    """R30, R31, R32"""
    store.put("key", b"data", 100)
    {"stopped": redis_server.stop, "killed": redis_server.kill, "hung": redis_server.freeze}[fault]()
    waits = []
    while "not asked until" not in caplog.text:
        waits += [refused(ask) for ask in everything(store)]
        time.sleep(0.1)
    assert max(waits) < AWAY
    spared = sorted(refused(ask) for ask in everything(store) * 10)
    # One in a while has a look whether it is back. On a busy machine somebody is always late.
    assert spared[44] < SPARED
    assert spared[-1] < AWAY
    redis_server.thaw() if fault == "hung" else redis_server.start()
    until(lambda: answers(store), 2)
    # What was asked of one that hung can still be done when it goes on.
    assert store.get("key") in ((b"data", b"new") if fault == "hung" else (None,))
    for ask in everything(store):
        ask()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"], "one line is enough"


def test_many_wait_together_and_not_one_after_the_other(redis_server: RedisServer, store: RedisStore) -> None:
    """R31"""
    at_once([partial(store.get, "key")] * 100)
    redis_server.freeze()
    assert max(at_once([partial(refused, ask) for ask in everything(store) * 20])) < AWAY


def test_a_renewal_goes_on_without_the_lock_and_a_change_does_not(
    redis_server: RedisServer, store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    """R44"""
    redis_server.stop()
    with store.locks.hold("renew", "name", wait=5) as held:
        assert held
        with store.locks.hold("renew", "name", wait=0) as twice:
            assert not twice, "within a process it is still one at a time"
    assert "renew lock" in caplog.text
    with pytest.raises(StoreUnavailable), writing(store.locks, "name"):
        raise AssertionError("the lock was not to be had")


def test_a_lock_that_cannot_be_given_back_is_nobodys_problem(redis_server: RedisServer, store: RedisStore) -> None:
    with store.locks.hold("write", "name", wait=0) as held:
        assert held
        redis_server.kill()


@pytest.mark.parametrize("redis_server", [{"options": ("--appendonly", "yes")}], indirect=True)
def test_a_restart_is_not_seen_by_those_whose_connections_it_has_cut(
    redis_server: RedisServer, store: RedisStore
) -> None:
    """R33"""
    store.put("key", b"data", 100)
    at_once([partial(store.get, "key")] * 100)
    redis_server.restart()
    assert at_once([partial(store.get, "key")] * 100) == [b"data"] * 100
    redis_server.restart()
    store.put("key", b"new", 100)
    redis_server.restart()
    with writing(store.locks, "key"):
        assert store.replace("key", b"new", b"newer", 100)


def test_one_that_was_emptied_has_nothing_and_takes_everything(redis_server: RedisServer, store: RedisStore) -> None:
    """R35, R36"""
    store.put("key", b"data", 100)
    assert store.claim("used", 100)
    with store.locks.hold("renew", "name", wait=0) as held:
        assert held
        redis_server.flush()
        assert store.get("key") is None
        assert not store.replace("key", b"data", b"new", 100)
        assert store.claim("used", 100)
        store.put("key", b"new", 100)
    assert store.get("key") == b"new"


UNREADABLE = [
    b"$abc\r\n",
    b":abc\r\n",
    b"*abc\r\n",
    b"-ASK\r\n",
    b"-MOVED 1\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"*1\r\n" * 5000,
]


@pytest.mark.parametrize("answer", UNREADABLE, ids=lambda answer: repr(answer[:9]))
def test_an_answer_that_cannot_be_read_is_an_outage(
    answer: bytes,
    redis_server: RedisServer,
    open_redis: Callable[[object], RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R34: what is at the address is another server, or a broken one."""
    with contextlib.closing(RedisWire(redis_server.port)) as wire:
        store = open_redis(wire.url)
        store.put("key", b"data", 100)
        for ask in everything(store):
            wire.answer = answer
            refused(ask)
            opened, wire.answer = wire.opened, b""
            # A new connection: on the one before more may come of what nobody has asked for.
            until(lambda: answers(store), 2)
            assert wire.opened > opened
        wire.answer = answer
        until(lambda: not answers(store) and "not asked until" in caplog.text, 10)
        wire.answer = b""
        until(lambda: answers(store), 3)


@pytest.mark.slow
def test_an_outage_of_a_cluster_spares_everybody(
    open_redis: Callable[[object], RedisStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """R34: it has lost a third of its keys, refuses the others, and answers a PING all the time."""
    with Cluster(tmp_path) as cluster:
        store = open_redis(RedisCache(cluster.client()))
        cluster.servers[1].kill()
        until(lambda: not answers(store) and "not asked until" in caplog.text, 10)
        assert sorted(refused(ask) for ask in everything(store) * 10)[44] < SPARED
        cluster.servers[1].start()
        until(lambda: all(store.get(f"key{number}") is None for number in range(20)) if answers(store) else False)


def test_after_a_fail_over_the_next_master_is_asked(open_redis: Callable[[object], RedisStore], tmp_path: Path) -> None:
    """R34"""
    with Sentinels(tmp_path) as sentinels:
        store = open_redis(RedisCache(sentinels.client()))
        store.put("key", b"data", 100)
        assert sentinels.master.control.wait(1, 5000) == 1
        sentinels.fail_over()
        until(lambda: answers(store), 2)
        assert store.get("key") == b"data"
        store.put("key", b"new", 100)
