"""DevHub: everything that one Hub knows, and what a test may do to it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from flask import Flask

from .faults import Faults, require_fault
from .gate import Gate
from .id_tokens import IdTokens
from .issuing import token_answer
from .options import Option, Options
from .people import People, Project, User
from .scopes import Scope, default_scope, read_scope
from .seed import DEMO_PERMISSIONS, seed
from .services import HUB_ID, Service
from .sessions import Sessions
from .tokens import Grant, TokenStore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# The service of Hub's own documentation.
SERVICE_ID = "98071167-004c-4ddf-ba37-5d4599fdf319"
SERVICE_SECRET = "eAUyKgVfhSbV"
REDIRECT_URIS = ("http://localhost:5000/authorized", "http://127.0.0.1:5000/authorized")

IN_MEMORY_URL = "https://hub.test/hub"

# The list of calls forgets the oldest.
MOST_CALLS = 20_000


class DevHub:
    """A Hub with its users, services, tokens and faults; safe to use from any thread.

    ``url``
        Hub's base with its path, without a slash at the end. It is the issuer, and what avatars begin with;
        redirects inside Hub stay on the host that the browser asked, so that ``localhost`` and ``127.0.0.1`` both
        keep their cookies. ``serve`` puts the address with the port here.
    ``service_secret``
        None makes the service a public client, which has to use PKCE.
    ``trusted``
        False shows a consent page, as Hub does for a service that is not trusted.
    ``guest``
        False bans the guest.
    ``clock``
        A callable that gives epoch seconds.

    The others are ``options.Options``; those that are attributes here too can be set.
    """

    token_life = Option[int]()
    rotate = Option[bool]()
    invalid_grant_status = Option[Literal[400, 403]]()
    gives_secrets = Option[bool]()
    serves_permissions = Option[bool]()

    def __init__(
        self,
        *,
        url: str = IN_MEMORY_URL,
        service_id: str = SERVICE_ID,
        service_secret: str | None = SERVICE_SECRET,
        service_name: str = "Demo",
        home_url: str | None = None,
        redirect_uris: Iterable[str] = REDIRECT_URIS,
        trusted: bool = True,
        guest: bool = True,
        clock: Callable[[], float] | None = None,
        **options: Any,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError(f"url must be Hub's base, with its path, got {url!r}. Example: {IN_MEMORY_URL}")
        for uri in (redirect_uris := list(redirect_uris)):
            try:
                urlsplit(uri)
            except ValueError:
                raise ValueError(f"{uri!r} is no redirect URI. Example: {REDIRECT_URIS[0]}") from None
        self.url = url.rstrip("/")
        self.options = Options().changed(options)
        self._clock = clock or time.time
        self.lock = threading.RLock()
        self.people = People()
        self.sessions = Sessions(self)
        self.store = TokenStore(self)
        self.id_tokens = IdTokens()
        self.faults = Faults()
        self._calls: deque[dict[str, Any]] = deque(maxlen=MOST_CALLS)
        self.service = Service(
            service_id,
            service_name,
            service_secret or None,
            home_url=home_url,
            redirect_uris=redirect_uris,
            trusted=trusted,
            permissions=list(DEMO_PERMISSIONS),
        )
        seed(self.people, self.service, guest=guest)
        self.app: WSGIApplication = Gate(self)

    @property
    def path(self) -> str:
        """Where Hub is on its host: ``/hub``, or nothing."""
        return urlsplit(self.url).path

    @property
    def issuer(self) -> str:
        """What this Hub calls itself in id tokens and discovery."""
        return self.options.issuer or self.url

    def clock(self) -> float:
        """Epoch seconds, as this Hub believes."""
        return self._clock() + self.options.clock_skew

    def change(self, **options: Any) -> None:
        """Sets these of ``options.Options``. Raises ValueError, in a sentence, for one that makes no sense."""
        with self.lock:
            self.options = self.options.changed(options)

    @property
    def service_id(self) -> str:
        return self.service.id

    @property
    def service_secret(self) -> str | None:
        return self.service.secret

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Every request to Hub so far, oldest first: ``method path grant client_id status time``.

        ``path`` is relative to Hub's base. ``status`` is None while the answer is not made yet, and stays so where
        the connection was broken before it.
        """
        with self.lock:
            return [dict(call) for call in self._calls]

    def record(self, call: dict[str, Any]) -> None:
        with self.lock:
            self._calls.append(call)

    # Faults

    def fail(self, path: str = "*", **fields: Any) -> None:
        """Makes requests fail: the fields of ``faults.Fault``. Raises ValueError where they make no sense."""
        require_fault(path, fields)
        with self.lock:
            self.faults.add({"path": path, **fields})

    def mend(self) -> None:
        """Takes all faults back."""
        with self.lock:
            self.faults.clear()

    # Tokens

    def expire(self) -> None:
        """Every access token has expired; refresh tokens and permanent ones go on."""
        with self.lock:
            self.store.expire_all()

    def revoke(self, login: str) -> None:
        """Codes and tokens of this user, of all kinds, are good no more; the browser stays signed in at Hub."""
        with self.lock:
            self.store.revoke_user(self.user(login).id)

    def sign_out(self, login: str) -> None:
        """Ends this user's sessions at Hub, in every browser; codes and tokens stay good."""
        with self.lock:
            self.sessions.end_all_of(self.user(login))

    def grant(self, login: str, scope: str | None = None, *, offline: bool = True) -> dict[str, Any]:
        """What the token endpoint would answer to this user's code. ``scope`` defaults to Hub and the service."""
        with self.lock:
            grant = Grant(self.user(login).id, self.service.id, self._scope(scope), offline)
            grant.auth_time = int(self.clock())
            return self.answer(grant)

    def token_for(self, login: str, scope: str | None = None, life: int = 3600) -> str:
        """An access token of this user, good for ``life`` seconds, without a round trip."""
        with self.lock:
            grant = Grant(self.user(login).id, self.service.id, self._scope(scope))
            return self.store.access_for(grant, life=life).value

    def token_for_service(self, service_id: str | None = None, scope: str | None = None, life: int = 3600) -> str:
        """An access token of a service itself, without a user; by default of this Hub's own one."""
        with self.lock:
            service = self.people.services[service_id or self.service.id]
            return self.store.access_for(Grant(None, service.id, self._scope(scope)), life=life).value

    def permanent_token(self, login: str, scope: str | None = None) -> str:
        """A ``perm:`` token of this user: good until it is revoked, for the services of ``scope``."""
        with self.lock:
            user = self.user(login)
            return self.store.permanent_for(Grant(user.id, HUB_ID, self._scope(scope)), user.login)

    def rotate_key(self) -> None:
        """Classic tokens are signed with a new key from now on; at Hub itself the old ones stay good."""
        with self.lock:
            self.store.signer.rotate()

    def rotate_id_token_key(self) -> None:
        """Id tokens are signed with a new key from now on, and the old one is no longer published."""
        with self.lock:
            self.id_tokens.rotate()

    def answer(self, grant: Grant, **parts: Any) -> dict[str, Any]:
        """What the token endpoint says to this grant, see ``issuing.token_answer``."""
        return token_answer(self, grant, **parts)

    def _scope(self, text: str | None) -> Scope:
        return self.read_scope(text) if text else default_scope(self.service.id)

    def read_scope(self, text: str) -> Scope:
        """What a ``scope`` parameter asks for. Raises UnknownScope."""
        return read_scope(text, self.people, self.options)

    # People

    def user(self, login: str) -> User:
        """Raises KeyError with a sentence where nobody has this login."""
        if login not in self.people.users:
            raise KeyError(f"no user {login!r}; there are {', '.join(self.people.users)}")
        return self.people.users[login]

    def update_user(
        self,
        login: str,
        *,
        banned: bool | None = None,
        groups: Sequence[str] | None = None,
        name: str | None = None,
        email: str | None = None,
        email_verified: bool | None = None,
        permissions: Mapping[str, bool | Sequence[str]] | None = None,
    ) -> None:
        """Changes what is given; groups that are new are made. Who is banned keeps tokens and sessions, as at Hub.

        ``permissions`` are all that the user holds beside those of the groups: ``{key: True or project ids}``.
        """
        with self.lock:
            user = self.user(login)
            changes = {"banned": banned, "name": name, "email": email, "email_verified": email_verified}
            for field, value in changes.items():
                if value is not None:
                    setattr(user, field, value)
            if groups is not None:
                user.groups = [self.people.add_group(group).name for group in groups]
            if permissions is not None:
                user.permissions = self.people.read_held(permissions, self.service)

    def grant_permission(self, owner: str, key: str, project: str | None = None, *, service: str | None = None) -> None:
        """Lets a user or group (login or name) do ``key``: in this project, by its id, or everywhere.

        A key that no service knows yet becomes one of ``service`` (id or name), or else of this Hub's own one.
        """
        with self.lock:
            own = self.people.own_permissions(owner)
            place = self.service if service is None else self.people.service_named(service)
            if place is None:
                raise KeyError(f"no service {service!r}; there are {', '.join(self.people.services)}")
            held = self.people.read_held({key: [project] if project else True}, place)
            own.setdefault(key, set()).update(held[key])

    def revoke_permission(self, owner: str, key: str, project: str | None = None) -> None:
        """Takes ``key`` from a user or group: in this project, or in all and everywhere."""
        with self.lock:
            own = self.people.own_permissions(owner)
            own[key] = own.get(key, set()) - {project} if project else set()

    def add_user(self, login: str, name: str | None = None, **fields: Any) -> User:
        """One more user, password = login. ``fields`` as in ``people.User``."""
        with self.lock:
            return self.people.add_user(login, name, **fields)

    def add_project(self, project_id: str, name: str | None = None) -> Project:
        """One more project that permissions can be held in."""
        with self.lock:
            return self.people.add_project(project_id, name)

    def add_service(self, service: Service) -> Service:
        with self.lock:
            return self.people.add_service(service)

    @staticmethod
    def require_development(app: Flask) -> None:
        """Raises RuntimeError where ``app`` runs in production: everybody knows the passwords of a dev Hub."""
        if not (app.debug or app.testing):
            raise RuntimeError(
                f"The dev Hub runs only where DEBUG or TESTING is on, and {app.name!r} has neither. "
                "Set HUB_URL to a real Hub in production."
            )
