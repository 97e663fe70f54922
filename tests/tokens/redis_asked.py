"""What a store in Redis is asked, and how it answers while Redis does not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from flask_hub_auth.errors import StoreUnavailable
from flask_hub_auth.tokens.store import Store


def everything(store: Store) -> list[Callable[[], object]]:
    """All that a store can be asked."""
    return [
        lambda: store.get("key"),
        lambda: store.put("other", b"data", 100),
        lambda: store.claim("used", 100),
        lambda: store.replace("key", b"data", b"new", 100),
        lambda: store.delete("other"),
    ]


def refused(ask: Callable[[], object]) -> float:
    """After how many seconds it was clear that the store is away."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        ask()
    return time.monotonic() - began


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def answers(store: Store) -> bool:
    try:
        store.get("key")
    except StoreUnavailable:
        return False
    return True
