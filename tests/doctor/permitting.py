"""An application that asks for a permission."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_hub_auth import HubAuth, hub_permission_required

from .patient import bare


def permitting(**settings: Any) -> Flask:
    """With a page for those who have it."""
    app = bare(**settings)
    HubAuth(app)

    @app.get("/permitted")
    @hub_permission_required("jetbrains.jetpass.user-read")
    def permitted() -> str:
        return "permitted"

    return app
