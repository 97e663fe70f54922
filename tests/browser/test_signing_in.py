"""A person comes in: by way of a guarded page, with a wrong password first, and as somebody who may not."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .scene import FORM, Person, fill_in, heading, words


def at_hub(person: Person) -> re.Pattern[str]:
    return re.compile(re.escape(person.demo.hub))


def test_signing_in_leads_to_the_guarded_page_that_was_asked_for_with_its_query(person: Person) -> None:
    page = person.tab("/me?from=a%20letter&tab=2")
    expect(page).to_have_url(at_hub(person))
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me?from=a%20letter&tab=2")
    heading(page).to_have_text("Jane Doe")


def test_a_wrong_password_is_answered_on_the_page_of_hub_and_the_right_one_works_then(person: Person) -> None:
    page = person.tab("/me")
    fill_in(page, "jane", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page).to_have_url(at_hub(person))
    expect(page.get_by_label("User name")).to_have_value("jane")
    expect(page.get_by_label("Password")).to_have_value("")
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me")


def test_a_second_guarded_tab_needs_no_second_password(person: Person) -> None:
    person.sign_in("/me")
    second = person.tab("/developers?second=1")
    expect(second).to_have_url(f"{person.demo.url}/developers?second=1")
    heading(second).to_have_text("Welcome, Jane Doe")


def test_who_is_forgotten_by_the_demo_alone_needs_no_second_password_either(person: Person) -> None:
    page = person.sign_in("/me")
    session = next(name for name in person.cookies("hub_demo"))
    person.context.clear_cookies(name=session)
    person.open(page, "/developers")
    expect(page).to_have_url(f"{person.demo.url}/developers")
    heading(page).to_have_text("Welcome, Jane Doe")


def test_the_home_page_leads_in_and_says_who_is_there(person: Person) -> None:
    page = person.tab("/")
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    fill_in(page, "john")
    page.wait_for_url(f"{person.demo.url}/me")
    person.open(page, "/")
    words(page).to_contain_text("You are signed in as john.")


def test_both_names_of_this_machine_lead_in(person: Person) -> None:
    numbers = person.demo.url.replace("localhost", "127.0.0.1")
    page = person.tab(f"{numbers}/me?by=number")
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me?by=number")
    other = person.tab(f"{numbers}/")
    other.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    other.wait_for_url(f"{person.demo.url}/me")
    heading(other).to_have_text("Jane Doe")


@pytest.mark.parametrize(
    ("login", "path", "group"), [("john", "/developers", "Developers"), ("jane", "/administrators", "Administrators")]
)
def test_who_is_not_in_the_group_reads_which_one_it_is_and_finds_a_way_on(
    person: Person, login: str, path: str, group: str
) -> None:
    page = person.sign_in("/me", login)
    person.open(page, path, 403)
    heading(page).to_have_text(f"This page is for {group}")
    words(page).to_contain_text(f"You are signed in as {login}, who is not in the group {group}.")
    expect(page.get_by_role("link", name="Go to the start page")).to_have_attribute("href", "/")
    page.get_by_role("link", name="Sign in as somebody else").click()
    fill_in(page, "jane" if group == "Developers" else "admin")
    page.wait_for_url(person.demo.url + path)
    heading(page).to_contain_text("Welcome, ")


@pytest.mark.parametrize(
    ("login", "title"), [("mallory", "Access was refused at Hub"), ("guest", "Guests cannot sign in")]
)
def test_who_may_not_sign_in_reads_why_and_can_come_in_as_somebody_else(person: Person, login: str, title: str) -> None:
    person.expects(403, "/authorized")
    page = person.tab("/me?wanted=1")
    fill_in(page, login)
    page.get_by_role("heading", name=title).wait_for()
    expect(page.get_by_role("link", name="Go to the start page")).to_be_visible()
    page.get_by_role("link", name="Sign in as somebody else").click()
    expect(page).to_have_title(FORM)
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me?wanted=1")
