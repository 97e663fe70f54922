"""The other ways to sign in and out: in silence, as a guest, with the password again, and by way of Hub."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_hub_auth import (
    HubAuth,
    StoreUnavailable,
    current_hub_permissions,
    current_hub_user,
    hub_bearer_required,
    hub_logged_out,
    hub_login_failed,
    hub_login_optional,
    hub_login_required,
)
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import NAVIGATION, SCRIPT, TOKEN_PATH, Visitor, add_page, add_views, plain_app, query

MOST_STEPS = 12
LOGIN_PATH = "/hub/auth/login"
AUTH_PATH = "/hub/api/rest/oauth2/auth"


class Walker(Visitor):
    """Follows every redirect through the application and Hub, and keeps the list of them."""

    def __init__(self, app: Flask, hub: HubInMemory) -> None:
        super().__init__(app, hub)
        self.steps: list[str] = []

    def walk(self, path: str, method: str = "GET", **options: Any) -> TestResponse:
        """The answer to a navigation after every redirect, or Hub's login page."""
        self.steps = []
        return self._follow(self.open(path, method, **options))

    def answer_form(self, page: TestResponse, as_: str) -> TestResponse:
        """The answer after `as_` has signed in on Hub's login page."""
        options = {"query_string": page.request.query_string.decode(), "base_url": self._hub_base}
        form = {"username": as_, "password": as_}
        return self._follow(
            self._at_hub.post(f"{self.hub.path}/api/rest/oauth2/interactive/login", data=form, **options)
        )

    def sign_in_at_hub(self, as_: str) -> None:
        """A session at Hub alone, as another application leaves it."""
        form = {"username": as_, "password": as_}
        self._at_hub.post(f"{self.hub.path}/api/rest/oauth2/interactive/login", data=form, base_url=self._hub_base)

    @property
    def _hub_base(self) -> str:
        return self.hub.url.removesuffix(self.hub.path)

    def _follow(self, answer: TestResponse) -> TestResponse:
        for _ in range(MOST_STEPS):
            if answer.status_code not in (302, 303):
                return answer
            parts = urlsplit(answer.location)
            self.steps.append(answer.location)
            if parts.netloc == urlsplit(self.hub.url).netloc:
                answer = self._at_hub.get(parts.path, query_string=parts.query, base_url=self._hub_base)
            else:
                answer = self.open(parts.path + ("?" + parts.query if parts.query else ""))
        raise AssertionError(self.steps)


Walk = Callable[..., Walker]


@pytest.fixture
def walk(dev_hub: HubInMemory) -> Walk:
    """Makes a walker for an application with an optional page, a vault and an API."""

    def make(**settings: Any) -> Walker:
        app = plain_app(dev_hub, **settings)
        app.extensions["hub"] = HubAuth(app)
        add_views(app)
        app.add_url_rule("/welcome", "welcome", hub_login_optional(welcome), methods=["GET", "POST"])
        app.add_url_rule("/may", "may", hub_login_optional(lambda: str(current_hub_permissions.allows("any"))))
        add_page(app, "/both", "both", lambda view: hub_login_optional(hub_login_required(view)))
        app.add_url_rule("/vault", "vault", hub_login_required(max_age=60)(lambda: "gold"), methods=["GET", "POST"])
        add_page(app, "/api", "data", hub_bearer_required)
        return Walker(app, dev_hub)

    return make


def welcome() -> str:
    return f"hello {current_hub_user.name}" if current_hub_user else "hello stranger"


def asked_at_hub(walker: Walker) -> list[dict[str, str]]:
    """What the steps of the last walk asked of Hub; its login form leads back to the same question."""
    asked = [query(step) for step in walker.steps if urlsplit(step).path == AUTH_PATH]
    return list({each["state"]: each for each in asked}.values())


def ban_guest(hub: HubInMemory) -> None:
    hub.update_user("guest", banned=True)


def test_a_browser_at_an_address_for_tokens_is_told_that_a_sign_in_does_not_count(walk: Walk) -> None:
    walker = walk()
    walker.sign_in("/private")
    answer = walker.open("/api")
    assert answer.status_code == 401
    assert "takes a token in Authorization: Bearer, not a browser&#39;s sign-in" in answer.text
    assert "Sign in again" not in answer.text
    assert "not signed in" not in answer.text


# In silence


def test_an_optional_page_knows_whom_hub_knows(walk: Walk) -> None:
    walker = walk()
    walker.sign_in_at_hub("jane")
    assert walker.walk("/welcome?x=1").text == "hello Jane Doe"
    assert [each["request_credentials"] for each in asked_at_hub(walker)] == ["silent"]
    assert walker.steps[-1] == "/welcome?x=1"
    assert walker.who() == "jane"
    assert walker.walk("/welcome").text == "hello Jane Doe"
    assert walker.steps == []


@pytest.mark.parametrize("guest", [True, False])
def test_a_stranger_at_an_optional_page_goes_through_hub_once_in_five_minutes(
    guest: bool, walk: Walk, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """A guest is nobody too."""
    if not guest:
        ban_guest(dev_hub)
    walker = walk()
    assert walker.walk("/welcome").text == "hello stranger"
    assert len(walker.steps) == 3
    for _ in range(3):
        hub_clock.advance(90)
        assert walker.walk("/welcome").text == "hello stranger"
        assert walker.steps == []
    hub_clock.advance(31)
    assert walker.walk("/welcome").text == "hello stranger"
    assert len(walker.steps) == 3
    assert walker.logins() == 0


def test_a_stranger_whom_hub_did_not_know_can_sign_in_at_once(walk: Walk) -> None:
    walker = walk()
    walker.walk("/welcome")
    page = walker.walk("/private")
    assert page.request.path == LOGIN_PATH
    assert walker.answer_form(page, "jane").text == "private jane"
    assert walker.walk("/welcome").text == "hello Jane Doe"
    assert "hub_tried" not in walker.cookies()


@pytest.mark.parametrize(
    "request_options",
    [{"headers": SCRIPT}, {"method": "HEAD"}, {"headers": {**NAVIGATION, "Sec-Purpose": "prefetch"}}],
)
def test_what_cannot_go_to_hub_sees_an_optional_page_at_once(request_options: dict[str, Any], walk: Walk) -> None:
    walker = walk()
    assert walker.open("/welcome", **request_options).status_code == 200
    assert walker.cookies() == {}


def test_a_caller_with_a_token_is_known_at_an_optional_page(walk: Walk, hub_bearer: Any, dev_hub: HubInMemory) -> None:
    walker = walk()
    assert walker.open("/welcome", headers={**SCRIPT, **hub_bearer("jane")}).text == "hello Jane Doe"
    own = {"Authorization": f"Bearer {dev_hub.token_for_service()}"}
    assert walker.open("/welcome", headers={**SCRIPT, **own}).status_code == 403
    assert walker.open("/welcome", headers={**SCRIPT, "Authorization": "Bearer junk"}).status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_caller_with_a_token_of_whom_nobody_can_tell_is_no_stranger_at_an_optional_page(
    method: str, walk: Walk, hub_bearer: Any, dev_hub: HubInMemory
) -> None:
    """S82"""
    walker, headers = walk(), {**SCRIPT, **hub_bearer("jane")}
    dev_hub.fail("*", status=503)
    assert walker.open("/welcome", method, headers=headers).status_code == 503


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_optional_page_may_be_asked_for_its_headers_while_nobody_can_tell(
    method: str, walk: Walk, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """R30"""
    walker = walk()
    walker.sign_in("/private")
    hub_clock.advance(3600 + 301)
    dev_hub.fail("*", status=503)
    assert walker.open("/welcome", method).status_code == 200


def test_a_browser_that_loses_the_session_sees_an_optional_page_after_three_round_trips(walk: Walk) -> None:
    walker = walk()
    walker.sign_in_at_hub("jane")
    trips = 0
    while (answer := walker.open("/welcome")).status_code == 302 and trips < 10:
        trips += 1
        assert walker.come_back(walker.answer(answer.location)).status_code == 302
        walker.client.delete_cookie("session")
    assert (trips, answer.text) == (3, "hello stranger")


@pytest.mark.parametrize("login", ["mallory", "john"])
def test_an_optional_page_is_there_for_people_who_may_not_sign_in(login: str, walk: Walk) -> None:
    """One is banned, the other in none of the groups."""
    walker = walk(HUB_LOGIN_GROUPS=["Developers"])
    walker.sign_in_at_hub(login)
    assert walker.walk("/welcome").text == "hello stranger"
    assert walker.walk("/welcome").text == "hello stranger"
    assert walker.steps == []


def test_an_optional_page_is_there_while_hub_is_away(walk: Walk, dev_hub: HubInMemory) -> None:
    walker = walk()
    walker.sign_in_at_hub("jane")
    dev_hub.fail(TOKEN_PATH, status=503)
    failed: list[str] = []
    with hub_login_failed.connected_to(lambda app, code: failed.append(code), walker.app):
        assert walker.walk("/welcome").text == "hello stranger"
    assert failed == [], "an outage is no failure of a login that nobody asked for"


@pytest.mark.parametrize("away", ["Hub", "store"])
def test_an_optional_page_is_there_for_who_is_signed_in_while_nobody_can_tell(
    away: str, walk: Walk, dev_hub: HubInMemory, hub_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R30: it shows nobody, and the login lives on."""
    walker = walk()
    walker.sign_in("/private")
    store = walker.app.extensions["hub_auth"].keeper.logins.store
    with monkeypatch.context() as broken:
        if away == "Hub":
            hub_clock.advance(3600 + 301)
            dev_hub.fail("*", status=503)
        else:
            broken.setattr(store, "get", raising(StoreUnavailable("gone")))
        answer = walker.open("/welcome")
        assert (answer.status_code, answer.text) == (200, "hello stranger")
        assert walker.open("/private").status_code == 503
        assert walker.open("/welcome", "POST").status_code == 503, "what is sent is not taken for a stranger's"
        assert walker.open("/may").text == "False"
        assert walker.open("/both").status_code == 503, "the guard inside believes nobody"
    dev_hub.mend()
    hub_clock.advance(60)
    assert walker.open("/welcome").text == "hello Jane Doe"


def raising(error: Exception) -> Callable[..., Any]:
    def call(*given: object) -> Any:
        raise error

    return call


def test_who_signed_out_is_not_signed_in_again_by_an_optional_page(walk: Walk) -> None:
    walker = walk()
    walker.sign_in_at_hub("jane")
    walker.walk("/welcome")
    assert walker.walk("/logout", "POST", headers={**NAVIGATION, "Sec-Fetch-Site": "same-origin"}).text == "nobody"
    assert walker.walk("/welcome").text == "hello stranger"
    assert walker.steps == []


def test_a_silent_callback_that_took_too_long_goes_back_to_its_page(walk: Walk, hub_clock: Clock) -> None:
    walker = walk()
    callback = walker.answer(walker.open("/welcome?x=1").location)
    hub_clock.advance(601)
    assert walker.come_back(callback).location == "/welcome?x=1"
    assert walker.walk("/welcome").text == "hello stranger"
    assert (walker.steps, walker.token_calls()) == ([], 0)


def test_an_optional_page_under_another_host_name_is_sent_to_the_public_one(walk: Walk) -> None:
    walker = walk(HUB_SERVICE_URL="https://service.example")
    first = walker.open("/welcome", base_url="https://old.example")
    assert first.location == "https://service.example/login?next=/welcome&canonical=1&silent=1"
    assert walker.walk(first.location.removeprefix("https://service.example")).text == "hello stranger"


# In silence, in a browser without cookies


@pytest.fixture
def bare(walk: Walk) -> Walker:
    """A browser that keeps no cookie of the application, as some people and all crawlers have it. Hub knows it."""
    walker = walk()
    walker.client = walker.app.test_client(use_cookies=False)
    walker.sign_in_at_hub("jane")
    return walker


def test_a_browser_without_cookies_sees_an_optional_page_after_one_trip(bare: Walker, hub_clock: Clock) -> None:
    address, trips = "/welcome?x=%C3%A9&y=+", 3
    for advance in (0, 0, 299, 2):
        hub_clock.advance(advance)
        assert bare.walk(address).text == "hello stranger"
        assert len(bare.steps) == trips
        address, trips = (bare.steps or [address])[-1], 3 if advance == 299 else 0
        assert re.fullmatch(r"/welcome\?x=%C3%A9&y=\+&hub_asked=[\w.-]+", address)
    assert (bare.token_calls(), bare.logins()) == (0, 0)


def test_a_browser_without_cookies_comes_to_an_optional_page_by_the_login(bare: Walker) -> None:
    assert bare.walk("/login?silent=1&next=/welcome").text == "hello stranger"
    assert bare.steps[-1].startswith("/welcome?hub_asked=")


def test_hub_is_not_told_the_address_of_an_optional_page(walk: Walk) -> None:
    walker = walk()
    state = query(walker.open("/welcome?invitation=secret").location)["state"]
    carried = state.partition(".")[2]
    assert b"invitation" not in base64.urlsafe_b64decode(carried + "=" * (-len(carried) % 4))


@pytest.mark.parametrize("change", [lambda state: state + "A", lambda state: state.partition(".")[0], str.upper])
def test_a_state_that_was_altered_carries_nothing(change: Callable[[str], str], bare: Walker) -> None:
    state = query(bare.open("/welcome").location)["state"]
    assert bare.open(f"/authorized?code=x&state={change(state)}").status_code == 400
    assert bare.open(f"/authorized?code=x&state={state}").status_code == 302
    assert bare.open(f"/authorized?code=x&state={state}&state={state}").status_code == 400


def test_a_state_carries_its_address_for_an_hour_and_this_service(bare: Walker, walk: Walk, hub_clock: Clock) -> None:
    other = walk(HUB_REDIRECT_PATH="/elsewhere")
    state = query(bare.open("/welcome").location)["state"]
    assert other.open(f"/elsewhere?code=x&state={state}").status_code == 400
    hub_clock.advance(3590)
    assert bare.open(f"/authorized?code=x&state={state}").status_code == 302
    hub_clock.advance(11)
    assert bare.open(f"/authorized?code=x&state={state}").status_code == 400


@pytest.mark.parametrize("address", ["/welcome?" + "x" * 800, "/welcome?access_token=x"])
def test_an_address_that_no_state_can_carry_is_shown_at_once(address: str, bare: Walker) -> None:
    assert bare.walk(address).text == "hello stranger"
    assert bare.steps == []


@pytest.mark.parametrize("known", [True, False])
def test_where_cookies_say_that_hub_was_asked_the_address_does_not(known: bool, walk: Walk) -> None:
    """A browser that opens many tabs at once keeps the cookies of five logins."""
    walker = walk()
    callbacks = [walker.answer(walker.open(f"/welcome?tab={number}").location) for number in range(6)]
    if known:
        walker.come_back(callbacks[-1])
    back = walker.come_back(callbacks[0])
    assert back.location.startswith("/welcome?tab=0&hub_asked=")
    assert walker.walk(back.location).text == ("hello Jane Doe" if known else "hello stranger")
    assert walker.steps == ["/welcome?tab=0"]


# In silence, where something is wrong

ME_PATH = "/api/rest/users/me"


@pytest.mark.parametrize(
    ("path", "fault", "level"),
    [
        (TOKEN_PATH, {"status": 401, "body": '{"error": "invalid_client"}'}, logging.WARNING),
        (TOKEN_PATH, {"status": 400, "body": '{"error": "invalid_grant"}'}, logging.INFO),
        (TOKEN_PATH, {"status": 200, "body": "nonsense"}, logging.WARNING),
        (TOKEN_PATH, {"status": 200, "body": "<html>"}, logging.WARNING),
        (ME_PATH, {"status": 401, "body": '{"error": "invalid_grant"}'}, logging.WARNING),
        (ME_PATH, {"status": 403, "body": '{"error": "forbidden"}'}, logging.WARNING),
        (ME_PATH, {"status": 200, "body": "{}"}, logging.WARNING),
    ],
)
def test_an_optional_page_is_there_whatever_hub_answers(
    path: str, fault: dict[str, Any], level: int, walk: Walk, dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    walker = walk()
    walker.sign_in_at_hub("jane")
    dev_hub.fail(path, **fault)
    failed: list[str] = []
    with (
        caplog.at_level(logging.INFO),
        hub_login_failed.connected_to(lambda app, code: failed.append(code), walker.app),
    ):
        assert walker.walk("/welcome?x=1").text == "hello stranger"
    assert len(failed) == 1
    assert [each.levelno for each in caplog.records if "silent sign-in gave nobody: HUB-" in each.message] == [level]
    assert walker.walk("/welcome").text == "hello stranger"
    assert (walker.steps, walker.logins()) == ([], 0)


@pytest.mark.parametrize(
    "answer",
    ["error=invalid_scope", "error=never_heard_of", "error=server_error", "code=a&error=b", "", "code=a&iss=https://b"],
)
@pytest.mark.parametrize("cookies", [True, False])
def test_an_optional_page_is_there_whatever_the_callback_says(answer: str, cookies: bool, walk: Walk) -> None:
    walker = walk()
    if not cookies:
        walker.client = walker.app.test_client(use_cookies=False)
    state = query(walker.open("/welcome").location)["state"]
    assert walker.walk(f"/authorized?state={state}&{answer}").text == "hello stranger"
    assert len(walker.steps) == 1


# request_credentials


@pytest.mark.parametrize("word", ["skip", "silent"])
def test_a_guest_signs_nobody_in_at_a_page_that_needs_somebody(word: str, walk: Walk, dev_hub: HubInMemory) -> None:
    """S40"""
    walker = walk(HUB_REQUEST_CREDENTIALS=word)
    page = walker.walk("/private")
    assert page.status_code == 403
    assert "HUB-112" in page.text
    assert [each["request_credentials"] for each in asked_at_hub(walker)] == [word]
    assert walker.logins() == 0
    assert walker.who() == "nobody"
    # The page offers a way on, where Hub asks for a password.
    assert "/login?next=/private&amp;switch=1" in page.text
    form = walker.walk("/login?next=/private&switch=1")
    assert walker.answer_form(form, "jane").text == "private jane"


@pytest.mark.parametrize("path", ["/private", "/login?next=/private"])
def test_where_hub_knows_nobody_in_silence_it_is_asked_aloud(path: str, walk: Walk, dev_hub: HubInMemory) -> None:
    ban_guest(dev_hub)
    walker = walk(HUB_REQUEST_CREDENTIALS="silent")
    form = walker.walk(path)
    assert form.request.path == LOGIN_PATH
    assert [each["request_credentials"] for each in asked_at_hub(walker)] == ["silent", "default"]
    assert walker.answer_form(form, "jane").text == "private jane"


@pytest.mark.parametrize("word", ["default", "skip", "silent", "required"])
def test_the_setting_is_what_hub_is_asked_and_signs_in_whom_hub_knows(word: str, walk: Walk) -> None:
    walker = walk(HUB_REQUEST_CREDENTIALS=word)
    walker.sign_in_at_hub("jane")
    page = walker.walk("/private")
    assert asked_at_hub(walker)[0]["request_credentials"] == word
    if word == "required":
        assert page.request.path == LOGIN_PATH
        page = walker.answer_form(page, "jane")
    assert page.text == "private jane"


def test_an_application_may_ask_in_silence_itself(walk: Walk, dev_hub: HubInMemory) -> None:
    ban_guest(dev_hub)
    walker = walk()
    hub = walker.app.extensions["hub"]
    walker.app.add_url_rule("/ask", "ask", lambda: hub.login("/", credentials="silent"))
    assert walker.walk("/ask").text == "nobody"
    # Asked again at once, it would go round in circles.
    assert walker.walk("/ask").request.path == LOGIN_PATH


# The password again


def test_a_vault_asks_for_the_password_again_and_lets_the_same_person_in(walk: Walk, hub_clock: Clock) -> None:
    walker = walk()
    walker.sign_in("/private")
    form = walker.walk("/vault?x=1")
    assert form.request.path == LOGIN_PATH
    assert asked_at_hub(walker)[0]["request_credentials"] == "required"
    assert walker.answer_form(form, "jane").text == "gold"
    assert walker.steps[-1] == "/vault?x=1"

    hub_clock.advance(59)
    assert walker.walk("/vault").text == "gold"
    hub_clock.advance(3)
    assert walker.walk("/vault").request.path == LOGIN_PATH
    assert walker.walk("/private").text == "private jane", "the login itself goes on"


def test_a_stranger_at_a_vault_enters_the_password_once(walk: Walk) -> None:
    walker = walk()
    form = walker.walk("/vault")
    assert walker.answer_form(form, "john").text == "gold"
    assert [each["request_credentials"] for each in asked_at_hub(walker)] == ["required"]


def test_a_password_that_nobody_saw_does_not_open_a_vault(walk: Walk) -> None:
    """Hub takes a browser that it knows without a question."""
    walker = walk()
    walker.sign_in_at_hub("jane")
    assert walker.walk("/private").text == "private jane"
    assert walker.walk("/vault").request.path == LOGIN_PATH


def test_another_person_at_the_step_up_is_refused_and_nothing_changes(walk: Walk, said: list[str]) -> None:
    walker = walk()
    walker.sign_in("/private")
    before = walker.cookies()["session"]
    form = walker.walk("/vault")
    page = walker.answer_form(form, "john")
    assert page.status_code == 403
    assert "HUB-403" in page.text
    assert walker.cookies()["session"] == before
    assert walker.walk("/private").text == "private jane"
    assert walker.open("/vault").status_code == 302, "the vault stays closed"
    assert (walker.logins(), said) == (1, [])
    (link,) = re.findall(r'href="([^"]+)">Enter your own password<', page.text)
    assert walker.answer_form(walker.walk(unescape(link)), "jane").text == "gold"


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Why logins were over."""
    heard: list[str] = []

    def left(app: Flask, user_id: str, reason: str) -> None:
        heard.append(reason)

    with hub_logged_out.connected_to(left):
        yield heard


def test_a_script_is_told_that_the_password_is_too_old(walk: Walk) -> None:
    walker = walk()
    walker.sign_in("/private")
    for method in ("GET", "POST"):
        answer = walker.open("/vault", method, headers=SCRIPT)
        assert answer.status_code == 401
        assert answer.json is not None
        assert answer.json["code"] == "HUB-401"
        assert answer.json["error"] == "insufficient_user_authentication"
        assert answer.json["max_age"] == 60
    assert {name.partition("_login_")[0] for name in walker.cookies()} == {"session"}, "no login has begun"
    answer = walker.open("/vault", headers=SCRIPT)
    assert answer.json is not None
    assert answer.json["login_url"] == "/login?next=/vault&again=1"
    form = walker.walk(answer.json["login_url"])
    assert walker.answer_form(form, "john").status_code == 403, "another person"
    form = walker.walk(answer.json["login_url"])
    assert walker.answer_form(form, "jane").text == "gold"
    assert walker.open("/vault", "POST", headers=SCRIPT).text == "gold"


def test_a_stranger_with_a_script_is_told_that_nobody_is_signed_in(walk: Walk) -> None:
    answer = walk().open("/vault", headers=SCRIPT)
    assert answer.status_code == 401
    assert answer.json is not None
    assert "error" not in answer.json


def test_a_form_for_a_vault_is_told_so_on_a_page(walk: Walk) -> None:
    walker = walk()
    walker.sign_in("/private")
    page = walker.open("/vault", "POST")
    assert page.status_code == 401
    assert "Please enter your password again" in page.text
    assert 'href="/login?again=1"' in page.text


def test_htmx_navigates_to_the_step_up(walk: Walk) -> None:
    walker = walk()
    walker.sign_in("/private")
    headers = {"HX-Request": "true", "HX-Current-URL": f"{walker.base}/private"}
    answer = walker.open("/vault", headers=headers)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login?next=/private&again=1")


def test_a_token_says_nothing_about_a_password(walk: Walk, hub_bearer: Any) -> None:
    answer = walk().open("/vault", headers={**SCRIPT, **hub_bearer("jane")})
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer realm=")
    assert 'error="insufficient_user_authentication", max_age="60"' in challenge
    assert answer.json is not None
    assert "login_url" not in answer.json


# Signing out by way of Hub

OUT = {"headers": {**NAVIGATION, "Sec-Fetch-Site": "same-origin"}}


def test_a_logout_may_end_the_login_at_hub_and_ask_for_the_next(walk: Walk) -> None:
    walker = walk(HUB_LOGOUT_FROM_HUB="required", HUB_AFTER_LOGIN="/private")
    walker.sign_in("/private")
    form = walker.walk("/logout", "POST", **OUT)
    assert form.request.path == LOGIN_PATH
    assert asked_at_hub(walker)[0]["request_credentials"] == "required"
    assert (walker.logins(), walker.who()) == (0, "nobody")
    assert walker.walk("/private").request.path == LOGIN_PATH, "Hub does not know the browser any more"
    assert walker.answer_form(form, "john").text == "private john"


@pytest.mark.parametrize("next", [None, "/?bye"])
def test_a_logout_may_go_by_way_of_hub_and_come_back(next: str | None, walk: Walk, dev_hub: HubInMemory) -> None:
    walker = walk(HUB_LOGOUT_FROM_HUB="rp", HUB_AFTER_LOGOUT="/?out")
    dev_hub.service.redirect_uris.remove(f"{walker.base}/authorized")
    dev_hub.service.redirect_uris.insert(0, f"{walker.base}/authorized")
    walker.sign_in("/private")
    page = walker.walk("/logout", "POST", **OUT, data={"next": next} if next else {})
    assert (page.status_code, page.text) == (200, "nobody")
    asked = urlsplit(walker.steps[0])
    assert asked.path == "/hub/api/rest/oauth2/logout"
    assert set(query(walker.steps[0])) == {"client_id", "state"}
    assert walker.steps[-1] == (next or "/?out")
    assert walker.walk("/private").request.path == LOGIN_PATH, "Hub does not know the browser any more"


@pytest.mark.parametrize("left", ["/authorized", "/authorized?restore_auth_state=1"])
def test_who_comes_back_from_hubs_logout_without_a_state_sees_no_error(left: str, walk: Walk) -> None:
    """Hub's way back is not documented; in a fragment no server sees it."""
    walker = walk(HUB_LOGOUT_FROM_HUB="rp")
    assert walker.come_back(left).location == "/"
    assert walk().come_back(left).status_code == 400


def test_a_state_of_a_logout_is_none_of_a_login(walk: Walk) -> None:
    walker = walk(HUB_LOGOUT_FROM_HUB="rp")
    state = query(walker.open("/logout", "POST", **OUT).location)["state"]
    assert walker.come_back(f"/authorized?code=c&state={state}").status_code == 400
    assert walker.come_back(f"/authorized?state={state}x").status_code == 400
    assert walk().come_back(f"/authorized?state={state}").status_code == 400, "another setting"


@pytest.mark.parametrize("way", ["none", "required", "rp"])
def test_a_logout_is_done_here_before_hub_hears_of_it(way: str, walk: Walk, dev_hub: HubInMemory) -> None:
    """S52: whether Hub answers does not matter."""
    walker = walk(HUB_LOGOUT_FROM_HUB=way)
    walker.sign_in("/private")
    dev_hub.fail("*", status=503)
    calls = len(dev_hub.calls)
    assert walker.open("/logout", "POST", **OUT).status_code == 302
    assert (walker.logins(), walker.who(), len(dev_hub.calls)) == (0, "nobody", calls)


@pytest.mark.parametrize(("way", "allowed"), [("none", "'self';"), ("required", "'self' https://hub.test;")])
def test_the_page_with_the_form_lets_it_go_on_to_hub(way: str, allowed: str, walk: Walk) -> None:
    page = walk(HUB_LOGOUT_FROM_HUB=way).open("/logout")
    assert f"form-action {allowed}" in page.headers["Content-Security-Policy"]


def test_an_application_signs_out_by_way_of_hub_too(walk: Walk) -> None:
    walker = walk(HUB_LOGOUT_FROM_HUB="rp")
    hub = walker.app.extensions["hub"]
    walker.app.add_url_rule("/bye", "bye", hub.logout)
    walker.sign_in("/private")
    assert walker.open("/bye").location.startswith(f"{walker.hub.url}/api/rest/oauth2/logout?client_id=")
    assert walker.who() == "nobody"


def test_a_logout_shows_in_every_tab_at_its_next_click(walk: Walk) -> None:
    """R53: tabs share their cookies, and the login is gone from the store."""
    walker = walk(HUB_LOGOUT_FROM_HUB="required")
    walker.sign_in("/private")
    session = walker.cookies()["session"]
    walker.open("/logout", "POST", **OUT)
    walker.client.set_cookie("session", session)
    assert walker.open("/private", headers=SCRIPT).status_code == 401


# Everything protected


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", NAVIGATION, 302),
        ("/", SCRIPT, 401),
        ("/private", NAVIGATION, 302),
        ("/api", NAVIGATION, 401),
        ("/api", SCRIPT, 401),
        ("/vault", SCRIPT, 401),
        ("/welcome", SCRIPT, 200),
        ("/nowhere", SCRIPT, 401),
    ],
)
def test_under_default_deny_pages_and_apis_stand_side_by_side(
    path: str, headers: dict[str, str], status: int, walk: Walk, hub_bearer: Any
) -> None:
    walker = walk(HUB_PROTECT_ALL=True)
    answer = walker.open(path, headers=headers)
    assert answer.status_code == status
    if path == "/api":
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert "Location" not in answer.headers
        assert walker.open(path, headers={**headers, **hub_bearer("jane")}).text == "data"


def test_under_default_deny_an_optional_page_is_for_everybody_and_a_vault_asks_once(walk: Walk) -> None:
    walker = walk(HUB_PROTECT_ALL=True)
    assert walker.walk("/welcome").text == "hello stranger"
    form = walker.walk("/vault")
    assert [each["request_credentials"] for each in asked_at_hub(walker)] == ["required"]
    assert walker.answer_form(form, "jane").text == "gold"
    assert walker.open("/api").status_code == 401, "a cookie is no token"
