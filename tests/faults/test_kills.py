"""Workers that are killed in the middle of a renewal: whatever was not lost goes on, and nothing is asked twice."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, get_args

import pytest

from ..workers.harness import ANSWER_SECONDS, TOKEN_PATH, Answer, Connections
from .house import LEASE, House, Person, size
from .load import Say

TIMEOUT = 1.5
HOUSE = {"timeout": TIMEOUT}
SEEDS = range(size(1, 20))
WAITING = 6
LOGIN_PATH = "/api/rest/oauth2/auth"

Stage = Literal["before Hub has answered", "after Hub has rotated", "before the store has it", "after the store has it"]
HANGS, DRIPS, BEFORE, AFTER = get_args(Stage)


@dataclass
class Killed:
    """What came of a worker's end."""

    answers: list[Answer]
    """Of those who waited at the other workers for the renewal that the killed one had begun."""
    slowest: float
    calls: list[object]
    """The statuses of all calls to Hub's token endpoint: None where it has not answered."""


def killed(house: House, person: Person, stage: Stage, seed: int) -> Killed:
    """The worker that renews the login of `person` is killed at `stage`."""
    chance = random.Random(seed)
    with Connections(house.workers).spread(WAITING + 2) as connections, house.hub.new_calls() as calls:
        victim = chance.choice(list(connections.by_worker))
        renewing, *_ = connections.by_worker[victim]
        others = [one for one in connections.open if one not in connections.by_worker[victim]][:WAITING]
        set_up(house, stage)
        house.expire()
        before = len(house.hub.calls())
        renewing.request("GET", "/who", headers=person.cookie)
        until_reached(house, stage, victim, before)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(Connections(house.workers, others).at_once, "/who", [person.cookie])
            time.sleep(chance.uniform(0.05, 0.3))
            os.kill(victim, signal.SIGKILL)
            answers = waiting.result(ANSWER_SECONDS)
    house.workers.until_all_answer()
    return Killed(answers, max(answer.seconds for answer in answers), [call["status"] for call in calls])


def set_up(house: House, stage: Stage) -> None:
    if stage == HANGS:
        house.hub.fail(TOKEN_PATH, transport="hang", times=1)
    elif stage == DRIPS:
        house.hub.fail(TOKEN_PATH, transport="drip", times=1)
    else:
        house.hub.fail(TOKEN_PATH, delay=0.5, times=1)


def until_reached(house: House, stage: Stage, victim: int, before: int) -> None:
    """Waits until the worker is where it is to be killed; `before` it Hub had so many calls."""
    process = house.workers.process
    assert process
    if stage in (BEFORE, AFTER):
        # A worker may write the login before it asks Hub, too; what counts is the write after that.
        process.until(lambda: len(house.hub.calls()) > before, "call to Hub")
        (house.folder / f"stop-{stage.split()[0]}").touch()
        process.until((house.folder / f"stopped-{victim}").exists, "worker that stops at the store")
        return
    wanted = [None if stage == HANGS else 200]
    process.until(lambda: [call["status"] for call in house.hub.calls()[before:]] == wanted, "call to Hub")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stage", [HANGS, AFTER])
def test_a_login_lives_whose_worker_was_killed_where_nothing_that_hub_said_is_lost(
    house: House, say: Say, stage: Stage, seed: int
) -> None:
    """R9"""
    [person] = house.sign_in()
    found = killed(house, person, stage, seed)
    say(f"killed {stage}: the others waited {found.slowest:.2f} s at most")
    assert [answer.status for answer in found.answers] == [200] * WAITING
    assert {answer.body["login"] for answer in found.answers} == {person.login}
    [token] = {answer.body["token"] for answer in found.answers}
    assert token != person.token
    assert found.calls == ([None, 200] if stage == HANGS else [200])
    assert found.slowest < longest(house)
    house.expire()
    assert house.get(person.browser, "/who").status_code == 200


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stage", [DRIPS, BEFORE])
def test_one_new_login_is_asked_for_where_the_killed_worker_alone_knew_what_hub_had_said(
    house: House, say: Say, stage: Stage, seed: int
) -> None:
    """R10: Hub has rotated the refresh token, and nobody has the new one."""
    [person] = house.sign_in()
    found = killed(house, person, stage, seed)
    say(f"killed {stage}: the others waited {found.slowest:.2f} s at most")
    assert [answer.status for answer in found.answers] == [401] * WAITING
    assert found.calls == [200, 403]
    assert found.slowest < longest(house)
    with house.hub.new_calls() as renewals, house.hub.new_calls(LOGIN_PATH) as logins:
        assert house.get(person.browser, "/page").status_code == 401
        page = house.navigate(person.browser, "/page?a=1&b=2")
        assert house.get(person.browser, "/who").status_code == 200
    assert (page.status_code, page.url) == (200, f"{house.url}/page?a=1&b=2")
    assert page.json()["login"] == person.login
    assert len(logins) == 1
    assert [(call["grant"], call["status"]) for call in renewals] == [("authorization_code", 200)]


def longest(house: House) -> float:
    """Seconds that anybody may have to wait: the kernel frees files at once, Redis when the lease is over."""
    return TIMEOUT + LEASE + 1 if house.redis else 1 + 1
