"""The permission cache: what a person may do, as Hub says it and as a service says it that keeps its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from .answers import answer, filtered
from .caller import RestError, caller
from .current import hub
from .fields import project, read_fields
from .people import People, User
from .tokens import BadToken

if TYPE_CHECKING:
    from .hub import DevHub

permissions = Blueprint("permissions", __name__, url_prefix="/api/rest")

# Null, missing and empty were all seen of a permission that is global.
PROJECTS_IF_GLOBAL = None


@permissions.get("/permissions/cache")
def cache() -> Response:
    """An array, not a page: ``[{"permission": {"key"}, "global", "projects": [{"id"}]}]``.

    404 where this Hub is told to leave that to its services, as newer YouTracks do.
    """
    user = caller().person()
    if not hub.serves_permissions:
        raise RestError(404, "Not Found", "Permissions are not served here")
    entries = [
        {"service": service_id, "key": key, "entry": {"permission": {"key": key}, **where}}
        for service_id in hub.people.services
        for key, where in _held(hub.people, user, service_id, type_name="type")
    ]
    return answer([found["entry"] for found in filtered(entries, ("service", "key"))])


def _held(people: People, user: User, service_id: str, *, type_name: str) -> list[tuple[str, dict[str, Any]]]:
    """The keys of this service that the user holds, and where."""
    held = people.held_by(user)
    return [
        (key, _where(held[key], type_name)) for key in people.services[service_id].permissions if held.get(key, set())
    ]


def _where(projects: set[str], type_name: str) -> dict[str, Any]:
    if People.EVERYWHERE in projects:
        return {"global": True, "projects": PROJECTS_IF_GLOBAL}
    return {"global": False, "projects": [{type_name: "project", "id": each} for each in sorted(projects)]}


def own_permissions(hub: DevHub, service_id: str) -> Blueprint:
    """``/api/permissions/cache`` of a service that keeps its permissions itself, as YouTrack does since 2026.1.

    For an application that plays that service: ``app.register_blueprint(own_permissions(hub, service_id))``. It takes
    tokens that are for this service, and answers in YouTrack's shape and words.
    """
    own = Blueprint("own_permissions", __name__)

    @own.get("/api/permissions/cache")
    def own_cache() -> tuple[Response, int]:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return jsonify(error="Unauthorized", error_description="You are not logged in."), 401
        with hub.lock:
            try:
                grant = hub.store.check(value.strip(), service_id).grant
            except BadToken:
                return jsonify(error="Unauthorized", error_description="Invalid token"), 401
            user = hub.people.user_by_id(grant.user_id or "")
            held = _held(hub.people, user, service_id, type_name="$type") if user else []
        entries = [{"id": key, **where, "$type": "CachedPermission"} for key, where in held]
        return jsonify(project(entries, read_fields(request.args.get("fields", "")))), 200

    return own
