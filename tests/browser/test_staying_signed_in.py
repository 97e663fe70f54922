"""Tokens end, and Hub goes away: a person who is signed in does not notice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, expect

from .scene import FAILED, SECONDS, Demo, Person, fill_in, heading, words

LIFE = 5.1


@pytest.fixture(autouse=True)
def mended(short_demo: Demo) -> Iterator[None]:
    yield
    short_demo.control("faults", "DELETE")


def test_the_token_is_renewed_after_its_life_without_the_person_noticing(
    visit: Callable[..., Person], short_demo: Demo
) -> None:
    person = visit(short_demo)
    page = person.sign_in("/me?renewed=1")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before = short_demo.calls("refresh_token")
    time.sleep(LIFE)
    page.reload()
    expect(page).to_have_url(f"{short_demo.url}/me?renewed=1")
    heading(page).to_have_text("Jane Doe")
    words(page).to_contain_text("It renewed your token")
    assert short_demo.calls("refresh_token") == before + 1
    assert not [url for url in asked if "/api/rest/oauth2/" in url]


def test_pages_go_on_while_hub_does_not_answer_and_all_is_well_afterwards(
    visit: Callable[..., Person], short_demo: Demo
) -> None:
    person = visit(short_demo)
    page = person.sign_in("/me")
    # The picture comes from Hub too; without it the page is whole.
    person.expects(FAILED, urlsplit(page.locator("img").evaluate("image => image.src")).path)
    time.sleep(LIFE)
    short_demo.control("faults", path="*", transport="refuse")
    for path, title in (("/me", "Jane Doe"), ("/note", "Write a note"), ("/developers", "Welcome, Jane Doe")):
        person.open(page, path)
        heading(page).to_have_text(title)
    person.open(page, "/me")
    words(page).to_contain_text("Hub cannot be asked for a new one now. You stay signed in for a while.")
    before = short_demo.calls("refresh_token")
    short_demo.control("faults", "DELETE")
    deadline = time.monotonic() + SECONDS
    # The extension spares a Hub that did not answer for a moment.
    while short_demo.calls("refresh_token") == before and time.monotonic() < deadline:
        person.open(page, "/me")
        page.wait_for_timeout(200)
    person.open(page, "/me")
    words(page).to_contain_text("A request shortly before that, or any time after it, brings a new one.")


@pytest.mark.parametrize("width", [1100, 360])
def test_a_person_who_works_through_an_outage_sees_one_kind_page_at_most_and_goes_on(
    visit: Callable[..., Person], short_demo: Demo, width: int
) -> None:
    """R8, R12: on pages that only have to know who it is, and on one that asks Hub as the person."""
    person = visit(short_demo, viewport={"width": width, "height": 740})
    page = person.sign_in("/me", "admin")
    person.expects(FAILED, urlsplit(page.locator("img").evaluate("image => image.src")).path)
    person.expects(503, "/people")
    short_demo.control("faults", path="*", transport="refuse")
    kind = 0
    end = time.monotonic() + LIFE + 4
    while time.monotonic() < end:
        for path, title in (("/me", "Ada Admin"), ("/sessions", "Your sessions"), ("/note", "Write a note")):
            person.open(page, path)
            heading(page).to_have_text(title)
        if not kind:
            # Somebody who met the page that says so does not try again before it is over.
            page.goto(short_demo.url + "/people")
            heading(page).to_have_text("Hub does not answer")
            words(page).to_contain_text("Please try again soon.")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            kind += 1
        page.wait_for_timeout(300)
    short_demo.control("faults", "DELETE")
    deadline = time.monotonic() + 2
    while page.goto(short_demo.url + "/people").status != 200 and time.monotonic() < deadline:  # type: ignore[union-attr]
        page.wait_for_timeout(200)
    heading(page).to_have_text("People")
    expect(page).to_have_url(f"{short_demo.url}/people")
    person.open(page, "/me")
    heading(page).to_have_text("Ada Admin")


def test_work_at_another_service_stops_at_one_kind_page_and_goes_on_from_there(
    visit: Callable[..., Person], short_demo: Demo
) -> None:
    """R12: that service wants a good token, so there is no grace; the login stays, and Hub's form is not seen."""
    person = visit(short_demo)
    page = person.sign_in("/issues")
    login = person.cookies("hub_demo")
    person.expects(503, "/issues")
    asked: list[str] = []
    person.context.on("request", lambda request: asked.append(request.url))
    short_demo.control("faults", path="*", transport="refuse")
    deadline = time.monotonic() + SECONDS
    while page.locator("h1").inner_text() == "Your issues" and time.monotonic() < deadline:
        page.wait_for_timeout(200)
        page.reload()  # until the token is over
    heading(page).to_have_text("Hub does not answer")
    words(page).to_contain_text("Please try again soon.")
    page.get_by_role("link", name="Go to the start page").click()
    page.get_by_text("You are signed in as jane.").wait_for()
    # The picture comes from Hub too; without it the page is whole.
    person.expects(FAILED, urlsplit(page.locator("img").evaluate("image => image.src")).path)

    person.open(page, "/issues", 503)
    short_demo.control("faults", "DELETE")
    deadline, status = time.monotonic() + 2, 503
    while status == 503 and time.monotonic() < deadline:
        with page.expect_navigation() as gone:
            page.get_by_role("link", name="Try again").click()
        status = gone.value.status
    assert status == 200
    words(page).to_contain_text("Count down aloud")
    assert person.cookies("hub_demo") == login
    assert not [url for url in asked if "/api/rest/oauth2/" in url]


def test_a_sign_in_while_hub_does_not_answer_ends_on_one_kind_page_and_works_afterwards(
    visit: Callable[..., Person], short_demo: Demo
) -> None:
    person = visit(short_demo)
    person.expects(503, "/authorized")
    # Browsers fetch the icon of Hub's form when all else is there.
    person.expects(FAILED, urlsplit(short_demo.hub).path + "/static/hub.svg")
    page = person.tab("/me?later=1")
    # Hub takes the password and sends the browser back, and answers nothing else.
    for path in ("/api/rest/oauth2/interactive/login", "/api/rest/oauth2/auth"):
        short_demo.control("faults", path=path, delay=0)
    short_demo.control("faults", path="*", transport="refuse")
    fill_in(page, "jane")
    page.get_by_role("heading", name="Hub does not answer").wait_for()
    words(page).to_contain_text("Please try again soon.")
    words(page).to_contain_text("HUB-201")
    short_demo.control("faults", "DELETE")
    page.get_by_role("main").get_by_role("link").first.click()
    page.wait_for_url(f"{short_demo.url}/me?later=1")
    heading(page).to_have_text("Jane Doe")


def test_who_met_no_hub_at_all_tries_again_and_signs_in(visit: Callable[..., Person], short_demo: Demo) -> None:
    """Between the demo and Hub the browser is alone, and shows a page of its own."""
    person = visit(short_demo)
    person.expects(FAILED, urlsplit(short_demo.hub).path + "/api/rest/oauth2/auth")
    page = person.tab("/")
    short_demo.control("faults", path="*", transport="refuse")
    with pytest.raises(Error, match="ERR_"):
        person.open(page, "/me?later=2")
    short_demo.control("faults", "DELETE")
    person.sign_in("/me?later=2")
