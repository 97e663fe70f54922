"""Sealed bytes: opened by nobody else, in no other place, and not after a single bit has changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
import traceback
from itertools import pairwise
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flask_hub_auth.sealing import HANDLE_BYTES, Sealer, decode_handle, encode, new_handle, store_key

KEY = b"k" * 32
CONTEXT = ("https://hub.test/hub", "service")
SEALER = Sealer([KEY], CONTEXT)
HANDLE = new_handle()
BOUND: dict[str, Any] = {"purpose": "login", "place": store_key(HANDLE), "handle": HANDLE}
DATA = b'{"user":"jane"}'


def hkdf(ikm: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869, written from its text."""
    pseudorandom = hmac.digest(salt or bytes(32), ikm, "sha256")
    output, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([number]), "sha256")
        output += block
    return output[:length]


def listed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@pytest.mark.parametrize(
    ("ikm", "salt", "info", "length", "okm"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            "0b" * 22,
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
    ids=["A.1", "A.2", "A.3"],
)
def test_the_known_answers_of_the_derivation(ikm: str, salt: str, info: str, length: int, okm: str) -> None:
    """C6: the derivation of this file, against RFC 5869 appendix A; the next test compares ours with it."""
    assert hkdf(bytes.fromhex(ikm), bytes.fromhex(salt), bytes.fromhex(info), length).hex() == okm


def test_a_record_is_what_its_description_says() -> None:
    """C2, C4, C5, C6, C7, C12: taken apart by hand, with the derivation above."""
    sealed = SEALER.seal(DATA, **BOUND)
    magic, key_id, salt, nonce, ciphertext = sealed[:4], sealed[4:8], sealed[8:24], sealed[24:36], sealed[36:]
    assert magic == b"FHA\x01"
    assert key_id == hmac.digest(KEY, b"flask-hub-auth key id", "sha256")[:4]
    assert len(ciphertext) == len(DATA) + 16
    key = hkdf(KEY + HANDLE, salt, b"flask-hub-auth/v1/login")
    bound = listed(magic + key_id, b"login", BOUND["place"].encode(), *(part.encode() for part in CONTEXT))
    assert AESGCM(key).decrypt(nonce, ciphertext, bound) == DATA
    with pytest.raises(InvalidTag):
        # SECRET_KEY and the store, without the handle.
        AESGCM(hkdf(KEY, salt, b"flask-hub-auth/v1/login")).decrypt(nonce, ciphertext, bound)


def test_a_keyed_digest_is_what_its_description_says() -> None:
    """C6"""
    key = hkdf(KEY, b"", b"flask-hub-auth/v1/csrf")
    bound = listed(b"", b"csrf", b"", *(part.encode() for part in CONTEXT))
    assert SEALER.mac("csrf", b"data") == encode(hmac.digest(key, bound + b"data", "sha256"))
    assert len({SEALER.mac(purpose, data) for purpose in ("a", "ab") for data in (b"", b"b", b"c")}) == 6
    assert Sealer([KEY], (CONTEXT[0], "other")).mac("csrf", b"data") != SEALER.mac("csrf", b"data")


@pytest.mark.parametrize("data", [b"", b"x", DATA, bytes(range(256)) * 4096], ids=len)
def test_what_was_sealed_comes_back(data: bytes) -> None:
    assert SEALER.open(SEALER.seal(data, **BOUND), **BOUND) == data


def test_nothing_of_the_data_is_readable() -> None:
    """S44, C13: neither as it is, nor by its length where it would compress."""
    sealed = SEALER.seal(DATA * 10, **BOUND)
    for readable in (b"jane", b"user", HANDLE, KEY, CONTEXT[0].encode()):
        assert readable not in sealed
    assert len(SEALER.seal(b"a" * 1000, **BOUND)) == len(SEALER.seal(secrets.token_bytes(1000), **BOUND)) == 1052


def test_no_record_opens_after_any_bit_has_changed() -> None:
    """S45, C5"""
    sealed = SEALER.seal(DATA, **BOUND)
    for place in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[place] ^= 1 << bit
            assert SEALER.open(bytes(flipped), **BOUND) is None, (place, bit)


def test_no_record_opens_when_it_is_cut_or_longer() -> None:
    """S45"""
    sealed = SEALER.seal(DATA, **BOUND)
    for length in range(len(sealed)):
        assert SEALER.open(sealed[:length], **BOUND) is None, length
        assert SEALER.open(sealed[length + 1 :], **BOUND) is None, length
    assert SEALER.open(sealed + b"\0", **BOUND) is None
    assert SEALER.open(b"\0" + sealed, **BOUND) is None
    assert SEALER.open(sealed * 2, **BOUND) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "index"},
        {"purpose": ""},
        {"place": store_key(new_handle())},
        {"place": ""},
        {"handle": new_handle()},
        {"handle": b""},
        {"handle": HANDLE[:-1]},
        {"handle": HANDLE + b"\0"},
        # The same bytes, cut at another place.
        {"purpose": "login" + BOUND["place"][0], "place": BOUND["place"][1:]},
    ],
    ids=str,
)
def test_a_record_is_good_for_its_own_purpose_place_and_handle_alone(changed: dict[str, Any]) -> None:
    """S45, C5"""
    assert SEALER.open(SEALER.seal(DATA, **BOUND), **{**BOUND, **changed}) is None


@pytest.mark.parametrize(
    "context",
    [
        ("https://hub.test/hub", "other"),
        ("https://hub.test/hub2", "service"),
        ("https://hub.test/hubs", "ervice"),
        ("https://hub.test/hubservice", ""),
        ("https://hub.test/hub",),
        ("https://hub.test/hub", "service", ""),
        ("service", "https://hub.test/hub"),
    ],
    ids=str,
)
def test_a_record_of_another_hub_or_service_opens_nothing_here(context: tuple[str, ...]) -> None:
    """S57, C5"""
    assert SEALER.open(Sealer([KEY], context).seal(DATA, **BOUND), **BOUND) is None


def test_two_records_swapped_open_nothing() -> None:
    """S45"""
    handles = [new_handle(), new_handle()]
    bound = [{"purpose": "login", "place": store_key(handle), "handle": handle} for handle in handles]
    sealed = [SEALER.seal(DATA, **each) for each in bound]
    assert SEALER.open(sealed[0], **bound[1]) is None
    assert SEALER.open(sealed[1], **bound[0]) is None


def test_a_hundred_thousand_records_have_a_nonce_and_a_salt_each() -> None:
    """C3"""
    seen = {SEALER.seal(b"", purpose="login")[8:36] for _ in range(100_000)}
    assert len({each[:16] for each in seen}) == len({each[16:] for each in seen}) == 100_000


def test_a_record_of_the_last_key_opens_and_one_of_a_removed_key_does_not() -> None:
    """C7, C10"""
    keys = [secrets.token_bytes(32) for _ in range(3)]
    sealers = [Sealer(keys[place::-1][:2], CONTEXT) for place in range(3)]
    sealed = [sealer.seal(DATA, **BOUND) for sealer in sealers]
    newest = sealers[2]
    assert [newest.open(each, **BOUND) for each in sealed] == [None, DATA, DATA]
    again = [newest.seal(DATA, **BOUND, like=each) for each in sealed]
    assert [sealers[1].open(each, **BOUND) for each in again] == [None, DATA, None]  # the removed key seals no more
    assert Sealer(keys[:1], CONTEXT).open(sealed[2], **BOUND) is None


def test_the_key_is_found_by_its_id_and_no_other_is_tried() -> None:
    """C7, S47"""
    other = secrets.token_bytes(32)
    sealed = SEALER.seal(DATA, **BOUND)
    relabelled = sealed[:4] + Sealer([other], CONTEXT).seal(b"", **BOUND)[4:8] + sealed[8:]
    assert Sealer([other, KEY], CONTEXT).open(relabelled, **BOUND) is None
    assert Sealer([other, KEY], CONTEXT).open(sealed, **BOUND) == DATA


@pytest.mark.parametrize("key", [KEY, KEY + KEY, b"", bytes(1000)], ids=len)
def test_a_key_of_any_length_seals(key: bytes) -> None:
    sealer = Sealer([key], CONTEXT)
    assert sealer.open(sealer.seal(DATA, **BOUND), **BOUND) == DATA


def test_a_record_of_a_newer_format_is_not_opened() -> None:
    """C12: although it is sealed well, as the next version may do it."""
    key_id = SEALER.seal(b"", purpose="login")[4:8]
    salt, nonce = bytes(16), bytes(12)
    opened = []
    for magic in (b"FHA\x01", b"FHA\x02", b"FHA\x00", b"gAAA"):
        bound = listed(magic + key_id, b"login", BOUND["place"].encode(), *(part.encode() for part in CONTEXT))
        cipher = AESGCM(hkdf(KEY + HANDLE, salt, b"flask-hub-auth/v1/login"))
        sealed = magic + key_id + salt + nonce + cipher.encrypt(nonce, DATA, bound)
        opened.append(SEALER.open(sealed, **BOUND))
    assert opened == [DATA, None, None, None]


def test_handles_are_32_random_bytes_and_43_characters() -> None:
    """C1, S1"""
    handles = {new_handle() for _ in range(10_000)}
    assert len(handles) == 10_000
    assert {len(handle) for handle in handles} == {HANDLE_BYTES} == {32}
    texts = {encode(handle) for handle in handles}
    assert {len(text) for text in texts} == {43}
    assert set("".join(texts)) == {*string.ascii_letters, *string.digits, "-", "_"}
    assert {decode_handle(text) for text in texts} == handles


def test_a_handle_does_not_show_itself() -> None:
    """L2, L3"""
    handle = decode_handle(encode(HANDLE))

    def fail(handle: bytes | None) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError) as failure:
        fail(handle)
    shown = "".join(traceback.TracebackException.from_exception(failure.value, capture_locals=True).format())
    assert "handle = ***" in shown
    assert f"{handle} {handle!r} {[handle]} {new_handle()}" == "*** *** [***] ***"
    assert handle == bytes(HANDLE)


def other_spellings(text: str) -> list[str]:
    """Every text of 43 characters that differs from `text` in its last one, and decodes to the same bytes."""
    decoded = base64.urlsafe_b64decode(text + "=")
    alphabet = string.ascii_letters + string.digits + "-_"
    texts = [text[:-1] + last for last in alphabet if last != text[-1]]
    return [each for each in texts if base64.urlsafe_b64decode(each + "=") == decoded]


def test_a_handle_has_one_spelling() -> None:
    """C1"""
    for _ in range(100):
        others = other_spellings(encode(new_handle()))
        assert len(others) == 3
        assert [decode_handle(each) for each in others] == [None] * 3


GOOD_TEXT = encode(b"\xfb" * 32)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        7,
        True,
        GOOD_TEXT.encode(),
        [GOOD_TEXT],
        GOOD_TEXT + "=",
        GOOD_TEXT + "A",
        GOOD_TEXT[:-1],
        " " + GOOD_TEXT[1:],
        GOOD_TEXT[:-1] + "\n",
        GOOD_TEXT[:20] + "." + GOOD_TEXT[21:],
        GOOD_TEXT.replace("-", "+"),
        GOOD_TEXT.replace("-", "/"),
        GOOD_TEXT[:-1] + "ä",
        GOOD_TEXT[:-1] + "\ud800",
        GOOD_TEXT[:-1] + "\0",
        "=" * 43,
        "\u0661" * 43,
        encode(b"\0" * 31),
        encode(b"\0" * 33),
    ],
    ids=ascii,
)
def test_what_is_no_handle_is_none(text: object) -> None:
    """C1"""
    assert decode_handle(GOOD_TEXT) == b"\xfb" * 32
    assert decode_handle(text) is None


def test_the_name_in_the_store_is_a_hash_of_the_handle() -> None:
    """C8, S44"""
    expected = hashlib.sha256(b"flask-hub-auth/v1/login\0" + HANDLE).hexdigest()
    assert store_key(HANDLE) == "hub_" + expected
    names = [store_key(bytes([0] * 31 + [last])) for last in range(100)]
    assert all(one[4:20] != two[4:20] for one, two in pairwise(names))
