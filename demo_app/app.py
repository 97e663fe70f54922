"""create_app: the settings, and the order in which things are put together."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from flask import Blueprint, Flask, Response, g, render_template, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from werkzeug.exceptions import NotFound

from flask_hub_auth import HubUser, hub_logged_in

from . import words
from .flows import acting, count_issues, flows, has_issues
from .jobs import Jobs
from .pages import Demo, can_tell, here, hub, hub_config, hub_origin, inside, sign_in_address, site
from .panel import Panel
from .sessions import learn_of_end, yours
from .ways import ways

if t.TYPE_CHECKING:
    from flask_hub_auth.devhub import DevHub

INSTANCE: t.Final = Path(__file__).parent.parent / "instance"


def create_app(
    settings: t.Mapping[str, t.Any] | None = None, *, dev_hub: DevHub | None = None, instance: Path = INSTANCE
) -> Flask:
    """The demo, for the Hub of ``FLASK_HUB_URL`` and its neighbours in the environment, or of `settings`.

    :param dev_hub: the dev Hub that runs beside it, for the panel to look at
    :param instance: the folder where logins are kept
    :raises HubConfigError: naming every problem of the settings
    """
    app = Flask("demo_app", instance_path=str(instance))
    app.config.from_prefixed_env()
    app.config.from_mapping(settings or {})
    # A server for development: http on loopback is all right, a stack trace in the browser is not.
    app.debug = True
    app.config["PROPAGATE_EXCEPTIONS"] = app.testing
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.session_interface = FormSessions()
    app.extensions["demo"] = Demo(Panel(app, dev_hub), Jobs(count_issues), dev_hub)

    # After a request the hooks run last to first: these see each answer as HubAuth leaves it.
    app.after_request(app.extensions["demo"].panel.note)
    app.after_request(remember_in_session)
    app.after_request(add_headers)
    app.before_request(learn_of_end)
    hub_logged_in.connect(note_login, app)
    hub.init_app(app)

    app.register_blueprint(site)
    app.register_blueprint(inside)
    app.register_blueprint(yours)
    app.register_blueprint(flows)
    app.register_blueprint(acting)
    app.register_blueprint(ways)
    # The dev Hub's stylesheet: one visual language for both.
    app.register_blueprint(Blueprint("look", "flask_hub_auth.devhub", static_folder="static", static_url_path="/look"))
    app.register_error_handler(NotFound, not_found)
    app.jinja_env.filters.update(moment=words.moment, clock_time=words.clock_time, duration=words.duration)
    app.jinja_env.globals["permission_names"] = words.PERMISSIONS
    shared = {"here": here, "hub_origin": hub_origin, "sign_in_address": sign_in_address, "dev_hub": dev_hub}
    app.context_processor(lambda: {**shared, "can_tell": can_tell, "has_issues": has_issues()})
    return app


class FormSessions(SecureCookieSessionInterface):
    """Flask's sessions, but for the form: it is the same for everybody, so it does not vary with the cookie.

    After a sign-out in another tab the cookie is another one. With ``Vary: Cookie`` a browser that keeps no whole pages
    would load the form anew at Back, and what was written would be lost.
    """

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie, and take the header back that Flask and HubAuth add for it."""
        super().save_session(app, session, response)
        if is_form(response):
            response.headers.remove("Vary")


def note_login(app: Flask, user: HubUser) -> None:
    """Somebody signs in: the session learns it when the answer goes out, since HubAuth may clear it before that."""
    g.signs_in = user.id


def remember_in_session(response: Response) -> Response:
    """Keep who signed in at this browser and when, and whether they signed out since."""
    user_id = g.pop("signs_in", None)
    if user_id and response.status_code == 302:
        session.pop("signed_out", None)
        session["signed_in_as"], session["signed_in_at"] = user_id, int(time.time())
    if request.endpoint == "hub_auth.logout" and request.method == "POST" and response.status_code == 302:
        session["signed_out"] = True
    return response


def add_headers(response: Response) -> Response:
    """Nothing from elsewhere but people's pictures, which Hub has; and nothing private in a browser's memory."""
    # A form that signs out is sent on to Hub, which browsers take for the form's own target.
    leaves_by_hub = hub_config().logout_from_hub != "none"
    policy = (
        f"default-src 'none'; style-src 'self'; img-src 'self' {hub_origin()}; base-uri 'none'; frame-ancestors 'none';"
        f" form-action 'self'{f' {hub_origin()}' if leaves_by_hub else ''}"
    )
    if request.endpoint == "flows.api":
        policy += "; script-src 'self'; connect-src 'self'"
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if is_form(response):
        response.headers["Cache-Control"] = "private, no-cache"
    elif (request.endpoint or "").rpartition(".")[2] != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def is_form(response: Response) -> bool:
    """Whether this is the page with the form, which may stay in the browser."""
    return request.endpoint == "inside.note" and response.status_code == 200


def not_found(error: NotFound) -> tuple[str, int]:
    """The 404 page. Handlers by number or for all HTTP exceptions would replace HubAuth's pages as well."""
    return render_template("not_found.html"), 404
