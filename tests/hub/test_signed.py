"""Classic tokens: their form, their signature, and the key that they are checked with."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flask_hub_auth.errors import HubError, HubProtocolError, HubUnavailable
from flask_hub_auth.hub.signed import HubKeys, SignedToken
from flask_hub_auth.hub.transport import Transport

from .conftest import Server, answer

DATA = "1443459450185.0-0-0-0-0.98071167-004c-4ddf-ba37-5d4599fdf319.0-0-0-0-0"
KEY_PATH = "/hub/api/rest/oauth2/key"
PARAMETERS = dsa.generate_parameters(1024)


class Signer:
    """One of Hub's keys. What it signs is written here, not with the package's own code."""

    def __init__(self, version: str = "1") -> None:
        self.key = PARAMETERS.generate_private_key()
        self.version = version

    @property
    def text(self) -> bytes:
        """What Hub says of it."""
        return self.version.encode() + b"." + base64.b64encode(spki(self.key))

    def token(self, data: str = DATA, signature: bytes | None = None) -> str:
        return f"{data};{self.version}.{base64.b64encode(signature or self.sign(data)).decode()}"

    def sign(self, data: str = DATA) -> bytes:
        return self.key.sign(data.encode(), SHA1())

    def numbers(self, data: str = DATA) -> tuple[int, int]:
        return decode_dss_signature(self.sign(data))

    @property
    def q(self) -> int:
        return self.key.parameters().parameter_numbers().q


def spki(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signer(server: Server) -> Signer:
    signer = Signer()
    server.always = answer(signer.text, Content_Type="text/plain")
    return signer


@pytest.fixture
def keys(server: Server, clock: Clock) -> HubKeys:
    return HubKeys(Transport(server.url), clock)


def parsed(text: str) -> SignedToken:
    token = SignedToken.parse(text)
    assert token is not None
    return token


# The form


def test_a_token_is_taken_apart(signer: Signer) -> None:
    token = parsed(signer.token())
    assert token.ends_at == 1443459450.185
    assert token.user_id == "98071167-004c-4ddf-ba37-5d4599fdf319"
    assert token.scope == {"0-0-0-0-0"}
    assert token.data == DATA.encode()
    assert token.key_version == "1"
    assert "signature" not in repr(token)


def test_a_token_without_a_user_is_a_services_own(signer: Signer) -> None:
    assert parsed(signer.token("1.a..b")).user_id is None


@pytest.mark.parametrize(
    ("spelled", "scope"),
    [
        ("a b", {"a", "b"}),
        ("YouTrack+Konnector a", {"YouTrack Konnector", "a"}),
        ("a%26b", {"a&b"}),
        ("%D0%A5%D0%B0%D0%B1", {"Хаб"}),
        ("a*b", {"a*b"}),
        ("a_b-c", {"a_b-c"}),
        ("a%7Eb", {"a~b"}),
    ],
)
def test_a_scope_is_read_and_checked_in_the_spelling_that_hub_signs(
    spelled: str, scope: set[str], signer: Signer, keys: HubKeys
) -> None:
    token = parsed(signer.token(f"1.a.u.{spelled}"))
    assert token.scope == scope
    assert keys.verify(token)


@pytest.mark.parametrize("spelled", ["YouTrack%20Konnector", "%61", "a%2Db", "a%2a", "a~b", "%d0%a5"])
def test_a_scope_of_another_spelling_is_not_what_hub_signed(spelled: str, signer: Signer, keys: HubKeys) -> None:
    """S81."""
    token = SignedToken.parse(signer.token(f"1.a.u.{spelled}"))
    assert token is None or not keys.verify(token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        DATA,
        f"{DATA};1",
        f"{DATA};1.",
        f"{DATA};.MCw=",
        f"{DATA};1.2.MCw=",
        f"{DATA};1.MCw=;1.MCw=",
        f";1.{'A' * 64}",
        f".{DATA};1.MCw=",
        f"{DATA}.x;1.MCw=",
        f"1.a.u.a.b;1.{'A' * 64}",
        "1.a.u;1.MCw=",
        "1.a.u.;1.MCw=",
        "1..u.a;1.MCw=",
        "x.a.u.a;1.MCw=",
        "-1.a.u.a;1.MCw=",
        "+1.a.u.a;1.MCw=",
        "1e3.a.u.a;1.MCw=",
        "1 .a.u.a;1.MCw=",
        "12345678901234567.a.u.a;1.MCw=",
        "١.a.u.a;1.MCw=",
        "1.a.u.a;1.MCw",
        "1.a.u.a;1.MCw==",
        "1.a.u.a;1.MCx=",
        "1.a.u.a;1.M",
        "1.a.u.a;1.====",
        "1.a.u.a;1.MC w=",
        "1.a.u.a;1.MC\nw=",
        "1.a.u.a;1.MCw=\n",
        "1.a.u.a;1.-_w=",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1In0.",
        "perm:YWRtaW4=.NDctMA==.0123456789",
    ],
)
def test_what_has_another_form_is_no_signed_token(text: str) -> None:
    assert SignedToken.parse(text) is None


# The signature

CHANGES: dict[str, Callable[[Signer], bytes]] = {
    "r is 0": lambda s: encode_dss_signature(0, s.numbers()[1]),
    "s is 0": lambda s: encode_dss_signature(s.numbers()[0], 0),
    "both are 0": lambda s: encode_dss_signature(0, 0),
    "r is 1": lambda s: encode_dss_signature(1, s.numbers()[1]),
    "both are 1": lambda s: encode_dss_signature(1, 1),
    "r is q": lambda s: encode_dss_signature(s.q, s.numbers()[1]),
    "s is q": lambda s: encode_dss_signature(s.numbers()[0], s.q),
    "both are q": lambda s: encode_dss_signature(s.q, s.q),
    "r is q - 1": lambda s: encode_dss_signature(s.q - 1, s.numbers()[1]),
    "r and q": lambda s: (lambda r, n: encode_dss_signature(r + s.q, n))(*s.numbers()),
    "s and q": lambda s: (lambda r, n: encode_dss_signature(r, n + s.q))(*s.numbers()),
    "s is its opposite": lambda s: (lambda r, n: encode_dss_signature(r, s.q - n))(*s.numbers()),
    "r and s exchanged": lambda s: (lambda r, n: encode_dss_signature(n, r))(*s.numbers()),
    "r twice": lambda s: (lambda r, n: encode_dss_signature(r, r))(*s.numbers()),
    "r is huge": lambda s: encode_dss_signature(1 << 4000, s.numbers()[1]),
    "s is huge": lambda s: encode_dss_signature(s.numbers()[0], 1 << 4000),
    "of other data": lambda s: s.sign("other"),
    "of nothing": lambda s: s.sign(""),
    "of the token's hash": lambda s: s.key.sign(DATA.encode(), SHA256()),
    "of the token and the version": lambda s: s.sign(f"{DATA};1"),
    "of another key": lambda s: PARAMETERS.generate_private_key().sign(DATA.encode(), SHA1()),
    "of a curve": lambda s: ec.generate_private_key(ec.SECP256R1()).sign(DATA.encode(), ec.ECDSA(SHA1())),
    "of Edwards' curve": lambda s: ed25519.Ed25519PrivateKey.generate().sign(DATA.encode()),
    "r is negative": lambda s: negative(s, 0),
    "s is negative": lambda s: negative(s, 1),
    "a zero before r": lambda s: with_parts(s, lambda r, n: [integer(b"\0\0" + body(r)), n]),
    "a zero before s": lambda s: with_parts(s, lambda r, n: [r, integer(b"\0\0" + body(n))]),
    "a long length": lambda s: b"\x30\x81" + s.sign()[1:],
    "a longer length": lambda s: b"\x30\x82\x00" + s.sign()[1:],
    "a long length of r": lambda s: with_parts(s, lambda r, n: [b"\x02\x81" + r[1:], n]),
    "an indefinite length": lambda s: b"\x30\x80" + s.sign()[2:] + b"\0\0",
    "a length too small": lambda s: changed(s, 1, -1),
    "a length too great": lambda s: changed(s, 1, 1),
    "the length of r too small": lambda s: changed(s, 3, -1),
    "the length of r too great": lambda s: changed(s, 3, 1),
    "a set": lambda s: b"\x31" + s.sign()[1:],
    "a string": lambda s: b"\x04" + s.sign()[1:],
    "r is a bit string": lambda s: with_parts(s, lambda r, n: [b"\x03" + r[1:], n]),
    "r is no number": lambda s: with_parts(s, lambda r, n: [b"\x05\0", n]),
    "r is true": lambda s: with_parts(s, lambda r, n: [b"\x01\x01\xff", n]),
    "r is a fraction": lambda s: with_parts(s, lambda r, n: [b"\x09\x03\x80\x00\x01", n]),
    "no s": lambda s: with_parts(s, lambda r, n: [r]),
    "no r": lambda s: with_parts(s, lambda r, n: [n]),
    "a third number": lambda s: with_parts(s, lambda r, n: [r, n, integer(b"\1")]),
    "nothing after s": lambda s: with_parts(s, lambda r, n: [r, n, b"\x05\0"]),
    "an empty sequence": lambda s: b"\x30\0",
    "empty numbers": lambda s: with_parts(s, lambda r, n: [b"\x02\0", b"\x02\0"]),
    "in another sequence": lambda s: sequence([s.sign()]),
    "a byte more": lambda s: s.sign() + b"\0",
    "nothing more": lambda s: s.sign() + b"\x05\0",
    "twice": lambda s: s.sign() * 2,
    "a byte before": lambda s: b"\0" + s.sign(),
    "one byte": lambda s: b"\x30",
    "two bytes": lambda s: b"\x30\x2c",
    "a half": lambda s: s.sign()[:20],
    "all but one byte": lambda s: s.sign()[:-1],
    "plain numbers": lambda s: b"".join(n.to_bytes(20, "big") for n in s.numbers()),
    "zeros": lambda s: bytes(46),
    "ones": lambda s: b"\xff" * 46,
    "long zeros": lambda s: bytes(6000),
}


def body(number: bytes) -> bytes:
    return number[2:]


def integer(content: bytes) -> bytes:
    return b"\x02" + bytes([len(content)]) + content


def sequence(parts: list[bytes]) -> bytes:
    content = b"".join(parts)
    return b"\x30" + bytes([len(content)]) + content


def with_parts(signer: Signer, change: Callable[[bytes, bytes], list[bytes]]) -> bytes:
    signature = signer.sign()
    end = 4 + signature[3]
    return sequence(change(signature[2:end], signature[end:]))


def negative(signer: Signer, which: int) -> bytes:
    """One number as DER would read it negative: a positive one whose leading zero is missing."""
    while True:
        signature = signer.sign()
        end = 4 + signature[3]
        parts = [signature[2:end], signature[end:]]
        if body(parts[which])[0] == 0:
            parts[which] = integer(body(parts[which])[1:])
            return sequence(parts)


def changed(signer: Signer, place: int, by: int) -> bytes:
    signature = bytearray(signer.sign())
    signature[place] += by
    return bytes(signature)


def test_what_hub_signed_is_good(signer: Signer, keys: HubKeys) -> None:
    assert all(keys.verify(parsed(signer.token(DATA.replace("1443", f"{1443 + n}")))) for n in range(50))


@pytest.mark.parametrize("name", CHANGES)
def test_any_other_signature_is_refused(name: str, signer: Signer, keys: HubKeys) -> None:
    """S81."""
    token = SignedToken.parse(signer.token(signature=CHANGES[name](signer)))
    assert token is None or keys.verify(token) is False


def test_no_single_bit_of_a_token_may_change(signer: Signer, keys: HubKeys) -> None:
    """S81."""
    good = signer.token().encode()
    assert keys.verify(parsed(good.decode()))
    changed = 0
    for place in range(len(good)):
        for bit in range(7):
            other = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            token = SignedToken.parse(other.decode())
            assert token is None or not keys.verify(token), other
            changed += token is not None
    assert changed > 100


# The key


def asked(server: Server) -> int:
    assert all(each.path == KEY_PATH for each in server.asked)
    return len(server.asked)


def test_the_key_is_read_once(signer: Signer, keys: HubKeys, server: Server, clock: Clock) -> None:
    for number in range(100):
        clock.now += 3600
        assert keys.verify(parsed(signer.token(f"{number}.a.u.b")))
    assert asked(server) == 1
    assert "authorization" not in server.asked[0].headers


def test_the_key_is_read_once_by_threads_that_want_it_at_the_same_time(
    signer: Signer, keys: HubKeys, server: Server
) -> None:
    """R29."""
    token, found = parsed(signer.token()), []
    barrier = threading.Barrier(20)

    def check() -> None:
        barrier.wait()
        found.append(keys.verify(token))

    threads = [threading.Thread(target=check) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20
    assert asked(server) == 1


def test_a_new_key_is_read_once_and_the_old_one_stays_good(
    signer: Signer, keys: HubKeys, server: Server, clock: Clock
) -> None:
    """R29."""
    old = parsed(signer.token())
    assert keys.verify(old)
    clock.now += 61
    new = Signer("2")
    server.always = answer(new.text)
    tokens = [parsed(new.token(f"{number}.a.u.b")) for number in range(1000)]
    assert all(map(keys.verify, tokens))
    assert asked(server) == 2
    assert keys.verify(old)
    assert asked(server) == 2


def test_unknown_versions_cost_one_reading_a_minute(
    signer: Signer, keys: HubKeys, server: Server, clock: Clock
) -> None:
    """R29."""
    good = parsed(signer.token())
    assert keys.verify(good)
    junk = [parsed(signer.token().replace(";1.", f";{number}.")) for number in range(2, 302)]
    for minute in range(1, 4):
        clock.now += 60
        assert not any(map(keys.verify, junk))
        clock.now += 59
        assert not any(map(keys.verify, junk))
        clock.now -= 59
        assert asked(server) == 1 + minute
        assert keys.verify(good)


def test_a_token_of_the_version_of_another_key_is_refused(
    signer: Signer, keys: HubKeys, server: Server, clock: Clock
) -> None:
    assert keys.verify(parsed(signer.token()))
    clock.now += 61
    new = Signer("2")
    server.always = answer(new.text)
    assert keys.verify(parsed(new.token()))
    assert not keys.verify(parsed(new.token().replace(";2.", ";1.")))
    assert not keys.verify(parsed(signer.token().replace(";1.", ";2.")))


def test_a_clock_that_was_set_back_does_not_keep_a_new_key_out(
    signer: Signer, keys: HubKeys, server: Server, clock: Clock
) -> None:
    assert keys.verify(parsed(signer.token()))
    clock.now -= 100_000
    new = Signer("2")
    server.always = answer(new.text)
    assert keys.verify(parsed(new.token()))


@pytest.mark.parametrize("known", [False, True])
def test_while_the_key_cannot_be_read_nobody_is_called_bad(
    known: bool, signer: Signer, keys: HubKeys, server: Server, clock: Clock
) -> None:
    """S82, R29: after a rotation too. Hub is asked once a second, and the old key goes on."""
    if known:
        assert keys.verify(parsed(signer.token()))
        clock.now += 61
    new = Signer("2")
    server.always, before = answer(b"", 503), asked(server)
    for _ in range(3):
        with pytest.raises(HubUnavailable):
            keys.verify(parsed(new.token()))
    assert asked(server) == before + 1
    if known:
        assert keys.verify(parsed(signer.token()))
    clock.now += 1
    server.always = answer(new.text)
    assert keys.verify(parsed(new.token()))


@pytest.mark.alone
def test_threads_that_wait_for_a_key_do_not_wait_one_after_the_other(
    signer: Signer, server: Server, clock: Clock
) -> None:
    """S82."""
    keys = HubKeys(Transport(server.url, timeout=0.5), time.time)
    server.always = lambda sock: time.sleep(3)
    token, failures = parsed(signer.token()), []

    def check() -> None:
        try:
            keys.verify(token)
        except HubUnavailable as failure:
            failures.append(failure)

    threads = [threading.Thread(target=check) for _ in range(20)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 20
    assert time.monotonic() - begun < 2.5


OTHER_KINDS = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "a curve": ec.generate_private_key(ec.SECP256R1()),
    "Edwards' curve": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1",
        b"1.",
        b"1.!",
        b"1.AAAA",
        b"1.MAA=",
        b"<html>not here</html>",
        b'{"keys": []}',
        b"\xff\xfe1.",
        # An algorithm that nobody knows, and one that has gone.
        b"1." + base64.b64encode(bytes.fromhex("3010300b06092b0601040182371401030100")),
        b"1." + base64.b64encode(bytes.fromhex("3011300c06082a864886f70d02050500030100")),
        *(b"1." + base64.b64encode(spki(key)) for key in OTHER_KINDS.values()),
    ],
)
def test_a_key_that_is_none_is_hubs_nonsense(text: bytes, signer: Signer, keys: HubKeys, server: Server) -> None:
    """S81, R24: no other algorithm comes in with another kind of key."""
    server.always = answer(text)
    with pytest.raises(HubProtocolError):
        keys.verify(parsed(signer.token()))
    with pytest.raises(HubUnavailable):
        keys.verify(parsed(signer.token()))
    assert asked(server) == 1


@pytest.mark.parametrize(("status", "kind"), [(500, HubUnavailable), (404, HubProtocolError), (302, HubProtocolError)])
def test_a_key_that_is_refused_calls_nobody_bad(
    status: int, kind: type[HubError], signer: Signer, keys: HubKeys, server: Server
) -> None:
    """S82."""
    server.always = answer(b"<html>", status, Location="http://127.0.0.1:9/")
    with pytest.raises(kind):
        keys.verify(parsed(signer.token()))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" "])
def test_the_end_of_a_line_behind_the_key_is_no_harm(end: bytes, signer: Signer, keys: HubKeys, server: Server) -> None:
    server.always = answer(signer.text + end)
    assert keys.verify(parsed(signer.token()))
