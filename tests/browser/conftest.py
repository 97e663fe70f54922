"""A real Chromium, a demo that runs, and the people who visit it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from .scene import Demo, Person, running_demo

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(120))  # a busy machine shows pages slowly


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Browser]]:
    """Starts the Chromium of this machine."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.fail("There is no Chromium on this machine. On Debian: apt-get install chromium")
    arguments = [*QUIET.split(), "--no-first-run", "--disable-quic"]
    with sync_playwright() as playwright:
        browsers = []

        def launch(**options: object) -> Browser:
            browsers.append(playwright.chromium.launch(executable_path=path, args=arguments, **options))  # type: ignore[arg-type]
            return browsers[-1]

        yield launch
        for browser in browsers:
            browser.close()


@pytest.fixture(scope="module")
def chromium(launch: Callable[..., Browser]) -> Browser:
    """One that keeps whole pages for the Back button, as people's browsers do. Playwright switches that off."""
    return launch(ignore_default_args=["--disable-back-forward-cache"])


@pytest.fixture(scope="module")
def forgetful_chromium(launch: Callable[..., Browser]) -> Browser:
    """One that has no memory to spare, and loads pages anew at Back."""
    return launch()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, with tokens that outlive the tests."""
    with running_demo(tmp_path_factory.mktemp("demo"), token_life=600) as demo:
        yield demo


@pytest.fixture(scope="module")
def short_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, with tokens of the shortest life that the extension believes in."""
    with running_demo(tmp_path_factory.mktemp("short"), token_life=5) as demo:
        yield demo


@pytest.fixture
def without_cookies(chromium: Browser, tmp_path: Path) -> Iterator[BrowserContext]:
    """One that its owner has told to keep no cookies of anybody."""
    (tmp_path / "Default").mkdir()
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    path = next(filter(None, map(shutil.which, CHROMIUMS)))
    with chromium.browser_type.launch_persistent_context(tmp_path, executable_path=path, args=QUIET.split()) as context:
        yield context


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Makes a person with a fresh browser. None of them may meet an error that the test does not name."""
    people: list[Person] = []

    def visit(demo: Demo, browser: Browser = chromium, **options: object) -> Person:
        people.append(Person(demo, browser.new_context(**options)))  # type: ignore[arg-type]
        return people[-1]

    yield visit
    troubles = [trouble for person in people for trouble in person.troubles]
    for person in people:
        person.context.close()
    assert troubles == []


@pytest.fixture
def person(visit: Callable[..., Person], demo: Demo) -> Person:
    """Somebody at the demo, who has never been there."""
    return visit(demo)
