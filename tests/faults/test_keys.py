"""``SECRET_KEY`` is changed while people work: workers with the old key and workers with the new one share a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..workers.harness import NAVIGATION, Workers
from .house import House, Person, size
from .load import Load, Say, statuses

OLD, NEW = "7f" * 32, "5b" * 32
SECONDS = size(1.0, 20.0)
HOUSE = {"threads": 16}

pytestmark = pytest.mark.parametrize("kind", size(["redis"], ["files", "redis"]), indirect=True, scope="module")


@pytest.fixture
def side(house: House, tmp_path: Path) -> Iterator[Workers]:
    """Two more workers at the same store and the same clock, not started yet, as on another host."""
    workers = Workers(tmp_path, count=2, threads=16)
    try:
        yield workers
    finally:
        workers.close()


def start(workers: Workers, house: House, key: str, *fallbacks: str) -> None:
    # The public address is that of the house, as behind a balancer.
    environ = {**house.environ, "FLASK_HUB_SERVICE_URL": house.url, "WORKERS_FOLDER": str(house.folder)}
    more = {"FLASK_SECRET_KEY": key, "FLASK_SECRET_KEY_FALLBACKS": json.dumps(fallbacks) if fallbacks else ""}
    workers.start(house.hub, **environ, **more)


def test_a_key_that_is_changed_step_by_step_signs_nobody_out(house: House, side: Workers, say: Say) -> None:
    """R59: in each step half of the workers are as before, and who signs in at one half is known at the other."""
    people = house.sign_in(8)
    everything: list[dict[int, int]] = []
    try:
        for key, fallbacks in ((OLD, [NEW]), (NEW, [OLD]), (NEW, [])):
            start(side, house, key, *fallbacks)
            with Load(house, asks(people)) as load:
                house.workers.time.advance(61)
                for person in people:
                    for _ in range(3):
                        answer = person.browser.get(f"{side.url}/page", headers=person.cookie, timeout=10)
                        assert (answer.status_code, answer.json().get("login")) == (200, person.login), (key, fallbacks)
                load.run(SECONDS)
            everything.append(statuses(load.samples()))
            people += house.sign_in(1)
            side.stop()
            house.workers.stop()
            start(house.workers, house, key, *fallbacks)
            if key == NEW and fallbacks:
                # The cookies under the old key are over by their age before it is dropped.
                people = house.sign_in(8)
    finally:
        house.workers.stop()
        house.workers.start(house.hub, **house.environ)
    say(f"three steps: {everything}")
    assert all(set(seen) == {200} for seen in everything)


def asks(people: list[Person]) -> list[tuple[str, Person | None]]:
    return [(path, person) for path in ("/page", "/who") for person in people]


def test_a_key_that_is_changed_in_one_step_costs_no_login_that_was_there(house: House, side: Workers, say: Say) -> None:
    """R59: as a rolling restart does it, whose last workers have never heard of the new key."""
    people = house.sign_in(8)
    start(side, house, NEW, OLD)
    with Load(house, asks(people)) as load:
        for _ in range(3):
            house.workers.time.advance(61)  # "last seen" is written, which seals the login anew
            for person in people:
                answer = person.browser.get(f"{side.url}/who", headers=person.cookie, timeout=10)
                assert (answer.status_code, answer.json().get("login")) == (200, person.login)
            load.run(0.3)
    say(f"{statuses(load.samples())}")
    assert set(statuses(load.samples())) == {200}


def test_a_key_that_is_gone_makes_strangers_and_no_errors(house: House, side: Workers) -> None:
    """R60"""
    [person] = house.sign_in()
    start(side, house, NEW)
    for path in ("/page", "/who"):
        assert person.browser.get(side.url + path, headers=person.cookie, timeout=10).status_code == 401
    page = person.browser.get(f"{side.url}/page", headers={**NAVIGATION, **person.cookie}, allow_redirects=False)
    assert page.status_code == 302
    assert house.get(person.browser, "/page").status_code == 200, "and whoever still has the key finds it as it was"
