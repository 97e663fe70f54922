"""Redis as a place of stores, by every way in which a service can be told to reach it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from cachelib import RedisCache

from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.redis_store import PREFIX
from flask_hub_auth.tokens.store import Store

from ..redis_groups import IMPATIENT, Cluster, Sentinels
from ..redis_servers import RedisServer
from .conftest import Place

OWN_PREFIX = "of the application:"
# Redis counts by its own clock: what a test adds to ours is taken from the life that is left to all keys.
AGE = """
local milliseconds = tonumber(ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do
    local left = redis.call('PTTL', key)
    if left >= 0 and left <= milliseconds then
        redis.call('DEL', key)
    elseif left >= 0 then
        redis.call('PEXPIRE', key, left - milliseconds)
    end
end
"""


class RedisPlaces:
    """The servers of a test run, each started when a test first wants it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = contextlib.ExitStack()

    def close(self) -> None:
        self._open.close()

    @cached_property
    def plain(self) -> RedisServer:
        return self._open.enter_context(RedisServer(self._folder / "plain"))

    @cached_property
    def tls(self) -> RedisServer:
        return self._open.enter_context(RedisServer(self._folder / "tls", tls=True))

    @cached_property
    def socket(self) -> RedisServer:
        return self._open.enter_context(RedisServer(self._folder / "socket", socket=True))

    @cached_property
    def sentinels(self) -> Sentinels:
        return self._open.enter_context(Sentinels(self._folder / "sentinels"))

    @cached_property
    def cluster(self) -> Cluster:
        return self._open.enter_context(Cluster(self._folder / "cluster"))

    @contextlib.contextmanager
    def place(self, name: str) -> Iterator[Place]:
        """The place of this name, empty."""
        with _Opened() as opened:
            if name == "Redis":
                yield opened.by_address(self.plain)
            elif name == "Redis by TLS":
                yield opened.by_address(self.tls)
            elif name == "Redis by UNIX socket":
                yield opened.by_address(self.socket)
            elif name == "RedisCache":
                yield opened.by_cache([self.plain], lambda: redis.Redis.from_url(self.plain.url, **IMPATIENT))
            elif name == "RedisCache of Sentinels":
                yield opened.by_cache([self.sentinels.master], self.sentinels.client)
            else:
                assert name == "RedisCache of a Cluster"
                yield opened.by_cache(self.cluster.servers, self.cluster.client)


class _Opened(contextlib.ExitStack):
    """The stores that one test has opened; closed at its end."""

    def by_address(self, server: RedisServer) -> Place:
        def open() -> Store:
            store = open_store(server.url, "/nowhere")
            self.callback(store._client.close)  # type: ignore[attr-defined]
            return store

        return _place([server], open, PREFIX, server.control, address=server.url)

    def by_cache(self, servers: list[RedisServer], connect: Callable[[], Any]) -> Place:
        def cache() -> RedisCache:
            client = connect()
            self.callback(client.close)
            return RedisCache(client, key_prefix=OWN_PREFIX)

        first = cache()
        return _place(servers, lambda: open_store(cache(), "/nowhere"), OWN_PREFIX, first._write_client, cache=first)


def _place(servers: list[RedisServer], open: Callable[[], Store], prefix: str, client: Any, **fields: Any) -> Place:
    def plant(key: str, value: Any) -> None:
        if isinstance(value, bytes):
            client.set(prefix + key, value)
        else:
            RedisCache(client, key_prefix=prefix).set(key, value)

    def age(seconds: float) -> None:
        for server in servers:
            server.control.eval(AGE, 0, round(seconds * 1000))

    def entries() -> int:
        return sum(server.control.dbsize() for server in servers)

    def contents() -> Iterator[bytes]:
        for server in servers:
            for key in server.control.scan_iter():
                yield key + server.control.get(key)

    for server in servers:
        server.flush()
    cache = fields.get("cache")
    store = open() if cache is None else open_store(cache, "/nowhere")
    return Place(store, entries, plant, open, age=age, contents=contents, **fields)
