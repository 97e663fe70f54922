"""``/services``: registering services, and what is known about them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from flask import Blueprint, Response, request

from .answers import answer, page
from .caller import Caller, RestError, caller
from .current import hub
from .services import HUB_ID, Service

registry = Blueprint("registry", __name__, url_prefix="/api/rest")

# Hub's answer for a person at services/me is not written down.
USER_INSTEAD_OF_SERVICE = (404, "Not Found", "The token belongs to a user, not to a service")

# Hub's word for a field that is missing or of a wrong type is not written down.
BAD_FIELD = "bad_request"


@registry.get("/services")
def services() -> Response:
    """A page of services; anonymous people get 200 and an empty one, others only who may read services."""
    known = hub.people.services.values() if caller().may("service-read") else ()
    return page("ServicesPage", "services", [service_json(each) for each in known], query=("id", "name", "key"))


@registry.get("/services/me")
def services_me() -> Response:
    """The service whose own token this is."""
    who = caller()
    if who.service is None:
        raise RestError(*USER_INSTEAD_OF_SERVICE)
    return answer(service_json(who.service))


@registry.get("/services/<service_id>")
def service(service_id: str) -> Response:
    """One service, for who may read services and for itself."""
    return answer(service_json(_service(caller(), service_id, "service-read")))


@registry.post("/services")
def create() -> Response:
    """Registers a service. The answer holds its secret, this once, where this Hub gives secrets."""
    caller().must("service-create")
    fields = read_body(READ_ONLY)
    service_id = fields.pop("id", None) or str(uuid4())
    if not _is_uuid(service_id):
        raise RestError(400, BAD_FIELD, "id is a UUID", "id")
    if not fields.get("name"):
        raise RestError(400, BAD_FIELD, "name is required", "name")
    if service_id in hub.people.services:
        raise RestError(400, "must-be-unique", f"Service with id {service_id} already exists", "id")
    if hub.gives_secrets:
        # 24 characters of a URL, "-" and "_" too.
        fields = {"secret": secrets.token_urlsafe(18)} | fields
    made = Service(service_id, "")
    set_fields(made, fields)
    hub.add_service(made)
    shown = {"secret": made.secret} if hub.gives_secrets else {}
    return answer({**service_json(made), **shown})


@registry.post("/services/<service_id>")
def update(service_id: str) -> Response:
    """Changes what is given. Redirect URIs that were refused before are approved by adding them here."""
    who = caller()
    changed, fields = _service(who, service_id, "service-update"), read_body(READ_ONLY)
    if changed.id == HUB_ID:
        raise RestError(403, "Forbidden", "Hub's own service is immutable")
    shown = service_json(changed)
    for name in ABOUT_ITSELF & fields.keys():
        if fields[name] == shown[name]:
            del fields[name]
        elif who.service is not changed:
            raise RestError(403, "Forbidden", f"{name} is set at creation or by the service itself", name)
    if fields.pop("id", changed.id) != changed.id:
        raise RestError(400, BAD_FIELD, "The id of a service does not change", "id")
    set_fields(changed, fields)
    return answer(service_json(changed))


@registry.post("/services/<service_id>/untrustedredirecturis/<int:number>/reject")
def reject(service_id: str, number: int) -> Response:
    """Takes one redirect URI off the list of refused ones. What ``number`` counts is not written down: places."""
    changed = _service(caller(), service_id, "service-update")
    if number >= len(changed.untrusted_redirect_uris):
        raise RestError(404, "Not Found", f"There is no untrusted redirect URI {number}")
    del changed.untrusted_redirect_uris[number]
    return answer(service_json(changed))


def _service(who: Caller, service_id: str, key: str) -> Service:
    """The service, for who holds ``key`` and for itself. Raises RestError 403 before 404."""
    if who.service is None or who.service.id != service_id:
        who.must(key)
    found = hub.people.services.get(service_id)
    if found is None:
        raise RestError(404, "Not Found", f"There is no service {service_id}")
    return found


def read_body(passed_over: Collection[str] = ("type",)) -> dict[str, Any]:
    """The fields of a service, each of its type. Unknown ones are refused; what Hub does is not written down."""
    fields = request.get_json()
    if not isinstance(fields, dict):
        raise RestError(400, BAD_FIELD, "A JSON object is wanted")
    fields = {name: value for name, value in fields.items() if name not in passed_over}
    for name, value in fields.items():
        if name != "id" and name not in FIELDS:
            raise RestError(400, BAD_FIELD, f"A service has no {name} that could be set", name)
        if name != "id" and not FIELDS[name].good(value):
            raise RestError(400, BAD_FIELD, f"{name} is {FIELDS[name].wanted}", name)
    return fields


def set_fields(changed: Service, fields: Mapping[str, Any]) -> None:
    """Changes what is given. Raises RestError where the name is another service's."""
    name = fields.get("name", changed.name)
    if any(each.name == name and each is not changed for each in hub.people.services.values()):
        raise RestError(400, "must-be-unique", f"Service with name {name} already exists", "name")
    for each, value in fields.items():
        if each in KEPT:
            changed.about[each] = value
        else:
            setattr(changed, FIELDS[each].attribute, value)
    changed.forget_approved()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a service: the attribute that keeps it, what it may be, and that in words."""

    attribute: str
    good: Callable[[Any], bool]
    wanted: str


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and value.strip() == value != ""


def _is_absolute(value: object) -> bool:
    try:
        parts = urlsplit(str(value))
    except ValueError:
        return False
    return _is_line(value) and parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment


def _is_redirect(value: object) -> bool:
    """Absolute, of any scheme, or relative to the home URL; RFC 6749 section 3.1.2 allows no fragment."""
    try:
        urlsplit(str(value))
    except ValueError:
        return False
    return _is_line(value) and "#" not in str(value)


def _all(good: Callable[[object], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(good, value))


def _or_null(good: Callable[[object], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or good(value)


def _text(attribute: str) -> Field:
    return Field(attribute, _or_null(_is_line), "text on one line, or null")


def _flag(attribute: str) -> Field:
    return Field(attribute, lambda value: isinstance(value, bool), "true or false")


def _kept(first: object) -> Field:
    if isinstance(first, list):
        return Field("about", lambda value: isinstance(value, list), "a list")
    return Field("about", lambda value: value is None or isinstance(value, str | int), "text, a whole number, or null")


# Told with the others, so a client that sends back what it has read sends them too.
READ_ONLY = ("type", "key", "permissions", "untrustedRedirectUris", "immutable")

# What else Hub documents, and what a service has of it at first. Their types are not written down.
KEPT: dict[str, Any] = {
    **{name: [] for name in ("audienceSwitchTargets", "defaultRoles", "viewers", "scopeItems")},
    **dict.fromkeys(("userUriPattern", "groupUriPattern", "releaseDate", "audience", "iconUrl", "apiVersion")),
}

ABOUT_ITSELF = {"applicationName", "vendor", "version"}

FIELDS = {
    "name": Field("name", _is_line, "text on one line"),
    "applicationName": _text("application_name"),
    "vendor": _text("vendor"),
    "version": _text("version"),
    "description": _text("description"),
    "homeUrl": Field("home_url", _or_null(_is_absolute), "an absolute URL, or null"),
    "baseUrls": Field("base_urls", _all(_is_absolute), "a list of absolute URLs"),
    "redirectUris": Field("redirect_uris", _all(_is_redirect), "a list of URIs without fragments"),
    "trusted": _flag("trusted"),
    "consentRequired": _flag("consent_required"),
    "pkceRequired": _flag("pkce_required"),
    "authCodeFlowEnabled": _flag("auth_code_flow"),
    "implicitFlowEnabled": _flag("implicit_flow"),
    "clientCredentialsFlowEnabled": _flag("client_credentials_flow"),
    "resourceOwnerFlowEnabled": _flag("resource_owner_flow"),
    "secret": _text("secret"),
    **{name: _kept(first) for name, first in KEPT.items()},
}


def service_json(service: Service) -> dict[str, Any]:
    """Everything but the secret, which Hub only takes and never shows."""
    own = FIELDS.keys() - KEPT.keys() - {"secret"}
    fields = {name: getattr(service, field.attribute) for name, field in FIELDS.items() if name in own}
    return {
        "type": "service",
        "id": service.id,
        "key": service.name,
        **fields,
        **KEPT,
        **service.about,
        "applicationName": service.application_name or service.name,
        "untrustedRedirectUris": service.untrusted_redirect_uris,
        "permissions": [{"type": "permission", "key": key} for key in service.permissions],
        "immutable": service.id == HUB_ID,
    }
