"""A dev Hub in memory, and the way from an application to it without a network."""

from __future__ import annotations

import io
import time
import typing as t
from urllib.parse import urlsplit

import requests
from flask import Request, Response, current_app, has_app_context
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse
from werkzeug.http import parse_cookie
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from .. import assembly
from ..devhub import DevHub
from ..devhub.people import User
from ..devhub.sessions import COOKIE
from ..hub import transport
from ..model import HubToken, HubUser, Secret
from ..sealing import encode
from ..tokens.store import MemoryStore, Store
from ..web.identity import SESSION_KEY
from ..web.state import EXTENSION, HubState

if t.TYPE_CHECKING:
    import pytest
    from flask import Flask
    from flask.testing import FlaskClient

    from ..config import HubConfig


class HubInMemory(DevHub):
    """A dev Hub that applications of the same process reach at ``https://hub.test/hub``."""

    def __init__(self, **options: t.Any) -> None:
        # Asked at each call, so that a clock that a fixture moves is this Hub's too.
        super().__init__(clock=lambda: time.time(), **options)
        self._seeded: dict[str, list[str]] = {}
        self._stores: dict[str, MemoryStore] = {}

    @property
    def settings(self) -> dict[str, t.Any]:
        """The settings that point an application to this Hub."""
        return {
            "HUB_URL": self.url,
            "HUB_SERVICE_ID": self.service_id,
            "HUB_SERVICE_SECRET": self.service_secret,
        }

    def take_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every session that the package opens reach this Hub."""
        open_session = transport.open_session

        def session_with_memory(hub_url: str) -> requests.Session:
            session = open_session(hub_url)
            session.mount(self._origin, _MemoryAdapter(self))
            return session

        monkeypatch.setattr(transport, "open_session", session_with_memory)

    def spare_folders(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let applications that have not said where logins are kept leave nothing in their own instance folder."""
        store_of = assembly.store_of

        def kept(app: Flask, config: HubConfig) -> Store:
            if config.cache is not None or app.instance_path != app.auto_find_instance_path():
                return store_of(app, config)
            # Made twice, an application finds its logins again, as it would in the folder.
            return self._stores.setdefault(app.instance_path, MemoryStore())

        monkeypatch.setattr(assembly, "store_of", kept)

    def user(self, login: str) -> User:
        """Raises KeyError that says what to do where nobody has this login."""
        if login not in self.people.users:
            raise KeyError(f"nobody at the dev Hub is called {login!r}; make one: dev_hub.add_user({login!r})")
        return super().user(login)

    def browser_of(self, login: str) -> Client:
        """A browser where this person has signed in at Hub, which is no call of an application."""
        user, client, response = self.user(login), Client(self.app), Response()
        with self.lock:
            request = Request(EnvironBuilder(base_url=self.url).get_environ())
            self.sessions.begin(request, response, user, remember=False)
        cookie = parse_cookie(response.headers["Set-Cookie"])
        client.set_cookie(COOKIE, cookie[COOKIE], domain=urlsplit(self.url).hostname or "", path=self.path)
        return client

    def sign_in(
        self, client: FlaskClient, login: str, groups: t.Sequence[str] | None = None, authenticated_at: float = 0
    ) -> None:
        """Sign `client` in as `login`, as a round trip would leave it."""
        app = client.application
        self.require_development(app)
        if groups is not None:
            self._seeded.setdefault(login, list(self.user(login).groups))
            self.update_user(login, groups=groups)
        elif login in self._seeded:
            self.update_user(login, groups=self._seeded.pop(login))
        handle = state_of(app).keeper.begin(
            self._user(login), self._token(login), authenticated_at=int(authenticated_at)
        )
        with client.session_transaction() as session:
            session[SESSION_KEY] = encode(handle)

    def _token(self, login: str) -> HubToken:
        answer = self.grant(login)
        return HubToken(
            access_token=Secret(answer["access_token"]),
            refresh_token=Secret(answer["refresh_token"]),
            scope=answer["scope"],
            expires_at=int(self.clock()) + answer["expires_in"],
        )

    def _user(self, login: str) -> HubUser:
        user = self.user(login)
        return HubUser(
            id=user.id,
            login=user.login,
            name=user.name,
            email=user.email,
            email_verified=user.email_verified and user.email is not None,
            groups=frozenset(group.name for group in self.people.all_groups_of(user)),
            guest=user.guest,
            banned=user.banned,
            avatar_url=f"{self.url}/api/rest/avatar/{user.id}",
        )

    @property
    def _origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/"


class _MemoryAdapter(BaseAdapter):
    """Carries requests to a WSGI application of the same process."""

    def __init__(self, hub: DevHub) -> None:
        super().__init__()
        self._hub = hub

    def send(self, request: requests.PreparedRequest, *args: t.Any, **kwargs: t.Any) -> requests.Response:
        if has_app_context():
            self._hub.require_development(current_app._get_current_object())  # type: ignore[attr-defined]
        builder = EnvironBuilder(
            method=request.method or "GET", base_url=None, path=request.url or "", data=request.body or b""
        )
        builder.headers.extend(request.headers)
        body, status, headers = run_wsgi_app(self._hub.app, builder.get_environ(), buffered=True)
        raw = HTTPResponse(io.BytesIO(b"".join(body)), dict(headers), int(status[:3]), preload_content=False)
        return self._answer(request, raw)

    def _answer(self, request: requests.PreparedRequest, raw: HTTPResponse) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw, answer.request, answer.url = raw.status, raw, request, request.url or ""
        answer.headers = requests.structures.CaseInsensitiveDict(raw.headers)
        return answer

    def close(self) -> None:
        """Nothing is open."""


def state_of(app: Flask) -> HubState:
    """The state of `app`; `RuntimeError` where it has no HubAuth."""
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, HubState):
        raise RuntimeError(f"The application '{app.name}' has no HubAuth. Call HubAuth(app) where it is made.")
    return state
