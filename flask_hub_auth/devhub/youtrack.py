"""The one page of a YouTrack that tells its clients where its Hub is."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify, request

from .current import hub
from .fields import project, read_fields
from .seed import YOUTRACK_ID

youtrack = Blueprint("youtrack", __name__)


@youtrack.get("/api/config")
def config() -> Response:
    """Open to everybody; ``ring.url`` is relative to YouTrack's origin, or absolute. Both were seen."""
    service = hub.people.services.get(YOUTRACK_ID)
    where = {"relative": hub.path or "/", "absolute": hub.url}.get(hub.options.youtrack)
    if where is None or service is None:
        abort(404)
    known = {
        "ring": {"url": where, "serviceId": service.id},
        "mobile": {"serviceSecret": service.secret, "serviceId": service.id},
        "version": "2026.2",
    }
    try:
        return jsonify(project(known, read_fields(request.args.get("fields", ""))))
    except ValueError as error:
        abort(400, f"Cannot read fields: {error}")
