"""What a token looks like, and which ones are good."""

from __future__ import annotations

import functools
import math
import secrets
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote_plus

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .scopes import Scope

if TYPE_CHECKING:
    from .hub import DevHub

# Seen on live tokens; what it stands for is not written down.
PERMANENT_ID_PREFIX = "47-"

# The oldest entries go first. Enough for a load test, too few to fill a laptop's memory.
MOST_ENTRIES = 100_000

Entry = TypeVar("Entry")


@dataclass(slots=True, eq=False)
class Grant:
    """What a person (or a service, without ``user_id``) once allowed: everything issued since hangs on it.

    Revoking it revokes all of its access and refresh tokens (a "family" in RFC 9700 section 4.14). ``auth_time`` is
    when the person gave the password, in epoch seconds; it and ``nonce`` are for the id token.
    """

    user_id: str | None
    service_id: str
    scope: Scope
    offline: bool = False
    pkce: bool = False
    nonce: str | None = None
    auth_time: int | None = None
    revoked: bool = False


@dataclass(slots=True)
class Code:
    """What a token request has to match."""

    grant: Grant
    redirect_uri: str
    challenge: str | None
    challenge_method: str
    expires_at: float
    used: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """``scope`` may be less than the grant's. ``life`` is seconds, ``expires_at`` epoch seconds; never is infinity."""

    value: str = field(repr=False)
    grant: Grant
    scope: Scope
    life: int
    expires_at: float


class BadToken(Exception):
    """A bearer token that is not accepted, in the words of Hub's library 1.0.41."""

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description


@dataclass(slots=True)
class RefreshToken:
    """``replaced`` is true once a newer one was given for it."""

    grant: Grant
    replaced: bool = False


class ClassicTokens:
    """The format of Hub's own library 1.0: four fields joined by dots, signed SHA1withDSA.

    ``<expiry in ms>.<client id>.<user id or nothing>.<scope>;<key version>.<base64 signature>``; services check it
    offline with the key of ``/oauth2/key``. Today's Hubs may issue something else: treat it as opaque.
    """

    def __init__(self) -> None:
        self._version = 0
        self.rotate()

    def rotate(self) -> None:
        """A new key with the next version. Tokens signed before stay what they are."""
        self._key = _dsa_parameters().generate_private_key()
        self._version += 1

    def make(self, grant: Grant, scope: Scope, expires_at: float) -> str:
        # Ids, never names: a dot inside a scope entry would make the token invalid.
        services = " ".join(quote_plus(service) for service in scope.services)
        return self.sign(f"{int(expires_at * 1000)}.{grant.service_id}.{grant.user_id or ''}.{services}")

    def sign(self, data: str) -> str:
        """``data`` as a token. Hub itself knows only the tokens that it made."""
        signature = self._key.sign(data.encode(), hashes.SHA1())
        return f"{data};{self._version}.{b64encode(signature).decode()}"

    @property
    def public_key(self) -> str:
        """``<version>.<base64 of the X.509 SubjectPublicKeyInfo>``."""
        spki = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"{self._version}.{b64encode(spki).decode()}"


@functools.cache
def _dsa_parameters() -> dsa.DSAParameters:
    """Shared by all Hubs of a process: finding them takes 30 ms, a key of one's own from them 0.1 ms."""
    return dsa.generate_parameters(1024)


class TokenStore:
    """All codes and tokens of one Hub. Not locked: the gate lets one request in at a time."""

    def __init__(self, hub: DevHub) -> None:
        self.signer = ClassicTokens()
        self._hub = hub
        self._codes: dict[str, Code] = {}
        self._access: dict[str, AccessToken] = {}
        self._permanent: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}

    def code_for(self, grant: Grant, *, redirect_uri: str, challenge: str | None, challenge_method: str) -> str:
        value = secrets.token_urlsafe(32)
        expires_at = self._hub.clock() + self._hub.options.code_life
        return _keep(self._codes, value, Code(grant, redirect_uri, challenge, challenge_method, expires_at))

    def access_for(self, grant: Grant, *, life: int, scope: Scope | None = None) -> AccessToken:
        scope = scope or grant.scope
        expires_at = self._hub.clock() + life
        classic = self._hub.options.tokens == "classic"
        value = self.signer.make(grant, scope, expires_at) if classic else secrets.token_urlsafe(36)
        token = AccessToken(value, grant, scope, life, expires_at)
        _keep(self._access, value, token)
        return token

    def refresh_for(self, grant: Grant) -> str:
        return _keep(self._refresh, secrets.token_urlsafe(36), RefreshToken(grant))

    def permanent_for(self, grant: Grant, login: str) -> str:
        """``perm:<base64 of the login>.<base64 of an id>.<secret>``; it does not expire."""
        number = f"{PERMANENT_ID_PREFIX}{len(self._permanent)}"
        value = (
            f"perm:{b64encode(login.encode()).decode()}.{b64encode(number.encode()).decode()}.{secrets.token_hex(15)}"
        )
        return _keep(self._permanent, value, AccessToken(value, grant, grant.scope, 0, math.inf))

    def code(self, value: str) -> Code | None:
        return self._codes.get(value)

    def check(self, value: str, audience: str | None) -> AccessToken:
        """The access or permanent token, if it is good, and for the service ``audience`` if one is named.

        Raises BadToken.
        """
        token = self._access.get(value) or self._permanent.get(value)
        if token is None:
            known = value.count(".") >= 4 and ";" in value
            raise BadToken("invalid_grant", "Token signature is invalid" if known else "Invalid token data")
        now = self._hub.clock()
        if now >= token.expires_at:
            times = f"till {int(token.expires_at)} and was checked at {int(now)}"
            raise BadToken("invalid_grant", f"Token expired. It was granted {times}")
        if token.grant.revoked:
            raise BadToken("invalid_grant", "Token is invalid, expired, revoked or was issued to another client")
        if audience is not None and audience not in token.scope.services:
            granted = ", ".join(token.scope.services)
            raise BadToken("invalid_scope", f"Token is granted for [{granted}] and can't be used for {audience}")
        return token

    def refresh(self, value: str) -> RefreshToken | None:
        return self._refresh.get(value)

    def expire_all(self) -> None:
        """Ends every access token now; refresh tokens and permanent tokens stay."""
        now = self._hub.clock()
        for value, token in self._access.items():
            self._access[value] = replace(token, expires_at=min(token.expires_at, now))

    def revoke_user(self, user_id: str) -> None:
        """Revokes every grant of this user: codes, access tokens and refresh tokens."""
        codes = [code.grant for code in self._codes.values()]
        access = [token.grant for token in (*self._access.values(), *self._permanent.values())]
        refresh = [token.grant for token in self._refresh.values()]
        for grant in (*codes, *access, *refresh):
            grant.revoked = grant.revoked or grant.user_id == user_id


def _keep(entries: dict[str, Entry], value: str, entry: Entry) -> str:
    entries[value] = entry
    if len(entries) > MOST_ENTRIES:
        del entries[next(iter(entries))]
    return value
