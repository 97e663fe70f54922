"""Redis in trouble under load: what everybody gets meanwhile, how long it takes, and that it goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from ..redis_servers import RedisServer
from ..workers.harness import NAVIGATION
from .house import House, Person, size
from .load import BROKEN, Load, Say, quantile, statuses, worst

AWAY = size(2.0, 30.0)
"""Seconds for which Redis is in trouble after everybody has noticed."""
WORKERS = 4
OPEN = "Redis failed .* is not asked until it answers"
HOUSE = {"timeout": 1.5}
LIMIT = 1.2
"""Seconds that a request may take whose store does not answer, and how much more than usual where that is known."""
SPARED = 0.05

pytestmark = pytest.mark.parametrize("kind", ["redis"], indirect=True, scope="module")

Way = Callable[[RedisServer], object]


def stopped(redis: RedisServer) -> None:
    redis.control.save()  # so that it has its data when it is there again
    redis.stop()


def killed(redis: RedisServer) -> None:
    redis.control.save()
    redis.kill()


def failed_over(redis: RedisServer) -> None:
    """What was the master is a replica now, of a master that is not there."""
    redis.control.config_set("replica-serve-stale-data", "yes")
    redis.control.replicaof("127.0.0.1", "1")


def full(redis: RedisServer) -> None:
    redis.control.config_set("maxmemory-policy", "noeviction")
    redis.control.config_set("maxmemory", 1)


def well_again(redis: RedisServer) -> None:
    redis.thaw()
    if not redis.running:
        redis.start()
    redis.control.replicaof("NO", "ONE")
    redis.control.config_set("maxmemory", 0)


def asks(people: list[Person]) -> list[tuple[str, Person | None]]:
    return [(path, person) for path in ("/page", "/who") for person in people] + [("/public", None)] * 4


@pytest.mark.parametrize("way", [stopped, killed, RedisServer.freeze], ids=lambda way: way.__name__)
def test_a_redis_that_is_away_keeps_nobody_waiting_and_signs_nobody_out(house: House, say: Say, way: Way) -> None:
    """R30, R31, R32: those who need to know who it is are told to come back, and all others notice nothing."""
    assert house.redis
    people = house.sign_in(8)
    process = house.workers.process
    assert process
    opened, told = process.count(OPEN), process.count("HUB-301 503")
    with Load(house, asks(people)) as load:
        calm = load.run(AWAY)
        way(house.redis)
        began = time.monotonic()
        process.until(lambda: process.count(OPEN) >= opened + WORKERS, "open breaker in every worker")
        noticed = time.monotonic()
        away = load.run(AWAY)
        anonymous = house.get(people[0].browser, "/page", headers=NAVIGATION)
        well_again(house.redis)
        back = time.monotonic()
        for pid in house.workers.until_all_answer():
            load.until(lambda s, pid=pid: s.began > back and s.path == "/page" and s.body.get("pid") == pid)
        good = time.monotonic()
        load.run(0.5)
    normal = load.samples(since=calm[0], until=calm[1])
    first = load.samples(since=began, until=noticed)
    pages = load.samples("/page", "/who", since=away[0], until=away[1])
    say(f"usual: {len(normal)} requests, worst {worst(normal):.3f} s; noticed after {noticed - began:.2f} s")
    say(f"until then the worst took {worst(first):.2f} s; afterwards {len(pages)} pages, worst {worst(pages):.3f} s")
    say(f"all workers well {good - back:.2f} s after it was back; {statuses(load.samples())}")
    assert {sample.status for sample in load.samples("/public")} == {200}
    assert {sample.status for sample in load.samples()} == {200, 503}
    assert {sample.status for sample in pages} == {503}
    assert {sample.headers.get("Retry-After") for sample in pages} != {None}
    assert anonymous.status_code == 503
    assert worst(first) < LIMIT + worst(normal)
    assert quantile(pages) < SPARED + worst(normal)
    assert {sample.status for sample in load.samples(since=good)} == {200}
    assert good - back < 3
    assert process.count("HUB-301 503") - told <= WORKERS * (1 + (good - began) // 10), "lines of the log"
    for person in people:
        answer = house.get(person.browser, "/who")
        assert (answer.status_code, answer.json()["login"]) == (200, person.login)


@pytest.mark.parametrize("round_", range(size(1, 10)))
def test_a_redis_that_was_restarted_is_used_by_the_first_request_of_everybody(house: House, round_: int) -> None:
    """R33: a hundred connections that were idle are dead, and nobody sees it."""
    assert house.redis
    people = house.sign_in(8)
    with Load(house, asks(people), threads=32, pause=0) as load:
        load.run(0.5)
    stopped(house.redis)
    house.redis.start()
    for person in people * 3:
        answer = house.get(person.browser, "/page")
        assert answer.status_code == 200, answer.text


def test_an_emptied_redis_takes_everybody_on_one_trip_through_hub(house: House) -> None:
    """R35, R36: and who is on the way at that moment arrives."""
    assert house.redis
    [jane, john] = house.sign_in(2, ("jane", "john"))
    stranger = requests.Session()
    callback = house.workers.way_back(stranger, "admin", "/page")
    house.redis.flush()
    for person in (jane, john):
        assert house.get(person.browser, "/page").status_code == 401
        page = house.navigate(person.browser, "/page")
        assert (page.status_code, page.url) == (200, f"{house.url}/page")
        assert page.json()["login"] == person.login
    arrived = stranger.get(callback, allow_redirects=False)
    assert (arrived.status_code, arrived.headers["Location"]) == (302, "/page")


@pytest.mark.parametrize("way", [full, failed_over], ids=lambda way: way.__name__)
def test_a_redis_that_takes_nothing_is_read_and_signs_nobody_in_or_out(house: House, say: Say, way: Way) -> None:
    """R14, R34"""
    assert house.redis
    people = house.sign_in(8)
    with Load(house, asks(people)) as load:
        normal = load.run(0.5)
        way(house.redis)
        load.run(AWAY)
        stranger = requests.Session()
        callback = stranger.get(house.workers.way_back(stranger, "jane", "/page"), allow_redirects=False)
        house.workers.time.advance(61)  # "last seen" is to be written now
        began, ended = load.run(AWAY)
        well_again(house.redis)
        load.run(0.5)
    say(f"{statuses(load.samples())}, worst {worst(load.samples(since=began, until=ended)):.3f} s")
    assert callback.status_code == 503
    assert {sample.status for sample in load.samples()} == {200}
    assert BROKEN not in statuses(load.samples())
    assert worst(load.samples()) < LIMIT + worst(load.samples(since=normal[0], until=normal[1]))
    signed_in = house.sign_in(1)
    for person in [*people, *signed_in]:
        assert house.get(person.browser, "/who").status_code == 200
