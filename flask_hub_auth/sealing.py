"""Bytes that nobody else can read or change.

A sealed record looks like this: ``FHA``, one byte of format version, key id (4), salt (16), nonce (12), ciphertext with
its tag (AES-256-GCM). The key is derived by HKDF-SHA256 (RFC 5869) from ``SECRET_KEY`` and, for a login, the handle
that only the browser has: a copy of the store opens nothing, even together with ``SECRET_KEY``. What a record belongs
to (purpose, Hub, service, its place in the store) is bound into it, so that no record is good in another's place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import typing as t

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .pages import clean

MAGIC: t.Final = b"FHA\x01"
HANDLE_BYTES: t.Final = 32
KEY_PREFIX: t.Final = "hub_"
"""What the names of logins in the store begin with."""
_PREFIX: t.Final = "flask-hub-auth/v1/"


class Handle(bytes):
    """What opens a login. Shown as stars, so that no report about local variables gives it away."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def new_handle() -> Handle:
    """A fresh handle: 32 bytes from the system's generator."""
    return Handle(secrets.token_bytes(HANDLE_BYTES))


def encode(data: bytes) -> str:
    """`data` as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_handle(text: object) -> Handle | None:
    """The handle that `text` spells, or None if it is not exactly what :func:`encode` writes."""
    handle = decode(text) if isinstance(text, str) and len(text) == 43 else None
    return Handle(handle) if handle is not None else None


def decode(text: str) -> bytes | None:
    """What :func:`encode` made `text` of, or None if it made something else."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    # base64 has several spellings of the same bytes; only one of them is ours.
    return data if encode(data) == text else None


def store_key(handle: bytes) -> str:
    """The name of a login in the store. Not keyed: the handle has 256 bits, and names outlive ``SECRET_KEY``."""
    return KEY_PREFIX + hashlib.sha256(_PREFIX.encode() + b"login\0" + handle).hexdigest()


def short_name(key: str) -> str:
    """What of the name of a login in the store may be logged: eight digits."""
    return key.removeprefix(KEY_PREFIX)[:8]


def logged(user_id: str, key: str) -> str:
    """Whose login, and which one, for the log: Hub's ids are texts from outside, of any characters and length."""
    return f"user={clean(user_id)} session={short_name(key)}"


class Sealer:
    """Seals and opens under ``SECRET_KEY`` (writes) and its fallbacks (reads). Safe to share between threads.

    :param keys: the current key first, then the accepted older ones
    :param context: what everything sealed here belongs to: Hub's URL and the service id
    """

    def __init__(self, keys: t.Sequence[bytes], context: t.Sequence[str]) -> None:
        self.context = tuple(context)
        self._keys = {_key_id(key): key for key in reversed(keys)}
        self._current = _key_id(keys[0])

    def seal(
        self, data: bytes, *, purpose: str, place: str = "", handle: bytes = b"", like: bytes | None = None
    ) -> bytes:
        """`data` so that only :meth:`open` with the same `purpose`, `place` and `handle` gets it back.

        :param like: a sealed record whose key is to be used, if it is still one of ours, in place of the current one
        """
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        key_id = like[4:8] if like and like[4:8] in self._keys else self._current
        header = MAGIC + key_id
        cipher = AESGCM(_derive(self._keys[key_id] + handle, salt, purpose))
        return header + salt + nonce + cipher.encrypt(nonce, data, self._bound(header, purpose, place))

    def open(self, sealed: bytes, *, purpose: str, place: str = "", handle: bytes = b"") -> bytes | None:
        """What was sealed, or None for everything else: altered, cut, foreign, or under a key that is not known."""
        header, salt, nonce, ciphertext = sealed[:8], sealed[8:24], sealed[24:36], sealed[36:]
        key = self._keys.get(header[4:])
        if header[:4] != MAGIC or key is None or len(ciphertext) < 16:
            return None
        try:
            return AESGCM(_derive(key + handle, salt, purpose)).decrypt(
                nonce, ciphertext, self._bound(header, purpose, place)
            )
        except InvalidTag:
            return None

    def each(self) -> list[Sealer]:
        """A sealer for every key by itself, the current one first."""
        return [Sealer([key], self.context) for key in reversed(self._keys.values())]

    def mac(self, purpose: str, data: bytes) -> str:
        """A keyed digest of `data` under the current key, 43 characters."""
        return self.macs(purpose, data)[0]

    def macs(self, purpose: str, data: bytes) -> list[str]:
        """The keyed digests of `data` under all keys, the current one first."""
        bound = self._bound(b"", purpose, "") + data
        keys = (_derive(key, b"", purpose) for key in reversed(self._keys.values()))
        return [encode(hmac.digest(key, bound, "sha256")) for key in keys]

    def _bound(self, header: bytes, purpose: str, place: str) -> bytes:
        # Lengths before the parts, so that no two lists of parts give the same bytes.
        parts = [header, *(part.encode() for part in (purpose, place, *self.context))]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _key_id(key: bytes) -> bytes:
    return hmac.digest(key, b"flask-hub-auth key id", "sha256")[:4]


def _derive(key: bytes, salt: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt or None, (_PREFIX + purpose).encode()).derive(key)
