"""``/__dev__/``: the remote control of a dev Hub that runs in another process. Never part of Hub itself."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from .caller import RestError
from .current import hub
from .registry import read_body, set_fields

control = Blueprint("control", __name__, url_prefix="/__dev__")

DONE = ("", 204)

USER_FIELDS = frozenset({"banned", "groups", "name", "email", "email_verified", "permissions"})


@control.before_request
def refuse_other_sites() -> None:
    """A page of another origin must not turn a developer's Hub over. Scripts send no ``Sec-Fetch-Site``."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        abort(403, "The remote control is not for other sites.")


@control.errorhandler(HTTPException)
def say(error: HTTPException) -> tuple[Response, int]:
    """Errors as JSON too: ``{"error", "error_description"}``."""
    return jsonify(error=error.name, error_description=error.description), error.code or 500


@control.get("/calls")
def calls() -> Response:
    """Every request to Hub so far, see ``DevHub.calls``."""
    return jsonify(hub.calls)


@control.post("/faults")
def add_fault() -> tuple[str, int]:
    """One more fault: the fields of ``faults.Fault``."""
    try:
        hub.faults.add(_json())
    except ValueError as error:
        abort(400, str(error))
    return DONE


@control.delete("/faults")
def delete_faults() -> tuple[str, int]:
    """All faults are over."""
    hub.mend()
    return DONE


@control.post("/users/<login>")
def update_user(login: str) -> tuple[str, int]:
    """Changes what is given, see ``DevHub.update_user``; ``permissions`` are ``{key: true or [project ids]}``."""
    _must_exist(login)
    fields = _json()
    if not fields or fields.keys() - USER_FIELDS:
        abort(400, f"a user takes {', '.join(sorted(USER_FIELDS))}")
    _check_types(fields)
    hub.update_user(login, **fields)
    return DONE


@control.post("/keys")
def rotate_id_token_key() -> tuple[str, int]:
    """Id tokens are signed with a new key, and the old one is no longer published."""
    hub.id_tokens.rotate()
    return DONE


@control.get("/options")
def options() -> Response:
    """How this Hub behaves now, see ``options.py``."""
    return jsonify(hub.options.as_dict())


@control.post("/options")
def change_options() -> tuple[str, int]:
    """Changes what is given."""
    try:
        hub.change(**_json())
    except ValueError as error:
        abort(400, str(error))
    return DONE


@control.post("/services/<service_id>")
def change_service(service_id: str) -> tuple[str, int]:
    """Changes what is given: the fields of Hub's REST, ``redirectUris`` or ``pkceRequired``, ``secret`` too."""
    service = hub.people.services.get(service_id)
    if service is None:
        abort(404, f"no service {service_id!r}; there are {', '.join(hub.people.services)}")
    try:
        fields = read_body()
        if fields.pop("id", service_id) != service_id:
            abort(400, "the id of a service does not change")
        set_fields(service, fields)
    except RestError as error:
        abort(400, error.description)
    return DONE


@control.post("/expire")
def expire() -> tuple[str, int]:
    """All access tokens have expired."""
    hub.expire()
    return DONE


@control.post("/sign_out/<login>")
def sign_out(login: str) -> tuple[str, int]:
    """This user is signed out of Hub in every browser; tokens stay."""
    _must_exist(login)
    hub.sign_out(login)
    return DONE


@control.post("/revoke/<login>")
def revoke(login: str) -> tuple[str, int]:
    """All tokens of this user are revoked."""
    _must_exist(login)
    hub.revoke(login)
    return DONE


def _json() -> dict[str, Any]:
    fields = request.get_json()
    if not isinstance(fields, dict):
        abort(400, "a JSON object is wanted")
    return fields


def _must_exist(login: str) -> None:
    if login not in hub.people.users:
        abort(404, f"no user {login!r}; there are {', '.join(hub.people.users)}")


def _check_types(fields: dict[str, Any]) -> None:
    groups = fields.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        abort(400, "groups is a list of names")
    permissions = fields.get("permissions", {})
    if not isinstance(permissions, dict) or not all(map(_is_place, permissions.values())):
        abort(400, "permissions is an object: each key is true, or a list of project ids")
    for name in ("banned", "email_verified"):
        if name in fields and not isinstance(fields[name], bool):
            abort(400, f"{name} is true or false")
    for name in ("name", "email"):
        if name in fields and not isinstance(fields[name], str):
            abort(400, f"{name} is a string")


def _is_place(value: object) -> bool:
    """Where a permission is held: everywhere, or in these projects."""
    return value is True or (isinstance(value, list) and all(isinstance(project, str) for project in value))
