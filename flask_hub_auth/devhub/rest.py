"""Hub's REST, as far as relying parties read it."""

from __future__ import annotations

import base64
import binascii
from colorsys import hls_to_rgb
from dataclasses import dataclass
from html import escape
from typing import Any
from zlib import crc32

from flask import Blueprint, Response, jsonify, request

from .current import hub
from .fields import Tree, project, read_fields
from .people import HUB_ID, Group, Service, User, stable_id
from .tokens import AccessToken

rest = Blueprint("rest", __name__, url_prefix="/api/rest")

# Hub's answer for a service's own token at users/me is not written down.
SERVICE_AT_USERS_ME = (404, "Not Found", "The token belongs to a service, not to a user")

# Hub's own message for a banned guest is not written down, YouTrack's is.
NOT_LOGGED_IN = "You are not logged in."


class RestError(Exception):
    """``{"error", "error_code", "error_description", "error_developer_message"}``; callers go by the status."""

    def __init__(self, status: int, error: str, description: str) -> None:
        self.status, self.error, self.description = status, error, description


@rest.app_errorhandler(RestError)
def refused(error: RestError) -> tuple[Response, int]:
    body = {
        "error": error.error,
        "error_code": error.status,
        "error_description": error.description,
        "error_developer_message": error.description,
    }
    return jsonify(body), error.status


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user, the guest, or a service itself. ``anonymous`` sent no header at all."""

    user: User | None
    service: Service | None = None
    anonymous: bool = False


def caller() -> Caller:
    """Raises RestError 401 for a header that is not good. Without a header it is the guest."""
    header = request.headers.get("Authorization")
    if header is None:
        return Caller(hub.people.users["guest"], anonymous=True)
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        return Caller(_by_password(value))
    if scheme.lower() != "bearer":
        raise RestError(401, "invalid_request", "Authorization header is not Bearer or Basic")
    grant = _good_token(value.strip()).grant
    if grant.user_id is None:
        return Caller(None, hub.people.services.get(grant.service_id))
    user = hub.people.user_by_id(grant.user_id)
    if user is None:
        raise RestError(401, "invalid_grant", "Invalid token data")
    return Caller(user)


def _by_password(value: str) -> User:
    """Hub's REST takes a login and a password too; many scripts use it."""
    try:
        login, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise RestError(401, "invalid_request", "Invalid authorization header") from None
    user = hub.people.users.get(login)
    if user is None or user.banned or not user.has_password(password):
        raise RestError(401, "invalid_grant", "Invalid resource owner credentials")
    return user


def _good_token(value: str) -> AccessToken:
    """The texts are those of Hub's library 1.0.41, the status is today's."""
    token = hub.store.access(value)
    if token is None:
        known = value.count(".") >= 4 and ";" in value
        raise RestError(401, "invalid_grant", "Token signature is invalid" if known else "Invalid token data")
    now = hub.clock()
    if now >= token.expires_at:
        raise RestError(
            401,
            "invalid_grant",
            f"Token expired. It was granted till {int(token.expires_at)} and was checked at {int(now)}",
        )
    if token.grant.revoked:
        raise RestError(401, "invalid_grant", "Token is invalid, expired, revoked or was issued to another client")
    if HUB_ID not in token.scope.services:
        raise RestError(
            401,
            "invalid_scope",
            f"Token is granted for [{', '.join(token.scope.services)}] and can't be used for {HUB_ID}",
        )
    return token


def answer(value: Any) -> Response:
    """``value`` as JSON with the parts that ``fields`` asks for."""
    response = jsonify(project(value, _fields()))
    response.headers["Cache-Control"] = "no-store"
    return response


def _fields() -> Tree:
    try:
        return read_fields(request.args.get("fields", ""))
    except ValueError as error:
        raise RestError(400, "bad_request", f"Cannot read fields: {error}") from None


def page(kind: str, key: str, items: list[dict[str, Any]]) -> Response:
    """One page of a collection: ``{"type", "skip", "top", "total", <key>: [...]}``; ``fields`` are the items'."""
    skip, top = _number("$skip", 0), _number("$top", 100)
    shown = items[skip:] if top < 0 else items[skip : skip + top]
    tree = _fields()
    # Both are seen in the wild: the fields of an item, and the same inside the page's own key.
    tree = tree.get(key) or tree
    return jsonify({"type": kind, "skip": skip, "top": top, "total": len(items), key: project(shown, tree)})


def _number(name: str, default: int) -> int:
    try:
        return max(int(request.args.get(name, default)), -1)
    except ValueError:
        raise RestError(400, "bad_request", f"{name} is no number") from None


@rest.get("/users/me")
def users_me() -> Response:
    """The caller. A banned user's good token still gets 200 with ``banned: true``."""
    who = caller()
    if who.user is None:
        raise RestError(*SERVICE_AT_USERS_ME)
    if who.user.guest and who.user.banned:
        raise RestError(401, "Unauthorized", NOT_LOGGED_IN)
    return answer(user_json(who.user))


@rest.get("/users/guest")
def users_guest() -> Response:
    return answer(user_json(hub.people.users["guest"]))


@rest.get("/services")
def services() -> Response:
    """A page of services; anonymous people get 200 and an empty one."""
    known = [] if caller().anonymous else list(hub.people.services.values())
    return page("ServicesPage", "services", [service_json(service) for service in known])


@rest.get("/settings/public")
def settings_public() -> Response:
    """Open to everybody: ring-ui asks it whether Hub is up."""
    return answer(
        {
            "type": "settings",
            "id": stable_id("settings", "public"),
            "locale": {"type": "locale", "name": "en", "language": "en", "region": None},
            "endUserAgreement": {"type": "endUserAgreement", "enabled": False},
            "helpdeskEnabled": False,
        }
    )


@rest.get("/oauth2/key")
def oauth2_key() -> Response:
    return Response(hub.store.signer.public_key, content_type="text/plain; charset=utf-8")


@rest.get("/oauth2/target")
def oauth2_target() -> Response:
    """What stands for Hub itself in a scope."""
    return Response(HUB_ID, content_type="text/plain; charset=utf-8")


@rest.get("/avatar/<user_id>")
def avatar(user_id: str) -> Response:
    """A picture made of the initials, the same colour each time."""
    user = hub.people.user_by_id(user_id)
    if user is None:
        raise RestError(404, "Not Found", "There is no such user")
    initials = escape("".join(word[0] for word in user.name.split()[:2]).upper() or "?")
    red, green, blue = (round(255 * part) for part in hls_to_rgb(crc32(user.id.encode()) % 360 / 360, 0.36, 0.45))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">'
        f'<rect width="96" height="96" fill="#{red:02x}{green:02x}{blue:02x}"/>'
        '<text x="48" y="50" fill="#fff" font-family="system-ui, sans-serif" font-size="38" font-weight="600" '
        f'text-anchor="middle" dominant-baseline="central">{initials}</text></svg>'
    )
    return Response(svg, content_type="image/svg+xml; charset=utf-8", headers={"Cache-Control": "max-age=60"})


def avatar_url(user: User) -> str:
    return f"{hub.url}/api/rest/avatar/{user.id}"


def user_json(user: User) -> dict[str, Any]:
    """The shape that a live Hub was seen to answer. The e-mail is nested, and missing where there is none."""
    profile: dict[str, Any] = {"type": "profile", "avatar": {"type": "defaultavatar", "url": avatar_url(user)}}
    if user.email:
        profile["email"] = {"type": "EmailJSON", "verified": user.email_verified, "email": user.email}
    profile["locale"] = {"type": "locale", "language": "en", "name": "en"}
    return {
        "type": "user",
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "banned": user.banned,
        "guest": user.guest,
        "profile": profile,
        "groups": [group_json(group) for group in hub.people.groups_of(user)],
        "transitiveGroups": [group_json(group) for group in hub.people.all_groups_of(user)],
        "projectRoles": [_system_admin(user)] if user.admin else [],
    }


def _system_admin(user: User) -> dict[str, Any]:
    return {
        "type": "projectRole",
        "id": stable_id("projectRole", user.login),
        "role": {
            "type": "role",
            "id": stable_id("role", "system-admin"),
            "key": "system-admin",
            "name": "System Admin",
        },
        # Project 0 means everywhere.
        "project": {"type": "project", "id": "0"},
        "owner": {"type": "user", "id": user.id, "login": user.login},
    }


def group_json(group: Group) -> dict[str, Any]:
    return {"type": "userGroup", "id": group.id, "name": group.name}


def service_json(service: Service) -> dict[str, Any]:
    """Everything but the secret, which Hub only takes and never shows."""
    return {
        "type": "service",
        "id": service.id,
        "key": service.name,
        "name": service.name,
        "applicationName": service.application_name or service.name,
        "homeUrl": service.home_url,
        "baseUrls": service.base_urls,
        "redirectUris": service.redirect_uris,
        "untrustedRedirectUris": service.untrusted_redirect_uris,
        "trusted": service.trusted,
        "consentRequired": service.consent_required,
        "pkceRequired": service.pkce_required,
        "authCodeFlowEnabled": service.auth_code_flow,
        "implicitFlowEnabled": service.implicit_flow,
        "clientCredentialsFlowEnabled": service.client_credentials_flow,
        "resourceOwnerFlowEnabled": service.resource_owner_flow,
    }
