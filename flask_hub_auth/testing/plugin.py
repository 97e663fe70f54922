"""The pytest plugin. It is loaded in every test run, so it imports next to nothing until a fixture is used."""

from __future__ import annotations

import importlib
import time
import typing as t
from collections.abc import Callable

import pytest

if t.TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from .browser import Browser
    from .hub import HubInMemory


class Clock:
    """The time of both sides: the real one, plus what a test has added."""

    def __init__(self) -> None:
        self._real = time.time
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._real() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the time of the application and of the dev Hub; negative seconds move it back."""
        self._ahead += seconds


@pytest.fixture
def hub_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that ``hub_clock.advance(seconds)`` moves, for the application and the dev Hub alike."""
    # The caches count by the real time, which they bind when they are imported: that must not be the moved one.
    importlib.import_module("flask_hub_auth.tokens.store")
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def dev_hub(monkeypatch: pytest.MonkeyPatch) -> HubInMemory:
    """A Hub of this test's own, in memory. Every ``HubAuth`` that is made while it is there speaks to it.

    ``dev_hub.settings`` are the settings of an application for it; where ``HUB_CACHE`` is not set and the instance
    folder is the usual one, logins are kept in memory instead. ``dev_hub.calls``, ``.fail(...)``, ``.mend()``,
    ``.expire()``, ``.revoke(login)``, ``.update_user(login, ...)``, ``.sign_out(login)``, ``.rotate_id_token_key()``
    and ``.change(option=...)`` are what its control interface does.
    """
    from .hub import HubInMemory

    hub = HubInMemory()
    hub.take_calls(monkeypatch)
    hub.spare_folders(monkeypatch)
    return hub


@pytest.fixture
def hub_browser(dev_hub: HubInMemory) -> Callable[[Flask], Browser]:
    """Makes a browser for an application and the dev Hub: ``hub_browser(app).get("/path", as_="jane")``.

    ``as_`` has that person signed in at Hub before the page is opened, whatever guards it.
    """
    from .browser import Browser

    return lambda app: Browser(app, dev_hub)


@pytest.fixture
def hub_login(dev_hub: HubInMemory) -> Callable[..., None]:
    """Signs a test client in without a round trip: ``hub_login(client, "jane", groups=["Developers"])``.

    With ``groups`` the person is in these at the dev Hub from now on; without, in the seeded ones. With
    ``authenticated_at=time.time()`` they have just entered their password, as ``hub_login_required(max_age=...)`` asks.
    """

    def sign_in(
        client: FlaskClient, login: str, groups: t.Sequence[str] | None = None, authenticated_at: float = 0
    ) -> None:
        dev_hub.sign_in(client, login, groups, authenticated_at)

    return sign_in


@pytest.fixture
def hub_bearer(dev_hub: HubInMemory) -> Callable[[str], dict[str, str]]:
    """The header of a caller with a token: ``client.get("/api", headers=hub_bearer("jane"))``.

    It is a signed token of one hour, for Hub and this service.
    """
    return lambda login: {"Authorization": f"Bearer {dev_hub.token_for(login)}"}
