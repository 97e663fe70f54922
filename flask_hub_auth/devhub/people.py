"""Who there is: users, groups, projects and services, and who may do what."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from .services import Service

# Permission key → ids of the projects in which it is held.
Held = dict[str, set[str]]


@dataclass(slots=True)
class Group:
    """``parent`` is the name of the group that this one is inside of: its members are the parent's too."""

    id: str
    name: str
    parent: str | None = None
    permissions: Held = field(default_factory=dict)


@dataclass(slots=True)
class Project:
    """Something that permissions are held in."""

    id: str
    name: str


@dataclass(slots=True)
class User:
    """A record of Hub's. ``approved``: the answers on consent pages, client id → {service or OpenID word: yes or no}.

    ``permissions`` are the user's own; those of the groups come on top. An ``admin`` holds every one everywhere.
    """

    id: str
    login: str
    name: str
    groups: list[str] = field(default_factory=list)
    admin: bool = False
    banned: bool = False
    guest: bool = False
    email: str | None = None
    email_verified: bool = True
    password: str | None = field(default=None, repr=False)
    approved: dict[str, dict[str, bool]] = field(default_factory=dict)
    permissions: Held = field(default_factory=dict)

    def has_password(self, password: str) -> bool:
        return self.password is not None and hmac.compare_digest(self.password.encode(), password.encode())


class People:
    """All users, groups, projects and services of one Hub, in memory."""

    # Hub's own id for "in all projects".
    EVERYWHERE: Final = "0"

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.projects: dict[str, Project] = {}
        self.services: dict[str, Service] = {}

    def add_group(self, name: str, *, parent: str | None = None) -> Group:
        return self.groups.setdefault(name, Group(stable_id("group", name), name, parent))

    def add_user(self, login: str, name: str | None = None, **fields: Any) -> User:
        """Adds a user whose password is the login; unknown groups are made."""
        fields = {"email": f"{login}@example.com", "password": login, **fields}
        user = User(stable_id("user", login), login, name or login, **fields)
        for group in user.groups:
            self.add_group(group)
        self.users[login] = user
        return user

    def add_project(self, project_id: str, name: str | None = None) -> Project:
        return self.projects.setdefault(project_id, Project(project_id, name or project_id))

    def add_service(self, service: Service) -> Service:
        """Takes the place of a service with the same id or name: both are unique at Hub."""
        self.services = {key: each for key, each in self.services.items() if each.name != service.name}
        self.services[service.id] = service
        return service

    def user_by_id(self, user_id: str) -> User | None:
        return next((user for user in self.users.values() if user.id == user_id), None)

    def service_named(self, name: str) -> Service | None:
        """The service with this id or name. Names are compared with case; nobody has written down what Hub does."""
        found = (service for service in self.services.values() if service.name == name)
        return self.services.get(name) or next(found, None)

    def groups_of(self, user: User) -> list[Group]:
        return [self.groups[name] for name in user.groups if name in self.groups]

    def all_groups_of(self, user: User) -> list[Group]:
        """The groups of a user and the groups that those are inside of."""
        found: dict[str, Group] = {}
        waiting = self.groups_of(user)
        while waiting:
            group = waiting.pop(0)
            if group.name not in found:
                found[group.name] = group
                waiting += [self.groups[group.parent]] if group.parent in self.groups else []
        return list(found.values())

    def held_by(self, user: User) -> Held:
        """Every permission of this user, from all sides. Somebody who is banned holds none."""
        if user.banned:
            return {}
        if user.admin:
            return {key: {self.EVERYWHERE} for service in self.services.values() for key in service.permissions}
        held: Held = {}
        for own in (user.permissions, *(group.permissions for group in self.all_groups_of(user))):
            for key, projects in own.items():
                held.setdefault(key, set()).update(projects)
        return held

    def holds(self, user: User, key: str, project: str | None = None) -> bool:
        """Whether the user holds ``key`` everywhere, or in this project."""
        return bool(self.held_by(user).get(key, set()) & {self.EVERYWHERE, project})

    def read_held(self, permissions: Mapping[str, bool | Sequence[str]], service: Service) -> Held:
        """``{key: True or project ids}`` as it is kept.

        Projects that are new are made, and a key that no service knows becomes one of ``service``.
        """
        held: Held = {}
        for key, where in permissions.items():
            projects = {self.EVERYWHERE} if where is True else set(where or ())
            for project in projects - {self.EVERYWHERE}:
                self.add_project(project)
            if not any(key in known.permissions for known in self.services.values()):
                service.permissions.append(key)
            held[key] = projects
        return held

    def own_permissions(self, login_or_group: str) -> Held:
        """What this user, or else this group, holds by itself. Raises KeyError where there is neither."""
        owner = self.users.get(login_or_group) or self.groups.get(login_or_group)
        if owner is None:
            raise KeyError(f"no user or group {login_or_group!r}; there are {', '.join((*self.users, *self.groups))}")
        return owner.permissions


def stable_id(kind: str, name: str) -> str:
    """The same id at each start, so that what an application stored about a user stays true."""
    return str(uuid5(NAMESPACE_URL, f"devhub:{kind}:{name}"))
