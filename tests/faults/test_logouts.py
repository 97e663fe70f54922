"""Signing out while everything else is under way: whoever signs out stays out, and never waits for Hub."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ..workers.harness import ME_PATH, TOKEN_PATH, cookie_of
from .house import LIFE, House, Person, size
from .load import Say

HOUSE = {"threads": 40, "timeout": 3}
ROUNDS = size(6, 100)
TOGETHER = 10
SEEDS = range(size(1, 2))
PATHS = ("/page", "/who", "/slow?seconds=0.05", "/slow?seconds=0.2")


class Leaving:
    """Somebody who signs out after a while, and whose other tabs go on."""

    def __init__(self, house: House, person: Person) -> None:
        self._house, self.person = house, person
        self._is_out = threading.Event()

    def sign_out(self, after: float) -> int:
        """The status of the answer to the logout."""
        time.sleep(after)
        status = self._house.sign_out(self.person.browser).status_code
        self._is_out.set()
        return status

    def use_a_tab(self, seed: float) -> list[str]:
        """The paths that were asked for after the logout had its answer, and showed somebody nevertheless."""
        chance, wrong = random.Random(seed), []
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            path, was_out = chance.choice(PATHS), self._is_out.is_set()
            answer = self._house.get(requests.Session(), path, headers=self.person.cookie)
            assert answer.status_code in (200, 401, 503), answer.text
            if was_out and answer.status_code != 401:
                wrong.append(path)
            time.sleep(chance.uniform(0, 0.03))
        return wrong


@pytest.mark.parametrize("seed", SEEDS)
def test_no_login_comes_back_from_under_a_logout(house: House, say: Say, seed: int) -> None:
    """S50, R53, R54: whatever renews it, reads its person again, or keeps a view busy at that moment."""
    chance = random.Random(seed)
    came_back: list[str] = []
    for _ in range(ROUNDS):
        leaving = [Leaving(house, person) for person in house.sign_in(TOGETHER)]
        before = house.count_records()
        house.hub.fail(TOKEN_PATH, delay=chance.choice((0, 0.05, 0.2)))
        house.hub.fail(ME_PATH, delay=chance.choice((0, 0.05, 0.2)))
        house.workers.time.advance(chance.choice((0, 61, 301, LIFE - 30, LIFE + 1)))
        with ThreadPoolExecutor(TOGETHER * 3) as pool:
            tabs = [pool.submit(one.use_a_tab, chance.random()) for one in leaving for _ in range(2)]
            outs = [pool.submit(one.sign_out, chance.uniform(0, 0.4)) for one in leaving]
            came_back += [path for tab in tabs for path in tab.result()]
            assert {out.result() for out in outs} == {302}
        house.hub.mend()
        for one in leaving:
            answer = house.get(requests.Session(), "/page", headers=one.person.cookie)
            came_back += ["/page"] if answer.status_code != 401 else []
        assert house.count_records() < before
    say(f"{ROUNDS * TOGETHER} logouts beside {ROUNDS * TOGETHER * 2} busy tabs, {len(came_back)} came back")
    assert came_back == []


@pytest.mark.parametrize("transport", ["hang", "drip"])
def test_a_logout_takes_no_time_while_hub_hangs(house: House, say: Say, transport: str) -> None:
    """S52: also while another tab of the same person waits for Hub."""
    people = house.sign_in(3)
    house.expire()
    house.hub.fail("*", transport=transport)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(house.get, requests.Session(), "/who", headers=person.cookie) for person in people]
        time.sleep(0.3)
        assert not any(one.done() for one in waiting)
        began = time.monotonic()
        for person in people:
            assert cookie_of(person.browser, house.url)["Cookie"]
            assert house.sign_out(person.browser).status_code == 302
        seconds = (time.monotonic() - began) / len(people)
        say(f"{transport}: {seconds:.3f} s for each logout")
        assert seconds < 1
        assert {one.result().status_code for one in waiting} <= {401, 503}
    for person in people:
        assert house.get(requests.Session(), "/page", headers=person.cookie).status_code == 401
