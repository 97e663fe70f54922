"""A whole visit without a mouse. Wherever the focus is, it is seen."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .scene import FORM, Person, heading, words

FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  const label = element.labels?.[0]?.innerText || element.getAttribute("aria-label") || element.innerText;
  const outline = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
  const seen = element.matches(":focus-visible") && outline >= 2;
  const within = box.width > 0 && box.top < innerHeight && box.bottom > 0 && box.left >= 0 && box.left < innerWidth;
  return {name: label.trim(), kind: element.localName, seen, within};
}"""
MOST = 60


def tab_to(page: Page, *names: str) -> None:
    """Press Tab until the focus is on what has one of these names. On the way it is always seen."""
    passed = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["kind"] == "body":
            continue  # around the end of the page, where a browser has buttons of its own
        assert focused["seen"], f"{page.url}: nobody sees that the focus is on {focused}"
        assert focused["within"], f"{page.url}: the focus is out of sight on {focused}"
        passed.append(focused["name"])
        if focused["name"] in names:
            return
    raise AssertionError(f"{page.url}: Tab leads to {passed}, and never to {names}")


def test_a_visit_takes_no_mouse_and_the_focus_is_always_seen(person: Person) -> None:
    page = person.tab("/")
    keys = page.keyboard
    tab_to(page, "Skip to the content")
    keys.press("Enter")
    tab_to(page, "Sign in")
    keys.press("Enter")

    page.wait_for_url(f"{person.demo.hub}/**")
    expect(page).to_have_title(FORM)
    # The form has the focus already.
    expect(page.get_by_label("User name")).to_be_focused()
    keys.type("jane")
    tab_to(page, "Password")
    keys.type("wrong")
    keys.press("Enter")
    page.get_by_role("alert").wait_for()
    expect(page.get_by_label("Password")).to_be_focused()
    keys.type("jane")
    keys.press("Enter")
    page.wait_for_url(f"{person.demo.url}/me")

    tab_to(page, "Note")
    keys.press("Enter")
    page.wait_for_url(f"{person.demo.url}/note")
    tab_to(page, "Your note")
    keys.type("without a mouse")
    tab_to(page, "Keep it")
    keys.press("Enter")
    page.wait_for_url(f"{person.demo.url}/notes")
    words(page).to_contain_text("without a mouse")

    person.expects(403, "/administrators")
    tab_to(page, "Administrators")
    keys.press("Enter")
    page.wait_for_url(f"{person.demo.url}/administrators")
    tab_to(page, "Go to the start page")
    keys.press("Enter")
    page.wait_for_url(f"{person.demo.url}/")

    tab_to(page, "Sign out")
    keys.press("Enter")
    page.get_by_role("status").wait_for()
    words(page).to_contain_text("You are signed out.")
    tab_to(page, "Sign in again")
    keys.press("Enter")
    page.wait_for_url(f"{person.demo.hub}/**")
    expect(page).to_have_title(FORM)


def test_the_skip_link_shows_itself_and_leads_past_the_navigation(person: Person) -> None:
    page = person.tab("/")
    link = page.get_by_role("link", name="Skip to the content")
    assert link.bounding_box()["y"] < 0  # type: ignore[index]
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{person.demo.url}/#main")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_every_stop_of_the_tab_key_is_seen_on_the_pages_with_most_of_them(person: Person) -> None:
    page = person.sign_in("/panel")
    for path, last in (("/panel", "Hub for development"), ("/note", "Hub for development")):
        person.open(page, path)
        tab_to(page, last)
    heading(page).to_have_text("Write a note")
