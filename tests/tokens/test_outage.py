"""A Hub that is away for long: whom it keeps waiting, and what it costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flask_hub_auth.devhub import DevHub
from flask_hub_auth.devhub.serving import serve
from flask_hub_auth.errors import HubUnavailable
from flask_hub_auth.tokens import open_store

from .conftest import Time, at_once
from .keeping import TOKEN_PATH, Site, calls, make_site, timed

pytestmark = pytest.mark.alone

LIFE = 600
TIMEOUT = 1.0
NORMAL = 0.05 + 0.1  # seconds that a page may wait more than it would, and what a busy machine adds


@pytest.fixture
def hub(clock: Time) -> Iterator[DevHub]:
    with serve(DevHub(clock=clock, token_life=LIFE, rotate=True)) as served:
        yield served.hub


@pytest.fixture
def site(hub: DevHub, clock: Time, tmp_path: Path) -> Site:
    return make_site(hub, open_store("memory://", str(tmp_path)), clock, HUB_TIMEOUT=TIMEOUT)


def test_all_that_one_caller_waits_for_takes_one_timeout(site: Site, hub: DevHub, clock: Time) -> None:
    """R21: the renewal, and then the person, whom to read is due as well."""
    handle = site.sign_in()
    clock.advance(LIFE - 30)
    hub.fail("*", transport="hang")
    login, seconds = timed(partial(site.keeper.current, handle))
    assert login
    assert seconds < TIMEOUT + 0.5


def test_the_lease_of_a_renewal_outlives_all_calls_that_it_takes(hub: DevHub, clock: Time, tmp_path: Path) -> None:
    """R1, R17: of two secrets the first is refused, slowly; the second is not sent where the time is over."""
    site = make_site(hub, open_store("memory://", str(tmp_path)), clock, HUB_TIMEOUT=TIMEOUT)
    handle = site.sign_in()
    good, site.secret = site.secret, "wrong"
    clock.advance(LIFE + 1)
    hub.fail(TOKEN_PATH, delay=0.7)
    threading.Timer(0.3, lambda: setattr(site, "secret", good)).start()
    login, seconds = timed(partial(site.keeper.current, handle))
    assert login
    assert seconds < TIMEOUT + 0.3


@pytest.mark.parametrize(
    "failure", [{"status": 404, "body": "<h1>no such server</h1>"}, {"body": "<html>"}, {"status": 302}]
)
def test_a_balancer_that_answers_in_hub_s_place_is_spared_too(
    site: Site, hub: DevHub, clock: Time, failure: dict[str, Any]
) -> None:
    """R22, R25"""
    handle = site.sign_in()
    clock.advance(LIFE + 1)
    hub.fail(TOKEN_PATH, **failure)
    open_breaker(site, handle, clock)
    with calls(hub) as found:
        for _ in range(50):
            assert site.keeper.current(handle)
    assert len([call for call in found if call["method"] == "POST"]) <= 1
    hub.mend()
    clock.advance(60)
    assert site.access(handle)


def test_an_address_that_fails_alone_is_spared_alone(site: Site, hub: DevHub, clock: Time) -> None:
    handle = site.sign_in()
    clock.advance(LIFE + 1)
    hub.fail(TOKEN_PATH, status=503)
    open_breaker(site, handle, clock)
    fresh = site.sign_in("john")
    clock.advance(301)
    hub.update_user("john", name="New Name")
    with calls(hub) as found:
        with pytest.raises(HubUnavailable):
            site.keeper.token(handle)
        login = site.keeper.current(fresh)
    assert [call for call in found if call["method"] == "POST"] == []
    assert login
    assert login.user.name == "New Name"


def open_breaker(site: Site, handle: bytes, clock: Time) -> None:
    """Lets so many pages fail that Hub is not asked any more."""
    for _ in range(10):
        site.keeper.current(handle)
        clock.advance(0.5)


@pytest.mark.parametrize("failure", [{"transport": "refuse"}, {"transport": "hang"}, {"status": 503}])
def test_nobody_waits_for_a_hub_that_has_failed_for_a_while(
    site: Site, hub: DevHub, clock: Time, failure: dict[str, Any]
) -> None:
    """R8, R12: and nothing is written either."""
    handle = site.sign_in()
    clock.advance(LIFE + 1)
    hub.fail("*", **failure)
    open_breaker(site, handle, clock)
    site.store.writes = 0
    for _ in range(20):
        login, seconds = timed(partial(site.keeper.current, handle))
        assert login
        assert seconds < NORMAL
        with pytest.raises(HubUnavailable):
            site.keeper.token(handle)
        clock.advance(1)
    assert site.store.writes == 0
    assert site.ended == []


def test_a_hub_that_is_back_is_asked_again_by_itself(site: Site, hub: DevHub, clock: Time) -> None:
    """R12"""
    handle = site.sign_in()
    clock.advance(LIFE + 1)
    hub.fail("*", status=503)
    open_breaker(site, handle, clock)
    with calls(hub) as looks:
        for _ in range(60):
            site.keeper.current(handle)
            clock.advance(1)
    assert len(looks) < 70
    assert {look["grant"] for look in looks} == {None}, "a look says nothing about anybody"
    hub.mend()
    clock.advance(1)
    with calls(hub) as renewals:
        assert site.access(handle)
    assert [call["grant"] for call in renewals] == [None, "refresh_token"]
    assert site.login(handle).generation == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_asks_for_a_pause_has_it_and_callers_are_told(
    status: int, site: Site, hub: DevHub, clock: Time
) -> None:
    """R22"""
    handle = site.sign_in()
    clock.advance(LIFE + 1)
    hub.fail(TOKEN_PATH, status=status, headers={"Retry-After": "6"})
    waits = set()
    with calls(hub) as found:
        for _ in range(40):
            with pytest.raises(HubUnavailable) as caught:
                site.keeper.token(handle)
            waits.add(caught.value.retry_after)
            clock.advance(1)
    assert len(found) <= 40 / 6 + 1
    assert waits == {1, 2, 3, 4, 5, 6}


def test_an_hour_without_hub_loses_nobody(hub: DevHub, clock: Time, tmp_path: Path) -> None:
    """R8, R12: whatever it fails by, and however many come."""
    site = make_site(hub, open_store("memory://", str(tmp_path)), clock, HUB_TIMEOUT=5, HUB_OUTAGE_GRACE=330)
    handles = [site.sign_in() for _ in range(20)]
    ways: list[dict[str, Any]] = [{"transport": "refuse"}, {"status": 503}, {"status": 404, "body": "<p>no"}]

    def page(handle: bytes) -> bool:
        try:
            return site.keeper.current(handle) is not None
        except HubUnavailable:
            return False

    for minute in range(60):
        if minute % 20 == 0:
            hub.mend()
            hub.fail("*", **ways[minute // 20])
        shown = at_once([partial(page, handle) for handle in handles for _ in range(2)])
        over = minute * 60 > LIFE + 330
        assert set(shown) == {not over}, minute
        clock.advance(60)
    hub.mend()
    clock.advance(1)
    with calls(hub) as renewals:
        assert all(at_once([partial(page, handle) for handle in handles for _ in range(5)]))
    assert sum(call["grant"] == "refresh_token" for call in renewals) == len(handles)
    assert site.ended == []


def test_somebody_who_comes_from_hub_is_a_sign_that_it_is_back(site: Site, hub: DevHub, clock: Time) -> None:
    """R28: a sign-in is not refused because others could not be renewed."""
    handle = site.sign_in()
    clock.advance(LIFE + 1)
    hub.fail("*", status=503)
    open_breaker(site, handle, clock)
    hub.mend()
    with calls(hub) as found, pytest.raises(Exception, match="invalid_grant"):
        site.keeper._oauth.exchange("code", redirect_uri="https://site.test/authorized", verifier="v" * 43)
    assert [call["grant"] for call in found] == ["authorization_code"]
    assert site.access(handle)


def test_a_person_is_not_read_again_from_a_hub_that_is_away(site: Site, hub: DevHub, clock: Time) -> None:
    handle = site.sign_in()
    clock.advance(site.keeper.config.user_ttl + 1)
    hub.fail("*", transport="hang")
    open_breaker(site, handle, clock)
    login, seconds = timed(partial(site.keeper.current, handle))
    assert login
    assert seconds < NORMAL
