"""A browser for two: an application and a dev Hub, without a network."""

from __future__ import annotations

import typing as t
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from werkzeug.test import Client, TestResponse

from .hub import HubInMemory, state_of

if t.TYPE_CHECKING:
    from flask import Flask

MOST_STEPS: t.Final = 30
NAVIGATION: t.Final = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


class Browser:
    """Opens pages as a person does: follows redirects through both sides, keeps cookies, types the password.

    `as_` is signed in at Hub before the page is opened, and stays the person at this browser. Where somebody was there
    before, be it a stranger, they sign in at the application first, as happens when two people share a browser; so they
    do before a form, which a guard does not send through Hub. Without anybody, Hub's login page is what comes back.
    """

    def __init__(self, app: Flask, hub: HubInMemory) -> None:
        hub.require_development(app)
        self._hub = hub
        self._config = state_of(app).config
        self._app_client = Client(app)
        self._hub_client = Client(hub.app)
        self._person: str | None = None
        self._was_used = False
        if self._config.redirect_uri not in hub.service.redirect_uris:
            hub.service.redirect_uris.append(self._config.redirect_uri)

    def get(self, path: str, as_: str | None = None, **request: t.Any) -> TestResponse:
        """The answer to a navigation to `path`, after every redirect. `request`: what Werkzeug's test client takes."""
        return self._open("GET", path, as_, request)

    def post(self, path: str, as_: str | None = None, **request: t.Any) -> TestResponse:
        """The answer to a form sent to `path`, after every redirect."""
        return self._open("POST", path, as_, request)

    def _open(self, method: str, path: str, as_: str | None, request: dict[str, t.Any]) -> TestResponse:
        was_used, self._was_used = self._was_used, True
        if as_ and as_ != self._person:
            self._hub_client = self._hub.browser_of(as_)
            former, self._person = self._person, as_
            comes_first = was_used or method != "GET"
            switched = self._walk("GET", self._url(self._config.login_path), {}) if comes_first else None
            if switched and switched.status_code >= 400 and not self._has_landed(switched):
                self._person = former
                return switched
        return self._walk(method, self._url(path), request)

    def _has_landed(self, answer: TestResponse) -> bool:
        """Whether a login went well, whatever is wrong with the page to which it led."""
        asked, config = answer.request, self._config
        is_hub = self._origin(asked.base_url) == self._origin(self._hub.url)
        return not is_hub and asked.path not in (config.login_path, config.redirect_path)

    def _url(self, path: str) -> str:
        return path if "://" in path else self._config.service_url + path

    def _walk(self, method: str, url: str, request: dict[str, t.Any]) -> TestResponse:
        for _ in range(MOST_STEPS):
            answer = self._step(method, url, request)
            target = self._next(url, answer)
            if target is None:
                return answer
            method, url, request = target
        raise AssertionError(f"{MOST_STEPS} redirects in a row, the last one to {url}")

    def _step(self, method: str, url: str, request: dict[str, t.Any]) -> TestResponse:
        parts = urlsplit(url)
        origin, base = f"{parts.scheme}://{parts.netloc}", ""
        client = self._hub_client
        if origin != self._origin(self._hub.url):
            client, base = self._app_client, urlsplit(self._config.service_url).path
        sent = {**request, "headers": {**NAVIGATION, **request.get("headers", {})}, "base_url": origin + base}
        if parts.query:
            sent["query_string"] = parts.query
        return client.open(parts.path.removeprefix(base) or "/", method=method, **sent)

    def _next(self, url: str, answer: TestResponse) -> tuple[str, str, dict[str, t.Any]] | None:
        """Where this answer leads: along a redirect, or through Hub's login form."""
        if answer.status_code in (301, 302, 303, 307, 308) and "Location" in answer.headers:
            return "GET", urljoin(url, answer.headers["Location"]), {}
        if self._person is None or self._origin(url) != self._origin(self._hub.url):
            return None
        action = _login_form(answer.text)
        if action is None:
            return None
        form = {"username": self._person, "password": self._person}
        return "POST", urljoin(url, action), {"data": form}

    def _origin(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"


class _Forms(HTMLParser):
    """Finds the form with a password field."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self._latest: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self._latest = found.get("action") or ""
        if tag == "input" and found.get("type") == "password":
            self.action = self._latest


def _login_form(html: str) -> str | None:
    forms = _Forms()
    forms.feed(html)
    return forms.action
