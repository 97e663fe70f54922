"""Id tokens: the key they are signed with, what they say, and the ways in which one can be wrong."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import RSAKey

WrongIdToken = Literal["nonce", "audience", "issuer", "expiry", "none", "hmac", "key", "missing", "subject"]

# Claims that a wrong token says instead of the right ones. An hour is more than any clock may be off.
WRONG_CLAIMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "nonce": lambda claims: {"nonce": "of-another-login"},
    "audience": lambda claims: {"aud": "another-service"},
    "issuer": lambda claims: {"iss": "https://hub.example.com/another"},
    "expiry": lambda claims: {name: claims[name] - claims["exp"] + claims["iat"] - 3600 for name in ("iat", "exp")},
    "subject": lambda claims: {"sub": "00000000-0000-4000-8000-00000000dead"},
}


class IdTokens:
    """JWS with RS256, the one algorithm that Hub's discovery names, and the set of keys to check them with."""

    @functools.cached_property
    def _key(self) -> RSAKey:
        # Made at first use: it takes a tenth of a second, and most tests see no id token.
        return _new_key()

    def rotate(self) -> None:
        """A new key from now on; the old one is no longer published."""
        self.__dict__["_key"] = _new_key()

    def key_set(self) -> dict[str, Any]:
        """RFC 7517 section 5."""
        public = self._key.as_dict(private=False)
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", **public}]}

    def make(self, claims: dict[str, Any], wrong: WrongIdToken | None = None) -> str:
        """``claims`` as an id token, or one that is wrong in this way."""
        if wrong in WRONG_CLAIMS:
            claims = claims | WRONG_CLAIMS[wrong](claims)
        header = {"alg": "RS256", "typ": "JWT", "kid": str(self._key.kid)}
        if wrong == "none":
            return f"{_signed_part({**header, 'alg': 'none'}, claims)}."
        if wrong == "hmac":
            return self._by_hmac({**header, "alg": "HS256"}, claims)
        return jwt.encode(header, claims, _another_key() if wrong == "key" else self._key)

    def _by_hmac(self, header: dict[str, str], claims: dict[str, Any]) -> str:
        """Made by anybody: the secret is the public key, which a client that believes in ``alg`` would check with."""
        signed = _signed_part(header, claims)
        secret = self._key.as_pem(private=False)
        return f"{signed}.{_text(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(2048, private=True)
    key.ensure_kid()
    return key


@functools.cache
def _another_key() -> RSAKey:
    """One that no Hub publishes."""
    return _new_key()


def _signed_part(header: dict[str, str], claims: dict[str, Any]) -> str:
    return ".".join(_text(json.dumps(part).encode()) for part in (header, claims))


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")
