"""Hub's classic access tokens, which say whose they are: ``<end in ms>.<client>.<user>.<scope>;<key>.<signature>``.

The signature is SHA1withDSA over what stands before the semicolon (seen in library 1.0.41).
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote_plus, unquote_plus

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..errors import HubProtocolError, HubUnavailable
from .transport import Transport

KEY_PATH: t.Final = "/api/rest/oauth2/key"
KEY_PAUSE: t.Final = 60
"""Seconds between two readings of Hub's key because a token names a version that we do not know."""
FAILED_PAUSE: t.Final = 1
"""Seconds after which a key that could not be read is asked for again."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A classic token, taken apart; nothing of it is believed yet. `ends_at` is epoch seconds."""

    ends_at: float
    user_id: str | None
    scope: frozenset[str]
    data: bytes
    key_version: str
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SignedToken | None:
        """`text` taken apart; None if it has another form."""
        found = _SIGNED.fullmatch(text)
        if found is None:
            return None
        end, client, user, scopes, version, signature = found.groups()
        scope = [unquote_plus(entry, errors="replace") for entry in scopes.split(" ")]
        # Hub signs the spelling of Java's URLEncoder; another one of the same scope is not what was signed.
        spelled = " ".join(quote_plus(entry, safe="*").replace("~", "%7E") for entry in scope)
        try:
            decoded = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return None
        # Its last letter has bits that stand for nothing: a token must not have several spellings.
        if base64.b64encode(decoded).decode() != signature:
            return None
        data = f"{end}.{client}.{user}.{spelled}".encode()
        return cls(int(end) / 1000, user or None, frozenset(scope), data, version, decoded)


_SIGNED: t.Final = re.compile(r"(\d{1,16})\.([^.; ]+)\.([^.; ]*)\.([^.;]+);([^.; ]+)\.([A-Za-z0-9+/]+={0,2})", re.ASCII)


class HubKeys:
    """Hub's public key: ``<version>.<base64 SubjectPublicKeyInfo>``, read again when a token names another version."""

    def __init__(self, transport: Transport, clock: t.Callable[[], float]) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, DSAPublicKey] = {}
        self._asked_at = float("-inf")
        self._failed = False

    def verify(self, token: SignedToken) -> bool:
        """Whether Hub signed this token.

        :raises HubUnavailable: the key could not be read
        """
        key = self._key(token.key_version)
        if key is None:
            return False
        try:
            key.verify(token.signature, token.data, SHA1())
        except InvalidSignature:
            return False
        return True

    def _key(self, version: str) -> DSAPublicKey | None:
        known = self._keys.get(version)
        if known is not None:
            return known
        with self._lock:
            known = self._keys.get(version)
            pause = FAILED_PAUSE if self._failed else KEY_PAUSE
            if known is None and not 0 <= self._clock() - self._asked_at < pause:
                self._failed = True
                try:
                    self._read()
                    self._failed = False
                finally:
                    # After the call, which may have taken long: whoever waited for it must not wait once more.
                    self._asked_at = self._clock()
            elif known is None and self._failed:
                # Nobody can say whether the token is good, so it must not be called bad.
                raise HubUnavailable("Hub's key could not be read a moment ago.", retry_after=FAILED_PAUSE)
            return self._keys.get(version)

    def _read(self) -> None:
        answer = self._transport.request("GET", KEY_PATH)
        answer.raise_for_status()
        version, _, spki = answer.body.decode("ascii", "replace").strip().partition(".")
        try:
            key = load_der_public_key(base64.b64decode(spki, validate=True))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise HubProtocolError("Hub's key is not '<version>.<base64 of the key>'.") from None
        if not isinstance(key, DSAPublicKey):
            raise HubProtocolError("Hub's key is not a DSA key.")
        # The key before stays good for the tokens that it signed.
        self._keys = {**dict(list(self._keys.items())[-1:]), version: key}
