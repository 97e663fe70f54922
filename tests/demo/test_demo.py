"""What people see in the demo: each page for each kind of person, the form, the panel, and signing out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from demo_app.app import create_app

if TYPE_CHECKING:
    from flask_hub_auth.testing.browser import Browser
    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock

HOME = "http://localhost:5000"
INSIDE = ["/me", "/sessions", "/developers", "/administrators", "/note", "/notes", "/panel"]
PAGES = ["/", *INSIDE]
PERSON = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

MakeBrowser = Callable[[Flask], "Browser"]


@pytest.fixture
def app(dev_hub: HubInMemory, hub_clock: Clock, tmp_path: Path) -> Flask:
    dev_hub.token_life = 60
    dev_hub.rotate = True
    settings = {"TESTING": True, "SECRET_KEY": "k" * 32, **dev_hub.settings}
    return create_app(settings, dev_hub=dev_hub, instance=tmp_path)


@pytest.fixture
def browser(app: Flask, hub_browser: MakeBrowser) -> Browser:
    return hub_browser(app)


@pytest.fixture
def stranger(app: Flask) -> Client:
    """A browser of somebody who is not signed in and follows no redirect."""
    return app.test_client()


def words(answer: TestResponse) -> str:
    """The text of a page, as one line."""
    return " ".join(re.sub(r"<[^>]+>", "", answer.text).split())


def sign_out(browser: Browser) -> TestResponse:
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)
    assert token
    return browser.post("/logout", data={"csrf_token": token[1]})


# Who sees what


def test_home_is_for_everybody_and_names_the_people_to_sign_in_as(stranger: Client) -> None:
    page = stranger.get("/", headers=PERSON)
    assert page.status_code == 200
    for login in ("jane", "john", "admin", "mallory", "guest"):
        assert f"<code>{login}</code>" in page.text
    assert 'href="/login?next=/me"' in page.text


@pytest.mark.parametrize("path", INSIDE)
def test_a_stranger_who_opens_a_guarded_page_is_sent_to_hub(stranger: Client, dev_hub: HubInMemory, path: str) -> None:
    answer = stranger.get(path, headers=PERSON)
    assert answer.status_code == 302
    assert answer.location.startswith(f"{dev_hub.url}/api/rest/oauth2/auth?")


@pytest.mark.parametrize("path", INSIDE)
def test_a_script_that_asks_for_a_guarded_page_gets_401(stranger: Client, path: str) -> None:
    answer = stranger.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("login", "developers", "administrators"), [("jane", 200, 403), ("john", 403, 403), ("admin", 403, 200)]
)
def test_the_group_pages_open_to_their_groups(
    browser: Browser, login: str, developers: int, administrators: int
) -> None:
    assert browser.get("/developers", as_=login).status_code == developers
    assert browser.get("/administrators").status_code == administrators
    for path in ("/", "/me", "/note", "/notes", "/panel"):
        assert browser.get(path).status_code == 200


@pytest.mark.parametrize(("login", "code"), [("mallory", "HUB-110"), ("guest", "HUB-112")])
def test_who_may_not_sign_in_is_told_so_and_can_be_somebody_else(browser: Browser, login: str, code: str) -> None:
    page = browser.get("/me", as_=login)
    assert page.status_code == 403
    assert code in page.text
    assert 'href="/switch?next=/me"' in page.text
    assert "Let Hub ask again" not in page.text, "it asks nobody"
    assert 'href="/login?next=/me">Sign in<' in page.text


def test_somebody_else_at_the_vault_is_sent_back_for_the_right_password(browser: Browser, hub_clock: Clock) -> None:
    browser.get("/me", as_="jane")
    browser._person = "john"
    page = browser.get("/vault")
    assert page.status_code == 403
    assert 'href="/login?next=/vault&amp;again=1">Enter your own password<' in page.text
    assert "Sign in as somebody else" not in page.text
    assert "Jane Doe" in page.text, "who still is signed in"


def test_a_page_about_an_outage_asks_nobody_who_is_there(
    browser: Browser, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    browser.get("/me", as_="jane")
    dev_hub.fail("*", status=503)
    hub_clock.advance(400)
    page = browser.get("/me")
    assert page.status_code == 503
    assert not re.search(">Sign (in|out)<", page.text)


def test_a_refusal_is_kind_names_the_group_and_offers_a_way_on(browser: Browser) -> None:
    page = browser.get("/developers", as_="john")
    assert "This page is for Developers" in words(page)
    assert "You are signed in as john, who is not in the group Developers" in words(page)
    assert 'href="/switch?next=/developers"' in page.text
    assert ">Sign out<" in page.text


def test_me_says_who_and_until_when(browser: Browser) -> None:
    page = browser.get("/me", as_="jane")
    seen = words(page)
    assert all(text in seen for text in ("Jane Doe", "jane@example.com", "Developers", "It signed you in, just now"))
    assert "ends in 60 seconds" in seen or "ends in 59 seconds" in seen
    assert "ends in 24 hours at the latest" in seen
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ">in ', page.text)
    assert re.search(r'<img class="avatar" src="https://hub\.test/hub/api/rest/avatar/', page.text)


def test_me_goes_on_while_hub_is_away(browser: Browser, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    browser.get("/me", as_="jane")
    dev_hub.fail(status=503)
    hub_clock.advance(100)
    page = browser.get("/me")
    assert page.status_code == 200
    assert "is over, and Hub cannot be asked for a new one now" in words(page)
    hub_clock.advance(400)
    assert browser.get("/me").status_code == 503


def test_there_is_a_page_for_what_is_not_there(browser: Browser) -> None:
    page = browser.get("/nothing", as_="jane")
    assert page.status_code == 404
    assert "There is no such page" in page.text


# The headers


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/logout"])
@pytest.mark.parametrize("login", [None, "jane"])
def test_every_page_is_strict_about_what_it_loads(browser: Browser, path: str, login: str | None) -> None:
    if login:
        browser.get("/me", as_=login)
    elif path in INSIDE:
        return
    page = browser.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert "style=" not in page.text
    loaded = re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', page.text)
    assert all(address.startswith(("/", "https://hub.test/")) for address in loaded)


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/note"])
def test_pages_with_something_private_are_not_kept_by_the_browser(browser: Browser, path: str) -> None:
    browser.get("/me", as_="jane")
    assert browser.get(path).headers["Cache-Control"] == "no-store"


def test_the_form_may_be_kept_and_shows_nothing_private(browser: Browser) -> None:
    page = browser.get("/note", as_="jane")
    assert page.headers["Cache-Control"] == "private, no-cache"
    assert "Vary" not in page.headers
    assert not re.search("jane", page.text, re.IGNORECASE)
    assert ">Sign out<" in page.text


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_every_page_of_somebody_signed_in_has_a_sign_out_button(browser: Browser, path: str) -> None:
    browser.get("/me", as_="jane")
    assert re.search(
        r'<form method="post" action="/logout">\s+<input type="hidden" name="csrf_token"', browser.get(path).text
    )


@pytest.mark.parametrize("path", ["/favicon.ico", "/static/demo.svg", "/static/demo.css", "/look/hub.css"])
def test_what_pages_load_is_there(stranger: Client, path: str) -> None:
    assert stranger.get(path, buffered=True).status_code == 200


# Nothing secret


def test_no_page_shows_a_secret(browser: Browser, dev_hub: HubInMemory, hub_clock: Clock, given_out: set[str]) -> None:
    bodies = [browser.get(path, as_="jane").text for path in PAGES]
    hub_clock.advance(70)
    bodies += [browser.get(path).text for path in PAGES]
    cookies = browser.get("/panel").request.headers["Cookie"]
    secrets = {part.partition("=")[2] for part in cookies.split("; ")}
    secrets |= given_out | {dev_hub.service_secret or "", "k" * 32}
    assert len(secrets) >= 7
    assert [secret for secret in secrets for body in bodies if secret in body] == []


def test_the_panel_names_state_and_challenge_and_keeps_their_values_to_itself(browser: Browser, app: Flask) -> None:
    page = browser.get("/panel", as_="jane")
    assert page.text.count("different each time") == 2
    assert "<code>S256</code>" in page.text
    assert "code_verifier" not in page.text
    memories = repr(app.extensions["demo"].panel._people)
    assert "'state': None" in memories
    assert "'code_challenge': None" in memories


# The panel


def test_the_panel_shows_the_way_in(browser: Browser, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    browser.get("/me?x=1", as_="jane")
    page = browser.get("/panel")
    seen = words(page)
    assert f"Your request to /me was answered with a redirect to {dev_hub.url}/api/rest/oauth2/auth" in seen
    assert "<dt><code>redirect_uri</code></dt><dd><code>http://localhost:5000/authorized</code></dd>" in page.text
    assert "Hub sent you to /authorized with code, state" in seen
    assert "POST /api/rest/oauth2/token, grant authorization_code, answered with 200" in seen
    assert "GET /api/rest/users/me, answered with 200" in seen
    assert "Then you went to /me." in seen
    assert "This is the end of the first token." in seen
    hub_clock.advance(61)
    assert "That was the end of the first token." in words(browser.get("/panel"))


def test_the_panel_shows_a_renewal_in_the_request_that_made_it(browser: Browser, hub_clock: Clock) -> None:
    assert "It was not, yet." in words(browser.get("/panel", as_="jane"))
    hub_clock.advance(57)
    seen = words(browser.get("/panel"))
    assert "Once since then, the last time just now" in seen
    assert "Your request to /panel was that first one" in seen
    assert seen.count("grant refresh_token, answered with 200") == 1
    hub_clock.advance(57)
    browser.get("/notes")
    seen = words(browser.get("/panel"))
    assert "2 times since then" in seen
    assert "Your request to /notes was that first one" in seen
    assert seen.count("grant refresh_token, answered with 200") == 1


def test_everybody_sees_their_own_way_alone(app: Flask, hub_browser: MakeBrowser, hub_clock: Clock) -> None:
    janes, johns = hub_browser(app), hub_browser(app)
    janes.get("/developers", as_="jane")
    hub_clock.advance(5)
    johns.get("/notes", as_="john")
    hub_clock.advance(57)
    johns.get("/administrators")
    seen = words(janes.get("/panel"))
    assert "The last login of jane" in seen
    assert "Then you went to /developers." in seen
    assert "/notes" not in seen
    assert "john" not in seen
    assert "administrators" not in words(janes.get("/me")).replace("Administrators", "")


def test_the_panel_knows_nothing_of_logins_from_before_its_start(
    dev_hub: HubInMemory, hub_browser: MakeBrowser, hub_clock: Clock, tmp_path: Path
) -> None:
    settings = {"TESTING": True, "SECRET_KEY": "k" * 32, **dev_hub.settings}
    browser = hub_browser(create_app(settings, instance=tmp_path))
    browser.get("/me", as_="jane")
    browser._app_client.application = create_app(settings, instance=tmp_path)
    assert "stayed signed in over the restart" in words(browser.get("/panel"))
    hub_clock.advance(4000)
    seen = words(browser.get("/panel"))
    assert "Once since then" in seen
    assert "Hub's list of calls" not in seen


# The form


def test_a_note_is_kept_for_its_writer_alone(browser: Browser, app: Flask, hub_browser: MakeBrowser) -> None:
    browser.get("/note", as_="jane")
    page = browser.post("/note", data={"text": "  <b>bread</b>\nmilk "})
    assert page.request.path == "/notes"
    assert "&lt;b&gt;bread&lt;/b&gt;\nmilk</li>" in page.text
    assert "bread" not in hub_browser(app).get("/notes", as_="john").text


def test_an_empty_note_is_not_kept(browser: Browser) -> None:
    browser.get("/note", as_="jane")
    assert browser.post("/note", data={"text": "  "}).request.path == "/note"
    assert "There are none yet." in browser.get("/notes").text


def test_a_form_after_the_end_of_the_login_is_answered_with_401_and_what_to_do(
    browser: Browser, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    browser.get("/note", as_="jane")
    dev_hub.revoke("jane")
    hub_clock.advance(70)
    page = browser.post("/note", data={"text": "milk"})
    assert page.status_code == 401
    assert "Your input was not sent." in words(page)
    assert '<a class="button" href="/login" target="_blank">Sign in (new tab)</a>' in page.text
    assert "It ended your login: Hub did not renew the token" in words(browser.get("/me"))


def test_hub_takes_tokens_back_on_demand(browser: Browser, hub_clock: Clock) -> None:
    browser.get("/note", as_="jane")
    page = browser.post("/revoke")
    assert "Hub has taken your tokens back" in words(page)
    assert re.search(r"in 5[345] seconds", words(page))
    hub_clock.advance(54)
    assert browser.post("/note", data={"text": "milk"}).status_code == 401


def test_a_real_hub_takes_nothing_back(
    dev_hub: HubInMemory, hub_browser: MakeBrowser, hub_clock: Clock, tmp_path: Path
) -> None:
    settings = {"TESTING": True, "SECRET_KEY": "k" * 32, **dev_hub.settings}
    browser = hub_browser(create_app(settings, instance=tmp_path))
    assert "Let Hub take" not in browser.get("/note", as_="jane").text
    assert browser.post("/revoke").request.path == "/note"
    assert "People to sign in as" not in browser.get("/").text
    assert "Hub's list of calls" not in browser.get("/panel").text


# Signing out, and in again


def test_after_signing_out_back_and_reload_show_nothing_private(browser: Browser) -> None:
    browser.get("/me", as_="jane")
    page = sign_out(browser)
    assert page.request.path == "/"
    assert "You are signed out." in words(page)
    for path in ("/me", "/panel", "/notes"):
        # What a browser does for Back and reload: these pages are not kept. Hub still knows Jane, and is not asked.
        page = browser.get(path)
        assert page.request.path == "/"
        assert "Jane" not in page.text
        assert f'href="/switch?next={path}"' in page.text


def test_after_signing_out_a_form_and_a_script_still_get_401(browser: Browser) -> None:
    browser.get("/me", as_="jane")
    sign_out(browser)
    assert browser.post("/note", data={"text": "milk"}).status_code == 401
    script = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert browser.get("/me", headers=script).status_code == 401


@pytest.mark.parametrize(
    ("way", "told"),
    [("none", "Hub still knows this browser. The button below asks"), ("required", "Hub will ask for the password")],
)
def test_who_has_signed_out_reads_whether_hub_still_knows_them(
    way: str, told: str, make_demo: Callable[..., Flask], hub_browser: MakeBrowser
) -> None:
    browser = hub_browser(make_demo(HUB_LOGOUT_FROM_HUB=way))
    browser.get("/me", as_="jane")
    browser._app_client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}, base_url=HOME)
    assert told in words(browser.get("/"))


def test_signing_in_again_asks_for_the_password(browser: Browser, stranger: Client) -> None:
    browser.get("/me", as_="jane")
    sign_out(browser)
    answer = browser._app_client.get("/switch?next=/me", base_url=HOME, headers=PERSON)
    assert "request_credentials=required" in answer.location
    assert browser.get("/switch?next=/me").request.path == "/me"
    assert browser.get("/notes").request.path == "/notes"


def test_switching_comes_back_to_this_site_alone(stranger: Client, browser: Browser) -> None:
    assert browser.get("/switch?next=https://evil.example/", as_="jane").request.path == "/"


def test_everything_goes_on_with_default_deny(dev_hub: HubInMemory, hub_browser: MakeBrowser, tmp_path: Path) -> None:
    settings = {"TESTING": True, "SECRET_KEY": "k" * 32, "HUB_PROTECT_ALL": True, **dev_hub.settings}
    app = create_app(settings, dev_hub=dev_hub, instance=tmp_path)
    stranger = app.test_client()
    for path in ("/", "/favicon.ico", "/static/demo.css", "/look/hub.css"):
        assert stranger.get(path, headers=PERSON, buffered=True).status_code == 200
    assert hub_browser(app).get("/me", as_="jane").status_code == 200
