"""/login, /authorized and /logout."""

from __future__ import annotations

import logging
import typing as t
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from ..errors import LoginFailed, LoginRequired
from ..pages import PAGE_HEADERS
from .addresses import STATIC, safe_address, site_path
from .callback import complete_login
from .identity import csrf_token, is_csrf_token
from .login import asked_by, begin_login, leave
from .looks import render_logout
from .navigation import arguments, is_prefetch
from .state import patience, state

if t.TYPE_CHECKING:
    from ..config import HubConfig


class NotSignedOut(LoginFailed):
    """A form that does not show that a page of this site has sent it."""

    title = "You were not signed out"
    sentence = (
        "The form that was sent does not show that it comes from this site, or its page was open for too long. Go back,"
        " load the page again, and sign out there."
    )

    def log_level(self) -> int:
        """Who writes such a form should see why it does nothing without turning the log up."""
        return logging.WARNING


def blueprint(config: HubConfig, *, host: str | None = None) -> Blueprint:
    """The blueprint ``hub_auth`` with the paths of the settings; `host` where an application tells hosts apart."""
    views = Blueprint("hub_auth", __name__, template_folder="templates", static_folder="static", static_url_path=STATIC)
    # HEAD and OPTIONS come with GET unless a view says no; a callback must be opened by a person.
    for path, name, view, methods in (
        (config.login_path, "login", login, ["GET"]),
        (config.redirect_path, "authorized", authorized, ["GET"]),
        (config.logout_path, "logout", logout, ["GET", "POST"]),
    ):
        views.add_url_rule(path, name, view, methods=methods, provide_automatic_options=False, host=host)
    if host:
        # Flask's own rule for the static folder is of no host.
        views.add_url_rule(f"{STATIC}/<path:filename>", "style", views.send_static_file, host=host)
    return views


def login() -> Response:
    """302 to Hub, also for somebody who is signed in: that is how people switch accounts.

    What else may stand in the query: :func:`~flask_hub_auth.web.login.asked_by`.
    """
    _not_head()
    if is_prefetch(request):
        raise LoginRequired("A login is not begun ahead of time.")
    config = state().config
    addresses = arguments(request).getlist("next")
    next = safe_address(addresses[0], config) if len(addresses) == 1 else None
    return begin_login(next, asked_by(arguments(request)))


def authorized() -> Response:
    """Where Hub sends people back to."""
    _not_head()
    with patience():
        return complete_login()


def logout() -> Response | tuple[str, dict[str, str]]:
    """POST signs out; GET shows a page with the button for it."""
    config = state().config
    if request.method != "POST":
        _not_head()
        # An application's own page.html may look at `problem` anywhere.
        form = {"action": site_path(config.logout_path, config), "csrf_token": csrf_token(), "problem": None}
        return render_logout(**form), _form_headers(config)
    if not _is_own_form():
        what = "is not the one of this login" if "csrf_token" in request.form else "is missing"
        raise NotSignedOut(f"The form field csrf_token {what}; in a template: {{{{ hub_csrf_token() }}}}")
    return leave(safe_address(request.form.get("next"), config))


def _form_headers(config: HubConfig) -> dict[str, str]:
    """The headers of a page whose form ends at Hub: browsers apply ``form-action`` to redirects too."""
    if config.logout_from_hub == "none":
        return PAGE_HEADERS
    parts = urlsplit(config.url)
    policy = PAGE_HEADERS["Content-Security-Policy"]
    allowed = policy.replace("form-action 'self'", f"form-action 'self' {parts.scheme}://{parts.netloc}")
    return {**PAGE_HEADERS, "Content-Security-Policy": allowed}


def _is_own_form() -> bool:
    """Whether a form was sent by a page of this site, and not by another one in this browser."""
    if is_csrf_token(request.form.get("csrf_token")):
        return True
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    own = {request.host_url.rstrip("/"), state().config.service_url.removesuffix(site_path("", state().config))}
    return request.headers.get("Origin") in own


def _not_head() -> None:
    if request.method == "HEAD":
        rule = request.url_rule
        raise MethodNotAllowed(sorted(rule.methods - {"HEAD"}) if rule and rule.methods else None)
