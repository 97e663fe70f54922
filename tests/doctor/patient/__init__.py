"""The application that is looked at."""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask

from flask_hub_auth import HubAuth, hub_bearer_required, hub_login_required, hub_public

KEY = "4f1c9a7be2d80563d0e6b53c7a2184f9"


def bare(**settings: Any) -> Flask:
    """Without HubAuth."""
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY=KEY, HUB_CACHE="memory://")
    app.config.update(settings)
    return app


def plain(**settings: Any) -> Flask:
    """With a page, and an API that takes tokens."""
    app = bare(**settings)
    HubAuth(app)

    @app.get("/page")
    @hub_login_required
    def page() -> str:
        return "page"

    @app.get("/api")
    @hub_bearer_required
    def api() -> str:
        return "api"

    return app


def badly_guarded(**settings: Any) -> Flask:
    """With a guard that stands above the route."""
    app = plain(**settings)

    @hub_login_required
    @app.get("/bad")
    def bad() -> str:
        return "bad"

    return app


def crowded(**settings: Any) -> Flask:
    """With a login page of its own where ours would be."""
    app = bare(**settings)
    app.add_url_rule("/logout", "own_logout", lambda: "its own", methods=["POST"])
    HubAuth(app)
    return app


def shadowed(**settings: Any) -> Flask:
    """With a login page of its own, where ours is already."""
    app = plain(**settings)
    app.add_url_rule("/login", "own_login", hub_public(lambda: "its own"), methods=["GET", "POST"])
    return app


def broken(**settings: Any) -> Flask:
    """It does not start, and says why with a secret."""
    raise RuntimeError("cannot connect as admin:TopSecret")


def reopened(**settings: Any) -> Flask:
    """It opens the cookie again that was closed for it."""
    app = plain(**settings)
    app.config["SESSION_COOKIE_SECURE"] = False
    return app


def create_app() -> Flask:
    """For ``flask --app``: its settings are in the environment."""
    print("An application may say something when it is loaded.")
    return plain(**json.loads(os.environ["PATIENT"]))
