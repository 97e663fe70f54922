"""The master of a Redis with Sentinels is killed under load: another takes its place, and nobody has to sign in."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ..redis_groups import Sentinels
from .house import House, size
from .load import Load, Say, statuses, worst

ROUNDS = range(size(1, 10))
LIMIT = 1.2
"""Seconds that a request may take more than usual."""


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with Sentinels(tmp_path_factory.mktemp("group")) as group:
        yield group


@pytest.fixture(scope="module")
def started(sentinels: Sentinels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose workers find their Redis by the Sentinels."""
    ports = " ".join(str(server.port) for server in sentinels.sentinels)
    with House(tmp_path_factory.mktemp("house"), "files", WORKERS_SENTINELS=ports) as house:
        yield house


@pytest.mark.parametrize("round_", ROUNDS)
def test_another_redis_takes_the_place_of_the_master_and_everybody_stays_signed_in(
    house: House, sentinels: Sentinels, say: Say, round_: int
) -> None:
    """R34"""
    people = house.sign_in(8)
    asks = [(path, person) for path in ("/page", "/who") for person in people]
    with Load(house, [*asks, ("/public", None)]) as load:
        calm = load.run(1)
        killed = time.monotonic()
        sentinels.fail_over()
        named = time.monotonic()
        for pid in house.workers.until_all_answer():
            load.until(lambda s, pid=pid: s.began > named and s.path == "/page" and s.body.get("pid") == pid)
        good = time.monotonic()
        load.run(1)
        house.expire()
        load.run(1)
    usual = worst(load.samples(until=calm[1]))
    broken = load.samples(since=killed, until=good)
    say(f"another master after {named - killed:.2f} s, all workers well {good - named:.2f} s later")
    say(f"meanwhile {statuses(broken)}, worst {worst(broken):.2f} s ({usual:.3f} s in quiet times)")
    assert not (house.folder / "instance" / "hub-logins").exists(), "the logins are in Redis"
    assert {sample.status for sample in load.samples("/public")} == {200}
    assert set(statuses(load.samples())) <= {200, 503}
    assert set(statuses(load.samples(since=good))) == {200}
    assert worst(load.samples()) < LIMIT + usual
    assert good - named < 3
    for person in people:
        assert house.get(person.browser, "/who").json()["login"] == person.login
    sentinels.mend()
