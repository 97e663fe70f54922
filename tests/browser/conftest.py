"""A real Chromium, a demo that runs, and the people who visit it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from .scene import SECONDS, Demo, Person, running_demo

expect.set_options(timeout=SECONDS * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))  # a busy machine shows pages slowly


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
def without_cookies(chromium: Browser, chromium_here: dict[str, Any], tmp_path: Path) -> Iterator[BrowserContext]:
    """One that its owner has told to keep no cookies of anybody."""
    (tmp_path / "Default").mkdir()
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    with chromium.browser_type.launch_persistent_context(tmp_path, **chromium_here) as context:
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
