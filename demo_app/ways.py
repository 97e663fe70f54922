"""Two more ways in: a page that knows people without asking them, and one that asks for the password again."""

from __future__ import annotations

import typing as t

from flask import Blueprint, render_template, request, session

from flask_hub_auth import hub_login_optional, hub_login_required

ways = Blueprint("ways", __name__)

OPEN_SECONDS: t.Final = 60
"""How long the vault stays open after a password."""


@ways.before_request
def stay_signed_out() -> str | None:
    """Show the page as it is for nobody to somebody who has signed out: Hub may still know them, and would say so."""
    is_welcome = request.endpoint == "ways.welcome"
    return render_template("welcome.html") if is_welcome and session.get("signed_out") else None


@ways.get("/welcome")
@hub_login_optional
def welcome() -> str:
    """For everybody. Whom Hub knows is greeted by name: the browser was there and back, and nobody was asked."""
    return render_template("welcome.html")


@ways.get("/vault")
@hub_login_required(max_age=OPEN_SECONDS)
def vault() -> str:
    """For people who entered their password a moment ago, however long they are signed in."""
    return render_template("vault.html", seconds=OPEN_SECONDS)
