"""Who there is: users, groups and services, and the ones every dev Hub begins with."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin
from uuid import NAMESPACE_URL, uuid5

# Every Hub has this id for itself, as a service and as a scope.
HUB_ID = "0-0-0-0-0"

# A refused redirect URI is kept on its service for an administrator to approve; more than this is noise.
MOST_UNTRUSTED_URIS = 20


@dataclass(slots=True)
class Group:
    """``parent`` is the name of the group that this one is inside of: its members are the parent's too."""

    id: str
    name: str
    parent: str | None = None


@dataclass(slots=True)
class User:
    """A record of Hub's. ``approved``: the answers on consent pages, client id → {service id: yes or no}."""

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

    def has_password(self, password: str) -> bool:
        return self.password is not None and hmac.compare_digest(self.password.encode(), password.encode())


@dataclass(slots=True)
class Service:
    """What Hub calls a service is client, resource server and scope in one.

    Without ``secret`` it is a public client, which needs PKCE. ``untrusted_redirect_uris`` holds what was refused,
    in Hub's own shape: ``{"redirectURI", "triedFrom", "triedAt": milliseconds}``.
    """

    id: str
    name: str
    secret: str | None = field(default=None, repr=False)
    home_url: str | None = None
    redirect_uris: list[str] = field(default_factory=list)
    base_urls: list[str] = field(default_factory=list)
    application_name: str | None = None
    trusted: bool = False
    consent_required: bool = True
    pkce_required: bool = False
    auth_code_flow: bool = True
    implicit_flow: bool = True
    client_credentials_flow: bool = True
    resource_owner_flow: bool = True
    untrusted_redirect_uris: list[dict[str, Any]] = field(default_factory=list)

    @property
    def accepted_uris(self) -> set[str]:
        """Every redirect URI that is good: absolute ones, and relative ones at the home URL and the base URLs.

        Compared as a whole, trailing slash included; Hub knows no prefixes, wildcards or free loopback ports.
        """
        absolute = {uri for uri in self.redirect_uris if "://" in uri}
        relative = [uri for uri in self.redirect_uris if "://" not in uri]
        bases = [base for base in (self.home_url, *self.base_urls) if base and "://" in base]
        return absolute | {urljoin(base, uri) for base in bases for uri in relative}

    def has_secret(self, secret: str) -> bool:
        return self.secret is not None and hmac.compare_digest(self.secret.encode(), secret.encode())

    def note_untrusted(self, uri: str, tried_from: str, now: float) -> None:
        """Remembers a redirect URI that was refused, once."""
        if uri in {entry["redirectURI"] for entry in self.untrusted_redirect_uris}:
            return
        entry = {"redirectURI": uri, "triedFrom": tried_from, "triedAt": int(now * 1000)}
        self.untrusted_redirect_uris = [*self.untrusted_redirect_uris, entry][-MOST_UNTRUSTED_URIS:]


class People:
    """All users, groups and services of one Hub, in memory."""

    def __init__(self, *, guest: bool) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.services: dict[str, Service] = {}
        self._seed(guest=guest)

    def _seed(self, *, guest: bool) -> None:
        self.add_group("All Users")
        self.add_group("Staff")
        self.add_group("Developers", parent="Staff")
        self.add_group("Administrators", parent="Staff")
        self.add_user("admin", "Ada Admin", groups=["All Users", "Administrators"], admin=True)
        self.add_user("jane", "Jane Doe", groups=["All Users", "Developers"])
        self.users["jane"].id = "c6b6e9c6-0000-4000-8000-000000000001"
        self.add_user("john", "John Roe", groups=["All Users"])
        self.add_user("mallory", "Mallory Moe", groups=["All Users"], banned=True)
        # "No guests" is a guest who is banned: that is how Hub's own settings page does it.
        self.add_user("guest", "guest", guest=True, banned=not guest, email=None)
        self.add_service(Service(HUB_ID, "Hub", application_name="Hub", trusted=True))

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

    def add_service(self, service: Service) -> Service:
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


def stable_id(kind: str, name: str) -> str:
    """The same id at each start, so that what an application stored about a user stays true."""
    return str(uuid5(NAMESPACE_URL, f"devhub:{kind}:{name}"))
