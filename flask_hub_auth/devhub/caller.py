"""Who asks at Hub's REST, and what they may do there."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from flask import request

from .current import hub
from .people import User
from .services import HUB_ID, Service
from .tokens import AccessToken, BadToken

# Hub's answer for a service's own token where a person is wanted is not written down.
SERVICE_INSTEAD_OF_USER = (404, "Not Found", "The token belongs to a service, not to a user")

# Hub's own message for a banned guest is not written down, YouTrack's is.
NOT_LOGGED_IN = "You are not logged in."

# What a trusted service may do as itself is not written down; reading is what services do with such a token.
TRUSTED_SERVICE_HOLDS = frozenset(
    f"jetbrains.jetpass.{key}"
    for key in ("user-read-basic", "user-read", "group-read", "project-read-basic", "service-read")
)


class RestError(Exception):
    """``{"error", "error_code", "error_description", "error_developer_message"}``; callers go by the status.

    ``field`` is the one that is wrong, where one is.
    """

    def __init__(self, status: int, error: str, description: str, field: str | None = None) -> None:
        self.status, self.error, self.description, self.field = status, error, description, field


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, or a service itself. Without a header it is the guest."""

    user: User | None
    service: Service | None = None

    @property
    def is_guest(self) -> bool:
        return self.user is not None and self.user.guest

    def may(self, key: str, project: str | None = None) -> bool:
        """Whether Hub's permission ``jetbrains.jetpass.<key>`` is held everywhere, or in this project."""
        key = f"jetbrains.jetpass.{key}"
        if self.user:
            return hub.people.holds(self.user, key, project)
        return bool(self.service and self.service.trusted) and key in TRUSTED_SERVICE_HOLDS

    def must(self, key: str) -> None:
        """Raises RestError 403 where the permission is missing."""
        if not self.may(key):
            raise RestError(403, "Forbidden", f"This needs the permission jetbrains.jetpass.{key}")

    def person(self) -> User:
        """The user. Raises RestError for a service, and 401 for a guest who is banned."""
        if self.user is None:
            raise RestError(*SERVICE_INSTEAD_OF_USER)
        if self.user.guest and self.user.banned:
            raise RestError(401, "Unauthorized", NOT_LOGGED_IN)
        return self.user


def caller() -> Caller:
    """Raises RestError 401 for a header that is not good."""
    header = request.headers.get("Authorization")
    if header is None:
        return Caller(hub.people.users["guest"])
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        return Caller(_by_password(value))
    grant = bearer(HUB_ID).grant
    if grant.user_id is None:
        return Caller(None, hub.people.services.get(grant.service_id))
    user = hub.people.user_by_id(grant.user_id)
    if user is None:
        raise RestError(401, "invalid_grant", "Invalid token data")
    return Caller(user)


def bearer(audience: str | None = None) -> AccessToken:
    """The token of the header. Raises RestError 401 where it is not good, or not for the service ``audience``."""
    header = request.headers.get("Authorization")
    if header is None:
        raise RestError(401, "Unauthorized", NOT_LOGGED_IN)
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer":
        raise RestError(401, "invalid_request", "Authorization header is not Bearer or Basic")
    try:
        return hub.store.check(value.strip(), audience)
    except BadToken as bad:
        # The texts are those of Hub's library 1.0.41, the status is today's.
        raise RestError(401, bad.error, bad.description) from None


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
