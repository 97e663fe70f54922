"""People look at where they are signed in, and end it elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from .scene import FORM, HOME, Demo, Person, fill_in, heading


def others(page: Page) -> int:
    """How many other logins the page shows."""
    return page.locator(".logins > li").count()


def test_the_page_shows_where_somebody_is_signed_in_and_ends_it_in_the_other_browser(
    visit: Callable[..., Person], demo: Demo
) -> None:
    """S53"""
    here, there = visit(demo), visit(demo)
    page, other = here.sign_in("/sessions", "john"), there.sign_in("/me", "john")
    tab = there.tab("/note")
    page.reload()
    assert heading(page) == "Your sessions"
    assert others(page) >= 1
    page.get_by_role("button", name="End all others").click()
    page.get_by_role("status").wait_for()
    assert "has ended" in page.get_by_role("status").inner_text()
    assert others(page) == 0
    assert page.get_by_role("button", name="End all others").count() == 0
    assert "You are signed in nowhere else." in page.inner_text("main")

    for one in (other, tab):
        one.reload()
        assert heading(one) == HOME
        assert "You were signed out from another browser." in one.get_by_role("status").inner_text()
    other.get_by_role("link", name="Sign in again").click()
    assert other.title() == FORM, "Hub still knew this browser, and asks all the same"
    fill_in(other, "john")
    other.wait_for_url(f"{demo.url}/**")

    page.reload()
    assert heading(page) == "Your sessions"
    assert others(page) == 1


def test_signing_out_here_leaves_the_other_browser_alone(visit: Callable[..., Person], demo: Demo) -> None:
    here, there = visit(demo), visit(demo)
    page, other = here.sign_in("/sessions", "admin"), there.sign_in("/sessions", "admin")
    page.get_by_role("button", name="Sign out here").click()
    page.get_by_text("You are signed out.").wait_for()
    other.reload()
    assert heading(other) == "Your sessions"
    assert heading(page) == HOME


def test_the_logins_of_somebody_else_are_not_shown_and_not_ended(visit: Callable[..., Person], demo: Demo) -> None:
    jane, john = visit(demo), visit(demo)
    page, other = jane.sign_in("/sessions", "jane"), john.sign_in("/me", "john")
    page.reload()
    if page.get_by_role("button", name="End all others").count():
        page.get_by_role("button", name="End all others").click()
        page.get_by_role("status").wait_for()
    assert others(page) == 0
    other.reload()
    assert heading(other) == "John Roe"
