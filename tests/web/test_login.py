"""Logins as people make them: one, several at once, over another, after another, and those that come to nothing."""

from __future__ import annotations

import base64
import hashlib
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, Response, session

from flask_hub_auth import (
    AccessDenied,
    HubAuth,
    HubUser,
    StoreUnavailable,
    current_hub_user,
    hub_logged_in,
    hub_logged_out,
    hub_login_failed,
)
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import KEY, NAVIGATION, SCRIPT, TOKEN_PATH, Visitor, query

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]
HTTPS = {"HUB_SERVICE_URL": "https://service.example"}


@pytest.fixture
def said() -> Iterator[list[tuple[str, Any]]]:
    """What the signals of a login say."""
    heard: list[tuple[str, Any]] = []

    def entered(app: Flask, user: HubUser) -> None:
        heard.append(("in", user.login))

    def left(app: Flask, user_id: str, reason: str) -> None:
        heard.append(("out", reason))

    def failed(app: Flask, code: str) -> None:
        heard.append(("failed", code))

    with (
        hub_logged_in.connected_to(entered),
        hub_logged_out.connected_to(left),
        hub_login_failed.connected_to(failed),
    ):
        yield heard


def code_on(page: str) -> str:
    """The number of the error on a page."""
    found = re.search(r"HUB-\d{3}", page)
    return found[0] if found else ""


def remember_something(app: Flask) -> None:
    """Views that keep a word in the application's own part of the session."""

    @app.get("/keep/<word>")
    def keep(word: str) -> str:
        session["word"] = word
        return word

    @app.get("/kept")
    def kept() -> str:
        return str(session.get("word", ""))


# What goes to Hub


def test_a_login_begins_with_a_redirect_that_asks_for_a_code_with_pkce(visitor: Visitor, dev_hub: HubInMemory) -> None:
    """S2, S3, S4, S6, S7, S15, S37, L10, L11."""
    answer = visitor.open("/private?x=1")
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    asked = query(answer.location)
    assert re.fullmatch(r"[\w-]{43}", asked.pop("state"))
    assert re.fullmatch(r"[\w-]{43}", asked.pop("code_challenge"))
    assert asked == {
        "response_type": "code",
        "client_id": dev_hub.service_id,
        "redirect_uri": "http://localhost:5000/authorized",
        "scope": f"0-0-0-0-0 {dev_hub.service_id}",
        "code_challenge_method": "S256",
        "access_type": "offline",
        "request_credentials": "default",
    }


def test_every_login_has_a_state_and_a_challenge_of_its_own(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1, S3: also where the time stands still and chance does not."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    states, challenges = set(), set()
    for _ in range(1_000):
        random.seed(1)
        visitor.client.delete_cookie("x")
        asked = query(visitor.begin("/login"))
        states.add(asked["state"])
        challenges.add(asked["code_challenge"])
    assert len(states) == len(challenges) == 1_000


def test_the_verifier_is_in_no_cookie_and_no_address(visitor: Visitor) -> None:
    """S3."""
    location = visitor.begin("/private")
    challenge = query(location)["code_challenge"]
    (cookie,) = visitor.cookies().values()
    payload = cookie.split(".")[0]
    seen = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode() + " " + location + " " + cookie
    for word in re.findall(r"[\w~-]+", seen):
        digest = hashlib.sha256(word.encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge


def test_a_public_client_that_must_use_pkce_signs_in(make_site: MakeSite, visit: Visit, dev_hub: HubInMemory) -> None:
    """S3."""
    dev_hub.service.secret = None
    dev_hub.service.pkce_required = True
    visitor = visit(make_site(HUB_SERVICE_SECRET=None))
    visitor.sign_in()
    assert visitor.who() == "jane"


@pytest.mark.parametrize(
    "settings",
    [
        {"HUB_SCOPE": ["YouTrack Server", "0-0-0-0-0", "YouTrack Server"]},
        {"HUB_OFFLINE": False},
        {"HUB_REDIRECT_PATH": "/back/here", "HUB_LOGIN_PATH": "/in", "HUB_LOGOUT_PATH": "/out"},
    ],
    ids=str,
)
def test_the_settings_of_a_login_are_what_hub_is_asked(
    make_site: MakeSite, visit: Visit, settings: dict[str, Any]
) -> None:
    """S5, S7."""
    visitor = visit(make_site(**settings))
    asked = query(visitor.begin())
    wanted = {
        "HUB_SCOPE": asked["scope"] == "YouTrack%20Server 0-0-0-0-0",
        "HUB_OFFLINE": "access_type" not in asked,
        "HUB_REDIRECT_PATH": asked["redirect_uri"] == "http://localhost:5000/back/here",
    }
    assert [key for key in settings if not wanted.get(key, True)] == []
    if "HUB_SCOPE" not in settings:
        assert visitor.sign_in("/login" if "HUB_LOGIN_PATH" not in settings else "/in").location == "/"
        assert visitor.who() == "jane"


# One login


def test_a_person_lands_on_the_page_they_wanted_with_its_query(visitor: Visitor, said: list[Any]) -> None:
    """S17, S37."""
    back = visitor.sign_in("/private/a?x=1&y=%C3%A4")
    assert back.status_code == 302
    assert back.location == "/private/a?x=1&y=%C3%A4"
    assert back.headers["Cache-Control"] == "no-store"
    assert back.headers["Referrer-Policy"] == "no-referrer"
    assert "Cookie" in back.vary
    assert visitor.open(back.location).text == "private jane"
    assert not any(name.startswith("hub_login_") for name in visitor.cookies())
    assert said == [("in", "jane")]


def test_the_session_holds_one_random_handle_and_nothing_else(visitor: Visitor) -> None:
    visitor.sign_in()
    with visitor.client.session_transaction() as kept:
        assert list(kept) == ["hub_login"]
        assert re.fullmatch(r"[\w-]{43}", kept["hub_login"])


@pytest.mark.parametrize(
    ("person", "settings", "code"),
    [
        ("mallory", {}, "HUB-110"),
        ("john", {"HUB_LOGIN_GROUPS": ["Developers"]}, "HUB-113"),
        ("john", {"HUB_LOGIN_GROUPS": ["Developers", "Staff"]}, "HUB-113"),
    ],
)
def test_who_may_not_sign_in_sees_a_page_that_says_so(
    make_site: MakeSite, visit: Visit, said: list[Any], person: str, settings: dict[str, Any], code: str
) -> None:
    """S40, R57."""
    visitor = visit(make_site(**settings))
    answer = visitor.sign_in("/private", as_=person)
    assert answer.status_code == 403
    assert code_on(answer.text) == code
    assert visitor.who() == "nobody"
    assert visitor.logins() == 0
    assert said == [("failed", code)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"id": "1", "login": "x", "banned": true}', "HUB-111"),
        ('{"id": "1", "login": "x", "guest": true}', "HUB-112"),
    ],
)
def test_banned_people_and_guests_are_not_signed_in(
    visitor: Visitor, dev_hub: HubInMemory, body: str, code: str
) -> None:
    """S40."""
    dev_hub.fail("/api/rest/users/me", body=body)
    answer = visitor.sign_in()
    assert (answer.status_code, code_on(answer.text)) == (403, code)
    assert visitor.logins() == 0


@pytest.mark.parametrize("groups", [["Developers"], ["Nobody", "Developers"], ["Staff"]])
def test_members_of_one_login_group_are_enough_also_by_a_group_inside_it(
    make_site: MakeSite, visit: Visit, groups: list[str]
) -> None:
    visitor = visit(make_site(HUB_LOGIN_GROUPS=groups))
    assert visitor.sign_in().status_code == 302
    assert visitor.who() == "jane"


@pytest.mark.parametrize("before", [None, "john"])
def test_a_receiver_can_refuse_a_login_before_anything_is_kept(
    visitor: Visitor, said: list[Any], before: str | None
) -> None:
    """S42: who was signed in before still is."""
    if before:
        visitor.sign_in(as_=before)
    logins = visitor.logins()
    said.clear()

    def refuse(app: Flask, user: HubUser) -> None:
        raise AccessDenied("not today")

    with hub_logged_in.connected_to(refuse):
        answer = visitor.sign_in("/login?next=/private", as_="jane")
    assert answer.status_code == 403
    assert "not today" not in answer.text
    assert visitor.who() == (before or "nobody")
    assert visitor.logins() == logins
    assert ("failed", "HUB-403") in said


@pytest.mark.parametrize(("refused", "who"), [(True, "john"), (False, "jane")])
def test_a_receiver_that_asks_who_is_there_keeps_nobody_from_being_known(
    visitor: Visitor, refused: bool, who: str
) -> None:
    """S42: the answer to the same request knows who is signed in now."""
    seen = []

    def look(app: Flask, user: HubUser) -> None:
        seen.append(current_hub_user.login)
        if refused:
            raise AccessDenied("not today")

    def note(answer: Response) -> Response:
        seen.append(current_hub_user.login)
        return answer

    visitor.app.after_request(note)
    visitor.sign_in(as_="john")
    callback = visitor.answer(visitor.begin("/login"), "jane")
    seen.clear()
    with hub_logged_in.connected_to(look):
        visitor.come_back(callback)
    assert seen == ["", who]


@pytest.mark.parametrize(("own", "next"), [({}, "/private"), ({"return_to": "/elsewhere"}, "/elsewhere")])
def test_a_receiver_that_refuses_may_say_where_another_login_leads(
    visitor: Visitor, own: dict[str, str], next: str
) -> None:
    def refuse(app: Flask, user: HubUser) -> None:
        raise AccessDenied("not today", **own)

    with hub_logged_in.connected_to(refuse):
        answer = visitor.sign_in("/private")
    assert f'href="/login?next={next}&amp;switch=1"' in answer.text


def test_a_receiver_that_breaks_leaves_no_half_made_login(visitor: Visitor) -> None:
    """S42."""

    def break_down(app: Flask, user: HubUser) -> None:
        raise RuntimeError("canary")

    visitor.app.config["PROPAGATE_EXCEPTIONS"] = False
    with hub_logged_in.connected_to(break_down):
        answer = visitor.sign_in()
    assert answer.status_code == 500
    assert visitor.who() == "nobody"
    assert visitor.logins() == 0


def test_people_are_known_by_hubs_id_and_not_by_their_login(
    make_site: MakeSite, visit: Visit, dev_hub: HubInMemory
) -> None:
    """S39: the session stays over a new login name, and is cleared for another person with the old one."""
    app = make_site()
    remember_something(app)
    visitor = visit(app)
    visitor.sign_in()
    visitor.open("/keep/word")
    jane = dev_hub.people.users["jane"]
    jane.login = "jane.doe"
    visitor.sign_in("/login")
    assert visitor.who() == "jane.doe"
    assert visitor.open("/kept").text == "word"
    jane.id = "c6b6e9c6-0000-4000-8000-00000000ffff"
    jane.login = "jane"
    visitor.sign_in("/login", as_="john")
    assert visitor.open("/kept").text == ""


# Several logins in one browser


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [0, 1, 2, 3, 4], [2, 0, 4, 1, 3]])
def test_five_tabs_all_land_where_they_wanted_in_whatever_order_they_come_back(
    visitor: Visitor, order: list[int]
) -> None:
    """R45."""
    asked = [visitor.begin(f"/private/{tab}?tab={tab}") for tab in range(5)]
    callbacks = [visitor.answer(each) for each in asked]
    assert [visitor.come_back(callbacks[tab]).location for tab in order] == [
        f"/private/{tab}?tab={tab}" for tab in order
    ]
    assert visitor.who() == "jane"
    assert visitor.token_calls() == 5
    assert visitor.logins() == 1


@pytest.mark.parametrize("turned", [False, True])
def test_of_ten_tabs_the_newest_five_land_where_they_wanted(visitor: Visitor, hub_clock: Clock, turned: bool) -> None:
    """R46, S10."""
    asked = []
    for tab in range(10):
        asked.append(visitor.begin(f"/private/{tab}"))
        hub_clock.advance(1)
    order = range(9, -1, -1) if turned else range(10)
    seen = {tab: visitor.come_back(visitor.answer(asked[tab])) for tab in order}
    assert [seen[tab].location for tab in range(5, 10)] == [f"/private/{tab}" for tab in range(5, 10)]
    for tab in range(5):
        assert seen[tab].status_code == 400 or seen[tab].location == "/"
        if seen[tab].status_code == 400:
            assert "Sign in again" in seen[tab].text


@pytest.mark.parametrize(
    "page",
    [
        "/private",
        "/private?long=" + "".join(map(chr, random.Random(1).choices(range(97, 123), k=1_900))),
        "/private?q=" + "ä" * 300,
    ],
)
def test_a_thousand_abandoned_logins_stay_small_in_the_browser_and_leave_nothing_on_the_server(
    visitor: Visitor, hub_clock: Clock, page: str
) -> None:
    """S9, S10, L12."""
    for _ in range(1_000 if page == "/private" else 50):
        visitor.begin(page)
        hub_clock.advance(0.5)
        jar = visitor.cookies()
        assert len(jar) <= 5
        assert sum(len(name) + len(value) + 4 for name, value in jar.items()) < 4096
    assert len(visitor.app.extensions["hub_auth"].keeper.logins.store._cache._cache) == 0
    assert visitor.token_calls() == 0
    assert visitor.sign_in(page).status_code == 302


def test_many_logins_and_logouts_leave_nothing_and_are_no_loop(visitor: Visitor) -> None:
    """R62."""
    for _ in range(200):
        visitor.sign_in()
        visitor.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"})
    assert visitor.logins() == 0
    assert [name for name in visitor.cookies() if name.startswith("hub_login_")] == []


def test_cookies_that_a_neighbour_planted_are_pushed_out_and_break_nothing(visitor: Visitor) -> None:
    """S56."""
    for number in range(100):
        visitor.client.set_cookie(f"hub_login_{number:08x}", "A" * 30)
    visitor.client.set_cookie("hub_login_ä€", "junk")
    visitor.client.set_cookie("hub_login_", "junk")
    visitor.client.set_cookie("__Host-hub_login_00000000", "junk")
    for answer in (visitor.open("/private"), visitor.open("/authorized?code=c&state=s")):
        assert len([name for name, _ in answer.headers if name == "Set-Cookie"]) <= 20
        for name, value in answer.headers:
            assert f"{name}: {value}".encode("latin-1")
    assert visitor.sign_in().location == "/private"
    assert visitor.who() == "jane"


def test_a_login_that_is_begun_over_another_changes_nothing_until_it_comes_back(visitor: Visitor) -> None:
    """S12."""
    visitor.sign_in(as_="john")
    begun = visitor.begin("/login?next=/private")
    assert visitor.who() == "john"
    assert visitor.logins() == 1
    visitor.come_back(visitor.answer(begun, "jane"))
    assert visitor.who() == "jane"
    assert visitor.logins() == 1


def test_of_many_equal_callbacks_at_once_one_signs_in(visitor: Visitor) -> None:
    """S27, R47."""
    callback = visitor.answer(visitor.begin())
    jar = visitor.cookies()
    barrier, answers = threading.Barrier(12), []

    def come_back() -> None:
        client = visitor.app.test_client()
        for name, value in jar.items():
            client.set_cookie(name, value)
        barrier.wait()
        answers.append(client.get(callback, headers=NAVIGATION).status_code)

    threads = [threading.Thread(target=come_back) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [302] + [400] * 11
    assert visitor.token_calls() == 1
    assert visitor.logins() == 1


def test_a_callback_is_good_once_over_all_processes_and_only_in_its_browser(
    make_site: MakeSite, visit: Visit, tmp_path: Any
) -> None:
    """S25, S27: two applications with one folder are two processes."""
    workers = [visit(make_site(HUB_CACHE=f"file://{tmp_path}/logins")) for _ in range(2)]
    callback = workers[0].answer(workers[0].begin())
    assert workers[1].come_back(callback).status_code == 400
    for name, value in workers[0].cookies().items():
        workers[1].client.set_cookie(name, value)
    assert workers[0].come_back(callback).status_code == 302
    used = workers[1].come_back(callback)
    assert (used.status_code, code_on(used.text)) == (400, "HUB-103")
    assert workers[1].who() == "nobody"


# Callbacks that come to nothing


@pytest.mark.parametrize(
    ("seconds", "code", "next"),
    [(601, "HUB-101", "/private?x=1"), (3_000, "HUB-101", "/private?x=1")],
)
def test_a_late_callback_offers_a_new_login_to_the_same_page(
    visitor: Visitor, hub_clock: Clock, seconds: int, code: str, next: str
) -> None:
    """S11, R46."""
    begun = visitor.begin("/private?x=1")
    hub_clock.advance(seconds)
    answer = visitor.come_back(visitor.answer(begun))
    assert (answer.status_code, code_on(answer.text)) == (400, code)
    assert f'href="/login?next={quote(next, safe="/")}"' in answer.text
    assert visitor.sign_in(f"/login?next={quote(next)}").location == next


def test_a_cookie_that_does_not_come_back_is_named(visitor: Visitor) -> None:
    """R49, R50."""
    callback = visitor.answer(visitor.begin())
    for name in visitor.cookies():
        visitor.client.delete_cookie(name)
    answer = visitor.come_back(callback)
    assert (answer.status_code, code_on(answer.text)) == (400, "HUB-104")
    assert "cookies" in answer.text


def test_a_browser_that_keeps_no_cookies_is_not_sent_round_in_circles(visitor: Visitor) -> None:
    """R49: the fourth answer at the latest is a page."""
    path, answers = "/private", []
    for _ in range(4):
        answer = visitor.open(path)
        for name in visitor.cookies():
            visitor.client.delete_cookie(name)
        answers.append(answer.status_code)
        if answer.status_code != 302:
            break
        path = visitor.answer(answer.location)
    assert answers == [302, 400]


def test_a_browser_that_loses_the_session_sees_a_page_after_three_round_trips(
    visitor: Visitor, hub_clock: Clock, said: list[Any]
) -> None:
    """R49, R72."""
    trips = 0
    while (answer := visitor.open("/private?x=1")).status_code == 302 and trips < 10:
        trips += 1
        assert visitor.come_back(visitor.answer(answer.location)).status_code == 302
        visitor.client.delete_cookie("session")
    assert trips == 3
    assert (answer.status_code, code_on(answer.text)) == (400, "HUB-105")
    assert said[-1] == ("failed", "HUB-105")
    assert 'href="/login?next=/private%3Fx%3D1"' in answer.text

    # Once the browser keeps it again, one login is enough, and the count begins anew.
    visitor.sign_in("/login?next=/private?x=1")
    assert visitor.open("/private?x=1").text == "private jane"
    assert "hub_tried" not in visitor.cookies()
    visitor.client.delete_cookie("session")
    assert visitor.open("/private").status_code == 302


def test_the_count_of_round_trips_is_over_after_five_minutes(visitor: Visitor, hub_clock: Clock) -> None:
    for _ in range(3):
        visitor.sign_in("/login")
        visitor.client.delete_cookie("session")
    assert visitor.open("/private").status_code == 400
    hub_clock.advance(301)
    assert visitor.open("/private").status_code == 302


def test_abandoned_logins_do_not_count_as_round_trips(visitor: Visitor) -> None:
    for _ in range(10):
        visitor.begin("/private")
    assert visitor.open("/private").status_code == 302


def test_many_tabs_that_sign_in_at_once_are_no_loop(visitor: Visitor) -> None:
    asked = [visitor.begin(f"/private/{tab}") for tab in range(5)]
    for each in asked:
        visitor.come_back(visitor.answer(each))
    assert visitor.open("/private").text == "private jane"


@pytest.mark.parametrize("error", ["access_denied", "server_error"])
def test_a_page_about_a_failed_login_offers_the_same_page_again(visitor: Visitor, error: str) -> None:
    """S32, R57."""
    state = query(visitor.begin("/private?x=1"))["state"]
    answer = visitor.open(f"/authorized?state={state}&error={error}&error_description=<b>why</b>")
    assert 'href="/login?next=/private%3Fx%3D1' in answer.text
    assert "<b>why" not in answer.text
    assert ("Retry-After" in answer.headers) == (error == "server_error")


def test_a_login_that_hub_begins_itself_starts_one_of_our_own(visitor: Visitor) -> None:
    begun = visitor.open("/authorized?code=hubs-own&state=" + quote("http://localhost:5000/private?x=1", safe=""))
    assert begun.status_code == 302
    assert visitor.token_calls() == 0
    assert visitor.come_back(visitor.answer(begun.location)).location == "/private?x=1"
    assert visitor.who() == "jane"


def test_who_was_refused_can_sign_in_with_another_account(visitor: Visitor) -> None:
    visitor.sign_in(as_="john")
    page = visitor.open("/developers")
    assert page.status_code == 403
    assert 'href="/login?next=/developers&amp;switch=1"' in page.text
    begun = visitor.begin("/login?next=/developers&switch=1")
    assert query(begun)["request_credentials"] == "required"


# Who comes after whom


@pytest.mark.parametrize(
    ("first", "between", "second", "kept"),
    [
        (None, None, "jane", "word"),
        ("jane", None, "jane", "word"),
        ("john", None, "jane", ""),
        ("jane", "idle", "jane", "word"),
        ("john", "idle", "jane", ""),
        ("jane", "revoked", "jane", "word"),
        ("john", "revoked", "jane", ""),
        ("jane", "logout", "jane", ""),
        ("john", "logout", "jane", ""),
    ],
)
def test_what_the_application_keeps_is_seen_by_nobody_else(
    make_site: MakeSite,
    visit: Visit,
    dev_hub: HubInMemory,
    hub_clock: Clock,
    first: str | None,
    between: str | None,
    second: str,
    kept: str,
) -> None:
    """S36: it stays where nobody or the same person was signed in before, also if that login ended by itself."""
    app = make_site()
    remember_something(app)
    visitor = visit(app)
    if first:
        visitor.sign_in(as_=first)
    visitor.open("/keep/word")
    if between == "idle":
        hub_clock.advance(9 * 3600)
        assert visitor.who() == "nobody"
    if between == "revoked":
        assert first
        dev_hub.revoke(first)
        hub_clock.advance(3_700)
        assert visitor.who() == "nobody"
    if between == "logout":
        visitor.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"})
    visitor.sign_in("/login", as_=second)
    assert visitor.who() == second
    assert visitor.open("/kept").text == kept
    assert visitor.logins() == 1


def test_a_handle_that_was_planted_before_is_dead_after_the_login(visitor: Visitor, visit: Visit) -> None:
    """S34."""
    attacker = visit(visitor.app)
    attacker.sign_in(as_="john")
    planted = attacker.cookies()["session"]
    visitor.client.set_cookie("session", planted)
    visitor.sign_in("/login", as_="jane")
    assert visitor.who() == "jane"
    assert visitor.cookies()["session"] != planted
    assert attacker.who() == "nobody"


def test_every_login_of_one_person_has_a_new_handle(visitor: Visitor) -> None:
    """S34."""
    handles = set()
    for _ in range(5):
        visitor.sign_in("/login")
        with visitor.client.session_transaction() as kept:
            handles.add(kept["hub_login"])
    assert len(handles) == 5
    assert visitor.logins() == 1


def test_a_handle_that_the_server_did_not_give_never_comes_to_be(visitor: Visitor) -> None:
    """S35."""
    with visitor.client.session_transaction() as kept:
        kept["hub_login"] = "A" * 43
    assert visitor.who() == "nobody"
    visitor.sign_in("/login")
    with visitor.client.session_transaction() as kept:
        assert kept["hub_login"] != "A" * 43
    assert visitor.logins() == 1


def test_a_session_interface_that_can_gets_a_new_id_too(visitor: Visitor) -> None:
    """S34."""
    regenerated = []
    visitor.app.session_interface.regenerate = regenerated.append  # type: ignore[attr-defined]
    visitor.sign_in()
    assert len(regenerated) == 1


def test_the_signals_tell_the_whole_story(visitor: Visitor, said: list[Any], hub_clock: Clock) -> None:
    visitor.sign_in(as_="john")
    visitor.sign_in("/login", as_="jane")
    visitor.open("/authorized?code=c&state=s", headers=NAVIGATION)
    visitor.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"})
    visitor.open("/authorized?code=c&state=s")
    visitor.sign_in(as_="jane")
    hub_clock.advance(9 * 3600)
    visitor.who()
    visitor.who()
    assert said == [
        ("in", "john"),
        ("in", "jane"),
        ("out", "ended"),
        ("out", "logout"),
        ("failed", "HUB-104"),
        ("in", "jane"),
        ("out", "expired"),
    ]


def test_the_log_tells_of_a_login_from_its_beginning_to_its_end(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """At INFO, as docs/production.md says: who it was, and which of their logins."""
    caplog.set_level(logging.INFO, "flask_hub_auth")
    visitor.sign_in()
    hub_clock.advance(3600)
    visitor.who()
    visitor.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"})
    visitor.sign_in()
    user_id = dev_hub.user("jane").id
    with visitor.app.app_context():
        assert HubAuth().end_sessions(user_id) == 1
    names = re.findall(r"session=([0-9a-f]{8})$", caplog.text, re.MULTILINE)
    first, second = names[0], names[-1]
    assert first != second
    assert caplog.messages == [
        f"login ok: user={user_id} session={first}",
        f"token renewed: user={user_id} session={first}",
        f"login over: reason=logout user={user_id} session={first}",
        f"login ok: user={user_id} session={second}",
        f"login over: reason=ended user={user_id} session={second}",
    ]


# Hosts and cookies


def test_a_page_under_another_host_is_first_opened_under_the_public_one(make_site: MakeSite, visit: Visit) -> None:
    """S4, R49: cookies would not come back."""
    visitor = visit(make_site())
    moved = visitor.open("/private?x=1", base_url="http://127.0.0.1:5000")
    assert moved.location == "http://localhost:5000/login?next=/private%3Fx%3D1&canonical=1"
    assert moved.headers["Cache-Control"] == "no-store"
    assert visitor.cookies() == {}
    assert visitor.sign_in(moved.location.removeprefix("http://localhost:5000")).location == "/private?x=1"


@pytest.mark.parametrize("host", ["http://internal:8000", "http://127.0.0.1"])
def test_a_proxy_that_rewrites_the_host_makes_no_loop(visitor: Visitor, host: str) -> None:
    begun = visitor.open("/login?next=/private&canonical=1", base_url=host)
    assert begun.location.startswith(visitor.hub.url)
    assert query(begun.location)["redirect_uri"] == "http://localhost:5000/authorized"


@pytest.mark.parametrize("host", ["http://localhost:5000", "http://localhost", "http://LOCALHOST:8080"])
def test_the_same_host_with_another_port_is_no_other_host(visitor: Visitor, host: str) -> None:
    assert visitor.open("/private", base_url=host).location.startswith(visitor.hub.url)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example", "X-Forwarded-Host": "localhost:5000"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"},
        {"Forwarded": "for=1.2.3.4;host=evil.example;proto=https"},
    ],
    ids=str,
)
def test_the_redirect_uri_is_the_configured_one_whatever_host_is_named(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    """S4, S5."""
    begun = visitor.open("/login?canonical=1", headers={**NAVIGATION, **headers})
    assert query(begun.location)["redirect_uri"] == "http://localhost:5000/authorized"


@pytest.mark.parametrize(("settings", "prefix"), [({}, ""), (HTTPS, "__Host-")])
def test_cookies_are_bound_to_this_site_and_taken_away_as_they_were_given(
    make_site: MakeSite, visit: Visit, settings: dict[str, Any], prefix: str
) -> None:
    """S54, L12, L13."""
    visitor = visit(make_site(**settings))
    begun = visitor.open("/private")
    back = visitor.come_back(visitor.answer(begun.location))
    page = visitor.open("/private")
    given = [*begun.headers.getlist("Set-Cookie"), *back.headers.getlist("Set-Cookie")]
    given += page.headers.getlist("Set-Cookie")
    seen = {}
    for cookie in given:
        name, *attributes = (part.partition("=")[0] if "Expires" in part else part for part in cookie.split("; "))
        seen.setdefault(name.partition("=")[0], []).append(set(attributes))
    ours = {name: all_ for name, all_ in seen.items() if "hub_" in name}
    assert {name.removeprefix(prefix)[:9] for name in ours} == {"hub_login", "hub_tried"}
    for name, versions in ours.items():
        assert name.startswith(prefix)
        assert len(versions) == 2
        for attributes in versions:
            fixed = {"HttpOnly", "Path=/", "SameSite=Lax"} | ({"Secure"} if prefix else set())
            assert fixed <= attributes
            assert not any(each.startswith("Domain") for each in attributes)
        assert "Max-Age=0" in versions[1]
    assert any("Max-Age=3600" in each for each in seen[next(name for name in ours if "login" in name)])
    assert any("Max-Age=300" in each for each in seen[f"{prefix}hub_tried"])
    assert all({"HttpOnly", "Path=/", "SameSite=Lax"} <= each for each in seen["session"])
    assert all(("Secure" in each) == bool(prefix) for each in seen["session"])


def test_without_a_refresh_token_a_login_ends_with_its_token(
    make_site: MakeSite, visit: Visit, hub_clock: Clock
) -> None:
    """A person who navigates takes one trip through Hub, a script gets 401."""
    visitor = visit(make_site(HUB_OFFLINE=False))
    visitor.sign_in()
    hub_clock.advance(3_601)
    assert visitor.open("/private", headers=SCRIPT).status_code == 401
    assert visitor.sign_in("/private?x=1").location == "/private?x=1"


def test_the_login_is_renewed_without_the_person_noticing(visitor: Visitor, hub_clock: Clock) -> None:
    visitor.sign_in()
    hub_clock.advance(3_601)
    assert visitor.open("/private").text == "private jane"
    assert visitor.token_calls() == 2


def test_a_broken_hub_at_the_callback_is_said_and_the_next_try_works(visitor: Visitor, dev_hub: HubInMemory) -> None:
    dev_hub.fail(TOKEN_PATH, status=503, times=1)
    answer = visitor.sign_in()
    assert (answer.status_code, code_on(answer.text)) == (503, "HUB-201")
    assert int(answer.headers["Retry-After"]) > 0
    assert visitor.sign_in().status_code == 302
    assert visitor.who() == "jane"


def test_a_secret_that_nobody_has_set_is_named_in_the_log(
    make_site: MakeSite, visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = visit(make_site(HUB_SERVICE_SECRET=None))
    assert code_on(visitor.sign_in().text) == "HUB-203"
    assert "invalid_client: Authorization header was not passed. HUB_SERVICE_SECRET is not set" in caplog.text
    wrong = visit(make_site(HUB_SERVICE_SECRET="wrong"))
    assert code_on(wrong.sign_in().text) == "HUB-203"
    assert caplog.text.count("is not set") == 1


def test_the_same_person_on_another_browser_is_another_login(visitor: Visitor, visit: Visit) -> None:
    other = visit(visitor.app)
    visitor.sign_in()
    other.sign_in()
    assert visitor.logins() == 2
    other.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"})
    assert (visitor.who(), other.who()) == ("jane", "nobody")


def test_a_stranger_is_nobody_in_every_view(make_site: MakeSite) -> None:
    app = make_site(SECRET_KEY=KEY)
    with app.test_request_context():
        assert not current_hub_user
        assert (current_hub_user.id, current_hub_user.login) == ("", "")


def test_the_absolute_end_is_told_and_the_same_person_keeps_their_session(
    make_site: MakeSite, visit: Visit, hub_clock: Clock
) -> None:
    """S48: however busy the login was; the store still knows whose it was."""
    app = make_site(HUB_IDLE_LIFETIME=30 * 3600)
    told: list[str] = []
    tell = hub_logged_out.connected_to(lambda app, user_id, reason: told.append(reason), app)
    app.add_url_rule("/cart", "cart", lambda: str(session.setdefault("cart", len(told))))
    visitor = visit(app)
    with tell:
        visitor.sign_in(as_="jane")
        assert visitor.open("/cart").text == "0"
        hub_clock.advance(24 * 3600 + 1)
        visitor.sign_in(as_="jane")
    assert told == ["expired"]
    assert visitor.open("/cart").text == "0"


@pytest.mark.parametrize(("as_", "kept", "told"), [("jane", "word", ["expired"]), ("john", "", [])])
def test_a_login_that_the_store_has_thrown_away_leaves_the_session_to_the_same_person(
    make_site: MakeSite, visit: Visit, hub_clock: Clock, as_: str, kept: str, told: list[str]
) -> None:
    """S48: its person comes back after its absolute end."""
    app = make_site()
    remember_something(app)
    visitor = visit(app)
    visitor.sign_in(as_="jane")
    visitor.open("/keep/word")
    hub_clock.advance(24 * 3600 + 1)
    store = app.extensions["hub_auth"].keeper.logins.store
    for key in [key for key in store._cache._cache if key.startswith("hub_")]:
        store.delete(key)
    heard: list[str] = []
    with hub_logged_out.connected_to(lambda app, user_id, reason: heard.append(reason), app):
        visitor.sign_in(as_=as_)
        assert visitor.open("/kept").text == kept
        visitor.sign_in("/login", as_=as_)
    assert heard == [*told, "ended"], "told once, and then of the login that another one has replaced"


def test_what_a_receiver_keeps_in_the_session_of_another_person_stays(
    make_site: MakeSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S42"""

    def gone(*given: object) -> None:
        raise StoreUnavailable("gone")

    def greet(app: Flask, user: HubUser) -> None:
        session["word"] = f"{session.get('word', 'nothing')} and new"
        session["half"] = user.login
        if user.login == "admin":
            raise AccessDenied("not today")

    app = make_site()
    remember_something(app)
    app.add_url_rule("/half", "half", lambda: session.get("half", ""))
    visitor = visit(app)
    visitor.sign_in(as_="jane")
    visitor.open("/keep/old")

    with hub_logged_in.connected_to(greet, app):
        assert visitor.sign_in("/login?next=/private", as_="admin").status_code == 403
        assert visitor.open("/kept").text == "old", "who is refused takes nothing away from who is there"
        assert visitor.open("/half").text == "", "nor does it leave anything"
        logins = app.extensions["hub_auth"].keeper.logins
        for owner, name in ((logins, "_put"), (logins, "remove"), (logins.people, "find")):
            callback = visitor.answer(visitor.begin("/login"), "john")
            with monkeypatch.context() as broken:
                broken.setattr(owner, name, gone)
                assert visitor.come_back(callback).status_code == 503
            seen = (visitor.open("/kept").text, visitor.open("/half").text, visitor.who())
            assert seen == ("old", "", "jane"), "nor does a store that is away"
        visitor.sign_in("/login?next=/private", as_="john")
    assert visitor.open("/kept").text == "nothing and new"
