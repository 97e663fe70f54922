"""Hub is away under load: nobody is signed out, nothing fails that can go on, and afterwards all is as before."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from ..workers.harness import ANSWER_SECONDS, NAVIGATION
from .house import LIFE, House, Person, size
from .load import Load, Say, quantile, statuses, worst

TIMEOUT = 1.0
HOUSE = {"timeout": TIMEOUT}
AWAY = size(2.0, 60.0)
"""Seconds for which Hub stays away after every worker has noticed."""
MORE = 0.05
"""Seconds by which a page may be slower then."""
NOISE = 0.2
"""By how much one request in a hundred may be slower still: other programs run on this machine too."""
WORKERS = 4
SHUT, OPEN = "Hub at .* is asked again", "Hub at .* is not asked until it answers"

WAYS: dict[str, Callable[[House], object]] = {
    # It will read later what was sent to it meanwhile, and nobody will hear what it answers: with refresh tokens that
    # are good once those logins would be over, see test_kills.
    "frozen": lambda house: (house.hub.order("keep"), house.hub.process.freeze()),
    "killed": lambda house: house.hub.close_port(),
    "refusing": lambda house: house.hub.fail("*", transport="refuse"),
    "overloaded": lambda house: house.hub.fail("*", status=503, body="<h1>Service Unavailable</h1>"),
}

pytestmark = pytest.mark.parametrize("kind", size(["files"], ["files", "redis"]), indirect=True, scope="module")


class People:
    """Some whose tokens will soon be over, and some whose tokens will be good for a while."""

    def __init__(self, house: House) -> None:
        self.old = house.sign_in(8)
        house.workers.time.advance(LIFE - 200)
        self.fresh = house.sign_in(8)
        self.all = [*self.old, *self.fresh]
        for person in self.old:
            # Read again now, so that the load in quiet times has nothing else to do than to answer.
            assert house.get(person.browser, "/page").status_code == 200

    def asks(self) -> list[tuple[str, Person | None]]:
        return [(path, person) for path in ("/page", "/page", "/who") for person in self.all] + [("/public", None)] * 32


@pytest.mark.parametrize("way", WAYS)
def test_a_hub_that_is_away_costs_nobody_their_login_and_hardly_any_time(house: House, say: Say, way: str) -> None:
    """R8, R12, R28"""
    people = People(house)
    process = house.workers.process
    assert process
    opened = process.count(OPEN)
    with Load(house, people.asks()) as load:
        quiet = load.run(AWAY)
        WAYS[way](house)
        gone = time.monotonic()
        house.workers.time.advance(210)  # the old tokens are over, and the time of grace runs
        process.until(lambda: process.count(OPEN) >= opened + WORKERS, "open breaker in every worker")
        noticing = gone, time.monotonic()
        clock = time.time()
        away = load.run(AWAY)
        until = time.time()
        starts = {begin_a_login(house).status_code for _ in range(8)}
        house.workers.time.advance(LIFE + 100)  # all tokens are over, and so is the time of grace
        over = load.run(1)
        house.hub.mend()
        back = time.monotonic()
        renewed = load.until(lambda sample: sample.path == "/who" and sample.status == 200 and sample.ended > back)
        process.until(lambda: all_ask_again(house), "shut breaker in every worker")
    lived = [house.get(person.browser, "/who") for person in people.all]

    bounds = [max(of(load, quiet, "/page"), of(load, away, "/public")) for of in (most_of, worst_of)]
    seen = most_of(load, away, "/page"), worst_of(load, away, "/page")
    say(
        f"{way}: 99 of 100 pages in {seen[0]:.3f} s (at most {bounds[0]:.3f} s without),"
        f" worst {seen[1]:.3f} ({bounds[1]:.3f}) s"
    )
    say(
        f"{way}: noticed after {noticing[1] - gone:.1f} s, the longest wait until then {worst_of(load, noticing):.2f} s"
    )
    say(f"{way}: the first renewal {renewed.ended - back:.2f} s after it was back; {statuses(load.samples())} in all")
    assert [(answer.status_code, answer.json()["login"]) for answer in lived] == [(200, p.login) for p in people.all]
    assert set(statuses(load.samples(until=over[0]))) == {200, 503}
    assert set(statuses(load.samples("/public"))) == {200}
    assert set(statuses(load.samples("/page", until=over[0]))) == {200}
    assert {sample.status for sample in load.samples("/who", until=over[0]) if sample.person in people.fresh} == {200}
    assert set(statuses(load.samples("/page", since=over[0], until=over[1]))) == {503}
    assert all("Retry-After" in sample.headers for sample in load.samples() if sample.status == 503)
    assert starts <= {302, 503}
    assert seen[0] <= bounds[0] + MORE
    assert seen[1] <= bounds[1] + MORE + NOISE
    assert worst_of(load, noticing) <= TIMEOUT + 0.5 + worst_of(load, noticing, "/public")
    assert renewed.ended - back < 3
    assert not [call for call in house.hub.calls() if call["grant"] and clock < call["time"] < until]


def all_ask_again(house: House) -> bool:
    """Whether all workers know that Hub is back; who has nothing to ask does not."""
    house.workers.time.advance(301)  # everybody is to be read again
    time.sleep(0.2)
    process = house.workers.process
    return bool(process and process.count(SHUT) == process.count(OPEN))


def most_of(load: Load, when: tuple[float, float], *paths: str) -> float:
    return quantile(load.samples(*paths, since=when[0], until=when[1]))


def worst_of(load: Load, when: tuple[float, float], *paths: str) -> float:
    return worst(load.samples(*paths, since=when[0], until=when[1]))


def begin_a_login(house: House) -> requests.Response:
    """What somebody gets who opens a page and is not signed in."""
    return requests.get(f"{house.url}/page", headers=NAVIGATION, allow_redirects=False, timeout=ANSWER_SECONDS)
