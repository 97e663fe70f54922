"""The pages of the other flows: what each of them shows to whom, and what it says where something is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from demo_app.app import create_app
from demo_app.issues import ISSUES_ID

if TYPE_CHECKING:
    from flask_hub_auth.testing.browser import Browser
    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock

PERSON = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

MakeBrowser = Callable[[Flask], "Browser"]


@pytest.fixture
def browser(whole_demo: Flask, hub_browser: MakeBrowser) -> Browser:
    return hub_browser(whole_demo)


@pytest.fixture
def stranger(whole_demo: Flask) -> Client:
    return whole_demo.test_client()


@pytest.fixture
def beside_real_hub(dev_hub: HubInMemory, hub_browser: MakeBrowser, tmp_path: Path) -> Browser:
    """The demo as it is with ``FLASK_HUB_URL``: no dev Hub to look into, and no issues service."""
    settings = {"TESTING": True, "SECRET_KEY": "k" * 32, **dev_hub.settings}
    return hub_browser(create_app(settings, instance=tmp_path))


def words(answer: TestResponse) -> str:
    """The text of a page, as one line."""
    return " ".join(re.sub(r"<[^>]+>", "", answer.text).split())


# Issues: as the person


@pytest.mark.parametrize(
    ("login", "theirs"),
    [("jane", "APOLLO-1 Count down aloud"), ("john", "Polish the helmets"), ("admin", "Order fuel")],
)
def test_everybody_sees_their_own_issues(browser: Browser, login: str, theirs: str) -> None:
    seen = words(browser.get("/issues", as_=login))
    assert theirs in seen
    assert [text in seen for text in ("Count down aloud", "Polish the helmets", "Order fuel")].count(True) == 1


def test_a_stranger_is_sent_to_hub_first(stranger: Client, dev_hub: HubInMemory) -> None:
    answer = stranger.get("/issues", headers=PERSON)
    assert answer.location.startswith(f"{dev_hub.url}/api/rest/oauth2/auth?")
    assert ISSUES_ID in answer.location


def test_an_issue_is_filed_as_the_person(browser: Browser, whole_demo: Flask, hub_browser: MakeBrowser) -> None:
    browser.get("/issues", as_="john")
    page = browser.post("/issues", data={"project": "HERMES", "summary": "<b>milk</b>"})
    assert page.request.path == "/issues"
    assert "&lt;b&gt;milk&lt;/b&gt;" in page.text
    assert "milk" not in hub_browser(whole_demo).get("/issues", as_="jane").text


def test_the_issues_services_own_words_are_shown_where_it_refuses(browser: Browser) -> None:
    browser.get("/issues", as_="john")
    page = browser.post("/issues", data={"project": "NONE", "summary": "milk"})
    assert "The issues service says: An issue has a project" in words(page)


def test_issues_go_on_with_a_renewed_token(browser: Browser, hub_clock: Clock) -> None:
    browser.get("/issues", as_="jane")
    hub_clock.advance(100)
    assert "Count down aloud" in browser.get("/issues").text


# Projects: as the application itself


@pytest.mark.parametrize("login", [None, "jane", "john", "admin"])
def test_projects_are_read_by_the_application_itself(browser: Browser, dev_hub: HubInMemory, login: str | None) -> None:
    if login:
        browser.get("/me", as_=login)
    seen = words(browser.get("/projects"))
    assert "Apollo 4 issues" in seen
    assert ("you are not signed in, and need not be" in seen) == (login is None)
    assert [call["grant"] for call in dev_hub.calls].count("client_credentials") == 1
    browser.get("/projects")
    assert [call["grant"] for call in dev_hub.calls].count("client_credentials") == 1


def test_a_service_that_is_not_trusted_is_told_what_to_do(browser: Browser, dev_hub: HubInMemory) -> None:
    dev_hub.service.trusted = False
    page = browser.get("/projects")
    assert page.status_code == 200
    assert "Hub gives this application no token of its own." in words(page)
    assert "make this service trusted" in words(page)


# Beside a real Hub


@pytest.mark.parametrize("path", ["/issues", "/projects"])
def test_beside_a_real_hub_pages_say_that_there_is_no_issues_service(beside_real_hub: Browser, path: str) -> None:
    page = beside_real_hub.get(path, as_="jane")
    assert page.status_code == 200
    assert "There is no issues service beside a real Hub" in words(page)
    assert '<form method="post">' not in page.text
