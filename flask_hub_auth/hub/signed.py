"""Hub's classic access tokens, which say whose they are: ``<end in ms>.<client>.<user>.<scope>;<key>.<signature>``.

The signature is SHA1withDSA over what stands before the semicolon (seen in library 1.0.41).
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote_plus, unquote_plus

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..errors import HubProtocolError
from .keys import KnownKeys
from .transport import Transport

KEY_PATH: t.Final = "/api/rest/oauth2/key"


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
        # The key before stays good for the tokens that it signed.
        self._keys = KnownKeys(self._read, clock, keeps=1)

    def verify(self, token: SignedToken) -> bool:
        """Whether Hub signed this token.

        :raises HubUnavailable: the key could not be read
        """
        key = self._keys.find(token.key_version)
        if key is None:
            return False
        try:
            key.verify(token.signature, token.data, SHA1())
        except InvalidSignature:
            return False
        return True

    def _read(self) -> dict[str, DSAPublicKey]:
        answer = self._transport.request("GET", KEY_PATH)
        answer.raise_for_status()
        version, _, spki = answer.body.decode("ascii", "replace").strip().partition(".")
        try:
            key = load_der_public_key(base64.b64decode(spki, validate=True))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise HubProtocolError("Hub's key is not '<version>.<base64 of the key>'.") from None
        if not isinstance(key, DSAPublicKey):
            raise HubProtocolError("Hub's key is not a DSA key.")
        return {version: key}
