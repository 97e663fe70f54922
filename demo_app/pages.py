"""The pages, and which of them need a login or a group."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict, deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request, session, url_for

from flask_hub_auth import (
    HubAuth,
    HubConfig,
    HubError,
    HubUnavailable,
    current_hub_permissions,
    current_hub_token,
    current_hub_user,
    hub_group_required,
    hub_login_required,
    hub_public,
)

from .jobs import Jobs
from .panel import Memory, Panel

if t.TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from flask_hub_auth.devhub import DevHub

    Answer = str | BaseResponse

hub = HubAuth()

site = Blueprint("site", __name__)
inside = Blueprint("inside", __name__)

LONGEST_NOTE: t.Final = 2000
KEPT_NOTES: t.Final = 20

SEEDED: t.Final = {
    "jane": ("Developers", "opens the page for developers, and is refused at the one for administrators."),
    "john": ("All Users", "is signed in, and refused at both, and at the one that shows people."),
    "admin": ("Administrators", "opens the page for administrators, and is refused at the one for developers."),
    "mallory": ("All Users", "is banned at Hub, and does not come in."),
    "guest": ("no group", "is Hub's guest, which is nobody: there is no login."),
}
"""The people of the dev Hub, and what each of them shows."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo keeps in memory. `dev_hub` is None where a real Hub is used.

    `ended`: when somebody last ended their logins elsewhere, by user id.
    """

    panel: Panel
    jobs: Jobs
    dev_hub: DevHub | None
    notes: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT_NOTES)))
    ended: dict[str, float] = field(default_factory=dict)


# For everybody. @hub_public changes nothing here, and lets these pages through where HUB_PROTECT_ALL is on.


@site.get("/")
@hub_public
def home() -> str:
    """What this is, who you are, and what there is to try."""
    return render_template(
        "home.html",
        seeded=SEEDED if demo().dev_hub else None,
        next=request.args.get("next"),
        hub_knows=hub_config().logout_from_hub == "none",
    )


@site.get("/switch")
@hub_public
def switch() -> Response:
    """Sign in as somebody else: Hub asks for the password, whoever is signed in there."""
    return hub.login(request.args.get("next"), credentials="required")


@site.get("/favicon.ico")
@hub_public
def favicon() -> Response:
    """For browsers that look for one beside answers that are no page."""
    return current_app.send_static_file("demo.svg")


# For people who are signed in. A guard stands below the route.


@inside.before_request
def stay_signed_out() -> BaseResponse | None:
    """Keep somebody who has signed out from being signed in again by the Back button.

    Hub still knows them there, so a guard's trip to Hub would come back at once.
    """
    accepts = request.accept_mimetypes
    opens_page = request.method == "GET" and accepts["text/html"] > accepts["application/json"]
    if not opens_page or not session.get("signed_out"):
        return None
    return redirect(url_for("site.home", next=here()))


@inside.get("/me")
@hub_login_required
def me() -> str:
    """Who I am, and until when."""
    return render_template(
        "me.html",
        memory=memory(),
        token_until=token_until(),
        login_until=login_until(),
        permissions=permissions(),
    )


@inside.get("/developers")
@hub_group_required("Developers")
def developers() -> str:
    """For one group."""
    return render_template("group.html", group="Developers", view="developers")


@inside.get("/administrators")
@hub_group_required("Administrators")
def administrators() -> str:
    """For another."""
    return render_template("group.html", group="Administrators", view="administrators")


# HubAuth makes the session cookie SameSite=Lax, so forms of other sites come without it and meet the guard. An
# application with more to lose adds CSRF tokens, such as Flask-WTF's.


@inside.get("/note")
@hub_login_required
def note() -> str:
    """A form. It shows nothing private, so that it may stay in the browser: Back then still has what was written."""
    return render_template("note.html", longest=LONGEST_NOTE)


@inside.post("/note")
@hub_login_required
def keep_note() -> BaseResponse:
    """Runs only for somebody who is signed in; else the guard answers 401 with a page that says what to do."""
    text = request.form.get("text", "").strip()[:LONGEST_NOTE]
    if not text:
        return redirect(url_for(".note"), 303)
    demo().notes[current_hub_user.id].appendleft(text)
    return redirect(url_for(".notes"), 303)


@inside.get("/notes")
@hub_login_required
def notes() -> str:
    """What was written, for whoever wrote it."""
    return render_template("notes.html", notes=list(demo().notes[current_hub_user.id]))


@inside.post("/revoke")
@hub_login_required
def revoke() -> Answer:
    """Let the dev Hub take the person's tokens back, to see a login end by itself."""
    dev_hub = demo().dev_hub
    if dev_hub is None:
        return redirect(url_for(".note"), 303)
    dev_hub.revoke(current_hub_user.login)
    return render_template("revoked.html", memory=memory())


@inside.get("/panel")
@hub_login_required
def panel() -> str:
    """The way of the last login and the last renewal, step by step, and what a job has found."""
    job = demo().jobs.of(current_hub_user.id)
    return render_template(
        "panel.html", memory=memory(), token_until=token_until(), hub=hub_config(), job=job, now=time.time()
    )


def demo() -> Demo:
    """What the demo keeps for the current application."""
    return t.cast(Demo, current_app.extensions["demo"])


def hub_config() -> HubConfig:
    """The settings of the extension, checked and with their defaults."""
    return t.cast(HubConfig, current_app.extensions["hub_auth"].config)


def hub_origin() -> str:
    """Where Hub is, and with it the pictures of its people."""
    parts = urlsplit(hub_config().url)
    return f"{parts.scheme}://{parts.netloc}"


def memory() -> Memory:
    """What the panel remembers of whoever is signed in."""
    return demo().panel.of(current_hub_user)


def token_until() -> int | None:
    """When the token ends; None while it is over and Hub cannot be asked for a new one."""
    try:
        return current_hub_token.expires_at
    except HubUnavailable:
        # This page only needs to know who you are, and goes on for HUB_OUTAGE_GRACE.
        return None


def permissions() -> dict[str, frozenset[str] | None] | None:
    """What the person may do: the ids of projects by permission, None for everywhere; None while nobody can tell."""
    try:
        return dict(sorted(current_hub_permissions.granted.items()))
    except HubUnavailable:
        return None


def login_until() -> float:
    """When the login ends at the latest, however busy."""
    return float(session.get("signed_in_at", time.time())) + hub_config().login_lifetime


def here() -> str:
    """The address of this request as its visitor sees it, also where the demo lives below a path."""
    return request.script_root + request.full_path.removesuffix("?")


def can_tell() -> bool:
    """Whether it can be known now who is signed in; a presented token that is not good is nobody's."""
    try:
        bool(current_hub_user)
    except HubError:
        return False
    return True


def sign_in_address(next: str | None = None) -> str:
    """Where a "Sign in" button leads: by way of the password for somebody who has just signed out."""
    return url_for("site.switch" if session.get("signed_out") else "hub_auth.login", next=next)
