"""An application with a little of everything, and a browser that takes one step at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from werkzeug.test import Client, TestResponse

from flask_hub_auth import HubAuth, current_hub_user, hub_group_required, hub_login_required
from flask_hub_auth.testing.hub import HubInMemory

KEY = "4f1c9a7be2d80563" * 4
OTHER_KEY = "9d0e6b53c7a2184f" * 4
NAVIGATION = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
SCRIPT = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
TOKEN_PATH = "/api/rest/oauth2/token"


def plain_app(hub: HubInMemory, **settings: Any) -> Flask:
    """An application that is set up for `hub` and has no HubAuth yet."""
    app = Flask(__name__, static_folder=settings.pop("static_folder", None))
    app.config.update(TESTING=True, SECRET_KEY=KEY, HUB_CACHE="memory://", **hub.settings)
    app.config.update(settings)
    return app


def site(hub: HubInMemory, **settings: Any) -> Flask:
    """An application with a page for everybody, one for people who are signed in, and one for developers."""
    app = plain_app(hub, **settings)
    HubAuth(app)
    add_views(app)
    return app


def add_views(app: Flask) -> None:
    @app.get("/")
    def home() -> str:
        return current_hub_user.login or "nobody"

    @app.route("/private", methods=["GET", "POST"])
    @app.route("/private/<path:rest>", methods=["GET", "POST"])
    @hub_login_required
    def private(rest: str = "") -> str:
        return f"private {current_hub_user.login}"

    @app.route("/developers", methods=["GET", "POST"])
    @hub_group_required("Developers")
    def developers() -> str:
        return f"developers {current_hub_user.login}"


def add_page(app: Flask, path: str, text: str, guard: Callable[[Any], Any] = lambda view: view) -> None:
    """One more page, guarded by `guard`."""

    def page(**parts: str) -> str:
        return text

    app.add_url_rule(path, f"page {path}", guard(page))


class Visitor:
    """A browser with its cookies at the application and at Hub. Follows no redirect by itself."""

    def __init__(self, app: Flask, hub: HubInMemory) -> None:
        self.app = app
        self.hub = hub
        self.client = app.test_client()
        self._at_hub = Client(hub.app)
        self._person = ""
        config = app.extensions["hub_auth"].config
        service_url = urlsplit(config.service_url)
        self.base = f"{service_url.scheme}://{service_url.netloc}"
        if config.redirect_uri not in hub.service.redirect_uris:
            hub.service.redirect_uris.append(config.redirect_uri)

    def open(self, path: str = "/", method: str = "GET", **options: Any) -> TestResponse:
        """A navigation, unless `headers` say something else."""
        options.setdefault("base_url", self.base)
        return self.client.open(path, method=method, **{"headers": NAVIGATION, **options})

    def who(self) -> str:
        """The login of the person who is signed in, or "nobody"."""
        return self.open("/").text

    def begin(self, path: str = "/private", **options: Any) -> str:
        """The address at Hub that a visit of `path` leads to."""
        answer = self.open(path, **options)
        assert answer.status_code == 302, answer.text
        assert answer.location.startswith(f"{self.hub.url}/api/rest/oauth2/auth?"), answer.location
        return answer.location

    def answer(self, asked: str, as_: str = "jane") -> str:
        """Where Hub sends the browser once `as_` has signed in there: path and query of the callback."""
        parts = urlsplit(asked)
        options = {"query_string": parts.query, "base_url": self.hub.url.removesuffix("/hub")}
        back = self._at_hub.get(parts.path, **options) if as_ == self._person else None
        if back is None or "/auth/login" in back.location:
            self._at_hub, self._person = Client(self.hub.app), as_
            form = {"username": as_, "password": as_}
            self._at_hub.post(f"{self.hub.path}/api/rest/oauth2/interactive/login", data=form, **options)
            back = self._at_hub.get(parts.path, **options)
        assert back.status_code == 302, back.location or back.text
        callback = urlsplit(back.location)
        assert f"{callback.scheme}://{callback.netloc}" == self.base
        return f"{callback.path}?{callback.query}"

    def come_back(self, callback: str, **options: Any) -> TestResponse:
        """The application's answer to the callback."""
        return self.open(callback, **options)

    def sign_in(self, path: str = "/private", as_: str = "jane") -> TestResponse:
        """A whole login, up to the answer to its callback."""
        return self.come_back(self.answer(self.begin(path), as_))

    def cookies(self) -> dict[str, str]:
        """The cookies of the application in this browser."""
        return {cookie.key: cookie.value for cookie in self.client._cookies.values()}

    def token_calls(self) -> int:
        """How often Hub's token endpoint was asked."""
        return sum(call["path"] == TOKEN_PATH for call in self.hub.calls)

    def logins(self) -> int:
        """How many logins the application keeps."""
        cache = self.app.extensions["hub_auth"].keeper.logins.store._cache
        return sum(key.startswith("hub_") for key in cache._cache)


def query(address: str) -> dict[str, str]:
    """The parameters of an address, each of which is there once."""
    found = parse_qs(urlsplit(address).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values()), found
    return {name: values[0] for name, values in found.items()}
