"""An application that calls Hub as itself."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_hub_auth import HubAuth, hub_login_required

from .patient import bare


def calling(**settings: Any) -> Flask:
    """With a page that is made of what Hub tells the application itself."""
    app = bare(**settings)
    hub = HubAuth(app)

    @app.get("/users")
    @hub_login_required
    def users() -> str:
        return _users_of(hub)

    return app


def _users_of(hub: HubAuth) -> str:
    return hub.as_service().get("/users").text
