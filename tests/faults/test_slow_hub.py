"""A Hub that answers too slowly, too much, or only in part: everybody has an answer in time, nothing is sent twice."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from ..workers.harness import ANSWER_SECONDS
from .house import House, Person, memory_of, size
from .load import Say
from .wire import Fault, Wire, bomb, drip, endless, gigabyte, hang, long_header, reset, reset_after

TIMEOUT = 1.0
HOUSE = {"timeout": TIMEOUT, "wired": True}
SEEDS = range(size(1, 10))
MEMORY = 32 * 1024 * 1024
LOST = {"reset": reset, "reset in the head": reset_after(0.1), "reset in the body": reset_after(0.9)}
SLOW = {"drips": drip, "hangs": hang, "is endless": endless, "is a gigabyte": gigabyte, "is a bomb": bomb}
FAULTS: dict[str, Fault] = {**SLOW, "has a long line": long_header, **LOST}

pytestmark = [
    pytest.mark.parametrize("kind", ["files"], indirect=True, scope="module"),
    pytest.mark.parametrize("fault", FAULTS),
    pytest.mark.parametrize("seed", SEEDS),
]


@pytest.fixture
def wire(house: House) -> Wire:
    """The way to Hub; refresh tokens stay good, so that an answer that is lost ends no login."""
    assert house.wire
    house.hub.order("keep")
    return house.wire


def chosen(fault: str, seed: int) -> Fault:
    """The fault of that name; where it depends on a place in the answer, at one of the seed's choice."""
    if fault == "reset in the head":
        return reset_after(random.Random(seed).uniform(0, 0.3))
    if fault == "reset in the body":
        return reset_after(random.Random(seed).uniform(0.5, 0.99))
    return FAULTS[fault]


def timed(house: House, asks: list[tuple[Person, str]]) -> list[tuple[requests.Response, float]]:
    """The answers to requests made at the same time, and the seconds that each took."""

    def ask(each: tuple[Person, str]) -> tuple[requests.Response, float]:
        began = time.monotonic()
        return house.get(each[0].browser, each[1]), time.monotonic() - began

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(ask, asks))


@contextmanager
def memory(house: House, say: Say) -> Iterator[None]:
    """Fails where the block makes a worker grow, even for a moment."""
    pids = house.workers.until_all_answer()
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # what it has at most is counted anew
    before = {pid: memory_of(pid, "VmRSS") for pid in pids}
    yield
    growth = max(memory_of(pid, "VmHWM") - before[pid] for pid in pids)
    say(f"a worker grew by {growth / 1024 / 1024:.1f} MiB at most")
    assert growth < MEMORY


def test_a_renewal_is_over_in_time_and_costs_nobody_their_login(
    house: House, wire: Wire, say: Say, fault: str, seed: int
) -> None:
    """R8, R21, R26"""
    asks = [(person, path) for person, path in zip(house.sign_in(8), ["/page", "/who"] * 4, strict=True)]
    noise = max(seconds for _, seconds in timed(house, asks))
    house.expire()
    before = wire.sent("refresh_token")
    with memory(house, say):
        wire.break_with(chosen(fault, seed))
        answers = timed(house, asks)
    wire.mend()
    slowest = max(seconds for _, seconds in answers)
    say(
        f"Hub's answer {fault}: the slowest of {len(asks)} was back after {slowest:.2f} s, {noise:.2f} s in quiet times"
    )
    assert [answer.status_code for answer, _ in answers] == [200, 503] * 4
    assert slowest < TIMEOUT + 0.5 + noise
    assert sorted((wire.sent("refresh_token") - before).values()) == [1] * 8
    for person, _ in asks:
        until_well(house, person)


def until_well(house: House, person: Person) -> None:
    """Waits until the service has noticed that Hub is well, which takes a second at most."""
    process = house.workers.process
    assert process
    process.until(lambda: house.get(person.browser, "/who").status_code == 200, "renewal")


def test_a_login_that_cannot_be_completed_is_over_in_time_and_its_code_is_not_sent_again(
    house: House, wire: Wire, say: Say, fault: str, seed: int
) -> None:
    """R21, R26"""
    browsers = [requests.Session() for _ in range(4)]
    backs = [house.workers.way_back(browser, "jane") for browser in browsers]
    before = wire.sent("code")
    with memory(house, say):
        wire.break_with(chosen(fault, seed))
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(come_back, browsers, backs))
        slowest = time.monotonic() - began
    wire.mend()
    say(f"Hub's answer {fault}: four callbacks were back after {slowest:.2f} s with {answers}")
    assert set(answers) <= {502, 503}
    assert slowest < TIMEOUT + 0.5 + 0.5
    assert [come_back(*each) for each in zip(browsers, backs, strict=True)] == [400] * 4
    assert sorted((wire.sent("code") - before).values()) == [1] * 4
    house.sign_in()


def come_back(browser: requests.Session, address: str) -> int:
    return browser.get(address, allow_redirects=False, timeout=ANSWER_SECONDS).status_code


def test_a_person_who_cannot_be_read_again_gets_the_page_in_time(
    house: House, wire: Wire, say: Say, fault: str, seed: int
) -> None:
    """R21, R26"""
    asks = [(person, "/page") for person in house.sign_in(8)]
    noise = max(seconds for _, seconds in timed(house, asks))
    house.workers.time.advance(301)
    with memory(house, say):
        wire.break_with(chosen(fault, seed), "/users/me")
        answers = timed(house, asks)
    wire.mend()
    slowest = max(seconds for _, seconds in answers)
    say(
        f"Hub's answer {fault}: the slowest of {len(asks)} was back after {slowest:.2f} s, {noise:.2f} s in quiet times"
    )
    assert [answer.status_code for answer, _ in answers] == [200] * 8
    assert slowest < TIMEOUT + 0.5 + noise
    for person, _ in asks:
        until_well(house, person)
