"""The Redis servers of the tests do what the tests of the stores take for granted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

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
        assert redis.Redis.from_url(server.url).get("key") == b"data"
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
