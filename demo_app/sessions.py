"""The page "your sessions": where somebody is signed in, and how they end it elsewhere."""

from __future__ import annotations

import time
import typing as t
from contextlib import suppress

from flask import Blueprint, flash, redirect, render_template, request, session, url_for

from flask_hub_auth import HubError, current_hub_user, hub_login_required

from .pages import demo, hub, stay_signed_out

if t.TYPE_CHECKING:
    from werkzeug.wrappers import Response

yours = Blueprint("yours", __name__)
yours.before_request(stay_signed_out)

MOST_SHOWN: t.Final = 20
"""Somebody whose script signs in without end still gets a page to read."""


@yours.get("/sessions")
@hub_login_required
def sessions() -> str:
    """The login of this browser, and those of all others."""
    found = hub.sessions(current_hub_user.id)
    here = next((login for login in found if login.current), None)
    others = [login for login in found if login is not here]
    return render_template("sessions.html", login=here, others=others, most=MOST_SHOWN)


@yours.post("/sessions")
@hub_login_required
def end_others() -> Response:
    """End all logins but this one: it shows at the next click there, in whatever worker."""
    # Before they end, so that no click falls in between.
    demo().ended[current_hub_user.id] = time.time()
    ended = hub.end_sessions(current_hub_user.id, except_current=True)
    flash(told(ended))
    return redirect(url_for(".sessions"), 303)


def told(ended: int) -> str:
    """What came of it, in words."""
    if not ended:
        return "You were signed in nowhere else any more."
    return "One other login has ended." if ended == 1 else f"{ended} other logins have ended."


def learn_of_end() -> None:
    """Take somebody whose login was ended from another browser for signed out, as if they had done it here.

    Hub still knows that browser: without this the next click there would sign whoever sits at it in again, and nobody
    would be asked for a password.
    """
    if (request.endpoint or "").endswith("static") or session.get("signed_out"):
        return
    ended_at = demo().ended.get(session.get("signed_in_as", ""))
    if ended_at is None or session.get("signed_in_at", 0) > ended_at:
        return
    # Where nobody can tell now whether the login is over, the page itself says so.
    with suppress(HubError):
        if not current_hub_user:
            session.clear()
            session["signed_out"] = "elsewhere"
