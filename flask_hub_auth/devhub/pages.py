"""What a person sees: login, consent, errors, and a small home page."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from .asked import Asked, read
from .current import hub, raw_query
from .people import User
from .services import Service

pages = Blueprint("pages", __name__)

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(//[A-Za-z0-9.\-\[\]:_]+)?")


@pages.get("/")
def home() -> Response:
    """Who is signed in, and as whom one could sign in."""
    session = hub.sessions.find(request)
    return _page("home.html", session=session, users=hub.people.users.values(), services=hub.people.services.values())


@pages.get("/auth/login")
def login() -> Response:
    """The login form; without a query, for Hub's own home page."""
    return login_page(read(request.args) if request.args else None)


def login_page(asked: Asked | None, *, wrong: bool = False) -> Response:
    """The form; ``wrong`` after a password that was not right, with the user name still in it."""
    return _page(
        "login.html",
        asked.service if asked else None,
        wrong=wrong,
        username=request.form.get("username") or request.args.get("login_hint", ""),
        remember="rememberMe" in request.form,
        message=request.args.get("message"),
        action=_with_query("authorization.interactive_login"),
        users=hub.people.users.values(),
    )


@pages.get("/auth/consent")
def consent() -> Response:
    """What a service that is not trusted asks for. Its address is ours; Hub's is not written down."""
    asked = read(request.args)
    session = hub.sessions.find(request)
    if session is None:
        return login_page(asked)
    services = [hub.people.services[service_id] for service_id in asked.scope.services]
    action = _with_query("authorization.interactive_consent")
    return _page("consent.html", asked.service, session=session, asked=asked, services=services, action=action)


@pages.get("/auth/oauth/error")
def error() -> Response:
    """What Hub shows instead of sending somebody to an address that it does not know."""
    args = request.args
    return _page(
        "error.html",
        title=TITLES.get(args.get("error", ""), "This did not work"),
        error=args.get("error", "server_error"),
        description=args.get("error_description", ""),
        redirect_uri=args.get("redirect_uri") if args.get("error") == "invalid_redirect_uri" else None,
    )


TITLES = {
    "invalid_redirect_uri": "This address is not registered",
    "invalid_request": "The application asked for something that Hub cannot answer",
}


@pages.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    """JSON for REST, a page for people. Redirects of Werkzeug's own pass."""
    status = error.code or 500
    if error.response is not None or 300 <= status < 400:
        return make_response(error.get_response())
    if request.path.startswith("/api/") and "/interactive/" not in request.path:
        response = make_response({"error": error.name, "error_code": status, "error_description": error.description})
    else:
        response = _page("error.html", title=error.name, description=error.description, error=None, redirect_uri=None)
    response.status_code = status
    return response


@pages.after_app_request
def guard(response: Response) -> Response:
    """Headers that every answer has."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Content-Security-Policy", policy())
    return response


def policy(service: Service | None = None) -> str:
    """Nothing from elsewhere, no scripts. Forms may lead to Hub, and through it to ``service``.

    Chromium applies ``form-action`` to the redirects behind a form as well, and the login form ends at the client.
    """
    origins = sorted(filter(None, map(_origin, service.accepted_uris if service else ())))
    forms = " ".join(dict.fromkeys(("'self'", *origins)))
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action {forms}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _origin(uri: str) -> str | None:
    """``https://app.example:8443``, or ``ytoauth:`` for an address that only a mobile application knows."""
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return origin if ORIGIN.fullmatch(origin) else None


def _page(template: str, service: Service | None = None, **context: Any) -> Response:
    response = make_response(render_template(template, service=service, avatar_path=_avatar_path, **context))
    response.headers["Content-Security-Policy"] = policy(service)
    response.headers["Cache-Control"] = "no-store"
    return response


def _with_query(endpoint: str) -> str:
    return f"{url_for(endpoint)}?{raw_query()}" if raw_query() else url_for(endpoint)


def _avatar_path(user: User) -> str:
    """On the host that the browser asked: a page shows nothing from elsewhere."""
    return url_for("rest.avatar", user_id=user.id)
