"""How this Hub behaves where Hubs differ, or where nobody has written down what they do: the one table of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from .hub import DevHub

Value = TypeVar("Value")

# Seconds; beyond it are times that nothing can count with.
TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Options:
    """Each can be given to ``DevHub``, and changed with ``hub.change(...)`` or ``POST /__dev__/options``.

    "Assumed" says that the default is a guess, and the option the other way it could be. No options, though nobody
    has written them down either, are the paths and fields of Hub's own pages, its cookies, and the words of errors: no
    client reads them. That an address nobody has registered is never redirected to is none, since that would be a hole.
    """

    # Tokens. Seconds; an administrator of Hub sets them, and only the hour of an access token is documented. The
    # others are assumed.
    token_life: int = 3600
    code_life: int = 60
    id_token_life: int = 3600
    # ``classic``: signed, checked offline. ``opaque``: what today's Hubs are said to issue.
    tokens: Literal["classic", "opaque"] = "classic"
    # A new refresh token at each renewal, and the whole family revoked when an old one comes back. Hub's documentation
    # allows it; the default is what was seen. ``keeps_replaced`` lets the old one be good as well.
    rotate: bool = False
    keeps_replaced: bool = False
    # Assumed: a renewal gives no new id token.
    refresh_gives_id_token: bool = False
    # Assumed, of nonce, auth_time, groups, email and at_hash: what an id token says beside who and where.
    id_token_says: tuple[str, ...] = ("nonce", "auth_time")
    # The issuer of id tokens and discovery, where it is not Hub's address: behind a proxy it may be another.
    issuer: str | None = None
    # Seconds by which Hub's clock is ahead: its ``Date``, and all times of tokens.
    clock_skew: float = 0

    # Scopes. Assumed: of a scope of which only a part is known the rest is dropped, a service is known by its name
    # (which is its key) in this very spelling, and the answer names what was asked, as it was asked.
    strict_scope: bool = False
    ignores_case_of_names: bool = False
    knows_application_names: bool = False
    scope_in_answer: Literal["asked", "ids", "absent"] = "asked"

    # Authorization endpoint. Answers of Hub that were seen have no ``iss`` (RFC 9207). Assumed: the error of ``silent``
    # where the guest is banned, and the status of answers (303 was seen to and from the login page). ``max_age`` and
    # ``prompt`` of OpenID Connect are assumed to work.
    iss: bool = False
    silent_error: str = "access_denied"
    redirect_status: Literal[302, 303] = 302
    max_age: bool = True
    prompt: bool = True
    # Assumed: half an hour without a request, 30 days for "remember me".
    session_life: float = 30 * 60
    remembered_life: float = 30 * 24 * 3600

    # Token endpoint. 403 is of Hub's library 1.0.41, RFC 6749 section 5.2 says 400; that today's Hubs answer the same
    # is assumed. So are the status of a flow that is switched off, and that a Basic header is read as it is, or else
    # decoded as RFC 6749 section 2.3.1 has it.
    invalid_grant_status: Literal[400, 403] = 403
    disabled_grant_status: Literal[400, 401, 403] = 403
    basic: Literal["either", "raw", "encoded"] = "either"
    error_uri: bool = False
    no_store: bool = True

    # REST. Assumed: 401 comes without ``WWW-Authenticate``, and groups are spelled as in Hub's documentation.
    www_authenticate: bool = False
    group_type: Literal["userGroup", "usergroup"] = "userGroup"
    # Origins whose pages may read answers: none until an administrator lists them, or allows all.
    allowed_origins: tuple[str, ...] = ()
    all_origins: bool = False
    # A Hub of 2026 was seen to register services without a secret: public clients.
    gives_secrets: bool = True
    # False: 404 at the permission cache. Newer YouTracks keep permissions themselves (``own_permissions``).
    serves_permissions: bool = True

    # Older Hubs: without PKCE (before 2021.1) the challenge is not seen and the verifier not looked at, without OpenID
    # Connect (before 2017.2) its addresses are 404 and its scopes unknown, without ``/oauth2/logout`` that is 404.
    pkce: bool = True
    openid: bool = True
    rp_logout: bool = True

    # A YouTrack around this Hub: ``/api/config`` at the server's root names Hub by its path or its whole address.
    youtrack: Literal["none", "relative", "absolute"] = "none"

    def changed(self, changes: Mapping[str, Any]) -> Options:
        """With these options instead. Raises ValueError, in a sentence, for one that makes no sense."""
        hints, given = get_type_hints(type(self)), dict(changes)
        for name, value in changes.items():
            if name not in hints:
                raise ValueError(f"there is no option {name!r}; there are {', '.join(hints)}")
            if isinstance(value, list):
                # JSON knows no tuples.
                given[name] = value = tuple(value)
            if not _fits(value, hints[name]):
                raise ValueError(f"{name} must be {_in_words(hints[name])}, got {value!r}")
        return replace(self, **given)

    def as_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Option(Generic[Value]):
    """An attribute of DevHub that is kept in its options."""

    def __set_name__(self, owner: type[DevHub], name: str) -> None:
        self._name = name

    def __get__(self, hub: DevHub, owner: type[DevHub]) -> Value:
        value: Value = getattr(hub.options, self._name)
        return value

    def __set__(self, hub: DevHub, value: Value) -> None:
        hub.change(**{self._name: value})


def _fits(value: object, hint: Any) -> bool:
    kind, of = get_origin(hint), get_args(hint)
    if kind is Literal:
        return any(value == each and type(value) is type(each) for each in of)
    if kind is tuple:
        return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    if kind in (Union, UnionType):
        return any(_fits(value, each) for each in of)
    if isinstance(value, bool):
        return hint is bool
    if hint in (int, float):
        return isinstance(value, int | hint) and abs(value) <= TEN_YEARS
    return isinstance(value, hint)


def _in_words(hint: Any) -> str:
    kind, of = get_origin(hint), get_args(hint)
    if kind is Literal:
        return f"one of {', '.join(map(repr, of))}"
    if kind in (Union, UnionType):
        return "a string or nothing"
    words = {
        bool: "true or false",
        int: "whole seconds, ten years at most",
        float: "a number of seconds, ten years at most",
        str: "a string",
    }
    return words.get(hint, "a list of strings")
