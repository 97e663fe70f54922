"""Users and groups, and the permanent tokens of users."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from .answers import answer, page
from .caller import Caller, RestError, caller
from .current import hub
from .people import Group, People, User, stable_id

users = Blueprint("users", __name__, url_prefix="/api/rest")

# What "Read User Basic" shows of others; Hub's own list is not written down.
BASIC_FIELDS = ("type", "id", "login", "name", "banned", "guest")

# What a group has that nobody has changed. Project 0 means everywhere; the values are not written down.
GROUP_AT_FIRST = {
    "description": None,
    "iconUrl": None,
    "autoJoin": False,
    "implicit": False,
    "project": {"type": "project", "id": People.EVERYWHERE},
}


@users.get("/users/me")
def users_me() -> Response:
    """The caller. A banned user's good token still gets 200 with ``banned: true``."""
    return answer(user_json(caller().person()))


@users.get("/users/guest")
def users_guest() -> Response:
    """The record that stands for everybody who is not signed in; open to everybody."""
    return answer(user_json(hub.people.users["guest"]))


@users.get("/users")
def all_users() -> Response:
    """A page of users, as much of each as the caller may see; empty for guests."""
    who = caller()
    seen = [shown for user in hub.people.users.values() if (shown := _seen_by(who, user))]
    return page("UsersPage", "users", seen, query=("id", "login", "name"))


@users.get("/users/<user_id>")
def one_user(user_id: str) -> Response:
    """One user, as much as the caller may see."""
    who = caller()
    if not who.may("user-read"):
        _must_be(who, user_id, "user-read-basic")
    return answer(_seen_by(who, find_user(user_id)))


@users.get("/users/<user_id>/groups")
def groups_of_user(user_id: str) -> Response:
    """A page of the groups that a user is in directly."""
    who = caller()
    user = who.person() if user_id == "me" else find_user(_must_be(who, user_id, "user-read"))
    groups = [group_details(group) for group in hub.people.groups_of(user)]
    return page("UserGroupsPage", "groups", groups, query=("id", "name"))


@users.get("/usergroups")
def all_groups() -> Response:
    """A page of groups; empty for who may not read them."""
    known = hub.people.groups.values() if caller().may("group-read") else ()
    return page("UserGroupsPage", "usergroups", [group_details(each) for each in known], query=("id", "name"))


@users.get("/usergroups/<group_id>")
def one_group(group_id: str) -> Response:
    """One group, for who may read groups."""
    caller().must("group-read")
    return answer(group_details(_group(group_id)))


@users.get("/usergroups/<group_id>/users")
def users_of_group(group_id: str) -> Response:
    """A page of a group's own members; whether Hub adds those of the groups inside of it is not written down."""
    who = caller()
    who.must("group-read")
    seen = [shown for user in _members(_group(group_id)) if (shown := _seen_by(who, user))]
    return page("UsersPage", "users", seen, query=("id", "login", "name"))


@users.post("/users/<user_id>/permanenttokens")
def make_permanent_token(user_id: str) -> Response:
    """A token that does not expire, for the services that the body's ``scope`` lists: ``{"name", "scope": [{"id"}]}``.

    One makes it for oneself. The answer holds it, this once.
    """
    user = caller().person()
    if user_id not in ("me", user.id) or user.guest or user.banned:
        raise RestError(403, "Forbidden", "A permanent token is made by the user whom it stands for")
    name, service_ids = _permanent_token()
    return answer(
        {
            "type": "permanentToken",
            "id": stable_id("permanentToken", f"{user.login}:{name}"),
            "name": name,
            "scope": [{"type": "service", "id": service_id} for service_id in service_ids],
            "token": hub.permanent_token(user.login, " ".join(service_ids)),
        }
    )


def _permanent_token() -> tuple[str, list[str]]:
    """Name and service ids of the request. Hub's words for wrong ones are not written down."""
    fields = request.get_json()
    name, scope = (fields.get("name"), fields.get("scope")) if isinstance(fields, dict) else (None, None)
    if not isinstance(name, str) or not name.strip():
        raise RestError(400, "bad_request", "name is required", "name")
    entries = scope if isinstance(scope, list) else []
    service_ids = [str(each.get("id") if isinstance(each, dict) else "") for each in entries]
    if not service_ids or not hub.people.services.keys() >= set(service_ids):
        raise RestError(400, "bad_request", "scope is a list of services, by id", "scope")
    return name, service_ids


def _must_be(who: Caller, user_id: str, key: str) -> str:
    """``user_id``, if it is the caller's own or the caller holds ``key``. Raises RestError 403."""
    if who.user is None or who.user.guest or who.user.id != user_id:
        who.must(key)
    return user_id


def find_user(user_id: str) -> User:
    """Raises RestError 404 where nobody has this id."""
    user = hub.people.user_by_id(user_id)
    if user is None:
        raise RestError(404, "Not Found", f"There is no user {user_id}")
    return user


def _group(group_id: str) -> Group:
    group = next((each for each in hub.people.groups.values() if each.id == group_id), None)
    if group is None:
        raise RestError(404, "Not Found", f"There is no group {group_id}")
    return group


def _members(group: Group) -> list[User]:
    return [user for user in hub.people.users.values() if group.name in user.groups]


def _seen_by(who: Caller, user: User) -> dict[str, Any] | None:
    """All of oneself and for "Read User", a part for "Read User Basic"."""
    shown = user_json(user)
    if who.may("user-read") or (user is who.user and not user.guest):
        return shown
    if not who.may("user-read-basic"):
        return None
    avatar = {name: shown["profile"][name] for name in ("type", "avatar")}
    return {**{name: shown[name] for name in BASIC_FIELDS}, "profile": avatar}


def user_json(user: User) -> dict[str, Any]:
    """The shape that a live Hub was seen to answer. The e-mail is nested, and missing where there is none."""
    profile: dict[str, Any] = {"type": "profile", "avatar": {"type": "defaultavatar", "url": _avatar_url(user)}}
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


def _avatar_url(user: User) -> str:
    return f"{hub.url}/api/rest/avatar/{user.id}"


def group_json(group: Group) -> dict[str, Any]:
    """A group inside of something else."""
    return {"type": hub.options.group_type, "id": group.id, "name": group.name}


def group_details(group: Group) -> dict[str, Any]:
    """A group by itself."""
    parent = hub.people.groups.get(group.parent or "")
    return {
        **group_json(group),
        **GROUP_AT_FIRST,
        "userCount": len(_members(group)),
        "allUsers": group.name == "All Users",
        "parent": group_json(parent) if parent else None,
        "subgroups": [group_json(each) for each in hub.people.groups.values() if each.parent == group.name],
    }
