"""The demo with a dev Hub in memory and its issues service on a port of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo_app.app import create_app
from demo_app.issues import ISSUES_ID
from demo_app.serving import serve_issues

if TYPE_CHECKING:
    from flask import Flask

    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock


@pytest.fixture
def issues_url(dev_hub: HubInMemory) -> Iterator[str]:
    """Where the issues service is; the dev Hub knows it."""
    with ExitStack() as running:
        yield serve_issues(running, dev_hub, 0)


@pytest.fixture
def make_demo(dev_hub: HubInMemory, hub_clock: Clock, issues_url: str, tmp_path: Path) -> Callable[..., Flask]:
    """Makes the demo with its issues service, and with these settings."""
    dev_hub.token_life = 60
    dev_hub.rotate = True
    services = {"issues": {"id": ISSUES_ID, "url": issues_url}}

    def make(**more: Any) -> Flask:
        settings = {"TESTING": True, "SECRET_KEY": "k" * 32, "HUB_SERVICES": services, **dev_hub.settings, **more}
        return create_app(settings, dev_hub=dev_hub, instance=tmp_path)

    return make


@pytest.fixture
def whole_demo(make_demo: Callable[..., Flask]) -> Flask:
    """The demo with everything that it has beside a dev Hub."""
    return make_demo()


@pytest.fixture
def given_out(dev_hub: HubInMemory, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """All tokens that Hub gives out from now on."""
    values: set[str] = set()

    def noting(make: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **more: Any) -> Any:
            given = make(*args, **more)
            values.add(given if isinstance(given, str) else given.value)
            return given

        return noted

    for name in ("access_for", "refresh_for"):
        monkeypatch.setattr(dev_hub.store, name, noting(getattr(dev_hub.store, name)))
    return values
