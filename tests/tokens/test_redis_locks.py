"""The locks between hosts: with a lease, of one owner, among processes, and when a holder is killed or too slow."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.locks import Kind

from .conftest import Place, Time
from .processes import said, started, together
from .test_locks import KINDS, PATIENCE, waited

LEASE: dict[Kind, float] = {"renew": 8, "write": 3}
"""Seconds: of a renewal those of a call to Hub, and three more."""

HOLDER = """
from flask_hub_auth.tokens import open_store
with open_store(sys.argv[1], "/nowhere").locks.hold(sys.argv[2], "name", wait=5) as held:
    print(held, flush=True)
    sys.stdin.readline()
"""

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def place(open_place: Callable[[str], Place]) -> Place:
    return open_place("Redis")


@pytest.mark.parametrize("name", ["Redis", "RedisCache of Sentinels", "RedisCache of a Cluster"])
def test_a_lease_that_ran_out_makes_room_and_its_owner_takes_nothing_from_the_next(
    name: str, open_place: Callable[[str], Place], clock: Time, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """R13"""
    place = open_place(name)
    assert place.open
    first, second, third = place.store.locks, place.open().locks, place.open().locks
    with contextlib.ExitStack() as slow:
        assert slow.enter_context(first.hold(kind, "name", wait=0))
        clock.advance(LEASE[kind] - 0.5)
        assert not waited(second, kind, "name", 0)[0]
        clock.advance(1)
        with second.hold(kind, "name", wait=0) as held:
            assert held
            slow.close()
            assert not waited(third, kind, "name", 0)[0]
        assert waited(third, kind, "name", 0)[0]
    assert [(record.levelno, "was not released" in record.message) for record in caplog.records] == [
        (logging.WARNING, True)
    ]
    assert place.entries() == 0


def test_a_lease_outlives_a_call_to_hub_and_ends(place: Place, kind: Kind) -> None:
    """R7, R9: however the holder ends, nobody waits for longer than that."""
    for timeout in (1, 5, 30):
        store = open_store(place.address, "/nowhere", timeout=timeout)
        with contextlib.closing(store._client) as client, store.locks.hold(kind, "name", wait=0):  # type: ignore[attr-defined]
            [lock] = client.keys("*")
            left = client.pttl(lock) / 1000
        assert (timeout + 2 if kind == "renew" else 2) < left <= (timeout + 3 if kind == "renew" else LEASE["write"])


def test_a_killed_holder_keeps_the_others_waiting_for_its_lease_at_most(place: Place, kind: Kind) -> None:
    """R9"""
    with started(HOLDER, place.address, kind) as [process]:
        assert said(process) == "True"
        process.kill()
        process.wait(10)
    assert not waited(place.store.locks, kind, "name", 0.1)[0]
    place.age(LEASE[kind] - 0.5)
    held, seconds = waited(place.store.locks, kind, "name", 10)
    assert held
    assert seconds < 0.5 + PATIENCE


def test_one_of_four_processes_at_a_time_holds_it(place: Place, tmp_path: Path, kind: Kind) -> None:
    """R2"""
    counter = tmp_path / "counter"
    counter.write_text("0")
    together(
        """
        import threading
        from pathlib import Path
        from flask_hub_auth.tokens import open_store
        locks, counter = open_store(sys.argv[1], "/nowhere").locks, Path(sys.argv[3])
        go()

        def count():
            for _ in range(10):
                with locks.hold(sys.argv[2], "name", wait=20) as held:
                    assert held
                    before = int(counter.read_text())
                    time.sleep(0.001)
                    counter.write_text(str(before + 1))

        threads = [threading.Thread(target=count) for _ in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """,
        place.address,
        kind,
        counter,
    )
    assert counter.read_text() == "120"


def test_without_waiting_one_of_four_processes_has_it(place: Place, kind: Kind) -> None:
    """R6"""
    tries = together(
        """
        from flask_hub_auth.tokens import open_store
        locks = open_store(sys.argv[1], "/nowhere").locks
        began = go()
        with locks.hold(sys.argv[2], "name", wait=0) as held:
            print(held, time.monotonic() - began < 0.5)
            wait_until(began + 0.5)
        """,
        place.address,
        kind,
    )
    assert sorted(lines[0] for lines in tries) == ["False True"] * 3 + ["True True"]
