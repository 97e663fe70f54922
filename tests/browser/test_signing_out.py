"""A person leaves: nothing private is left behind, and nothing they wrote is lost."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .scene import (
    FORM,
    HOME,
    Demo,
    Person,
    back,
    everything,
    fill_in,
    heading,
    pages_of,
    settle,
    sign_in_if_asked,
    words,
)

NOTE = "the plan for the spring"
PRIVATE = ("Jane Doe", "jane@", "c6b6e9c6-0000-4000-8000-000000000001", NOTE)
WRITTEN = "Dear diary,\nthis took me an hour to write."


def private_words(page: Page) -> list[str]:
    text = everything(page)
    return [word for word in PRIVATE if word in text]


def write_note(page: Page, text: str) -> None:
    page.get_by_label("Your note").fill(text)
    page.get_by_role("button", name="Keep it").click()


def sign_out(page: Page) -> None:
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()


def test_after_signing_out_back_and_reload_show_nothing_private_on_any_page(person: Person) -> None:
    page = person.sign_in("/note")
    write_note(page, NOTE)
    person.expects(403, "/administrators")
    trail = [(path, private_words(page)) for path, _ in pages_of(page)]
    assert {"/", "/me", "/developers", "/notes", "/panel"} <= {path for path, words in trail if words}
    person.open(page, "/note?form=1")
    sign_out(page)
    page.wait_for_url(f"{person.demo.url}/")
    assert private_words(page) == []
    for path in ["/note", *(path for path, _ in reversed(trail))]:
        back(page)
        settle(page)
        assert private_words(page) == [], f"Back to {path}"
        page.reload()
        settle(page)
        assert private_words(page) == [], f"{path} loaded again"


def test_after_signing_out_in_one_tab_the_others_show_nothing_private_at_back_or_reload(person: Person) -> None:
    here = person.sign_in("/me")
    write_note(person.tab("/note"), NOTE)
    others = {path: person.tab(path) for path in ("/me", "/developers", "/notes", "/panel")}
    gone_on = {path: person.tab(path) for path in others}
    for page in gone_on.values():
        person.open(page, "/?gone-on=1")
    sign_out(here)
    here.wait_for_url(f"{person.demo.url}/")
    for path, page in others.items():
        page.reload()
        heading(page).to_have_text(HOME)
        assert private_words(page) == [], f"{path} loaded again"
    for path, page in gone_on.items():
        back(page)
        assert private_words(page) == [], f"Back to {path}"


def test_after_signing_out_hub_asks_for_the_password_before_the_person_comes_in_again(person: Person) -> None:
    page = person.sign_in("/me?wanted=1")
    sign_out(page)
    page.get_by_role("status").wait_for()
    back(page)
    page.get_by_role("main").get_by_role("link", name="Sign in again").click()
    fill_in(page, "john")
    page.wait_for_url(f"{person.demo.url}/me?wanted=1")
    heading(page).to_have_text("John Roe")
    assert private_words(page) == []


def test_signing_out_ends_the_login_also_for_a_copy_of_its_cookie(person: Person, visit: Callable[..., Person]) -> None:
    page = person.sign_in()
    thief = visit(person.demo)
    thief.context.add_cookies([cookie for cookie in person.context.cookies() if cookie["name"].startswith("hub_demo")])  # type: ignore[misc]
    heading(thief.tab("/me")).to_have_text("Jane Doe")
    sign_out(page)
    page.wait_for_url(f"{person.demo.url}/")
    expect(thief.tab("/me")).to_have_title(FORM)


def test_signing_out_works_while_hub_does_not_answer(person: Person) -> None:
    page = person.sign_in()
    person.demo.control("faults", path="*", transport="refuse")
    try:
        sign_out(page)
        page.wait_for_url(f"{person.demo.url}/")
    finally:
        person.demo.control("faults", "DELETE")
    words(page).to_contain_text("You are signed out.")


# A form that meets an ended login


def by_signing_out_elsewhere(person: Person) -> None:
    other = person.tab("/logout")
    other.get_by_role("main").get_by_role("button", name="Sign out").click()
    other.wait_for_url(f"{person.demo.url}/")


def by_hub(person: Person) -> None:
    person.demo.control("revoke/jane")
    time.sleep(5.1)


@pytest.mark.parametrize(
    ("end_login", "browser"),
    [
        (by_signing_out_elsewhere, "chromium"),
        (by_signing_out_elsewhere, "forgetful_chromium"),
        (by_hub, "forgetful_chromium"),
    ],
)
def test_a_form_that_meets_an_ended_login_is_refused_kindly_and_keeps_its_text(
    visit: Callable[..., Person],
    short_demo: Demo,
    end_login: Callable[[Person], None],
    browser: str,
    request: pytest.FixtureRequest,
) -> None:
    person = visit(short_demo, request.getfixturevalue(browser))
    page = person.sign_in("/note")
    page.get_by_label("Your note").fill(WRITTEN)
    end_login(person)
    person.expects(401, "/note")
    for _ in range(2):  # also for somebody who goes back first and reads later
        page.get_by_role("button", name="Keep it").click()
        page.get_by_role("heading", name="You were signed out").wait_for()
        back(page)
        expect(page.get_by_label("Your note")).to_have_value(WRITTEN)
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("heading", name="You were signed out").wait_for()
    words(page).to_contain_text("Your input was not sent.")
    words(page).to_contain_text("Back button")

    with person.context.expect_page() as opened:
        page.get_by_role("main").get_by_role("link", name="Sign in").click()
    signing_in = opened.value
    sign_in_if_asked(signing_in, "jane")
    signing_in.wait_for_url(f"{short_demo.url}/**")
    back(page)
    expect(page.get_by_label("Your note")).to_have_value(WRITTEN)
    page.get_by_role("button", name="Keep it").click()
    page.wait_for_url(f"{short_demo.url}/notes")
    assert page.locator(".written").first.inner_text() == WRITTEN
