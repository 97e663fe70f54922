"""A person comes in: by way of a guarded page, with a wrong password first, and as somebody who may not."""

from __future__ import annotations

import pytest

from .scene import FORM, Person, fill_in, heading


def test_signing_in_leads_to_the_guarded_page_that_was_asked_for_with_its_query(person: Person) -> None:
    page = person.tab("/me?from=a%20letter&tab=2")
    assert page.url.startswith(person.demo.hub)
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me?from=a%20letter&tab=2")
    assert heading(page) == "Jane Doe"


def test_a_wrong_password_is_answered_on_the_page_of_hub_and_the_right_one_works_then(person: Person) -> None:
    page = person.tab("/me")
    fill_in(page, "jane", "wrong")
    assert "do not belong together" in page.get_by_role("alert").inner_text()
    assert page.url.startswith(person.demo.hub)
    assert page.get_by_label("User name").input_value() == "jane"
    assert page.get_by_label("Password").input_value() == ""
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me")


def test_a_second_guarded_tab_needs_no_second_password(person: Person) -> None:
    person.sign_in("/me")
    second = person.tab("/developers?second=1")
    assert second.url == f"{person.demo.url}/developers?second=1"
    assert heading(second) == "Welcome, Jane Doe"


def test_who_is_forgotten_by_the_demo_alone_needs_no_second_password_either(person: Person) -> None:
    page = person.sign_in("/me")
    session = next(name for name in person.cookies("hub_demo"))
    person.context.clear_cookies(name=session)
    person.open(page, "/developers")
    assert page.url == f"{person.demo.url}/developers"
    assert heading(page) == "Welcome, Jane Doe"


def test_the_home_page_leads_in_and_says_who_is_there(person: Person) -> None:
    page = person.tab("/")
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    fill_in(page, "john")
    page.wait_for_url(f"{person.demo.url}/me")
    person.open(page, "/")
    assert "You are signed in as john." in page.get_by_role("main").inner_text()


def test_both_names_of_this_machine_lead_in(person: Person) -> None:
    numbers = person.demo.url.replace("localhost", "127.0.0.1")
    page = person.tab(f"{numbers}/me?by=number")
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me?by=number")
    other = person.tab(f"{numbers}/")
    other.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    other.wait_for_url(f"{person.demo.url}/me")
    assert heading(other) == "Jane Doe"


@pytest.mark.parametrize(
    ("login", "path", "group"), [("john", "/developers", "Developers"), ("jane", "/administrators", "Administrators")]
)
def test_who_is_not_in_the_group_reads_which_one_it_is_and_finds_a_way_on(
    person: Person, login: str, path: str, group: str
) -> None:
    page = person.sign_in("/me", login)
    person.open(page, path, 403)
    assert heading(page) == f"This page is for {group}"
    words = page.get_by_role("main").inner_text()
    assert f"You are signed in as {login}, who is not in the group {group}." in words
    assert page.get_by_role("link", name="Go to the start page").get_attribute("href") == "/"
    page.get_by_role("link", name="Sign in as somebody else").click()
    fill_in(page, "jane" if group == "Developers" else "admin")
    page.wait_for_url(person.demo.url + path)
    assert heading(page).startswith("Welcome, ")


@pytest.mark.parametrize(
    ("login", "title"), [("mallory", "Access was refused at Hub"), ("guest", "Guests cannot sign in")]
)
def test_who_may_not_sign_in_reads_why_and_can_come_in_as_somebody_else(person: Person, login: str, title: str) -> None:
    person.expects(403, "/authorized")
    page = person.tab("/me?wanted=1")
    fill_in(page, login)
    page.get_by_role("heading", name=title).wait_for()
    assert page.get_by_role("link", name="Go to the start page").is_visible()
    page.get_by_role("link", name="Sign in as somebody else").click()
    assert page.title() == FORM
    fill_in(page, "jane")
    page.wait_for_url(f"{person.demo.url}/me?wanted=1")
