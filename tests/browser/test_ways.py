"""Ways in and out in a real browser: known without a question, asked again for the password, and out by way of Hub.

With ``WAYS_SCREENSHOTS`` in the environment each page is kept as a picture in that folder, to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from flask_hub_auth.devhub.hub import SERVICE_ID

from .scene import FORM, HOME, Demo, Person, fill_in, heading, running_demo

Visit = Callable[..., Person]


def keep_picture(page: Page, name: str) -> None:
    folder = os.environ.get("WAYS_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def addresses_asked_at_hub(person: Person) -> list[str]:
    """Fills up with every question that the browser takes to Hub."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).path.endswith("/oauth2/auth"):
            asked.append(request.url)

    person.context.on("request", note)
    return asked


def sign_out(page: Page) -> None:
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()


@pytest.fixture
def without_guest(demo: Demo) -> Iterator[None]:
    """Hub's guest is banned meanwhile."""
    demo.control("users/guest", banned=True)
    yield
    demo.control("users/guest", banned=False)


# The page for everybody


@pytest.mark.usefixtures("without_guest")
def test_a_stranger_is_welcome_and_goes_through_hub_once(person: Person) -> None:
    asked = addresses_asked_at_hub(person)
    page = person.tab("/welcome")
    expect(page).to_have_url(f"{person.demo.url}/welcome")
    heading(page).to_have_text("Welcome")
    assert "request_credentials=silent" in asked[0]
    keep_picture(page, "welcome-stranger")
    page.reload()
    person.tab("/welcome")
    assert len(asked) == 1
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/welcome")
    heading(page).to_have_text("Welcome, Jane Doe")


def test_a_browser_that_keeps_no_cookies_is_welcome_too(demo: Demo, without_cookies: BrowserContext) -> None:
    person = Person(demo, without_cookies)
    asked = addresses_asked_at_hub(person)
    page = person.tab("/welcome")
    expect(page).to_have_url(re.compile(re.escape(f"{demo.url}/welcome?hub_asked=")))
    heading(page).to_have_text("Welcome")
    page.reload()
    heading(page).to_have_text("Welcome")
    assert (len(asked), person.troubles) == (1, [])


def test_a_guest_of_hub_is_nobody(person: Person) -> None:
    asked = addresses_asked_at_hub(person)
    page = person.tab("/welcome")
    heading(page).to_have_text("Welcome")
    page.reload()
    heading(page).to_have_text("Welcome")
    assert len(asked) == 1
    keep_picture(page, "welcome-guest")


def test_somebody_whom_hub_knows_is_greeted_by_name(person: Person) -> None:
    page = person.tab(f"{person.demo.hub}/auth/login")
    fill_in(page, "jane")
    heading(page).to_have_text("Jane Doe")
    person.open(page, "/welcome")
    heading(page).to_have_text("Welcome, Jane Doe")
    keep_picture(page, "welcome-jane")


def test_who_signed_out_is_not_greeted_by_name(person: Person) -> None:
    page = person.sign_in("/me")
    sign_out(page)
    page.wait_for_url(f"{person.demo.url}/")
    person.open(page, "/welcome")
    heading(page).to_have_text("Welcome")
    keep_picture(page, "welcome-signed-out")


# The page that asks again


def test_the_vault_asks_for_the_password_again_and_lets_the_same_person_in(person: Person) -> None:
    page = person.sign_in("/me")
    page.get_by_role("link", name="Vault").click()
    expect(page).to_have_title(FORM)
    keep_picture(page, "vault-asks")
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/vault")
    heading(page).to_have_text("The vault is open")
    keep_picture(page, "vault-open")
    page.get_by_role("link", name="Open it again").click()
    heading(page).to_have_text("The vault is open")


def test_the_vault_refuses_another_person_and_the_first_one_stays_signed_in(person: Person) -> None:
    page = person.sign_in("/me")
    person.open(page, "/vault")
    person.expects(403, "/authorized")
    fill_in(page, "john")
    page.get_by_text("HUB-403").wait_for()
    heading(page).to_have_text("Somebody else has signed in at Hub")
    keep_picture(page, "vault-another-person")
    person.open(page, "/me")
    heading(page).to_have_text("Jane Doe")


# From Hub's side


def test_a_login_that_begins_at_hub_ends_signed_in(person: Person) -> None:
    page = person.tab(f"{person.demo.hub}/open/{SERVICE_ID}")
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/")
    expect(page.get_by_role("banner").get_by_text("Jane Doe")).to_have_count(1)


# Out by way of Hub


@pytest.fixture
def leaving(tmp_path: Path, visit: Visit) -> Iterator[Callable[[str], Person]]:
    """Makes somebody at a demo that signs people out at Hub too, in this manner."""
    running = []

    def leaving(way: str) -> Person:
        running.append(running_demo(tmp_path, 600, logout_from_hub=way))
        return visit(running[-1].__enter__())

    yield leaving
    for each in running:
        each.__exit__(None, None, None)


def test_a_logout_by_way_of_hub_comes_back_and_hub_knows_nobody(leaving: Callable[[str], Person]) -> None:
    person = leaving("rp")
    page, other = person.sign_in("/me"), person.tab("/me")
    sign_out(page)
    page.wait_for_url(f"{person.demo.url}/")
    heading(page).to_have_text(HOME)
    keep_picture(page, "logout-rp")
    other.reload()
    heading(other).to_have_text(HOME)
    person.open(page, "/login")
    expect(page).to_have_title(FORM)


def test_a_logout_may_end_at_hubs_form_for_the_next_person(leaving: Callable[[str], Person]) -> None:
    person = leaving("required")
    page = person.sign_in("/me")
    # Also from the extension's own page, which has a policy of its own.
    person.open(page, "/logout")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{person.demo.hub}/**")
    expect(page).to_have_title(FORM)
    keep_picture(page, "logout-required")
    heading(person.tab("/me")).to_have_text(HOME)
    fill_in(page, "john")
    page.wait_for_url(f"{person.demo.url}/")
    person.open(page, "/me")
    heading(page).to_have_text("John Roe")
