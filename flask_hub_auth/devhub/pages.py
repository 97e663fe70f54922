"""What a person sees: login, consent, errors, and a small home page."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, make_response, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from .asked import Asked, read
from .current import here, hub, raw_query
from .people import User
from .scopes import default_scope
from .services import Service

pages = Blueprint("pages", __name__)

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(//[A-Za-z0-9.\-\[\]:_]+)?")


@pages.get("/")
def home() -> Response:
    """Who is signed in, and as whom one could sign in."""
    session = hub.sessions.find(request)
    users, services = hub.people.users.values(), hub.people.services.values()
    doors = {service.id for service in services if _door(service)}
    return _page("home.html", session=session, users=users, services=services, doors=doors)


@pages.get("/open/<service_id>")
def open_service(service_id: str) -> Response:
    """A login that Hub begins: ``state`` is a URL of the application. The path is ours; Hub's is not written down."""
    service = hub.people.services.get(service_id)
    uri = _door(service) if service else None
    if service is None or uri is None:
        abort(404)
    query = {
        "response_type": "code",
        "client_id": service.id,
        "redirect_uri": uri,
        "scope": default_scope(service.id).text,
        "state": service.home_url or f"{_origin(uri)}/",
    }
    return Response(status=303, headers={"Location": here("authorization.authorize", urlencode(query))})


def _door(service: Service) -> str | None:
    """Where a login that Hub begins ends; None where a challenge is wanted, which only the service can make."""
    if service.pkce_required or service.secret is None or not service.auth_code_flow:
        return None
    return next((uri for uri in service.accepted_uris if uri.startswith("http")), None)


@pages.get("/auth/login")
@pages.get("/loginOptions", endpoint="login_options")
def login() -> Response:
    """The login form; without a query, for Hub's own home page.

    Hub's second address always shows the password form, whatever ways to sign in it has: here there is no other.
    """
    return login_page(read(request.args) if request.args else None)


def login_page(asked: Asked | None, *, wrong: bool = False) -> Response:
    """The form; ``wrong`` after a password that was not right, with the user name still in it."""
    return _page(
        "login.html",
        asked.service if asked else None,
        framed=asked is not None,
        wrong=wrong,
        username=request.form.get("username") or request.args.get("login_hint", ""),
        remember="rememberMe" in request.form,
        message=request.args.get("message"),
        action=_with_query("authorization.interactive_login"),
        users=hub.people.users.values(),
    )


# What a service knows of a person by the words of OpenID Connect (``openid.py`` tells it).
KNOWS = {
    "openid": "who you are",
    "profile": "your name and user name",
    "email": "your email address",
    "groups": "your groups",
}


@pages.get("/auth/consent")
def consent() -> Response:
    """What a service that is not trusted asks for. Its address is ours; Hub's is not written down."""
    asked = read(request.args)
    session = hub.sessions.find(request)
    if session is None:
        return login_page(asked)
    services = [hub.people.services[service_id] for service_id in asked.scope.services]
    return _page(
        "consent.html",
        asked.service,
        session=session,
        offline=asked.offline,
        services=services,
        knows=[text for word, text in KNOWS.items() if word in asked.scope],
        action=_with_query("authorization.interactive_consent"),
    )


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


def policy(service: Service | None = None, *, framed: bool = False) -> str:
    """Nothing from elsewhere, no scripts. Forms may lead to Hub, and through it to ``service``.

    Chromium applies ``form-action`` to the redirects behind a form as well, and the login form ends at the client.
    ``framed`` lets pages of the service's own origins have this one in a frame, and the script that tells them so.
    """
    origins = sorted(set(filter(None, map(_origin, service.accepted_uris if service else ()))))
    parents = [origin for origin in origins if origin.startswith("http")] if framed else []
    rules = {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "script-src": ["'self'"] if framed else ["'none'"],
        "form-action": ["'self'", *origins],
        "base-uri": ["'none'"],
        "frame-ancestors": parents or ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def _origin(uri: str) -> str | None:
    """``https://app.example:8443``, or ``ytoauth:`` for an address that only a mobile application knows."""
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return origin if ORIGIN.fullmatch(origin) else None


def _page(template: str, service: Service | None = None, *, framed: bool = False, **context: Any) -> Response:
    context |= {"service": service, "avatar_path": _avatar_path, "framed": framed}
    response = make_response(render_template(template, **context))
    response.headers["Content-Security-Policy"] = policy(service, framed=framed)
    response.headers["Cache-Control"] = "no-store"
    return response


def _with_query(endpoint: str) -> str:
    return f"{url_for(endpoint)}?{raw_query()}" if raw_query() else url_for(endpoint)


def _avatar_path(user: User) -> str:
    """On the host that the browser asked: a page shows nothing from elsewhere."""
    return url_for("rest.avatar", user_id=user.id)
