"""The permission cache: what a person may do, as Hub says it and as a service says it that keeps its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from .answers import answer, filtered
from .caller import RestError, caller
from .current import hub
from .fields import project, read_fields
from .people import People, User
from .services import HUB_ID
from .tokens import BadToken
from .users import find_user

if TYPE_CHECKING:
    from .hub import DevHub

permissions = Blueprint("permissions", __name__, url_prefix="/api/rest")

# Hub's filters entityType, operation and role are about what is not kept here.
FILTERS = ("service", "key", "id", "name", "is:global")

# Null, missing and empty were all seen of a permission that is global.
PROJECTS_IF_GLOBAL = None


@permissions.get("/permissions/cache")
def cache() -> Response:
    """An array, not a page: ``[{"permission": {"key"}, "global", "projects": [{"id"}]}]``.

    404 where this Hub is told to leave that to its services, as newer YouTracks do.
    """
    principal = _principal()
    held = hub.people.held_by(principal) if principal else {}
    if not hub.serves_permissions:
        raise RestError(404, "Not Found", "Permissions are not served here")
    entries = [
        _entry(service.id, key, _where(held[key], type="project"))
        for service in hub.people.services.values()
        for key in service.permissions
        if held.get(key)
    ]
    return answer([found["entry"] for found in filtered(entries, FILTERS)])


def _principal() -> User | None:
    """Whose permissions are asked for: the caller's, or those of another user, for who may read users.

    What a service's own token is told of itself is not written down: here a service holds nothing.
    """
    who, user_id = caller(), request.args.get("principal")
    if user_id and (who.user is None or who.user.id != user_id):
        who.must("user-read")
        return find_user(user_id)
    return who.person() if who.user else None


def _entry(service_id: str, key: str, where: dict[str, Any]) -> dict[str, Any]:
    """An entry of the answer, and what the filters look at."""
    about = {"service": service_id, "key": key, "id": key, "name": key, "is": "global" if where["global"] else None}
    return {**about, "entry": {"permission": {"key": key}, **where}}


def _where(projects: set[str], **kind: str) -> dict[str, Any]:
    if People.EVERYWHERE in projects:
        return {"global": True, "projects": PROJECTS_IF_GLOBAL}
    return {"global": False, "projects": [{"id": each, **kind} for each in sorted(projects)]}


def own_permissions(hub: DevHub, service_id: str) -> Blueprint:
    """``/api/permissions/cache`` of a service that keeps its permissions itself, as YouTrack does since 2026.1.

    For an application that plays that service: ``app.register_blueprint(own_permissions(hub, service_id))``. It takes
    tokens that are for this service, answers in YouTrack's shape and words, and knows Hub's keys beside its own.
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
            entries = _own_entries(hub.people, service_id, grant.user_id)
        try:
            return jsonify(project(entries, read_fields(request.args.get("fields", "")))), 200
        except ValueError as error:
            return jsonify(error="bad_request", error_description=f"Cannot read fields: {error}"), 400

    return own


def _own_entries(people: People, service_id: str, user_id: str | None) -> list[dict[str, Any]]:
    user = people.user_by_id(user_id or "")
    held = people.held_by(user) if user else {}
    keys = dict.fromkeys([*people.services[HUB_ID].permissions, *people.services[service_id].permissions])
    return [
        {"id": key, **_where(held[key], **{"$type": "Project"}), "$type": "CachedPermission"}
        for key in keys
        if held.get(key)
    ]
