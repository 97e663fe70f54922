"""Your sessions: what the page lists, what its buttons end, and what the other browser sees then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from demo_app.sessions import MOST_SHOWN

if TYPE_CHECKING:
    from flask_hub_auth.testing.browser import Browser
    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock

MakeBrowser = Callable[[Flask], "Browser"]


@pytest.fixture
def sign_in(whole_demo: Flask, hub_browser: MakeBrowser) -> Callable[..., Browser]:
    """Another browser, in which somebody is signed in."""

    def sign_in(login: str = "jane") -> Browser:
        browser = hub_browser(whole_demo)
        assert browser.get("/me", as_=login).status_code == 200
        return browser

    return sign_in


def words(answer: TestResponse) -> str:
    """The text of a page, as one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text.partition("<main")[2]).split())


def listed(browser: Browser) -> int:
    """How many logins the page lists."""
    return words(browser.get("/sessions")).count("Signed in ")


def test_who_is_signed_in_once_is_told_so_and_finds_no_button_for_others(sign_in: Callable[..., Browser]) -> None:
    browser = sign_in()
    page = browser.get("/sessions")
    assert "This browser Signed in " in words(page)
    assert "You are signed in nowhere else." in words(page)
    assert "End all others" not in page.text
    assert listed(browser) == 1


def test_other_logins_are_listed_with_their_times(sign_in: Callable[..., Browser], hub_clock: Clock) -> None:
    sign_in()
    hub_clock.advance(1200)
    seen = words(sign_in().get("/sessions"))
    here, _, others = seen.partition("Other browsers")
    assert "Signed in just now" in here or "Signed in 1 second ago" in here
    assert "Last seen now" in here
    assert "Signed in 20 minutes ago" in others
    assert "Last seen 20 minutes ago" in others


def test_ending_all_others_tells_how_many_and_spares_this_one_and_other_people(
    sign_in: Callable[..., Browser],
) -> None:
    """S53: everywhere but here, at the next request."""
    browser, others, john = sign_in(), [sign_in(), sign_in()], sign_in("john")
    page = browser.post("/sessions")
    assert page.request.path == "/sessions"
    assert "2 other logins have ended." in words(page)
    assert "have ended" not in words(browser.get("/sessions")), "it is said once"
    assert listed(browser) == 1
    assert browser.get("/me").request.path == "/me"
    assert john.get("/me").request.path == "/me"
    for other in others:
        assert other.get("/me").request.path == "/"


@pytest.mark.parametrize(
    ("others", "told"), [(0, "You were signed in nowhere else any more."), (1, "One other login has ended.")]
)
def test_the_number_is_told_in_words_that_fit(sign_in: Callable[..., Browser], others: int, told: str) -> None:
    browser = sign_in()
    for _ in range(others):
        sign_in()
    assert told in words(browser.post("/sessions"))


@pytest.mark.parametrize("path", ["/", "/me", "/issues", "/sessions"])
def test_whose_login_was_ended_elsewhere_is_told_so_and_asked_for_the_password(
    sign_in: Callable[..., Browser], path: str
) -> None:
    """Hub still knows that browser, and would let it in again by itself."""
    browser, other = sign_in(), sign_in()
    browser.post("/sessions")
    page = other.get(path)
    assert page.request.path == "/"
    assert "You were signed out from another browser. Hub still knows this browser." in words(page)
    assert 'href="/switch?next=' in page.text
    assert "Jane" not in page.text
    assert listed(browser) == 1
    assert other.get("/switch?next=/me").request.path == "/me"
    assert other.get("/sessions").request.path == "/sessions"
    assert listed(browser) == 2


def test_a_form_in_the_other_browser_is_refused_kindly(sign_in: Callable[..., Browser]) -> None:
    browser, other = sign_in(), sign_in()
    browser.post("/sessions")
    page = other.post("/note", data={"text": "milk"})
    assert page.status_code == 401
    assert "Your input was not sent." in words(page)
    assert 'href="/switch" target="_blank">Sign in (new tab)' in page.text


def test_sign_out_here_ends_this_login_alone(sign_in: Callable[..., Browser]) -> None:
    browser, other = sign_in(), sign_in()
    token = re.findall(r'name="csrf_token" value="([^"]+)"', browser.get("/sessions").text)[-1]
    page = browser.post("/logout", data={"csrf_token": token})
    assert "You are signed out." in words(page)
    assert listed(other) == 1


def test_logins_are_listed_and_ended_while_hub_is_away(sign_in: Callable[..., Browser], dev_hub: HubInMemory) -> None:
    browser, other = sign_in(), sign_in()
    dev_hub.fail(status=503)
    assert listed(browser) == 2
    assert "One other login has ended." in words(browser.post("/sessions"))
    assert other.get("/me").request.path == "/"


def test_a_long_list_is_cut_and_says_so(sign_in: Callable[..., Browser]) -> None:
    browser = sign_in()
    for _ in range(MOST_SHOWN + 2):
        sign_in()
    assert listed(browser) == MOST_SHOWN + 1
    assert "And 2 more, all older." in words(browser.get("/sessions"))
