"""The page that obtains its token itself, and the consent of people, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from demo_app.serving import start

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    return launch()


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts the demo and answers with its address."""
    endings = []

    def starts(token_life: int = 60, **environ: str) -> str:
        ending, line = start(environ, token_life=token_life, instance=tmp_path)
        endings.append(ending)
        return re.findall(r"http://localhost:\d+", line)[0]

    yield starts
    for ending in endings:
        ending.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a tab in a browser of its own. At the end nothing was written on any console."""
    contexts, said = [], list[str]()

    def opens(*, fails: bool = False, **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        if not fails:
            # Browsers themselves write there when a request is refused.
            page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    yield opens
    for context in contexts:
        context.close()
    assert said == []


def sign_in(page: Page, login: str = "jane") -> None:
    """Answer Hub's login form with the keyboard alone."""
    page.get_by_label("User name").fill(login)
    page.get_by_label("Password").fill(login)
    page.keyboard.press("Enter")


def answering(status: int, detail: str) -> Callable[[Route], None]:
    """An API that answers every call so."""
    return lambda route: route.fulfill(status=status, json={"detail": detail})


def said(page: Page) -> Any:
    return expect(page.locator("#said"))


def test_the_api_page_signs_in_by_itself_and_calls_the_api(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(), start_demo()
    page.goto(f"{address}/api")
    sign_in(page)
    said(page).to_have_text("The API knows you as Jane Doe.")
    expect(page).to_have_url(f"{address}/api")
    expect(page.locator("#status")).to_have_text("200 OK")
    expect(page.locator("#body")).to_contain_text('"login": "jane"')
    page.reload()
    said(page).to_have_text("The API knows you as Jane Doe.")
    page.get_by_role("button", name="Call again").click()
    said(page).to_have_text("The API knows you as Jane Doe.")
    # Not signed in at the application, and no matter.
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_the_token_is_in_memory_alone(start_demo: Callable[..., str], open_page: Callable[..., Page]) -> None:
    page, address = open_page(), start_demo()
    tokens: list[str] = []
    page.on("request", lambda request: tokens.append(request.headers.get("authorization", "")))
    page.goto(f"{address}/")
    page.get_by_role("link", name="API").first.click()
    sign_in(page)
    said(page).to_have_text("The API knows you as Jane Doe.")
    token = max(tokens, key=len).removeprefix("Bearer ")
    assert len(token) > 100
    kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie, location.href])")
    assert kept == f'[{{}},{{}},"","{address}/api"]'
    assert token not in page.content()
    page.go_back()
    assert "access_token" not in page.url


def test_an_answer_that_this_tab_has_not_asked_for_is_not_taken(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(), start_demo()
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url))
    page.goto(f"{address}/api#access_token=x&state=y&token_type=Bearer&expires_in=60")
    said(page).to_have_text("This answer of Hub belongs to another tab, or was used before.")
    expect(page).to_have_url(f"{address}/api")
    assert not any(url.endswith("/api/me") for url in calls)
    page.get_by_role("button", name="Get a token").click()
    sign_in(page)
    said(page).to_have_text("The API knows you as Jane Doe.")


def test_a_token_that_is_over_is_not_sent_and_another_is_to_be_had(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(), start_demo(token_life=2)
    page.goto(f"{address}/api")
    sign_in(page)
    expect(page.locator("#until")).to_have_text("over")
    said(page).to_have_text("The token is over. Hub can give you another one.")
    page.get_by_role("button", name="Get a token").click()
    said(page).to_have_text("The API knows you as Jane Doe.")


def test_an_api_that_is_away_is_said_kindly(start_demo: Callable[..., str], open_page: Callable[..., Page]) -> None:
    page, address = open_page(), start_demo()
    page.route("**/api/me", lambda route: route.fulfill(status=200, body="no JSON"))
    page.goto(f"{address}/api")
    sign_in(page)
    said(page).to_have_text("The API does not answer. Please try again soon.")
    page.unroute("**/api/me")
    page.get_by_role("button", name="Call again").click()
    said(page).to_have_text("The API knows you as Jane Doe.")


def test_a_refusal_of_the_api_is_said_in_its_own_words(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(fails=True), start_demo()
    for status, words in ((401, "The API does not take this token: Hm."), (403, "The API refuses: Hm.")):
        page.route("**/api/me", answering(status, "Hm."))
        page.goto(f"{address}/api")
        if status == 401:
            sign_in(page)
        said(page).to_have_text(words)
        page.unroute("**/api/me")


def test_without_javascript_the_page_says_what_it_would_do(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(java_script_enabled=False), start_demo()
    page.goto(f"{address}/api")
    expect(page).to_have_url(f"{address}/api")
    expect(page.locator("noscript p")).to_contain_text("This page needs JavaScript, which is off in your browser.")
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_role("button", name="Get a token")).to_be_hidden()


def test_after_signing_out_the_page_waits_and_hub_asks_for_the_password(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(), start_demo()
    page.goto(f"{address}/me")
    sign_in(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("status").wait_for()
    page.get_by_role("link", name="API").first.click()
    said(page).to_have_text("You have signed out, so this page waits for you.")
    page.get_by_role("button", name="Get a token").click()
    sign_in(page, "john")
    said(page).to_have_text("The API knows you as John Roe.")


def test_both_names_of_this_machine_lead_to_a_token(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(), start_demo().replace("localhost", "127.0.0.1")
    page.goto(f"{address}/api")
    sign_in(page)
    said(page).to_have_text("The API knows you as Jane Doe.")
    expect(page).to_have_url(f"{address}/api")


@pytest.mark.parametrize("width", [1100, 360])
def test_hub_asks_for_consent_once_and_a_refusal_is_said(
    start_demo: Callable[..., str], open_page: Callable[..., Page], width: int
) -> None:
    page, address = open_page(viewport={"width": width, "height": 740}), start_demo(DEMO_UNTRUSTED="1")
    page.goto(f"{address}/api")
    sign_in(page)
    page.get_by_role("button", name="Refuse").click()
    said(page).to_contain_text("Hub gives no token. It says: The resource owner or authorization server denied")
    page.goto(f"{address}/consent")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{address}/consent")
    expect(page.get_by_text("Issues: allowed")).to_be_visible()
    with page.expect_navigation():
        page.locator("main").get_by_role("link", name="Sign in again").click()
    expect(page).to_have_url(f"{address}/consent")
    page.goto(f"{address}/api")
    said(page).to_have_text("The API knows you as Jane Doe.")
    page.goto(f"{address}/issues")
    expect(page.get_by_text("Count down aloud")).to_be_visible()
    page.goto(f"{address}/projects")
    expect(page.get_by_text("Hub gives this application no token of its own.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_issues_are_filed_and_a_job_is_begun_with_the_keyboard(
    start_demo: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    page, address = open_page(), start_demo()
    page.goto(f"{address}/issues")
    sign_in(page, "john")
    page.get_by_label("Project").select_option("Hermes")
    page.get_by_label("Summary").fill("Lace the sandals")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Lace the sandals")).to_be_visible()
    page.get_by_role("button", name="Count my issues in the background").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/panel#job")
    expect(page.get_by_text("A job acts as you")).to_be_visible()
