"""Many requests at the same moment on tokens that are over, in four processes; each refresh token is good once."""

from __future__ import annotations

import random

import pytest

from ..workers.harness import TOKEN_PATH, Answer, Connections, Hub
from .house import LIFE, House, size
from .load import Load, Say, worst

PROCESSES = 4
STORM = size({"files": 200, "redis": 400}, {"files": 1000, "redis": 1000})
ROUNDS = size(2, 20)
LOGINS, EACH = 100, 10
HOUSE = {"threads": 260}


def good(renewals: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(call["grant"], call["status"]) for call in renewals]


def storm(house: House, connections: Connections, cookies: list[dict[str, str]]) -> tuple[list[Answer], int]:
    """All answers, and how many requests were under way at most."""
    house.ask("/most")
    answers = connections.at_once("/who", cookies)
    return answers, house.ask("/most")["most"]


def test_a_storm_on_one_expired_token_makes_one_renewal_and_only_good_answers(house: House, say: Say) -> None:
    """R1, R2"""
    [person] = house.sign_in()
    token, many = person.token, STORM[house.kind]
    with Connections(house.workers).spread(many) as connections:
        calm, _ = storm(house, connections, [person.cookie])
        bound = 2 * max(answer.seconds for answer in calm) + 0.3 + 1.5
        for number in range(ROUNDS):
            house.expire()
            house.hub.fail(TOKEN_PATH, delay=0.3, times=1)
            with house.hub.new_calls() as renewals:
                answers, most = storm(house, connections, [person.cookie])
            slowest = max(answer.seconds for answer in answers)
            say(f"storm {number}: {many} requests, {most} under way at once, {len(renewals)} renewal, {slowest:.2f} s")
            assert [answer.status for answer in answers] == [200] * many
            assert good(renewals) == [("refresh_token", 200)]
            assert {answer.body["login"] for answer in answers} == {person.login}
            [renewed] = {answer.body["token"] for answer in answers}
            assert renewed != token
            token = renewed
            assert len({answer.pid for answer in answers}) == PROCESSES
            assert most >= many / 4  # a thousand clients in one process take their time to ask
            assert slowest < bound
    house.expire()
    with house.hub.new_calls() as renewals:
        last = house.get(person.browser, "/who")
    assert last.status_code == 200
    assert last.json()["token"] != token
    assert good(renewals) == [("refresh_token", 200)]


@pytest.mark.parametrize("seed", range(size(1, 10)))
def test_a_hundred_logins_that_are_renewed_at_once_keep_their_people_apart(house: House, say: Say, seed: int) -> None:
    """R4, R5: ten requests of each, and a Hub that takes up to a second for each renewal."""
    people = house.sign_in(LOGINS)
    delay_by_chance(house.hub, seed)
    with Connections(house.workers).spread(LOGINS * EACH) as connections:
        house.expire()
        with house.hub.new_calls() as renewals:
            answers, most = storm(house, connections, [person.cookie for person in people])
    slowest = max(answer.seconds for answer in answers)
    say(f"{len(answers)} requests, {most} under way at once, {len(renewals)} renewals, {slowest:.2f} s")
    assert [answer.status for answer in answers] == [200] * LOGINS * EACH
    assert good(renewals) == [("refresh_token", 200)] * LOGINS
    assert [answer.body["login"] for answer in answers] == [person.login for person in people] * EACH
    tokens = [{answer.body["token"] for answer in answers[number::LOGINS]} for number in range(LOGINS)]
    assert [len(some) for some in tokens] == [1] * LOGINS
    assert len(set.union(*tokens) | {person.token for person in people}) == 2 * LOGINS
    for person, mine in zip(people, tokens, strict=True):
        assert {house.get(person.browser, "/who").json()["token"]} == mine


def delay_by_chance(hub: Hub, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(LOGINS):
        hub.fail(TOKEN_PATH, delay=round(chance.random(), 3), times=1)


@pytest.mark.parametrize("seed", range(size(1, 10)))
def test_before_the_end_of_a_token_only_the_request_that_renews_it_waits(house: House, say: Say, seed: int) -> None:
    """R6"""
    [person] = house.sign_in()
    with Load(house, [("/who", person)], seed=seed) as load:
        calm = [load.run(1.5)]
        house.hub.fail(TOKEN_PATH, delay=2)
        with house.hub.new_calls() as renewals:
            house.workers.time.advance(LIFE - 30)
            renewing = load.until(lambda sample: sample.seconds >= 2)
        house.hub.mend()
        calm.append(load.run(1.5))
    normal = max(worst(load.samples(since=since, until=until)) for since, until in calm)
    during = load.samples(since=renewing.began, until=renewing.ended)
    others = worst(sample for sample in during if sample is not renewing)
    say(
        f"{len(during)} requests; the one that renewed {renewing.seconds:.2f} s, the worst of the others {others:.3f} s"
    )
    say(f"the worst without a renewal {normal:.3f} s")
    assert good(renewals) == [("refresh_token", 200)]
    assert {sample.status for sample in load.samples()} == {200}
    assert len(during) > 100
    assert others <= max(3 * normal, 0.15)
