"""Many logins at once, late ones, and such as nobody waits for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http.cookies import SimpleCookie

import pytest
from flask import Response
from playwright.sync_api import Page, Request, expect

from flask_hub_auth import HubConfig
from flask_hub_auth.web.pending import AS_USUAL, PendingLogins

from .scene import HOME, Demo, Person, fill_in, heading, sign_in_if_asked, words

PAGES = ("/me", "/developers", "/note", "/notes", "/panel")


def open_tabs(person: Person, count: int) -> dict[str, Page]:
    """Tabs that stand at Hub's form, in the order in which they were opened, by the address they want."""
    return {path: person.tab(path) for path in (f"{PAGES[i % 5]}?tab={i}" for i in range(count))}


def finish(page: Page) -> None:
    fill_in(page, "jane")
    page.locator("header nav").wait_for()


def test_five_tabs_that_finish_in_reverse_order_all_land_where_they_wanted(person: Person) -> None:
    tabs = open_tabs(person, 5)
    for path, page in reversed(tabs.items()):
        finish(page)
        expect(page).to_have_url(person.demo.url + path)


def test_of_ten_tabs_the_newest_five_land_and_the_others_end_at_home_or_may_sign_in_again(person: Person) -> None:
    person.expects(400, "/authorized")
    tabs = open_tabs(person, 10)
    (first, oldest), *others = tabs.items()
    finish(oldest)
    expect(oldest).to_have_url(re.compile("/authorized"))
    expect(oldest.get_by_role("main").get_by_role("link", name="Sign in again"), first).to_be_visible()
    landed = {}
    for path, page in reversed(others):
        finish(page)
        landed[path] = page.url.removeprefix(person.demo.url)
    newest = list(tabs)[5:]
    assert {path: landed[path] for path in newest} == {path: path for path in newest}
    assert {landed[path] for path in list(tabs)[1:5]} == {"/"}


def test_the_address_of_a_callback_that_was_used_leads_home_or_to_a_new_sign_in(
    person: Person, visit: Callable[..., Person]
) -> None:
    callbacks = callbacks_of(person)
    page = person.sign_in("/me?once=1")
    [callback] = callbacks
    tokens = person.demo.calls("authorization_code")
    person.open(page, callback)
    expect(page).to_have_url(f"{person.demo.url}/")
    words(page).to_contain_text("You are signed in as jane.")

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("status").wait_for()
    person.open(page, callback, 400)
    words(page).to_contain_text("HUB-103")
    signs_in_again(person, page)

    other = visit(person.demo)
    elsewhere = other.tab()
    other.open(elsewhere, callback, 400)
    heading(elsewhere).to_have_text("This sign-in was already used")
    assert person.demo.calls("authorization_code") == tokens + 1
    signs_in_again(other, elsewhere)


def test_a_callback_in_another_browser_than_the_login_began_in_signs_nobody_in(
    person: Person, visit: Callable[..., Person]
) -> None:
    """The address is good, and nobody has used it."""
    callbacks = callbacks_of(person)
    person.expects(400, "/authorized")
    page = person.tab("/me")
    for name in person.cookies("hub_login_"):
        person.context.clear_cookies(name=name)
    fill_in(page, "jane")
    page.get_by_role("link", name="Sign in again").wait_for()

    victim = visit(person.demo)
    theirs = victim.sign_in("/me", "john")
    victim.open(theirs, callbacks[0])
    expect(theirs).to_have_url(f"{person.demo.url}/")
    words(theirs).to_contain_text("You are signed in as john.")


def test_an_old_sign_in_still_leads_to_its_page_by_a_new_one(person: Person) -> None:
    state = an_old_login(person, "/me?old=1")
    page = person.tab()
    person.open(page, f"/authorized?state={state}&code=abc", 400)
    heading(page).to_have_text("This sign-in took too long")
    signs_in_again(person, page, "/me?old=1")


def test_a_callback_that_nobody_waits_for_ends_on_a_page_with_a_way_to_sign_in(person: Person) -> None:
    page = person.tab()
    for query in ("", "?state=foreign&code=abc", "?code=abc", "?state=a&state=b&code=c", "?error=x&state=%00"):
        person.open(page, f"/authorized{query}", 400)
        expect(page.get_by_role("main").get_by_role("link", name="Sign in again"), query).to_be_visible()
    signs_in_again(person, page)


def callbacks_of(person: Person) -> list[str]:
    """The addresses with which Hub will send this browser back."""
    seen: list[str] = []

    def look(request: Request) -> None:
        if "/authorized?" in request.url:
            seen.append(request.url)

    person.context.on("request", look)
    return seen


def signs_in_again(person: Person, page: Page, path: str = "/") -> None:
    """The page offers a sign-in that works."""
    with page.expect_navigation():
        page.get_by_role("main").get_by_role("link", name="Sign in again").click()
    sign_in_if_asked(page, "jane")
    page.wait_for_url(person.demo.url + path)
    heading(page).to_have_text(HOME if path == "/" else "Jane Doe")


def an_old_login(person: Person, path: str) -> str:
    """The state of a login that the browser began eleven minutes ago and did not finish."""
    demo = person.demo
    settings = {
        "HUB_URL": demo.hub,
        "HUB_SERVICE_ID": "98071167-004c-4ddf-ba37-5d4599fdf319",
        "HUB_SERVICE_URL": demo.url,
        "SECRET_KEY": (demo.instance / "secret_key").read_text(),
    }
    logins = PendingLogins(HubConfig.from_mapping(settings, debug=True), lambda: time.time() - 660)
    pending, response = logins.begin(path, AS_USUAL), Response()
    logins.remember(response, {}, pending)
    [(name, cookie)] = SimpleCookie(response.headers["Set-Cookie"]).items()
    person.context.add_cookies([{"name": name, "value": cookie.value, "url": demo.url}])
    return pending.state


@pytest.mark.slow
def test_a_thousand_abandoned_logins_stay_below_four_kilobytes_of_cookies_and_leave_nothing_on_the_server(
    visit: Callable[..., Person], demo: Demo
) -> None:
    person = visit(demo, bypass_csp=True)  # so that the page's own policy lets it fetch
    page = person.tab("/")
    before = demo.kept()
    kinds = page.evaluate(
        """async () => {
          const kinds = new Set();
          for (let i = 0; i < 1000; i++) {
            const path = "/me?" + "long".repeat(i % 10 ? 1 : 150) + i;
            const answer = await fetch("/login?next=" + encodeURIComponent(path), {redirect: "manual"});
            kinds.add(answer.type);
          }
          return [...kinds];
        }"""
    )
    assert kinds == ["opaqueredirect"]
    ours = person.cookies("hub_")
    assert 1 <= len(ours) <= 6
    assert bytes_of(ours) < 4096
    assert demo.kept() - before == set()
    person.sign_in("/me?after=1000")
    assert bytes_of(person.cookies("hub_")) < 4096


def bytes_of(cookies: dict[str, str]) -> int:
    """Of the header with which the browser sends them."""
    return len("; ".join(f"{name}={value}" for name, value in cookies.items()))
