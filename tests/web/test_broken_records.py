"""What lies in the store is not believed: whoever may write there can sign nobody in and break no page.

With FAULTS=long there are five times as many records.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cachelib import FileSystemCache
from flask import Flask

from flask_hub_auth.sealing import decode_handle, store_key
from flask_hub_auth.tokens.store import Store

from ..redis_servers import RedisServer
from ..visiting import SCRIPT, Visitor

COUNT = 10_000 if os.environ.get("FAULTS") == "long" else 2_000

Plant = Callable[[str, bytes], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "files", "redis"])
def cache(request: pytest.FixtureRequest, tmp_path: Path, server: RedisServer) -> str:
    server.flush()
    return {"memory": "memory://", "files": (tmp_path / "logins").as_uri(), "redis": server.url}[request.param]


def planter(store: Store, server: RedisServer) -> Plant:
    """Puts bytes under a key, as somebody else who may write at the store's place would."""
    cache: Any = getattr(store, "_cache", None)
    if cache is None:
        client = server.client()
        return lambda key, data: client.set(f"flask-hub-auth:{key}", data)  # type: ignore[func-returns-value]
    if isinstance(cache, FileSystemCache):
        return lambda key, data: Path(cache._get_filename(key)).write_bytes(bytes(4) + data) and None
    return lambda key, data: cache._cache.__setitem__(key, (0, data))


def test_no_broken_record_signs_anybody_in_or_breaks_a_page(
    cache: str,
    server: RedisServer,
    make_site: Callable[..., Flask],
    visit: Callable[[Flask], Visitor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R38, S45, S46"""
    app = make_site(HUB_CACHE=cache)
    jane, john = visit(app), visit(app)
    jane.sign_in(as_="jane")
    john.sign_in(as_="john")
    logins = app.extensions["hub_auth"].keeper.logins
    keys = {name: login_key(browser) for name, browser in (("jane", jane), ("john", john))}
    sealed = {name: logins.store.get(key) for name, key in keys.items()}
    assert all(sealed.values())
    plant = planter(logins.store, server)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was unpickled")

    for name in ("loads", "load", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    chance = random.Random(7)
    seen: dict[int, int] = {}
    for _ in range(COUNT):
        record = broken(chance, sealed["jane"], sealed["john"])
        if record == sealed["jane"]:
            continue
        plant(keys["jane"], record)
        answer = jane.open(chance.choice(("/private", "/developers")), headers=SCRIPT)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
    assert set(seen) == {401}
    assert john.who() == "john"
    plant(keys["jane"], sealed["jane"])
    assert jane.who() == "jane"


def login_key(browser: Visitor) -> str:
    """The name in the store of the login in this browser."""
    with browser.client.session_transaction(base_url=browser.base) as session:
        handle = decode_handle(session["hub_login"])
    assert handle
    return store_key(handle)


def broken(chance: random.Random, own: bytes, other: bytes) -> bytes:
    """A record that is none: altered, cut, made longer, another's, or anything at all."""
    place = chance.randrange(len(own))
    ways: list[Callable[[], bytes]] = [
        lambda: own[:place] + bytes([own[place] ^ 1 << chance.randrange(8)]) + own[place + 1 :],
        lambda: own[:place],
        lambda: own[place:],
        lambda: own + chance.randbytes(1 + chance.randrange(64)),
        lambda: own[:36] + other[36:],
        lambda: other,
        lambda: own[:8] + other[8:],
        lambda: chance.randbytes(chance.randrange(2000)),
        lambda: b"\x80\x04cposix\nsystem\n(S'exit'\ntR.",
        lambda: b'{"user":{"id":"1","login":"admin"}}',
        lambda: b"!" + own,
        lambda: b"n" * chance.choice((1 << 10, 1 << 20, 3 << 20)),
    ]
    return chance.choice(ways)()
