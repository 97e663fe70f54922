"""A dev Hub in memory with a clock of its own, and the few things that every client of it does."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from werkzeug.test import Client, TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub

CALLBACK = "http://localhost:5000/authorized"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Visitor:
    """A browser and a client program in one, for one Hub. Follows no redirect by itself."""

    def __init__(self, hub: DevHub) -> None:
        self.hub = hub
        self._client = Client(hub.app)

    def get(self, address: str, **options: Any) -> TestResponse:
        return self.open(address, method="GET", **options)

    def post(self, address: str, **options: Any) -> TestResponse:
        return self.open(address, method="POST", **options)

    def open(self, address: str, **options: Any) -> TestResponse:
        address = address if "://" in address else self.hub.url + address
        parts = urlsplit(address)
        return self._client.open(
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            base_url=f"{parts.scheme}://{parts.netloc}",
            environ_overrides={"REMOTE_ADDR": "127.0.0.1"},
            **options,
        )

    def query(self, **fields: str | None) -> str:
        """An authorization request for a code; None leaves a parameter out."""
        usual = {
            "response_type": "code",
            "client_id": self.hub.service_id,
            "redirect_uri": CALLBACK,
            "scope": f"{HUB_ID} {self.hub.service_id}",
            "state": "s 1/ä",
            **fields,
        }
        return urlencode({name: value for name, value in usual.items() if value is not None})

    def ask(self, **fields: str | None) -> TestResponse:
        return self.get(f"/api/rest/oauth2/auth?{self.query(**fields)}")

    def sign_in(self, login: str, password: str | None = None, **fields: str | None) -> TestResponse:
        """What the login form of such a request sends."""
        form = {"username": login, "password": login if password is None else password}
        return self.post(f"/api/rest/oauth2/interactive/login?{self.query(**fields)}", data=form)

    def code(self, login: str = "jane", **fields: str | None) -> str:
        self.sign_in(login, **fields)
        return answer_of(self.ask(**fields))["code"]

    def token(self, *, auth: tuple[str, str | None] | None = None, header: bool = True, **form: Any) -> TestResponse:
        """A token request, with the service's own Basic header if nothing else is said."""
        service_id, secret = auth or (self.hub.service_id, self.hub.service_secret)
        basic = (service_id, secret or "") if header else None
        form = {name: value for name, value in form.items() if value is not None}
        return self.post("/api/rest/oauth2/token", data=form, auth=basic)

    def exchange(self, code: str, **form: Any) -> TestResponse:
        return self.token(**{"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **form})

    def refresh(self, refresh_token: str, **form: Any) -> TestResponse:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **form)

    def me(self, token: str | None = None, query: str = "") -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.get(f"/api/rest/users/me{query}", headers=headers)


def answer_of(response: TestResponse) -> dict[str, str]:
    """What a redirect to the client says, in its query or fragment."""
    assert response.status_code == 302, response.text
    address = urlsplit(response.location)
    fields = parse_qs(address.fragment or address.query, strict_parsing=True)
    assert all(len(values) == 1 for values in fields.values())
    return {name: values[0] for name, values in fields.items()}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_visitor(clock: Clock) -> Callable[..., Visitor]:
    """A visitor of a Hub with these options."""
    return lambda **options: Visitor(DevHub(clock=clock, **options))


@pytest.fixture
def visitor(make_visitor: Callable[..., Visitor]) -> Visitor:
    return make_visitor()


@pytest.fixture
def hub(visitor: Visitor) -> DevHub:
    return visitor.hub
