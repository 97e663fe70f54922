"""What Hub says about itself as an OpenID provider, and about a person in an id token."""

from __future__ import annotations

import hmac
import time
import typing as t
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from ..errors import HubError, HubProtocolError
from ..model import Secret
from ..sealing import decode
from .answer import Answer, parsed
from .keys import KnownKeys
from .transport import Transport

PATH: t.Final = "/.well-known/openid-configuration"
KEYS_PATH: t.Final = "/api/rest/oauth2/keys"
ALGORITHM: t.Final = "RS256"
"""The one algorithm of Hub's id tokens (Hub documentation, "OpenID Connect"); a token cannot choose another."""

FAR_APART: t.Final = 20 * 60
"""Seconds past which an id token is not of now, whatever the clocks: the nonce is what binds it to a login."""
SKEW: t.Final = 60
"""Seconds that Hub's clock may be apart from ours."""

LATEST: t.Final = 1 << 53
"""Beyond this no number of a token is a time, and a float no longer counts seconds."""

UNHEARD_OF: t.Final = frozenset({"crit", "b64", "zip", "enc"})
"""Headers that say to read a token in another way (RFC 7515 section 4.1.11, RFC 7797, RFC 7516 section 4.1)."""

PAUSE: t.Final = 60
"""Seconds after which a document that could not be had is asked for again."""


class Discovery:
    """Hub's discovery document (OpenID Connect Discovery 1.0 section 4), read once. For use by several threads."""

    def __init__(self, transport: Transport, *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._issuer: str | None = None
        self._failed_at: float | None = None

    def issuer(self) -> str | None:
        """Hub's name for itself, which need not be its URL; None where it has no such document, or gives none now."""
        # No lock: it would make all logins wait for one silent Hub. Threads that come here at once each ask.
        if self._issuer is None and (self._failed_at is None or self._clock() - self._failed_at >= PAUSE):
            self._issuer = self._asked()
            self._failed_at = self._clock() if self._issuer is None else None
        return self._issuer

    def is_issuer(self, name: str) -> bool:
        """Whether this Hub calls itself so: by its URL, or as its document says."""
        return name == self._transport.hub_url or name == self.issuer()

    def _asked(self) -> str | None:
        try:
            answer = self._transport.request("GET", PATH)
            answer.raise_for_status()
            issuer = answer.json().get("issuer")
        except HubError:
            return None
        return issuer if isinstance(issuer, str) and issuer else None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good id token says. Both times are epoch seconds of Hub's clock.

    `authenticated_at`: when the person entered a password (``auth_time``); None where Hub does not say it.
    """

    subject: str
    issued_at: int
    authenticated_at: int | None


class IdTokens:
    """Checks the id tokens of one service (OpenID Connect Core 1.0 section 3.1.3.7). For use by several threads."""

    def __init__(
        self, transport: Transport, discovery: Discovery, service_id: str, *, clock: t.Callable[[], float]
    ) -> None:
        self._transport = transport
        self._discovery = discovery
        self._service_id = service_id
        self._clock = clock
        self._keys = KnownKeys(self._read_keys, clock)
        self._registry = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)

    def verify(self, token: Secret | None, *, nonce: str, age: float) -> Claims:
        """What `token` says, if Hub made it for this service and the login with `nonce`, which is `age` seconds old.

        :raises HubProtocolError: it is missing, or wrong in any way; the text says in which
        :raises HubUnavailable: Hub's keys could not be read
        """
        if token is None:
            raise HubProtocolError("Hub gave no id token, though the login asked for openid.")
        claims = self._signed(token)
        problem = self._problem(claims, nonce) or self._wrong_time(claims, age)
        if problem:
            raise HubProtocolError(f"Hub's id token is refused: {problem}.")
        at = claims.get("auth_time")
        return Claims(claims["sub"], int(claims["iat"]), None if at is None else int(at))

    def _signed(self, token: Secret) -> dict[str, t.Any]:
        try:
            key = self._key(_header(token.reveal()))
            claims = parsed(jws.deserialize_compact(token.reveal(), key, registry=self._registry).payload or b"")
            if isinstance(claims, dict):
                return claims
            problem = "not one JSON object as Hub writes it"
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # Its text may hold parts of the token.
            problem = f"no good signature of Hub's ({type(error).__name__})"
        raise HubProtocolError(f"Hub's id token is refused: {problem}.")

    def _key(self, header: dict[str, t.Any]) -> RSAKey:
        kid = header.get("kid")
        key = self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise ValueError("signed with a key that Hub does not publish")
        return key

    def _problem(self, claims: dict[str, t.Any], nonce: str) -> str | None:
        """What is wrong with what a token says."""
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        # Of several services in one token, `azp` names the one that asked.
        party = claims.get("azp", self._service_id if len(audiences) == 1 else None)
        if not self._discovery.is_issuer(str(claims.get("iss"))):
            return "it names another issuer (iss)"
        if self._service_id not in audiences or party != self._service_id:
            return "it is for another service (aud, azp)"
        if not hmac.compare_digest(str(claims.get("nonce")).encode(errors="replace"), nonce.encode()):
            return "it belongs to another login (nonce)"
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            return "it is about nobody (sub)"
        return None

    def _wrong_time(self, claims: dict[str, t.Any], age: float) -> str | None:
        """What is wrong with the times of a token."""
        now, began = self._clock(), claims.get("nbf", 0)
        times = (claims.get("exp"), claims.get("iat"), claims.get("auth_time", 0), began)
        if not all(_is_time(each) for each in times):
            return "a time is missing or no number (exp, iat, auth_time, nbf)"
        if now >= claims["exp"] + SKEW:
            return "it has expired, or the clocks of Hub and this machine are apart (exp)"
        if not -age - FAR_APART <= claims["iat"] - now <= FAR_APART or began - now > FAR_APART:
            return "it is not of now, or the clocks of Hub and this machine are over 20 minutes apart (iat, nbf)"
        return None

    def _read_keys(self) -> dict[str, RSAKey]:
        return read_keys(self._transport.request("GET", KEYS_PATH))


def read_keys(answer: Answer) -> dict[str, RSAKey]:
    """The keys of Hub's set that can be used, by their names."""
    answer.raise_for_status()
    listed = answer.json().get("keys")
    if not isinstance(listed, list):
        raise HubProtocolError(f"{answer} that is no set of keys.")
    return {each["kid"]: key for each in listed if (key := _rsa_key(each))}


def _header(token: str) -> dict[str, t.Any]:
    """The first part of a token, read as strictly as all JSON of Hub's; `ValueError` if it asks for what is unknown."""
    header = parsed(decode(token.partition(".")[0]) or b"")
    if not isinstance(header, dict) or not UNHEARD_OF.isdisjoint(header):
        raise ValueError("no header of an id token")
    return header


_SHORTEST_KEY: t.Final = 342
"""Letters of a modulus with 2048 bits (RFC 7518 section 3.3)."""


def _rsa_key(fields: object) -> RSAKey | None:
    """A key of Hub's set (RFC 7517 section 4); None for one that is for something else."""
    if not isinstance(fields, dict) or fields.get("kty") != "RSA" or not isinstance(fields.get("kid"), str):
        return None
    if fields.get("use", "sig") != "sig" or fields.get("alg", ALGORITHM) != ALGORITHM:
        return None
    uses = fields.get("key_ops", ["verify"])
    if not isinstance(uses, list) or "verify" not in uses:
        return None
    if len(str(fields.get("n"))) < _SHORTEST_KEY:
        return None
    try:
        return RSAKey.import_key({name: fields[name] for name in ("kty", "kid", "n", "e")})
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST
