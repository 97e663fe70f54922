"""What Hub's REST tells everybody, and the shape of its errors."""

from __future__ import annotations

from colorsys import hls_to_rgb
from html import escape
from zlib import crc32

from flask import Blueprint, Response, jsonify

from .answers import answer, page
from .caller import RestError, caller
from .current import hub
from .people import stable_id
from .services import HUB_ID

rest = Blueprint("rest", __name__, url_prefix="/api/rest")


@rest.app_errorhandler(RestError)
def refused(error: RestError) -> tuple[Response, int, dict[str, str]]:
    """The error in the fields of Hub's own library."""
    body = {
        "error": error.error,
        "error_code": error.status,
        "error_description": error.description,
        "error_developer_message": error.description,
    }
    if error.field:
        body["error_field"] = error.field
    challenge = hub.options.www_authenticate and error.status == 401
    return jsonify(body), error.status, {"WWW-Authenticate": 'Bearer realm="Hub"'} if challenge else {}


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
            "companyLogo": None,
            "hubMottoHidden": False,
        }
    )


@rest.get("/oauth2/key")
def oauth2_key() -> Response:
    """The key that classic tokens are checked with: ``<version>.<base64 SubjectPublicKeyInfo>``."""
    return Response(hub.store.signer.public_key, content_type="text/plain; charset=utf-8")


@rest.get("/oauth2/target")
def oauth2_target() -> Response:
    """What stands for Hub itself in a scope."""
    return Response(HUB_ID, content_type="text/plain; charset=utf-8")


@rest.get("/projects")
def projects() -> Response:
    """A page of the projects that the caller may read."""
    who = caller()
    known = [each for each in hub.people.projects.values() if who.may("project-read-basic", each.id)]
    items = [{"type": "project", "id": each.id, "key": each.name.upper(), "name": each.name} for each in known]
    return page("ProjectsPage", "projects", items, query=("id", "key", "name"))


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
