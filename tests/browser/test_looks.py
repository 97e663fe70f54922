"""Every page that a person can meet: narrow, wide, light and dark, and for people who do not see it.

With DEMO_PICTURES=folder the pages are also photographed into that folder, to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from .scene import Demo, Person, fill_in, pages_of

LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")
PICTURES = os.environ.get("DEMO_PICTURES")
SIZES = {"wide": {"width": 1100, "height": 800}, "narrow": {"width": 360, "height": 740}}
VIEWS = (("wide", "light"), ("wide", "dark"), ("narrow", "light"))
KINDS = ("structure", "contrast", "width", "targets")
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 4 + " and a line\nof its own"


@dataclass
class Looks:
    """What is wrong with each page, by kind; what people met on the console and in failed requests; and how high the
    navigation of each page is."""

    problems: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    bars: dict[str, float] = field(default_factory=dict)

    def of(self, kind: str) -> list[str]:
        return [f"{name}: {problem}" for name, problems in self.problems.items() for problem in problems[kind]]


@pytest.fixture(scope="module")
def looks(chromium: Browser, demo: Demo) -> Looks:
    """All pages, looked at once."""
    looks = Looks()
    people: list[Person] = []

    def visit() -> Person:
        people.append(Person(demo, chromium.new_context()))
        return people[-1]

    for name, page in every_page(demo, visit):
        assert name not in looks.problems, name
        looks.problems[name] = {kind: [] for kind in KINDS}
        page.wait_for_load_state()  # a heading may be seen before the style sheet is there
        for size, scheme in VIEWS:
            page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for kind, problems in page.evaluate(LOOKS).items():
                looks.problems[name][kind] += [f"{size} and {scheme}: {problem}" for problem in problems]
            if PICTURES:
                file = f"{len(looks.problems):02} {re.sub('[^a-z0-9]+', '-', name.lower())} {size} {scheme}.png"
                page.screenshot(path=Path(PICTURES, file), full_page=True)
        page.set_viewport_size(SIZES["wide"])  # type: ignore[arg-type]
        if page.url.startswith(demo.url):
            looks.bars[name] = page.locator("nav").evaluate("nav => nav.getBoundingClientRect().height")
    looks.troubles = [trouble for person in people for trouble in person.troubles]
    for person in people:
        person.context.close()
    return looks


def every_page(demo: Demo, visit: Callable[[], Person]) -> Iterator[tuple[str, Page]]:
    """Each page that the demo and its Hub show, open when its turn comes."""
    yield from pages_of_a_stranger(visit())
    yield from pages_of_refused_people(visit)
    yield from pages_of_jane(visit())
    yield from pages_of_administrators(visit())
    yield from pages_after_the_login(visit())
    yield from pages_while_hub_is_away(visit())


def pages_of_a_stranger(person: Person) -> Iterator[tuple[str, Page]]:
    demo, page = person.demo, person.tab("/")
    yield "home", page
    person.open(page, "/nowhere/" + "far" * 60, 404)
    yield "no such page", page
    person.open(page, "/logout")
    yield "sign-out of nobody", page
    for query in ("", "?state=unknown&code=abc"):
        person.open(page, f"/authorized{query}", 400)
        yield f"callback {query}", page
    person.open(page, f"{demo.hub}/")
    yield "Hub", page
    words = {"response_type": "code", "client_id": "98071167-004c-4ddf-ba37-5d4599fdf319", "scope": "Hub", "state": "s"}
    query = urlencode({**words, "redirect_uri": "https://somewhere.else.example/" + "far" * 40})
    person.open(page, f"{demo.hub}/api/rest/oauth2/auth?{query}")
    yield "address that Hub does not know", page
    person.open(page, "/me")
    yield "Hub's form", page
    fill_in(page, "jane", "wrong")
    page.get_by_role("alert").wait_for()
    yield "Hub's form after a wrong password", page


def pages_of_refused_people(visit: Callable[[], Person]) -> Iterator[tuple[str, Page]]:
    for login in ("mallory", "guest"):
        person = visit()
        person.expects(403, "/authorized")
        page = person.tab("/me")
        fill_in(page, login)
        page.get_by_role("link", name="Sign in as somebody else").wait_for()
        yield f"refusal of {login}", page


def pages_of_jane(person: Person) -> Iterator[tuple[str, Page]]:
    page = person.sign_in("/note")
    page.get_by_label("Your note").fill(LONG)
    page.get_by_role("button", name="Keep it").click()
    person.expects(403, "/administrators")
    for path, _ in pages_of(page):
        yield f"{path} for jane", page
    person.open(page, "/logout")
    yield "sign-out", page
    person.open(page, f"{person.demo.hub}/")
    yield "Hub for jane", page
    person.open(page, "/note")
    with person.context.expect_page() as opened:
        page.get_by_role("button", name="Let Hub take my tokens back").click()
    opened.value.wait_for_load_state()
    yield "tokens taken back", opened.value


def pages_of_administrators(person: Person) -> Iterator[tuple[str, Page]]:
    page = person.sign_in("/administrators", "admin")
    yield "/administrators for admin", page
    person.open(page, "/me")
    yield "/me for admin", page
    person.open(page, "/panel")
    yield "/panel for admin", page


def pages_while_hub_is_away(person: Person) -> Iterator[tuple[str, Page]]:
    demo, page = person.demo, person.tab("/me")
    person.expects(503, "/authorized")
    demo.control("faults", path="/api/rest/oauth2/token", status=503)
    try:
        fill_in(page, "john")
        page.get_by_role("heading", name="Hub does not answer").wait_for()
        yield "Hub is away", page
    finally:
        demo.control("faults", "DELETE")


def pages_after_the_login(person: Person) -> Iterator[tuple[str, Page]]:
    page, other = person.sign_in("/note", "john"), person.tab("/me")
    page.get_by_label("Your note").fill("late")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_role("status").wait_for()
    yield "home after signing out", other
    person.expects(401, "/note")
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("heading", name="You were signed out").wait_for()
    yield "form after signing out", page


def test_every_page_has_one_heading_landmarks_labels_a_language_and_a_title(looks: Looks) -> None:
    assert looks.of("structure") == []


def test_all_text_stands_out_from_its_ground_in_light_and_dark(looks: Looks) -> None:
    assert looks.of("contrast") == []


def test_no_page_scrolls_sideways_at_360_pixels(looks: Looks) -> None:
    assert looks.of("width") == []


def test_everything_to_press_is_large_enough_for_a_finger(looks: Looks) -> None:
    assert looks.of("targets") == []


def test_the_navigation_stays_where_it_is_from_page_to_page(looks: Looks) -> None:
    assert len(set(looks.bars.values())) == 1, looks.bars


def test_no_page_writes_on_the_console_or_misses_a_file(looks: Looks) -> None:
    assert looks.troubles == []


def test_the_pages_are_the_ones_that_people_meet(looks: Looks) -> None:
    """The links of the home page lead to all of them."""
    linked = {name.removesuffix(" for jane") for name in looks.problems if name.endswith(" for jane")}
    assert {"/", "/me", "/sessions", "/developers", "/administrators", "/note", "/notes", "/panel"} <= linked
    assert len(looks.problems) > 30
