from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from flask_hub_auth.devhub import DevHub, Served, serve

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    return launch()


@pytest.fixture
def callback() -> Iterator[str]:
    """A page on another port, which stands for the application's."""
    with serve(DevHub()) as application:
        yield f"{application.url}/"


@pytest.fixture
def served(callback: str) -> Iterator[Served]:
    with serve(DevHub(trusted=False, redirect_uris=[callback])) as served:
        yield served


def request_of(served: Served, redirect_uri: str) -> str:
    query = {"response_type": "code", "client_id": served.hub.service_id, "scope": "Hub", "state": "s"}
    return f"{served.url}/api/rest/oauth2/auth?{urlencode({**query, 'redirect_uri': redirect_uri})}"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 360)])
def test_a_person_with_a_keyboard_signs_in_allows_and_signs_out(
    browser: Browser, served: Served, callback: str, scheme: Literal["light", "dark"], width: int
) -> None:
    """The form-action of the pages lets the forms through to the client; nothing is written on the console."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 740})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(request_of(served, callback))
    fits(page)
    expect(page.get_by_label("User name")).to_be_focused()
    type_in(page, "jane", "Tab", "wrong", "Enter")
    page.get_by_role("alert").wait_for()
    fits(page)
    expect(page.get_by_label("Password")).to_be_focused()
    type_in(page, "jane", "Enter")
    page.wait_for_url("**/auth/consent?*")
    fits(page)
    page.get_by_role("button", name="Allow").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"^{re.escape(callback)}[?]code="))

    page.goto(request_of(served, f"{callback}other"))
    page.get_by_role("heading", name="This address is not registered").wait_for()
    fits(page)
    page.goto(served.url)
    page.get_by_role("heading", name="Jane Doe").wait_for()
    fits(page)
    page.get_by_role("button", name="Sign out").press("Enter")
    page.get_by_role("heading", name="Nobody is signed in").wait_for()
    fits(page)
    assert said == []
    page.close()


def type_in(page: Page, *words: str) -> None:
    """Into what has the focus; Tab and Enter are keys."""
    for word in words:
        if word in ("Tab", "Enter"):
            page.keyboard.press(word)
        else:
            page.keyboard.type(word)


def fits(page: Page) -> None:
    """Nothing makes the page wider than its window."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
