"""The renew lock where Redis pauses for a moment: it did what it was asked, or did not, and nobody heard of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_hub_auth.errors import StoreUnavailable
from flask_hub_auth.tokens.locks import Kind

from .conftest import Place
from .test_locks import PATIENCE, waited

pytestmark = pytest.mark.alone


@pytest.fixture
def place(open_place: Callable[[str], Place]) -> Place:
    return open_place("Redis")


class Flaky:
    """A lock of Redis whose next answers are lost, after it has done what was asked or before."""

    def __init__(self, lock: Any, lost: list[str]) -> None:
        self._lock = lock
        self._lost = lost

    def acquire(self, token: str) -> bool:
        what = self._lost.pop(0) if self._lost else ""
        taken = bool(self._lock.acquire(token)) if what != "before" else False
        if what:
            raise StoreUnavailable("no answer")
        return taken

    def owns(self, token: str) -> bool:
        return bool(self._lock.owns(token))

    def release(self) -> None:
        self._lock.release()


@pytest.fixture
def flaky(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of the next tries to take a lock, in another process than that of ``place.store``."""
    lost: list[str] = []
    locks: Any = place.store.locks
    make = locks._lock
    monkeypatch.setattr(locks, "_lock", lambda name, lease: Flaky(make(name, lease), lost))
    return lost


@pytest.mark.parametrize("kind", ["write", "index"])
def test_a_change_waits_for_no_redis_that_does_not_answer(place: Place, flaky: list[str], kind: Kind) -> None:
    flaky[:] = ["before"]
    with pytest.raises(StoreUnavailable), place.store.locks.hold(kind, "name", wait=1):
        pytest.fail("it went on")


def test_a_lock_that_was_taken_without_an_answer_is_ours(place: Place, flaky: list[str]) -> None:
    """R33: Redis did what it was asked when it had thawed."""
    assert place.open
    flaky[:] = ["after", "before"]
    with place.store.locks.hold("renew", "name", wait=0) as held:
        assert held
        assert not waited(place.open().locks, "renew", "name", 0)[0]
    assert waited(place.open().locks, "renew", "name", 0)[0]
    assert place.entries() == 0


@pytest.mark.parametrize("lost", [["before"], ["before"] * 3, ["", "before", "before"], ["", *["before"] * 500]])
def test_while_somebody_is_known_to_hold_it_a_redis_that_does_not_answer_gives_it_to_nobody(
    place: Place, flaky: list[str], lost: list[str]
) -> None:
    """R1, R33: else two would spend the same refresh token, and a Hub that rotates ends the login."""
    assert place.open
    with place.open().locks.hold("renew", "name", wait=0) as theirs:
        assert theirs
        flaky[:] = lost
        with place.store.locks.hold("renew", "name", wait=1) as held:
            assert not held


def test_where_no_lock_is_to_be_had_at_all_a_renewal_goes_on(
    place: Place, flaky: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """R44"""
    flaky[:] = ["before"] * 500
    held, seconds = waited(place.store.locks, "renew", "name", 5)
    assert held
    assert seconds < 0.3 + PATIENCE
    assert "the renew lock between processes is not to be had" in caplog.text
