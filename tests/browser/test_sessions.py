"""People look at where they are signed in, and end it elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from .scene import FORM, HOME, Demo, Person, fill_in, heading, words


def others(page: Page) -> Locator:
    """The other logins that the page shows."""
    return page.locator(".logins > li")


def test_the_page_shows_where_somebody_is_signed_in_and_ends_it_in_the_other_browser(
    visit: Callable[..., Person], demo: Demo
) -> None:
    """S53"""
    here, there = visit(demo), visit(demo)
    page, other = here.sign_in("/sessions", "john"), there.sign_in("/me", "john")
    tab = there.tab("/note")
    page.reload()
    heading(page).to_have_text("Your sessions")
    expect(others(page)).not_to_have_count(0)
    page.get_by_role("button", name="End all others").click()
    page.get_by_role("status").wait_for()
    expect(page.get_by_role("status")).to_contain_text("has ended")
    expect(others(page)).to_have_count(0)
    expect(page.get_by_role("button", name="End all others")).to_have_count(0)
    words(page).to_contain_text("You are signed in nowhere else.")

    for one in (other, tab):
        one.reload()
        heading(one).to_have_text(HOME)
        expect(one.get_by_role("status")).to_contain_text("You were signed out from another browser.")
    other.get_by_role("link", name="Sign in again").click()
    # Hub still knew this browser, and asks all the same.
    expect(other).to_have_title(FORM)
    fill_in(other, "john")
    other.wait_for_url(f"{demo.url}/**")

    page.reload()
    heading(page).to_have_text("Your sessions")
    expect(others(page)).to_have_count(1)


def test_signing_out_here_leaves_the_other_browser_alone(visit: Callable[..., Person], demo: Demo) -> None:
    here, there = visit(demo), visit(demo)
    page, other = here.sign_in("/sessions", "admin"), there.sign_in("/sessions", "admin")
    page.get_by_role("button", name="Sign out here").click()
    page.get_by_text("You are signed out.").wait_for()
    other.reload()
    heading(other).to_have_text("Your sessions")
    heading(page).to_have_text(HOME)


def test_the_logins_of_somebody_else_are_not_shown_and_not_ended(visit: Callable[..., Person], demo: Demo) -> None:
    jane, john = visit(demo), visit(demo)
    page, other = jane.sign_in("/sessions", "jane"), john.sign_in("/me", "john")
    page.reload()
    if page.get_by_role("button", name="End all others").count():
        page.get_by_role("button", name="End all others").click()
        page.get_by_role("status").wait_for()
    expect(others(page)).to_have_count(0)
    other.reload()
    heading(other).to_have_text("John Roe")
