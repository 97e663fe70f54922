"""When a login is due and when it is over, also where the clock goes back or is wrong for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_hub_auth.devhub import DevHub, serve
from flask_hub_auth.hub import HubRest
from flask_hub_auth.model import Login
from flask_hub_auth.tokens import open_store, times
from flask_hub_auth.tokens.permissions import PermissionKeeper

from .conftest import Time, login
from .keeping import ME_PATH, Site, calls, make_site

NOW = 1_800_000_000
HOUR, DAY = 3600, 86400


@pytest.fixture
def hub(clock: Time) -> Iterator[DevHub]:
    with serve(DevHub(rotate=True, token_life=4 * HOUR, clock=clock)) as served:
        yield served.hub


@pytest.fixture
def custom(hub: DevHub, clock: Time, tmp_path: Path) -> Callable[..., Site]:
    """A service with settings of its own."""
    return lambda **settings: make_site(hub, open_store("memory://", str(tmp_path)), clock, **settings)


@pytest.fixture
def site(custom: Callable[..., Site]) -> Site:
    return custom()


DUE: dict[str, Callable[[Site, Login], bool]] = {
    "the person is read": lambda site, each: times.is_reading_due(each, NOW, site.keeper.config),
    "groups are not known": lambda site, each: not times.knows_groups(each, NOW, site.keeper.config),
    "the token is renewed": lambda site, each: times.is_renewal_due(each, NOW, site.keeper.config),
    "a refused token is renewed": lambda site, each: not times.is_just_renewed(each, NOW),
    "the password is asked for": lambda site, each: not times.is_recent(each, NOW, 60),
    "last seen is written": lambda site, each: times.seen(each, NOW, site.keeper.config) is not each,
}


@pytest.mark.parametrize("due", DUE.values(), ids=DUE)
def test_what_is_still_to_come_counts_as_new_by_what_two_clocks_differ_and_as_due_beyond(
    site: Site, due: Callable[[Site, Login], bool]
) -> None:
    """R19"""
    for ahead, expected in ((0, False), (30, False), (60, False), (61, True), (HOUR, True), (300 * DAY, True)):
        stamped = login(NOW + ahead, generation=1, authenticated_at=NOW + ahead)
        assert due(site, stamped) is expected, ahead


@pytest.mark.parametrize("stamp", ["since", "last_seen"])
@pytest.mark.parametrize(
    ("settings", "longest"),
    [({}, None), ({"HUB_LOGIN_LIFETIME": 600, "HUB_IDLE_LIFETIME": 600}, HOUR)],
    ids=["usual lives", "lives shorter than a jump"],
)
def test_a_login_that_seems_to_begin_or_to_be_used_after_a_whole_life_is_over(
    custom: Callable[..., Site], stamp: str, settings: dict[str, int], longest: int | None
) -> None:
    """R19, S48: it was made while the clock was a year ahead, and would live for a year."""
    config = custom(**settings).keeper.config
    most = longest or {"since": 24 * HOUR, "last_seen": 8 * HOUR}[stamp]
    for ahead, alive in ((0, True), (most, True), (most + 61, False), (365 * DAY, False)):
        assert times.is_alive(replace(login(NOW), **{stamp: NOW + ahead}), NOW, config) is alive, ahead


@pytest.mark.parametrize("change", [{"banned": True}, {"groups": ["All Users"]}], ids=["ban", "group"])
def test_a_clock_that_goes_back_puts_no_reading_off(
    custom: Callable[..., Site], hub: DevHub, clock: Time, change: dict[str, Any]
) -> None:
    """R19"""
    site = custom(HUB_LOGIN_GROUPS=["Developers"])
    handle = site.sign_in()
    assert site.keeper.current(handle)
    hub.update_user("jane", **change)
    clock.advance(-HOUR)
    assert site.keeper.current(handle) is None


def test_a_clock_that_goes_back_keeps_no_permission_that_was_taken_away(site: Site, hub: DevHub, clock: Time) -> None:
    """R19, S70"""
    handle, read = site.sign_in(), "demo.report-read"
    keeper = PermissionKeeper(
        site.keeper, lambda token: {"Hub": HubRest(hub.url, token).permissions([hub.service_id])}, clock=clock
    )
    assert keeper.of(handle).allows(read)
    hub.revoke_permission("Developers", read)
    clock.advance(-HOUR)
    assert not keeper.of(handle).allows(read)


def test_after_a_clock_goes_back_all_is_read_once_and_then_as_it_was(site: Site, clock: Time, hub: DevHub) -> None:
    """R19"""
    handle = site.sign_in()
    first = site.access(handle)
    clock.advance(-HOUR)
    with calls(hub, ME_PATH) as found:
        for _ in range(5):
            assert site.keeper.current(handle)
    assert len(found) == 1
    assert site.access(handle) != first
    now = site.login(handle)
    assert all(abs(stamp - clock()) < 3 for stamp in (now.last_seen, now.read_at, now.token.expires_at - 4 * HOUR))
    assert site.ended == []


def test_who_signs_in_while_the_clock_is_a_year_ahead_is_out_when_it_is_right_again(site: Site, clock: Time) -> None:
    """R19, S48"""
    clock.advance(365 * DAY)
    handle = site.sign_in()
    assert site.keeper.current(handle)
    clock.advance(-365 * DAY)
    assert site.keeper.current(handle) is None
    assert [reason for _, reason in site.ended] == ["expired"]


@pytest.mark.parametrize("idle", [10, 30, 90, 600])
def test_who_comes_again_within_the_idle_life_stays_however_short_it_is(
    custom: Callable[..., Site], clock: Time, idle: int
) -> None:
    """S48"""
    site = custom(HUB_IDLE_LIFETIME=idle)
    handle = site.sign_in()
    for _ in range(20):
        clock.advance(0.29 * idle)
        assert site.keeper.current(handle)
    # What was noted last may be a tenth older, and a second for its rounding.
    clock.advance(0.9 * idle - 2)
    assert site.keeper.current(handle)
    clock.advance(idle)
    assert site.keeper.current(handle) is None


@pytest.mark.parametrize(("idle", "seconds"), [(2, 1), (30, 3), (300, 30), (600, 60), (8 * HOUR, 60)])
def test_last_seen_is_noted_once_in_a_tenth_of_the_idle_life_and_in_a_minute_at_most(
    custom: Callable[..., Site], idle: int, seconds: int
) -> None:
    config, seen = custom(HUB_IDLE_LIFETIME=idle).keeper.config, login(NOW)
    assert times.seen(seen, NOW + seconds - 0.01, config) is seen
    assert times.seen(seen, NOW + seconds, config).last_seen == NOW + seconds
