"""Which pages of other origins may read Hub's answers: none, until an administrator says so."""

from __future__ import annotations

from flask import Blueprint, Response, request

from .current import hub

cors = Blueprint("cors", __name__)

# What people open, and what only they may: no script reads these, whatever its origin.
NOT_FOR_SCRIPTS = ("/api/rest/oauth2/auth", "/api/rest/oauth2/logout", "/api/rest/oauth2/interactive/consent")

METHODS = "GET, POST, PUT, DELETE, OPTIONS"
HEADERS = "Authorization, Content-Type, Accept, Hub-API-Version"


@cors.after_app_request
def let_in(response: Response) -> Response:
    """Hub's REST, token endpoint and keys for the origins of the options. Cookies stay out: clients send a token.

    Preflights are answered by Flask, with 200; these headers make them a yes.
    """
    origin = request.headers.get("Origin")
    if not request.path.startswith(("/api/rest/", "/.well-known/")) or request.path in NOT_FOR_SCRIPTS:
        return response
    response.vary.add("Origin")
    if origin is None or not (hub.options.all_origins or origin in hub.options.allowed_origins):
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
    return response
