"""The Redis servers of the tests do what the tests of the stores take for granted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .redis_groups import Cluster, Sentinels
from .redis_servers import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.mark.parametrize("how", [{}, {"tls": True}, {"socket": True}], ids=["TCP", "TLS", "UNIX socket"])
def test_a_server_answers_by_its_address(how: dict[str, bool], tmp_path: Path) -> None:
    with RedisServer(tmp_path, **how) as server:
        client = server.client()
        client.set("key", b"data")
        assert server.client().get("key") == b"data"
        server.flush()
        assert client.get("key") is None


def test_a_frozen_server_lets_wait_and_goes_on_when_thawed(server: RedisServer) -> None:
    client = server.client(socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    client.set("key", b"data")
    server.freeze()
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        client.get("key")
    assert 0.2 <= time.monotonic() - began < 2
    server.thaw()
    assert client.get("key") == b"data"


def test_a_stopped_server_refuses_and_comes_back_empty_at_the_same_address(server: RedisServer) -> None:
    client, url = server.client(retry=Retry(NoBackoff(), 0)), server.url
    client.set("key", b"data")
    for end in (server.stop, server.kill):
        end()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        server.start()
        assert server.url == url
        assert client.get("key") is None


def test_a_server_that_writes_everything_down_has_it_after_a_restart(tmp_path: Path) -> None:
    with RedisServer(tmp_path, options=("--appendonly", "yes")) as server:
        server.client().set("key", b"data")
        server.restart()
        assert server.client().get("key") == b"data"


def test_a_server_with_a_password_is_up_when_it_asks_for_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path, options=("--requirepass", "secret")) as server:
        with pytest.raises(redis.AuthenticationError):
            server.client().get("key")
        assert server.client(password="secret").get("key") is None


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Bad directive"):
        RedisServer(tmp_path, options=("--no-such-option", "yes"))


def test_sentinels_make_the_replica_the_master_and_take_the_other_back(tmp_path: Path) -> None:
    with Sentinels(tmp_path) as sentinels:
        client = sentinels.client()
        client.set("key", b"data")
        assert client.wait(1, 5000) == 1
        first = sentinels.master
        sentinels.fail_over()
        assert sentinels.master is not first
        assert client.get("key") == b"data"
        client.set("key", b"new")
        sentinels.mend()
        sentinels.fail_over()
        assert sentinels.master is first
        assert client.get("key") == b"new"


def test_a_cluster_keeps_keys_on_all_of_its_servers(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        client = cluster.client()
        for number in range(100):
            client.set(f"key{number}", b"%d" % number)
        assert [client.get(f"key{number}") for number in range(100)] == [b"%d" % number for number in range(100)]
        assert all(0 < server.client().dbsize() < 100 for server in cluster.servers)
        cluster.flush()
        assert client.get("key7") is None
