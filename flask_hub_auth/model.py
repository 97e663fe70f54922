"""The values that travel through the house: tokens, users, logins. Frozen, and without behaviour of their own."""

from __future__ import annotations

import hmac
import json
import typing as t
from dataclasses import dataclass, field, replace

RECORD_LIMIT: t.Final = 1 << 20
"""Bytes of the largest record of a store. People are in a thousand groups; nobody is in a million."""


class Secret:
    """A text that cannot be printed, logged, pickled or serialised by accident.

    Every way of showing it gives ``***``; only :meth:`reveal` gives the value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Do not keep it in a name that outlives the call."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __html__(self) -> str:
        # Flask's JSON provider and Jinja both ask for this, so jsonify() shows the stars too.
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, t.Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: t.SupportsIndex) -> t.NoReturn:
        raise TypeError("A Secret is not pickled: call reveal() where the value itself must travel.")


@dataclass(frozen=True, slots=True)
class HubToken:
    """What Hub's token endpoint gave (RFC 6749 section 5.1).

    `scope` is the text of Hub's answer: service ids or names, separated by spaces. `expires_at` is UTC epoch seconds,
    counted by our own clock from the time of the request.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    token_type: str = "Bearer"
    scope: str = ""
    expires_at: int = 0
    id_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class HubUser:
    """A person as Hub's ``users/me`` shows them. Falsy when nobody is signed in.

    `id` never changes and is the only thing to key on; `login` and `name` can change. `groups` are names, transitive
    ones included. `email` is None where Hub shows none; do not link accounts on one that is not `email_verified`.
    `extra` holds the fields of ``HUB_USER_FIELDS``.
    """

    id: str
    login: str
    name: str = ""
    email: str | None = None
    email_verified: bool = False
    groups: frozenset[str] = frozenset()
    guest: bool = False
    banned: bool = False
    avatar_url: str | None = None
    extra: dict[str, t.Any] = field(default_factory=dict, hash=False)

    def __bool__(self) -> bool:
        return bool(self.id)


@dataclass(frozen=True, slots=True)
class HubPermissions:
    """What a person may do, as Hub's permission cache says it.

    `granted` maps permission keys to the ids of the projects where they are held; None means everywhere.
    """

    granted: dict[str, frozenset[str] | None] = field(default_factory=dict, hash=False)

    def allows(self, key: str, project: str | None = None) -> bool:
        """Whether `key` is held in `project` (an id), or anywhere where none is given."""
        if key not in self.granted:
            return False
        projects = self.granted[key]
        return projects is None or (bool(projects) if project is None else project in projects)

    def __or__(self, other: HubPermissions) -> HubPermissions:
        """What is held by the one or by the other."""
        union = dict(self.granted)
        for key, projects in other.granted.items():
            known = union.get(key, frozenset())
            union[key] = None if known is None or projects is None else known | projects
        return HubPermissions(union)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one place said that a person may do, and when (epoch seconds)."""

    held: HubPermissions
    at: int


@dataclass(frozen=True, slots=True)
class Readings:
    """What Hub, and each service that keeps permissions itself, said last. `whole`: none of them was silent then."""

    by_place: dict[str, Reading] = field(default_factory=dict, hash=False)
    whole: bool = True


ANONYMOUS: t.Final = HubUser(id="", login="", guest=True)
"""Nobody."""


@dataclass(frozen=True, slots=True)
class Login:
    """One person's login as it is kept in the store. All times are UTC epoch seconds.

    `generation` counts changes of the token only. `token_life`: seconds that the token had when it came. `read_at`:
    when `user` was last read from Hub, and `permissions_at` the same for `permissions`, once somebody asked for them.
    `failures`: calls to Hub for this login that failed, so that whoever waited for one of them need not try again.
    `ended`: why the login is over; then it holds no token, and `user` nothing but the id (a later login of the same
    person keeps what the application has in the session). `authenticated_at`: when the person last entered a password,
    as far as we know; 0 where nobody can tell.
    """

    user: HubUser
    token: HubToken
    since: int
    last_seen: int
    read_at: int
    token_life: int = 0
    generation: int = 0
    failures: int = 0
    ended: str | None = None
    permissions: Readings | None = None
    permissions_at: int = 0
    authenticated_at: int = 0

    def end(self, reason: str) -> Login:
        """The same login, over: nothing of it but whose it was."""
        nobody = HubUser(id=self.user.id, login="")
        return replace(self, user=nobody, token=HubToken(Secret("")), permissions=None, ended=reason)

    def to_json(self) -> bytes:
        """The login as UTF-8 JSON, secrets included: to be sealed at once. `ValueError` if `extra` is too deep."""
        try:
            return json.dumps(self, default=_plain, separators=(",", ":")).encode()
        except RecursionError:
            raise ValueError("the extra fields of a user are nested too deeply") from None

    @classmethod
    def from_json(cls, data: bytes) -> Login:
        """The login that :meth:`to_json` wrote. `ValueError` for anything else."""
        fields = _shaped(_parsed(data), cls, user=[dict], token=[dict], permissions=[dict, type(None)])
        user = _shaped(fields["user"], HubUser, groups=[list], extra=[dict])
        token = _shaped(fields["token"], HubToken)
        user["groups"] = _texts(user["groups"])
        for name in ("access_token", "refresh_token", "id_token"):
            token[name] = None if token[name] is None else Secret(token[name])
        read = {"user": HubUser(**user), "token": HubToken(**token), "permissions": _readings(fields["permissions"])}
        return cls(**(fields | read))


@dataclass(frozen=True, slots=True)
class HubSession:
    """One login of a person, as it is shown to them: epoch seconds, and whether it is the one that asks."""

    since: int
    last_seen: int
    current: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is behind a request: nobody, somebody by the login that `handle` opens, or by the token in its header."""

    user: HubUser = ANONYMOUS
    login: Login | None = field(default=None, repr=False)
    handle: bytes | None = field(default=None, repr=False)
    bearer: Secret | None = None


def _plain(value: object) -> t.Any:
    if isinstance(value, Login | HubToken | HubUser | HubPermissions | Readings | Reading):
        # Not asdict(), which walks through everything in `extra`.
        return {name: getattr(value, name) for name in type(value).__annotations__}
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} does not belong into a login")


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _texts(values: object) -> frozenset[str]:
    if not isinstance(values, list) or not all(type(value) is str for value in values):
        raise ValueError("not a list of texts")
    return frozenset(values)


_PLAIN: t.Final = {"int": (int,), "str": (str,), "bool": (bool,), "Secret": (str,)}


def _readings(fields: object) -> Readings | None:
    if fields is None:
        return None
    fields = _shaped(fields, Readings, by_place=[dict])
    return Readings({place: _reading(each) for place, each in fields["by_place"].items()}, fields["whole"])


def _reading(fields: object) -> Reading:
    fields = _shaped(fields, Reading, held=[dict])
    granted = _shaped(fields["held"], HubPermissions, granted=[dict])["granted"]
    held = HubPermissions({key: None if ids is None else _texts(ids) for key, ids in granted.items()})
    return Reading(held, fields["at"])


def _shaped(fields: object, cls: type, **nested: list[type]) -> dict[str, t.Any]:
    """`fields` if they have exactly the names and types of the dataclass `cls`; `ValueError` otherwise."""
    annotations: dict[str, str] = cls.__annotations__
    if not isinstance(fields, dict) or set(fields) != set(annotations):
        raise ValueError(f"not the fields of a {cls.__name__}")
    for name, annotation in annotations.items():
        allowed = {kind for word in annotation.split(" | ") for kind in _PLAIN.get(word, (type(None),))}
        if type(fields[name]) not in nested.get(name, allowed):
            raise ValueError(f"{cls.__name__}.{name} has the wrong type")
        if type(fields[name]) is int and abs(fields[name]) >= 1 << 63:
            raise ValueError(f"{cls.__name__}.{name} is out of range")
    return fields
