"""OpenID Connect: what this Hub says about itself, its keys, and about the person behind a token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify

from .caller import RestError, bearer
from .current import hub
from .people import User
from .services import HUB_ID

openid = Blueprint("openid", __name__)

# Hub's answers where the person behind a token is banned, or there is none, are not written down.
NOBODY = (401, "invalid_token", "Token is invalid, expired, revoked or was issued to another client")


@openid.before_request
def be_there() -> None:
    """404 at a Hub that is older than OpenID Connect."""
    if not hub.options.openid:
        abort(404)


@openid.get("/.well-known/openid-configuration")
@openid.get("/api/rest/oauth2/.well-known/openid-configuration", endpoint="second_place")
def discovery() -> Response:
    """As a production Hub was seen to answer: no word about PKCE, public clients or logout, though all work."""
    rest = f"{hub.url}/api/rest/oauth2"
    return jsonify(
        {
            "issuer": hub.issuer,
            "authorization_endpoint": f"{rest}/auth",
            "token_endpoint": f"{rest}/token",
            "userinfo_endpoint": f"{rest}/userinfo",
            "jwks_uri": f"{rest}/keys",
            "scopes_supported": ["openid", "offline_access", "profile", "email", "groups"],
            "response_types_supported": ["code", "token", "id_token"],
            "grant_types_supported": [
                "authorization_code",
                "client_credentials",
                "password",
                "refresh_token",
                "implicit",
            ],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "claims_supported": ["sub", "name", "preferred_username", "email", "groups"],
            "service_documentation": "https://www.jetbrains.com/help/hub/Managing-Services.html",
            "request_uri_parameter_supported": False,
        }
    )


@openid.get("/api/rest/oauth2/keys")
def keys() -> Response:
    """The keys that id tokens are checked with."""
    return jsonify(hub.id_tokens.key_set())


@openid.get("/api/rest/oauth2/userinfo")
def userinfo() -> Response:
    """All claims of the person, for a token of an OpenID request or for Hub; 401 for any other.

    Whether Hub keeps claims back that were not asked for is not written down.
    """
    token = bearer()
    if "openid" not in token.scope and HUB_ID not in token.scope.services:
        granted = ", ".join(token.scope.services)
        raise RestError(401, "invalid_scope", f"Token is granted for [{granted}] and can't be used for {HUB_ID}")
    user = hub.people.user_by_id(token.grant.user_id or "")
    if user is None or user.banned:
        raise RestError(*NOBODY)
    response = jsonify(_claims(user))
    response.headers["Cache-Control"] = "no-store"
    return response


def _claims(user: User) -> dict[str, Any]:
    claims: dict[str, Any] = {"sub": user.id, "name": user.name, "preferred_username": user.login}
    if user.email:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    claims["picture"] = f"{hub.url}/api/rest/avatar/{user.id}"
    claims["groups"] = [group.name for group in hub.people.all_groups_of(user)]
    return claims
