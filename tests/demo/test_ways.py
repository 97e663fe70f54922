"""The page that greets whom Hub knows, and the one that asks for the password again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from demo_app.ways import OPEN_SECONDS

if TYPE_CHECKING:
    from flask_hub_auth.testing.browser import Browser
    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock

AUTH_PATH = "/api/rest/oauth2/auth"


@pytest.fixture
def browser(whole_demo: Flask, hub_browser: Callable[[Flask], Browser]) -> Browser:
    return hub_browser(whole_demo)


def asked(hub: HubInMemory) -> int:
    """How often a browser was taken to Hub."""
    return sum(call["path"] == AUTH_PATH for call in hub.calls)


def test_a_stranger_is_welcome(browser: Browser, dev_hub: HubInMemory) -> None:
    for _ in range(3):
        page = browser.get("/welcome")
        assert "you are a guest" in page.text
        assert 'href="/login?next=/welcome"' in page.text
    assert asked(dev_hub) == 1


def test_somebody_who_is_signed_in_is_greeted_by_name(browser: Browser) -> None:
    browser.get("/me", as_="jane")
    assert "Welcome, Jane Doe" in browser.get("/welcome").text


def test_whom_hub_knows_is_greeted_at_the_first_visit(browser: Browser) -> None:
    assert "It asked you for nothing." in browser.get("/welcome", as_="jane").text


@pytest.mark.parametrize("minutes", [0, 10])
def test_somebody_who_signed_out_is_not_looked_up_at_hub(
    minutes: int, browser: Browser, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    browser.get("/me", as_="jane")
    browser.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    hub_clock.advance(60 * minutes)
    before = asked(dev_hub)
    assert "You have signed out" in browser.get("/welcome").text
    assert asked(dev_hub) == before


def test_the_vault_opens_for_a_new_password_and_not_for_an_old_one(
    browser: Browser, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    browser.get("/me", as_="jane")
    before = asked(dev_hub)
    assert "The vault is open" in browser.get("/vault").text
    assert asked(dev_hub) == before + 2, "to the form and back"
    hub_clock.advance(OPEN_SECONDS - 2)
    assert "The vault is open" in browser.get("/vault").text
    assert asked(dev_hub) == before + 2
    hub_clock.advance(4)
    assert "The vault is open" in browser.get("/vault").text
    assert asked(dev_hub) == before + 4


@pytest.mark.parametrize(("way", "allowed"), [("none", "'self'"), ("rp", "'self' https://hub.test")])
def test_forms_that_sign_out_may_go_on_to_hub_where_they_have_to(
    way: str, allowed: str, make_demo: Callable[..., Flask]
) -> None:
    page = make_demo(HUB_LOGOUT_FROM_HUB=way).test_client().get("/")
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";"))
    assert rules["form-action"] == allowed
