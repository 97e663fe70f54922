"""When tokens are renewed, by whom, and what ends a login: over real HTTP, with a Hub that rotates."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flask_hub_auth.devhub import DevHub, serve
from flask_hub_auth.errors import HubUnavailable, StoreUnavailable
from flask_hub_auth.model import HubToken, Login, Secret
from flask_hub_auth.sealing import new_handle
from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.people import refusal_code
from flask_hub_auth.tokens.times import knows_groups

from .conftest import Place, Time, at_once, login
from .keeping import ME_PATH, TOKEN_PATH, Site, calls, make_site, timed

LIFE = 600
# What a busy machine may take where nobody waits for anything.
SOON = 1.2
SLOW = 1.5
"""How long Hub takes where somebody would be seen to wait for it."""


@pytest.fixture
def hub(clock: Time) -> Iterator[DevHub]:
    """A Hub on a port, which rotates and revokes the family of a refresh token that comes twice."""
    with serve(DevHub(rotate=True, token_life=LIFE, clock=clock)) as served:
        yield served.hub


@pytest.fixture
def site(hub: DevHub, clock: Time, tmp_path: Path) -> Site:
    return make_site(hub, open_store("memory://", str(tmp_path)), clock)


@pytest.fixture
def custom(hub: DevHub, clock: Time, tmp_path: Path) -> Callable[..., Site]:
    """A service with settings of its own."""
    return lambda **settings: make_site(hub, open_store("memory://", str(tmp_path)), clock, **settings)


@pytest.fixture(params=["memory", "files", "Redis"])
def place(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Place:
    return open_place(request.param)


@pytest.fixture
def stored(hub: DevHub, clock: Time, place: Place) -> Site:
    """A service with its logins in memory, one with files, and one with Redis."""
    return make_site(hub, place.store, clock)


@pytest.fixture(params=["files", "Redis"])
def processes(
    request: pytest.FixtureRequest, hub: DevHub, clock: Time, open_place: Callable[[str], Place]
) -> list[Site]:
    """Two services that share their files or their Redis and no locks of threads, as two processes do."""
    place = open_place(request.param)
    assert place.open
    return [make_site(hub, store, clock) for store in (place.store, place.open())]


class TestWhenItIsDue:
    @pytest.mark.parametrize(
        ("life", "leeway", "early"), [(LIFE, 60, 60), (LIFE, 20, 20), (100, 60, 10), (LIFE, 0, 0), (20, 60, 2)]
    )
    def test_it_is_due_at_the_leeway_and_at_most_a_tenth_of_the_life_before_the_end(
        self, custom: Callable[..., Site], hub: DevHub, clock: Time, life: int, leeway: int, early: int
    ) -> None:
        hub.token_life = life
        site = custom(HUB_REFRESH_LEEWAY=leeway, HUB_USER_TTL=10_000)
        handle = site.sign_in()
        first = site.access(handle)
        clock.advance(life - early - 1.5)
        with calls(hub) as found:
            assert site.keeper.current(handle)
            assert site.access(handle) == first
        assert found == []
        clock.advance(2)
        with calls(hub) as found:
            assert site.keeper.current(handle)
            assert site.access(handle) != first
        assert [call["grant"] for call in found] == ["refresh_token"]
        assert site.refreshed == [site.login(handle).user.id]

    def test_a_fresh_login_costs_one_read_and_nothing_else(self, stored: Site, hub: DevHub) -> None:
        """R37"""
        handle = stored.sign_in()
        before = len(hub.calls)
        for ask in (stored.keeper.current, stored.keeper.token):
            stored.store.reads = stored.store.writes = 0
            assert ask(handle)
            assert (stored.store.reads, stored.store.writes) == (1, 0)
        assert len(hub.calls) == before

    def test_last_seen_is_written_once_a_minute_however_many_come(self, stored: Site, clock: Time) -> None:
        """R37"""
        handle = stored.sign_in()
        for minute in range(3):
            stored.store.writes = 0
            clock.advance(25)
            at_once([partial(stored.keeper.current, handle)] * 10)
            assert stored.store.writes == 0
            clock.advance(36)
            at_once([partial(stored.keeper.current, handle)] * 10)
            assert stored.store.writes == 1, minute
            assert abs(stored.login(handle).last_seen - clock()) < 2

    def test_the_end_is_counted_from_the_time_of_the_request(self, site: Site, hub: DevHub, clock: Time) -> None:
        """R18"""
        handle = site.sign_in()
        clock.advance(LIFE)
        hub.fail(TOKEN_PATH, delay=1.2, times=1)
        asked = clock()
        assert site.keeper.current(handle)
        assert asked - 1 < site.login(handle).token.expires_at - LIFE <= asked

    @pytest.mark.parametrize("hours", [-1, -0.1, 0.1])
    def test_a_clock_that_jumps_ends_no_login_and_asks_no_more_than_it_must(
        self, site: Site, hub: DevHub, clock: Time, hours: float
    ) -> None:
        """R19"""
        handle = site.sign_in()
        clock.advance(hours * 3600)
        with calls(hub) as found:
            for _ in range(5):
                assert site.keeper.current(handle)
        assert len(found) <= 1
        assert site.ended == []


class TestEarlyRenewal:
    def test_one_renews_and_nobody_else_waits(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """R6"""
        handle = stored.sign_in()
        first = stored.access(handle)
        clock.advance(LIFE - 30)
        hub.fail(TOKEN_PATH, delay=SLOW, times=1)
        with calls(hub) as found:
            answers = at_once([partial(timed, partial(stored.keeper.current, handle))] * 40)
        assert len(found) == 1
        waited = sorted(seconds for _, seconds in answers)
        assert waited[-2] < SOON < SLOW <= waited[-1]
        tokens = [login.token.access_token.reveal() for login, _ in answers]
        assert tokens.count(first) == 39
        assert stored.access(handle) not in (first, "")

    @pytest.mark.parametrize("seconds", [LIFE - 30, LIFE + 1], ids=["early", "after the end"])
    def test_who_has_read_the_login_before_another_renewed_it_does_not_renew_it_again(
        self, stored: Site, hub: DevHub, clock: Time, seconds: float
    ) -> None:
        """R2: Hub would take the second renewal for theft, and end the login."""
        handle = stored.sign_in()
        clock.advance(seconds)
        stored.store.after_read = partial(stored.keeper.token, handle)
        with calls(hub) as found:
            token = stored.access(handle)
        assert [call["status"] for call in found] == [200]
        assert token == stored.login(handle).token.access_token.reveal()
        assert stored.login(handle).generation == 1

    def test_while_it_fails_the_old_token_is_good(self, site: Site, hub: DevHub, clock: Time) -> None:
        """R12"""
        handle = site.sign_in()
        first = site.access(handle)
        clock.advance(LIFE - 30)
        hub.fail(TOKEN_PATH, status=503)
        assert site.keeper.current(handle)
        assert site.access(handle) == first
        hub.mend()
        assert site.access(handle) != first


class TestRenewalAfterTheEnd:
    def test_all_wait_for_the_one_that_renews(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """R2, R3"""
        handle = stored.sign_in()
        for _ in range(2):
            first = stored.access(handle)
            clock.advance(LIFE + 1)
            hub.fail(TOKEN_PATH, delay=0.3, times=1)
            work = [partial(stored.access, handle)] * 25
            work += [lambda: stored.keeper.current(handle).token.access_token.reveal()] * 25  # type: ignore[union-attr]
            with calls(hub) as found:
                tokens = at_once(work)
            assert [call["status"] for call in found] == [200]
            assert len(set(tokens)) == 1
            assert first not in tokens
        assert stored.ended == []
        assert len(stored.refreshed) == 2

    @pytest.mark.alone
    def test_two_hundred_and_fifty_threads_make_one_call(self, site: Site, hub: DevHub, clock: Time) -> None:
        """R3"""
        handle = site.sign_in()
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, delay=0.3, times=1)
        with calls(hub) as found:
            answers = at_once([partial(timed, partial(site.access, handle))] * 250)
        assert len(found) == 1
        assert len({token for token, _ in answers}) == 1
        assert max(seconds for _, seconds in answers) < 2.5

    def test_two_processes_make_one_call(self, processes: list[Site], hub: DevHub, clock: Time) -> None:
        """R2"""
        handle = processes[0].sign_in()
        for _ in range(3):
            clock.advance(LIFE + 1)
            hub.fail(TOKEN_PATH, delay=0.2, times=1)
            with calls(hub) as found:
                tokens = at_once([partial(site.access, handle) for site in processes * 25])
            assert len(found) == 1
            assert len(set(tokens)) == 1
        assert [len(site.ended) for site in processes] == [0, 0]

    def test_everybody_gets_their_own(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """R4, R5"""
        people = ["admin", "jane", "john"] * 7
        handles = [stored.sign_in(login) for login in people]
        clock.advance(LIFE + 1)
        chance = random.Random(3)
        for _ in handles:
            hub.fail(TOKEN_PATH, delay=chance.random() / 3, times=1)
        work = [(login, handle) for login, handle in zip(people, handles, strict=True) for _ in range(5)]
        chance.shuffle(work)

        def ask(login: str, handle: bytes) -> tuple[str, str, str]:
            found = stored.keeper.current(handle)
            assert found
            return login, found.user.login, stored.read_user(found.token.access_token).login

        with calls(hub) as found:
            answers = at_once([partial(ask, *each) for each in work])
        assert len(found) == len(handles)
        assert all(login == seen == at_hub for login, seen, at_hub in answers)

    def test_a_refresh_token_is_kept_until_hub_sends_another(self, site: Site, hub: DevHub, clock: Time) -> None:
        """R15"""
        hub.rotate = False
        handle = site.sign_in()
        refresh = [site.login(handle).token.refresh_token]
        for rotate in (False, False, True, True, False):
            hub.rotate = rotate
            clock.advance(LIFE + 1)
            assert site.keeper.current(handle)
            refresh.append(site.login(handle).token.refresh_token)
        assert refresh[0] == refresh[1] == refresh[2] != refresh[3] != refresh[4] == refresh[5]
        assert site.login(handle).generation == 5

    def test_what_hub_does_not_repeat_stays(self, site: Site, hub: DevHub, clock: Time) -> None:
        """S58"""
        handle = site.sign_in(id_token="id", scope="a b")
        clock.advance(LIFE + 1)
        answer = {"access_token": "new", "token_type": "Bearer", "expires_in": LIFE}
        hub.fail(TOKEN_PATH, body=json.dumps(answer), times=1)
        assert site.access(handle) == "new"
        token = site.login(handle).token
        assert token.id_token
        assert (token.scope, token.id_token.reveal()) == ("a b", "id")
        clock.advance(LIFE + 1)
        hub.fail(
            TOKEN_PATH, body=json.dumps(answer | {"access_token": "newer", "scope": "c", "id_token": "id2"}), times=1
        )
        assert site.access(handle) == "newer"
        token = site.login(handle).token
        assert token.id_token
        assert (token.scope, token.id_token.reveal()) == ("c", "id2")

    def test_the_new_pair_is_in_the_store_before_anybody_hears_of_it(self, processes: list[Site], clock: Time) -> None:
        one, other = processes
        handle = one.sign_in()
        before = one.login(handle).token
        seen: list[Login] = []
        one.refreshed = Told(lambda: seen.append(other.login(handle)))
        clock.advance(LIFE + 1)
        answer = one.keeper.token(handle)
        assert [login.token for login in seen] == [answer]
        assert answer
        assert answer != before

    def test_a_request_that_comes_late_spends_no_old_refresh_token(
        self, processes: list[Site], hub: DevHub, clock: Time
    ) -> None:
        """R2: Hub would end the whole family."""
        one, other = processes
        handle = one.sign_in()
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, delay=0.4, times=1)
        early = threading.Thread(target=one.keeper.current, args=(handle,))
        early.start()
        time.sleep(0.2)
        with calls(hub) as found:
            assert other.access(handle)
        early.join()
        assert found == []
        assert other.access(handle) == one.access(handle)


class Told(list[Any]):
    """A list that says when something is appended."""

    def __init__(self, tell: Callable[[], object]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, item: Any) -> None:
        self._tell()
        super().append(item)


REFUSED = {"error": "invalid_grant", "error_description": "Token is invalid, expired, revoked"}


class TestWhatEndsALogin:
    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_invalid_grant_does(self, stored: Site, hub: DevHub, clock: Time, status: int) -> None:
        """R16"""
        handle = stored.sign_in()
        user = stored.login(handle).user
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, status=status, body=json.dumps(REFUSED), delay=0.2)
        with calls(hub) as found:
            answers = at_once([partial(stored.keeper.current, handle), partial(stored.keeper.token, handle)] * 25)
        assert answers == [None] * 50
        assert len(found) == 1
        assert stored.ended == [(user.id, "revoked")]
        assert stored.login(handle).user.id == user.id
        assert stored.login(handle).ended == "revoked"
        hub.mend()
        assert stored.keeper.current(handle) is None

    def test_a_refusal_does_not_where_another_host_has_a_newer_token_by_then(
        self, processes: list[Site], hub: DevHub, clock: Time
    ) -> None:
        """R16: whenever the other one keeps it."""
        one, other = processes
        handle = one.sign_in()
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, status=400, body=json.dumps(REFUSED), times=1)
        before = len(hub.calls)

        def renew_elsewhere() -> None:
            if len(hub.calls) == before:
                one.store.after_read = renew_elsewhere
                return
            token = HubToken(Secret("newer"), Secret("refresh"), expires_at=int(clock()) + LIFE)
            other.logins.change(handle, lambda login: replace(login, token=token, generation=login.generation + 1))

        one.store.after_read = renew_elsewhere
        found = one.keeper.current(handle)
        assert found
        assert found.token.access_token == other.login(handle).token.access_token == Secret("newer")
        assert one.ended == []

    @pytest.mark.parametrize("status", [400, 403])
    def test_hubs_own_refusal_does(self, site: Site, hub: DevHub, clock: Time, status: Any) -> None:
        """R16"""
        hub.invalid_grant_status = status
        handle = site.sign_in()
        hub.revoke("jane")
        clock.advance(LIFE + 1)
        assert site.keeper.current(handle) is None
        assert [reason for _, reason in site.ended] == ["revoked"]

    def test_the_end_of_a_token_without_refresh_token_does(self, stored: Site, hub: DevHub, clock: Time) -> None:
        handle = stored.sign_in(offline=False)
        clock.advance(LIFE - 2)
        before = len(hub.calls)
        assert stored.keeper.token(handle)
        clock.advance(3)
        answers = at_once([partial(stored.keeper.current, handle), partial(stored.keeper.token, handle)] * 10)
        assert answers == [None] * 20
        assert [reason for _, reason in stored.ended] == ["expired"]
        assert len(hub.calls) == before

    @pytest.mark.parametrize(
        ("settings", "busy", "seconds"),
        [
            ({"HUB_IDLE_LIFETIME": 1000, "HUB_LOGIN_LIFETIME": 5000}, False, 1000),
            ({"HUB_IDLE_LIFETIME": 1000, "HUB_LOGIN_LIFETIME": 5000}, True, 5000),
            ({"HUB_IDLE_LIFETIME": 5000, "HUB_LOGIN_LIFETIME": 1000}, False, 1000),
        ],
        ids=["idle", "busy", "short"],
    )
    def test_its_ages_do(
        self, custom: Callable[..., Site], clock: Time, settings: dict[str, Any], busy: bool, seconds: int
    ) -> None:
        """S48: and a renewal makes nobody younger."""
        site = custom(lifetime=10_000, **settings)
        handle = site.sign_in()
        for _ in range(seconds // 500 - 1 if busy else 0):
            clock.advance(500)
            assert site.keeper.current(handle)
        clock.advance(498 if busy else seconds - 2)
        assert site.logins.load(handle)
        assert site.keeper.living(handle)
        clock.advance(4)
        assert site.keeper.living(handle) is None
        assert at_once([partial(site.keeper.current, handle)] * 20) == [None] * 20
        assert [reason for _, reason in site.ended] == ["expired"]

    def test_a_logout_does_once_and_leaves_nothing(self, stored: Site) -> None:
        """S49"""
        handle = stored.sign_in()
        user_id = stored.login(handle).user.id
        at_once([partial(stored.keeper.end, handle, "logout")] * 20)
        assert stored.logins.load(handle) is None
        assert stored.ended == [(user_id, "logout")]
        stored.keeper.end(handle, "banned")
        stored.keeper.end(new_handle(), "logout")
        assert stored.ended == [(user_id, "logout")]

    def test_an_end_is_told_once_whoever_sees_it(self, stored: Site) -> None:
        handle = stored.sign_in()
        at_once([partial(stored.keeper.end, handle, reason) for reason in ("banned", "revoked", "expired")] * 10)
        assert len(stored.ended) == 1
        assert stored.keeper.current(handle) is stored.keeper.token(handle) is None
        stored.keeper.end(handle, "logout")
        assert len(stored.ended) == 1
        assert stored.logins.load(handle) is None


FAILURES: dict[str, dict[str, Any]] = {
    "500 in JSON": {"status": 500, "body": '{"error":"server_error"}'},
    "500 that says invalid_grant": {"status": 500, "body": json.dumps(REFUSED)},
    "502 of a proxy": {"status": 502, "body": "<h1>Bad Gateway</h1>"},
    "503": {"status": 503, "headers": {"Retry-After": "20"}},
    "504": {"status": 504},
    "429": {"status": 429, "headers": {"Retry-After": "9"}},
    "404 page with the words": {"status": 404, "body": "<p>invalid_grant</p>"},
    "400 page with the words": {"status": 400, "body": '<p>{"error": "invalid_grant"}</p>'},
    "400 of nothing": {"status": 400, "body": ""},
    "400 with another error": {"status": 400, "body": '{"error":"invalid_request"}'},
    "400 with a list as error": {"status": 400, "body": '{"error":["invalid_grant"]}'},
    "400 with a likeness": {"status": 400, "body": '{"error":"Invalid_Grant"}'},
    "400 with the words elsewhere": {"status": 400, "body": '{"error":"x","error_description":"invalid_grant"}'},
    "400 with the words twice": {"status": 400, "body": '{"error":"invalid_grant","error":"invalid_grant"}'},
    "401 invalid_client": {"status": 401, "body": '{"error":"invalid_client"}'},
    "403 of a firewall": {"status": 403, "body": "<h1>Forbidden</h1>"},
    "403 unauthorized_client": {"status": 403, "body": '{"error":"unauthorized_client"}'},
    "403 for the secret": {
        "status": 403,
        "body": '{"error":"invalid_grant","error_description":"Invalid service secret"}',
    },
    "200 page": {"status": 200, "body": "<h1>Hub is starting</h1>"},
    "200 of nothing": {"status": 200, "body": ""},
    "200 without token": {"status": 200, "body": "{}"},
    "200 list": {"status": 200, "body": "[]"},
    "200 with the error": {"status": 200, "body": json.dumps(REFUSED)},
    "200 of brackets": {"status": 200, "body": "[" * 100_000},
    "200 with a token that is none": {"status": 200, "body": '{"access_token":"a b\\n","token_type":"Bearer"}'},
    "302": {"status": 302, "headers": {"Location": "/hub/login"}},
    "refused": {"transport": "refuse"},
    "reset": {"transport": "reset"},
    "hanging": {"transport": "hang"},
    "dripping": {"transport": "drip"},
}


class TestCouldNotAsk:
    @pytest.mark.alone
    @pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
    def test_it_is_not_a_no(
        self, custom: Callable[..., Site], hub: DevHub, clock: Time, failure: dict[str, Any]
    ) -> None:
        """R8, R12, R17, R22, R23, R24, R25, R26: a page goes on, who needs a token is told, the login lives."""
        # The answer to a reset or dripping renewal is lost, so that without rotation the login has to live.
        hub.rotate = False
        site = custom(HUB_TIMEOUT=0.4)
        handle = site.sign_in()
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, **failure)
        login, seconds = timed(lambda: site.keeper.current(handle))
        assert login.user.login == "jane"
        assert seconds < 0.4 + SOON
        with pytest.raises(HubUnavailable):
            site.keeper.token(handle)
        assert site.ended == []
        hub.mend()
        if "Retry-After" in failure.get("headers", {}):
            before = len(hub.calls)
            site.keeper.current(handle)
            assert len(hub.calls) == before, "Hub has asked to be left alone"
            clock.advance(30)
        assert site.access(handle) == site.login(handle).token.access_token.reveal()
        assert site.login(handle).generation == 1

    @pytest.mark.alone
    def test_one_of_many_that_wait_asks_in_vain_for_all(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """R8"""
        handle = stored.sign_in()
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, status=503, delay=0.4)
        with calls(hub) as found:
            answers = at_once([partial(timed, partial(stored.keeper.current, handle))] * 30)
        assert len(found) == 1
        assert all(login for login, _ in answers)
        assert max(seconds for _, seconds in answers) < 0.4 + 2 * SOON

    def test_it_is_bounded_by_the_grace_and_the_login_lives_on(
        self, custom: Callable[..., Site], hub: DevHub, clock: Time
    ) -> None:
        """R8, R12"""
        site = custom(HUB_OUTAGE_GRACE=100)
        handle = site.sign_in()
        hub.fail("*", transport="refuse")
        clock.advance(LIFE + 97)
        assert site.keeper.current(handle)
        clock.advance(5)
        with pytest.raises(HubUnavailable) as problem:
            site.keeper.current(handle)
        assert problem.value.code == 503
        clock.advance(3600)
        with pytest.raises(HubUnavailable):
            site.keeper.current(handle)
        hub.mend()
        assert site.keeper.current(handle)
        assert site.ended == []

    def test_without_grace_a_page_is_told_at_once(self, custom: Callable[..., Site], hub: DevHub, clock: Time) -> None:
        site = custom(HUB_OUTAGE_GRACE=0)
        handle = site.sign_in()
        hub.fail("*", status=503)
        clock.advance(LIFE + 1)
        with pytest.raises(HubUnavailable):
            site.keeper.current(handle)
        assert site.logins.load(handle)

    def test_a_hub_that_is_gone_ends_nothing(self, clock: Time, tmp_path: Path) -> None:
        """R12"""
        with serve(DevHub(clock=clock, token_life=LIFE)) as served:
            site = make_site(served.hub, open_store("memory://", str(tmp_path)), clock)
            handle = site.sign_in()
        clock.advance(LIFE + 1)
        assert site.keeper.current(handle)
        with serve(served.hub, port=served.port):
            assert site.access(handle)

    @pytest.mark.parametrize("wrong", ["other", "x" * 40])
    def test_a_wrong_service_secret_is_our_fault_and_is_asked_for_again(
        self, site: Site, hub: DevHub, clock: Time, wrong: str
    ) -> None:
        """R17, S86"""
        handle = site.sign_in()
        hub.service.secret = wrong
        clock.advance(LIFE + 1)
        assert site.keeper.current(handle)
        with pytest.raises(HubUnavailable):
            site.keeper.token(handle)
        assert site.ended == []
        site.secret = wrong
        assert site.access(handle)

    def test_its_log_holds_no_secret(
        self, site: Site, hub: DevHub, clock: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        """L1, S43"""
        with caplog.at_level(logging.DEBUG):
            handle = site.sign_in()
            secrets = [site.secret, handle.hex()]
            for failure in (None, {"status": 500}, {"status": 400, "body": json.dumps(REFUSED)}):
                token = site.login(handle).token
                assert token.refresh_token
                secrets += [token.access_token.reveal(), token.refresh_token.reveal()]
                clock.advance(LIFE + 1)
                if failure:
                    hub.fail(TOKEN_PATH, times=1, **failure)
                site.keeper.current(handle)
        assert "token renewed" in caplog.text
        assert "login over" in caplog.text
        for secret in filter(None, secrets):
            assert secret not in caplog.text


class TestReadingThePersonAgain:
    @pytest.fixture
    def hub(self, clock: Time) -> Iterator[DevHub]:
        with serve(DevHub(rotate=True, token_life=36_000, clock=clock)) as served:
            yield served.hub

    def test_it_is_done_when_the_time_has_come(self, site: Site, hub: DevHub, clock: Time) -> None:
        handle = site.sign_in()
        hub.update_user("jane", groups=["All Users", "Dancers"])
        clock.advance(297)
        with calls(hub, ME_PATH) as found:
            login = site.keeper.current(handle)
        assert found == []
        assert login
        assert "Dancers" not in login.user.groups
        clock.advance(5)
        with calls(hub, ME_PATH) as found:
            for _ in range(3):
                login = site.keeper.current(handle)
        assert len(found) == 1
        assert login
        assert login.user.groups == {"All Users", "Dancers"}

    def test_one_does_it_while_the_others_go_on(self, stored: Site, hub: DevHub, clock: Time) -> None:
        handle = stored.sign_in()
        hub.update_user("jane", name="New Name")
        clock.advance(301)
        hub.fail(ME_PATH, delay=SLOW, times=1)
        with calls(hub, ME_PATH) as found:
            answers = at_once([partial(timed, partial(stored.keeper.current, handle))] * 30)
        assert len(found) == 1
        waited = sorted(seconds for _, seconds in answers)
        assert waited[-2] < SOON < SLOW <= waited[-1]
        assert sorted(login.user.name for login, _ in answers) == ["Jane Doe"] * 29 + ["New Name"]
        login = stored.keeper.current(handle)
        assert login
        assert login.user.name == "New Name"

    def test_who_has_read_the_login_before_another_asked_hub_does_not_ask_again(
        self, stored: Site, hub: DevHub, clock: Time
    ) -> None:
        handle = stored.sign_in()
        hub.update_user("jane", name="New Name")
        clock.advance(301)
        stored.store.after_read = partial(stored.keeper.current, handle)
        with calls(hub, ME_PATH) as found:
            login = stored.keeper.current(handle)
        assert len(found) == 1
        assert login
        assert login.user.name == "New Name"

    @pytest.mark.parametrize(
        "failure",
        [
            {"status": 500},
            {"status": 403},
            {"status": 404, "body": "<p>banned</p>"},
            {"body": "{}"},
            {"body": "null"},
            {"body": '{"id":"","login":"jane"}'},
            {"body": '{"id":"x","login":"jane","banned":"no"}'},
            {"transport": "refuse"},
        ],
        ids=str,
    )
    def test_while_it_fails_pages_go_on_and_groups_are_known_for_the_grace(
        self, site: Site, hub: DevHub, clock: Time, failure: dict[str, Any]
    ) -> None:
        """R12, R24"""
        handle = site.sign_in()
        hub.fail(ME_PATH, **failure)
        for seconds, known in ((301, True), (296, True), (5, False), (3600, False)):
            clock.advance(seconds)
            login = site.keeper.current(handle)
            assert login
            assert knows_groups(login, clock(), site.keeper.config) is known
        hub.mend()
        login = site.keeper.current(handle)
        assert login
        assert knows_groups(login, clock(), site.keeper.config)
        assert site.ended == []

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"banned": True}, "banned"),
            ({"groups": ["All Users"]}, "revoked"),
            ({"groups": []}, "revoked"),
        ],
        ids=str,
    )
    def test_who_may_no_more_sign_in_is_out(
        self, custom: Callable[..., Site], hub: DevHub, clock: Time, change: dict[str, Any], reason: str
    ) -> None:
        """S40"""
        site = custom(HUB_LOGIN_GROUPS=["Developers", "Administrators"])
        handle, admin = site.sign_in("jane"), site.sign_in("admin")
        user_id = site.login(handle).user.id
        hub.update_user("jane", **change)
        clock.advance(301)
        at_once([partial(site.keeper.current, handle)] * 20)
        assert site.keeper.current(handle) is site.keeper.token(handle) is None
        assert site.ended == [(user_id, reason)]
        assert site.keeper.current(admin)

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ({"id": "ID", "login": "jane", "guest": True}, "revoked"),
            ({"id": "ID", "login": "jane", "banned": True}, "banned"),
            ({"id": "other", "login": "jane"}, "revoked"),
            ({"id": "other", "login": "jane", "banned": True}, "banned"),
            ({"id": "id", "login": "jane"}, "revoked"),
        ],
        ids=str,
    )
    def test_a_guest_or_somebody_else_is_out(
        self, site: Site, hub: DevHub, clock: Time, said: dict[str, Any], reason: str
    ) -> None:
        """S40, S58"""
        handle = site.sign_in()
        user_id = site.login(handle).user.id
        clock.advance(301)
        hub.fail(ME_PATH, body=json.dumps(said | ({"id": user_id} if said["id"] == "ID" else {})), times=1)
        assert site.keeper.current(handle) is None
        assert site.ended == [(user_id, reason)]

    def test_somebody_with_another_name_is_the_same_person(self, site: Site, hub: DevHub, clock: Time) -> None:
        """S39"""
        handle = site.sign_in()
        clock.advance(301)
        said = {"id": site.login(handle).user.id, "login": "jane2", "name": "Jane Roe"}
        hub.fail(ME_PATH, body=json.dumps(said), times=1)
        login = site.keeper.current(handle)
        assert login
        assert login.user.login == "jane2"

    def test_a_refused_token_is_renewed_once_and_asked_with_again(self, site: Site, hub: DevHub, clock: Time) -> None:
        handle = site.sign_in()
        hub.update_user("jane", name="New Name")
        hub.expire()
        clock.advance(301)
        with calls(hub) as tokens, calls(hub, ME_PATH) as readings:
            login = site.keeper.current(handle)
        assert [call["status"] for call in tokens] == [200]
        assert [call["status"] for call in readings] == [401, 200]
        assert login
        assert login.user.name == "New Name"
        assert login.token == site.login(handle).token

    @pytest.mark.parametrize("offline", [True, False])
    def test_a_refused_token_that_cannot_be_renewed_ends_the_login(
        self, site: Site, hub: DevHub, clock: Time, offline: bool
    ) -> None:
        handle = site.sign_in(offline=offline)
        hub.revoke("jane")
        clock.advance(301)
        assert site.keeper.current(handle) is None
        assert [reason for _, reason in site.ended] == ["revoked"]

    def test_a_refused_token_while_the_token_endpoint_is_away_ends_nothing(
        self, site: Site, hub: DevHub, clock: Time
    ) -> None:
        handle = site.sign_in()
        hub.expire()
        hub.fail(TOKEN_PATH, status=503)
        clock.advance(301)
        assert site.keeper.current(handle)
        hub.mend()
        assert site.keeper.current(handle)
        assert site.ended == []

    def test_a_hub_that_refuses_every_token_is_not_asked_for_one_all_the_time(
        self, site: Site, hub: DevHub, clock: Time
    ) -> None:
        """R20"""
        handle = site.sign_in()
        hub.fail(ME_PATH, status=401)
        clock.advance(301)
        with calls(hub) as found:
            for _ in range(10):
                assert site.keeper.current(handle)
        assert len(found) == 1
        clock.advance(6)
        with calls(hub) as found:
            at_once([partial(site.keeper.current, handle)] * 10)
        assert len(found) == 1
        assert site.ended == []


class TestWhoWins:
    @pytest.mark.alone
    def test_a_logout_does_not_wait_for_hub(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """S52"""
        handle = stored.sign_in()
        clock.advance(LIFE + 1)
        hub.fail(TOKEN_PATH, delay=SLOW, times=1)
        answers: list[Login | None] = []
        renewal = threading.Thread(target=lambda: answers.append(stored.keeper.current(handle)))
        renewal.start()
        time.sleep(0.2)
        _, seconds = timed(lambda: stored.keeper.end(handle, "logout"))
        assert seconds < SOON
        assert stored.logins.load(handle) is None
        renewal.join()
        assert answers == [None]
        assert stored.logins.load(handle) is None
        assert stored.keeper.current(handle) is stored.keeper.token(handle) is None
        assert [reason for _, reason in stored.ended] == ["logout"]
        assert stored.refreshed == []

    @pytest.mark.parametrize(("reason", "times"), [("logout", 100), ("banned", 25)])
    def test_an_end_wins_over_renewals_and_readings_in_flight_in_any_order(
        self, stored: Site, place: Place, hub: DevHub, clock: Time, reason: Any, times: int
    ) -> None:
        """S50"""
        times = min(times, 25) if place.is_redis else times  # each of them asks Redis a hundred times
        chance = random.Random(reason)
        for _ in range(times):
            handle = stored.sign_in()
            # Due to be renewed, or to be read again, or both.
            clock.advance(chance.choice([301, LIFE - 30, LIFE + 1]))
            hub.mend()
            hub.fail(TOKEN_PATH, delay=chance.random() / 50)
            hub.fail(ME_PATH, delay=chance.random() / 50)

            def later(work: Callable[[], object], seconds: float) -> object:
                time.sleep(seconds)
                return work()

            asks = [partial(ask, handle) for ask in (stored.keeper.current, stored.keeper.token)] * 2
            work: list[Callable[[], object]] = [partial(later, ask, chance.random() / 50) for ask in asks]
            work.append(partial(later, partial(stored.keeper.end, handle, reason), chance.random() / 25))
            at_once(work)
            found = stored.logins.load(handle)
            assert found is None if reason == "logout" else found and found.ended == reason
            assert stored.keeper.current(handle) is stored.keeper.token(handle) is None
        assert [told for _, told in stored.ended] == [reason] * times

    def test_a_ban_seen_by_one_process_holds_in_the_other(
        self, processes: list[Site], hub: DevHub, clock: Time
    ) -> None:
        one, other = processes
        handle = one.sign_in()
        clock.advance(301)
        assert other.login(handle)
        hub.update_user("jane", banned=True)
        assert one.keeper.current(handle) is None
        assert other.keeper.current(handle) is None
        assert (len(one.ended), len(other.ended)) == (1, 0)


class TestAStoreThatTakesNothing:
    @pytest.mark.alone
    def test_the_new_token_is_good_and_the_old_one_is_not_spent_again(
        self, stored: Site, hub: DevHub, clock: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        """R14"""
        handle = stored.sign_in()
        clock.advance(LIFE + 1)
        stored.store.refuses = True
        with calls(hub) as found:
            answers = at_once([partial(timed, partial(stored.access, handle))] * 20)
            for _ in range(3):
                assert stored.keeper.current(handle)
                assert stored.access(handle) == answers[0][0]
        assert len(found) == 1
        assert len({token for token, _ in answers}) == 1
        assert max(seconds for _, seconds in answers) < 1 + SOON
        assert "new tokens could not be kept" in caplog.text
        assert stored.ended == []
        stored.store.refuses = False
        assert stored.keeper.current(handle)
        assert stored.store.writes
        clock.advance(LIFE + 1)
        assert stored.access(handle) not in (answers[0][0], "")

    def test_another_process_gets_the_new_token_once_the_store_takes_it(
        self, processes: list[Site], hub: DevHub, clock: Time
    ) -> None:
        """R14"""
        one, other = processes
        handle = one.sign_in()
        clock.advance(LIFE + 1)
        one.store.refuses = True
        token = one.access(handle)
        one.store.refuses = False
        assert one.keeper.current(handle)
        with calls(hub) as found:
            assert other.access(handle) == token
        assert found == []

    @pytest.mark.alone
    def test_a_token_that_was_refused_is_there_for_others_as_soon_as_the_store_takes_it(
        self, processes: list[Site], hub: DevHub, clock: Time
    ) -> None:
        """R14: nobody has to come to the process that has it."""
        one, other = processes
        handle = one.sign_in()
        clock.advance(LIFE + 1)
        one.store.refuses = True
        token = one.access(handle)
        one.store.refuses = False
        end = time.monotonic() + 5
        while one.logins.owes(handle):
            assert time.monotonic() < end
            time.sleep(0.01)
        with calls(hub) as found:
            assert other.access(handle) == token
        assert found == []

    def test_where_hub_rotates_nothing_is_spent_that_could_not_be_kept(
        self, processes: list[Site], hub: DevHub, clock: Time
    ) -> None:
        """R14: another process would spend the old token again, and Hub end the login."""
        one, other = processes
        others = [one.sign_in(login) for login in ("john", "jane")]
        clock.advance(LIFE + 1)
        assert one.access(others[0])
        assert other.access(others[1])
        handle = one.sign_in()
        clock.advance(LIFE + 1)
        one.store.refuses = other.store.refuses = True
        with calls(hub) as found:
            for site in processes:
                assert site.keeper.current(handle), "the time of grace runs"
                with pytest.raises(HubUnavailable):
                    site.keeper.token(handle)
        assert found == []
        one.store.refuses = other.store.refuses = False
        assert one.access(handle) == other.access(handle)
        assert one.ended == other.ended == []

    def test_a_token_that_was_refused_is_written_with_the_next_request_however_soon(
        self, custom: Callable[..., Site], clock: Time
    ) -> None:
        """R14"""
        site = custom(HUB_REFRESH_LEEWAY=0)
        handle = site.sign_in()
        clock.advance(LIFE - 2)
        assert site.keeper.current(handle)
        clock.advance(3)
        site.store.refuses = True
        assert site.access(handle)
        site.store.refuses, site.store.writes = False, 0
        for _ in range(3):
            assert site.keeper.current(handle)
        # The login, and the list of its person's logins, in which "last seen" is ten minutes old.
        assert site.store.writes == 2

    def test_a_page_is_shown_where_the_person_was_read_again(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """R40"""
        hub.token_life = 3600
        handle = stored.sign_in()
        hub.update_user("jane", name="New Name")
        clock.advance(301)
        stored.store.refuses = True
        login = stored.keeper.current(handle)
        assert login
        assert login.user.name == "New Name"

    def test_a_ban_that_cannot_be_written_lets_nobody_in(self, stored: Site, hub: DevHub, clock: Time) -> None:
        """R40, S68"""
        hub.token_life = 3600
        handle = stored.sign_in()
        hub.update_user("jane", banned=True)
        clock.advance(301)
        stored.store.refuses = True
        with pytest.raises(StoreUnavailable):
            stored.keeper.current(handle)


class TestTokensWithoutALife:
    @pytest.mark.parametrize("life", [0, -5, 1, "0", "soon", 1e308, None, True, [], {}, "60", 1.5, "MISSING"], ids=repr)
    def test_hub_is_asked_once_in_five_seconds_at_most(
        self, custom: Callable[..., Site], hub: DevHub, clock: Time, life: object
    ) -> None:
        """R20"""
        site = custom(HUB_USER_TTL=10_000)
        handle = site.sign_in()
        answer = {"access_token": "new", "token_type": "Bearer", "refresh_token": "next", "expires_in": life}
        if life == "MISSING":
            del answer["expires_in"]
        hub.fail(TOKEN_PATH, body=json.dumps(answer))
        clock.advance(LIFE + 1)
        with calls(hub) as found:
            for _ in range(10):
                assert site.keeper.current(handle)
                assert site.access(handle) == "new"
        assert len(found) == 1
        clock.advance(5.5)
        with calls(hub) as found:
            for _ in range(10):
                assert site.access(handle) == "new"
        assert len(found) <= 1
        assert site.ended == []

    def test_a_life_without_end_is_thirty_days(self, site: Site, hub: DevHub, clock: Time) -> None:
        """R20"""
        handle = site.sign_in()
        hub.fail(TOKEN_PATH, body=json.dumps({"access_token": "a", "token_type": "Bearer", "expires_in": 10**12}))
        clock.advance(LIFE + 1)
        assert site.access(handle) == "a"
        assert site.login(handle).token.expires_at - clock() <= 30 * 86400


@pytest.mark.parametrize(
    ("who", "groups", "code"),
    [
        ({}, [], None),
        ({}, ["Developers"], None),
        ({}, ["Developers", "Others"], None),
        ({}, ["Others"], "HUB-113"),
        ({}, ["developers"], "HUB-113"),
        ({"groups": frozenset()}, ["Developers"], "HUB-113"),
        ({"groups": frozenset()}, [], None),
        ({"banned": True}, [], "HUB-111"),
        ({"guest": True}, [], "HUB-112"),
        ({"guest": True, "banned": True}, ["Others"], "HUB-111"),
    ],
    ids=str,
)
def test_who_may_not_sign_in_is_told_why(who: dict[str, Any], groups: list[str], code: str | None) -> None:
    """S40, S70"""
    assert refusal_code(replace(login().user, **who), groups) == code
