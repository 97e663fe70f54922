"""The demo in a process of its own, and people who visit it, each with a browser of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from playwright.sync_api import BrowserContext, ConsoleMessage, LocatorAssertions, Page, Request, Response, expect

ROOT = Path(__file__).parents[2]
FORM = "Sign in · dev Hub"
HOME = "Sign in with Hub"
SECONDS = 30
FAILED = -1
"""In place of a status: there was no answer."""


@dataclass(frozen=True)
class Demo:
    """A demo that runs: its address, that of its dev Hub with the path, and the folder where it keeps things."""

    url: str
    hub: str
    instance: Path

    def control(self, what: str, method: str = "POST", /, **words: Any) -> Any:
        """The remote control of the dev Hub."""
        address = f"{self.hub.removesuffix('/hub')}/__dev__/{what}"
        answer = requests.request(method, address, json=words if method == "POST" else None, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def calls(self, grant: str) -> int:
        """How often Hub was asked for a token this way."""
        return sum(call["grant"] == grant for call in self.control("calls", "GET"))

    def kept(self) -> set[str]:
        """The files of logins, and of whatever else is kept for them; not those of the locks, which stay."""
        files = [path.relative_to(self.instance) for path in self.instance.rglob("*") if path.is_file()]
        return {str(path) for path in files if "lock" not in str(path)}


@contextmanager
def running_demo(folder: Path, token_life: int, **settings: str) -> Iterator[Demo]:
    """``python -m demo_app``, from a copy: its instance folder lies beside its source. `settings`: of ``HUB_``."""
    shutil.copytree(ROOT / "demo_app", folder / "demo_app", ignore=shutil.ignore_patterns("__pycache__"))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "DEMO_"))}
    named = {f"FLASK_HUB_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "demo_app"],
        cwd=folder,
        env={**plain, **named, "PYTHONPATH": str(ROOT), "DEMO_TOKEN_LIFE": str(token_life)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"http://localhost:\d+", line)
        assert found, f"the demo does not run: {line!r}"
        to_hub = requests.get(f"{found[0]}/login", allow_redirects=False, timeout=SECONDS).headers["Location"]
        yield Demo(found[0], to_hub.partition("/api/rest/")[0], folder / "instance")
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


@dataclass
class Person:
    """Somebody with a fresh browser. What goes wrong in it, seen or unseen, is in `troubles`."""

    demo: Demo
    context: BrowserContext
    _expected: set[tuple[int, str]] = field(default_factory=set)
    _seen: list[tuple[int, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(SECONDS * 1000)
        self.context.on("console", self._said)
        self.context.on("response", self._answered)
        self.context.on("requestfailed", self._failed)
        self.context.on("weberror", lambda error: self._seen.append((0, "", str(error.error))))

    def expects(self, status: int, path: str) -> None:
        """This page is answered with an error, and that is right."""
        self._expected.add((status, path))

    @property
    def troubles(self) -> list[str]:
        """Words on the console, failed requests, and answers with an error that nobody expects."""
        paths = {path for _, path in self._expected}
        return [
            f"{words} at {path}"
            for status, path, words in self._seen
            if (status, path) not in self._expected and not (status == 0 and path in paths)
        ]

    def tab(self, path: str | None = None) -> Page:
        """A new tab, at a page of the demo."""
        page = self.context.new_page()
        if path is not None:
            self.open(page, path)
        return page

    def open(self, page: Page, path: str, status: int = 200) -> None:
        """Type an address of the demo, or a whole one."""
        if status >= 400:
            self.expects(status, urlsplit(path).path)
        answer = page.goto(path if "://" in path else self.demo.url + path)
        assert answer, path
        assert answer.status == status, f"{path}: {answer.status}"

    def cookies(self, name: str = "hub_") -> dict[str, str]:
        """The cookies whose names begin so."""
        return {cookie["name"]: cookie["value"] for cookie in self.context.cookies() if cookie["name"].startswith(name)}

    def sign_in(self, path: str = "/me", login: str = "jane") -> Page:
        """A tab that has come to a guarded page by way of Hub's form."""
        page = self.tab(path)
        fill_in(page, login)
        page.wait_for_url(self.demo.url + path)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            path = urlsplit(message.location.get("url", "")).path
            self._seen.append((0, path, f"console: {message.text}"))

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._seen.append((response.status, urlsplit(response.url).path, f"status {response.status}"))

    def _failed(self, request: Request) -> None:
        if request.failure == "net::ERR_ABORTED":
            return  # the person was faster than the picture
        self._seen.append((FAILED, urlsplit(request.url).path, f"{request.method} failed: {request.failure}"))


def fill_in(page: Page, login: str, password: str | None = None) -> None:
    """Answer Hub's form. Chromium lets tabs behind others wait, so this one comes to the front."""
    page.bring_to_front()
    expect(page).to_have_title(FORM)
    page.get_by_label("User name").fill(login)
    page.get_by_label("Password").fill(login if password is None else password)
    page.get_by_role("button", name="Sign in").click()


def heading(page: Page) -> LocatorAssertions:
    """What the page says it is, or will say when it is there: a key or a click returns before its page comes."""
    return expect(page.locator("h1"))


def words(page: Page) -> LocatorAssertions:
    """What the page says, without what all pages say."""
    return expect(page.get_by_role("main"))


def sign_in_if_asked(page: Page, login: str) -> None:
    """At the demo, or at Hub's form before that."""
    page.wait_for_function("form => document.title === form || document.querySelector('header nav')", arg=FORM)
    if page.title() == FORM:
        fill_in(page, login)


def back(page: Page) -> None:
    """The Back button. Where the browser has kept the whole page it shows it without loading it."""
    page.go_back(wait_until="commit")
    page.locator("h1").wait_for()


def everything(page: Page) -> str:
    """All that is in the page: markup, text, and what is written in its fields."""
    fields = page.locator("input, textarea").evaluate_all("all => all.map(each => each.value)")
    return "\n".join([page.url, page.content(), page.locator("body").inner_text(), *fields])


def pages_of(page: Page, start: str = "/") -> Iterator[tuple[str, int]]:
    """All pages of the demo that links lead to from `start`, each open in `page` when its turn comes.

    With the status. Addresses that begin a login or end one, or ask for a password again, are left out, and files.
    """
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
    waiting, known = [start], {start, "/login", "/logout", "/switch", "/vault"}
    while waiting:
        path = waiting.pop(0)
        answer = page.goto(origin + path)
        assert answer, path
        settle(page)
        assert page.url.startswith(origin), f"{path} leads away to {page.url}"
        yield path, answer.status
        for link in page.locator("a[href]").evaluate_all("all => all.map(each => each.href)"):
            parts = urlsplit(link)
            if link.startswith(f"{origin}/") and parts.path not in known and "/static/" not in parts.path:
                known.add(parts.path)
                waiting.append(parts.path)


def settle(page: Page) -> None:
    """A page with a script goes on after it is loaded."""
    if page.locator("script").count():
        page.wait_for_load_state("networkidle")
