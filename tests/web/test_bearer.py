"""Presented tokens, by kind, on every kind of guard and under every ``HUB_BEARER``.

Every row says what a caller sends and what comes of it: the status, the challenge, how often Hub is asked, and whom the
view saw. The same holds on all guards, with a cookie of somebody else beside it; only what Hub alone knows of a person
makes a difference between them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from flask_hub_auth import (
    HubAuth,
    current_hub_user,
    hub_bearer_required,
    hub_group_required,
    hub_login_required,
    hub_permission_required,
)
from flask_hub_auth.devhub import HUB_ID, DevHub
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import NAVIGATION, SCRIPT, plain_app

YOUTRACK = "d2c5b7a4-0000-4000-8000-000000000001"
ROUTES = ("/bearer", "/login-required", "/group", "/permission", "/everything")
ASKING = ("/group", "/permission")
"""The guards that need to know more than a signed token says."""
MODES = {"signed": ROUTES, "any": ("/bearer", "/group"), "off": ("/bearer", "/login-required")}
"""``HUB_BEARER``, and the guards that are looked at with it."""


def views(app: Flask) -> list[str]:
    """The views of all guards, and the list of whom they saw."""
    seen: list[str] = []

    def view() -> Callable[[], str]:
        def view() -> str:
            seen.append(current_hub_user.id)
            return "in"

        return view

    guards: dict[str, Callable[[Any], Any]] = {
        "/bearer": hub_bearer_required,
        "/login-required": hub_login_required,
        "/group": hub_group_required("Developers"),
        "/permission": hub_permission_required("demo.report-read"),
        "/everything": lambda view: view,
    }
    for path, guard in guards.items():
        app.add_url_rule(path, path, guard(view()), methods=["GET", "POST"])
    return seen


@dataclass
class Scene:
    """One application at one Hub, with nothing known yet."""

    hub: HubInMemory
    client: FlaskClient
    seen: list[str]

    def token(self, login: str = "jane", scope: str | None = None, life: int = 3600) -> str:
        return self.hub.token_for(login, scope, life)

    def id(self, login: str = "jane") -> str:
        return self.hub.user(login).id

    def sign(self, data: str) -> str:
        return self.hub.store.signer.sign(data)

    def data(self, **changes: str) -> str:
        """What a good token says of *jane*, with changes."""
        end = str(int((self.hub.clock() + 3600) * 1000))
        fields = {"end": end, "client": self.hub.service_id, "user": self.id(), "scope": f"{HUB_ID} {self.service}"}
        return "{end}.{client}.{user}.{scope}".format(**fields | changes)

    @property
    def service(self) -> str:
        return self.hub.service_id

    def send(self, header: str | None, route: str, **options: Any) -> TestResponse:
        raw = {} if header is None else {"HTTP_AUTHORIZATION": header}
        headers = {**SCRIPT, "Origin": "https://elsewhere.example"}
        return self.client.open(route, headers=headers, environ_overrides=raw, **options)


Header = Callable[[Scene], str | None]


@dataclass(frozen=True)
class Out:
    """What comes of it. `calls`: how often Hub is asked before anybody needs more than the token says."""

    status: int
    error: str | None = None
    calls: int = 0
    who: str | None = None


GOOD = Out(200, None, 1, "jane")
BAD = Out(401, "invalid_token")
CHECKED = Out(401, "invalid_token", 1)
NONE = Out(401)
TWICE = Out(400, "invalid_request")
SERVICE = LACKING = Out(403, "insufficient_scope", 1)


def as_(login: str) -> Out:
    return replace(GOOD, who=login)


@dataclass(frozen=True)
class Row:
    """What a caller sends, and what comes of it with ``HUB_BEARER`` at ``signed`` and at ``any`` (None: the same).

    `group`, `permission`: what comes of it on these guards, where that is something else. `asks`: whether they ask Hub.
    `named`: whether Hub has told who it is before they ask.
    """

    header: Header
    signed: Out
    any: Out | None = None
    group: Out | None = None
    permission: Out | None = None
    options: dict[str, Any] = field(default_factory=dict)
    asks: bool = True
    named: bool = False

    def out(self, mode: str, route: str) -> Out:
        """What comes of it without a cookie."""
        told = (self.any or self.signed) if mode == "any" else self.signed
        if mode == "off":
            # Nobody looks at the header where it does not count, but on a route for callers alone.
            return told if told.status == 400 and route == "/bearer" else NONE
        if told.status != 200 or route not in ASKING:
            return told
        special = {"/group": self.group, "/permission": self.permission}[route]
        asked = self.asks and not (self.named and route == "/group")
        return replace(special or told, calls=told.calls + asked)


def rows(headers: dict[str, Header], signed: Out, any: Out | None = None, **more: Any) -> dict[str, Row]:
    return {name: Row(header, signed, any, **more) for name, header in headers.items()}


def bearer(token: Callable[[Scene], str], scheme: str = "Bearer") -> Header:
    return lambda scene: f"{scheme} {token(scene)}"


def text(value: str) -> Header:
    return lambda scene: value


def split(token: str) -> tuple[str, str, bytes]:
    """Data, version of the key, and signature."""
    data, _, signed = token.partition(";")
    version, _, signature = signed.partition(".")
    return data, version, base64.b64decode(signature)


def joined(data: str, version: str, signature: bytes | str) -> str:
    spelled = signature if isinstance(signature, str) else base64.b64encode(signature).decode()
    return f"{data};{version}.{spelled}"


def with_signature(change: Callable[[bytes], bytes | str]) -> Header:
    """A good token with another signature."""

    def header(scene: Scene) -> str:
        data, version, signature = split(scene.token())
        return f"Bearer {joined(data, version, change(signature))}"

    return header


def with_numbers(change: Callable[[int, int], tuple[int, int]]) -> Header:
    """A good token with other numbers in its signature."""
    return with_signature(lambda signature: encode_dss_signature(*change(*decode_dss_signature(signature))))


def with_data(change: Callable[[Scene, str], str]) -> Header:
    """What a good token says, changed, with its own signature."""

    def header(scene: Scene) -> str:
        data, version, signature = split(scene.token())
        changed = change(scene, data)
        assert changed != data
        return f"Bearer {joined(changed, version, signature)}"

    return header


def with_scope(scope: Callable[[Scene], str]) -> Header:
    """A token that Hub has signed for `scope`."""
    return lambda scene: "Bearer " + scene.sign(scene.data(scope=scope(scene)))


def with_version(version: str) -> Header:
    """A good token that names another key."""

    def header(scene: Scene) -> str:
        data, _, signature = split(scene.token())
        return f"Bearer {joined(data, version, signature)}"

    return header


def with_mark(mark: str) -> Header:
    """A good token with a mark in the middle."""
    return lambda scene: f"Bearer {scene.token().replace(';', ';' + mark)}"


def ending(seconds: int) -> Header:
    return lambda scene: f"Bearer {scene.token(life=seconds)}"


def by_other_key(scene: Scene) -> str:
    signature = dsa.generate_private_key(1024).sign(scene.data().encode(), SHA1())
    return f"Bearer {joined(scene.data(), '1', signature)}"


def by_curve(scene: Scene) -> str:
    signature = ec.generate_private_key(ec.SECP256R1()).sign(scene.data().encode(), ec.ECDSA(SHA256()))
    return f"Bearer {joined(scene.data(), '1', signature)}"


def jwt(algorithm: object, sign: Callable[[Scene, bytes], bytes] = lambda scene, data: b"", **more: object) -> Header:
    """A JSON Web Token that says it is *jane*."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    def header(scene: Scene) -> str:
        says = {"sub": scene.id(), "aud": scene.service, "scope": scene.service, "exp": int(scene.hub.clock() + 3600)}
        both = f"{part(json.dumps({'alg': algorithm, 'typ': 'JWT'} | more).encode())}.{part(json.dumps(says).encode())}"
        return f"Bearer {both}.{part(sign(scene, both.encode()))}"

    return header


def public_key(scene: Scene) -> bytes:
    return base64.b64decode(scene.hub.store.signer.public_key.partition(".")[2])


def by_public_key(scene: Scene, data: bytes) -> bytes:
    return hmac.digest(public_key(scene), data, "sha256")


def mac_in_classic_form(scene: Scene) -> str:
    data = scene.data()
    return f"Bearer {joined(data, '1', hmac.digest(public_key(scene), data.encode(), 'sha1'))}"


def opaque(scene: Scene) -> str:
    """A token of a Hub that issues none that say something."""
    scene.hub.change(tokens="opaque")
    return scene.token()


def somebody(login: str, opaque_too: bool = False, **changes: Any) -> Header:
    """A token of a person who has changed at Hub meanwhile."""

    def header(scene: Scene) -> str:
        token = opaque(scene) if opaque_too and login == "jane" else scene.token(login)
        scene.hub.update_user(login, **changes)
        return f"Bearer {token}"

    return header


def revoked(token: Callable[[Scene], str]) -> Header:
    def header(scene: Scene) -> str:
        value = token(scene)
        scene.hub.revoke("jane")
        return f"Bearer {value}"

    return header


def expired(token: Callable[[Scene], str]) -> Header:
    def header(scene: Scene) -> str:
        value = token(scene)
        scene.hub.expire()
        return f"Bearer {value}"

    return header


def permanent(scope: str | None = None, login: str = "jane") -> Callable[[Scene], str]:
    return lambda scene: scene.hub.permanent_token(login, scope)


def good(scene: Scene) -> str:
    return scene.token()


def padded(scene: Scene, padding: int | None = None) -> str:
    """A good token that ends with padding (so many)."""
    tokens = (scene.token(life=3600 + more) for more in range(500))
    return next(each for each in tokens if each.endswith("=") and padding in (None, each.count("=")))


def with_loose_bits(token: str) -> str:
    """The token with bits set in its last letter that stand for nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = token.rstrip("=")
    other = bare[:-1] + letters[letters.index(bare[-1]) + 1] + "=" * (len(token) - len(bare))
    assert split(other) == split(token)
    return other


def opaque_elsewhere() -> str:
    return DevHub(tokens="opaque").token_for("jane")


def opaque_of_service(scene: Scene) -> str:
    scene.hub.change(tokens="opaque")
    return scene.hub.token_for_service()


def outside(name: str, content: str = "application/x-www-form-urlencoded") -> dict[str, Any]:
    return {"method": "POST", "data": f"{name}=TOKEN", "content_type": content}


def twice_or_never(ways: dict[str, dict[str, Any]]) -> dict[str, Row]:
    """A token in another place than the header: with one in the header it is one too many, without it counts not."""
    alone = {name: Row(lambda scene: None, NONE, options=options) for name, options in ways.items()}
    both = {f"{name}, and in the header": Row(bearer(good), TWICE, options=options) for name, options in ways.items()}
    return alone | both


TABLE: dict[str, dict[str, Row]] = {
    "forged": rows(
        {
            "another key": by_other_key,
            "another kind of key": by_curve,
            "no numbers at all": with_signature(lambda signature: b"\0" * 46),
            "the signature of somebody else's": lambda scene: (
                f"Bearer {joined(scene.data(), '1', split(scene.token('john'))[2])}"
            ),
            "the data as its own signature": lambda scene: f"Bearer {joined(scene.data(), '1', scene.data().encode())}",
            "one byte": with_signature(lambda signature: b"0"),
            "HMAC with Hub's public key": mac_in_classic_form,
            "the hash of the data": lambda scene: (
                f"Bearer {joined(scene.data(), '1', hashlib.sha1(scene.data().encode()).digest())}"
            ),
        },
        CHECKED,
    ),
    "altered": rows(
        {
            "another person": with_data(lambda scene, data: data.replace(scene.id(), scene.id("admin"))),
            "no person": with_data(lambda scene, data: data.replace(scene.id(), "")),
            "a later end": with_data(lambda scene, data: "9" + data),
            "another client": with_data(lambda scene, data: data.replace(f".{scene.service}.", f".{HUB_ID}.")),
            "one service more": with_data(lambda scene, data: f"{data} {YOUTRACK}"),
            "the services in another order": with_data(
                lambda scene, data: data.replace(f"{HUB_ID} {scene.service}", f"{scene.service} {HUB_ID}")
            ),
            "a space of another spelling": with_data(lambda scene, data: data.replace(" ", "+")),
        },
        CHECKED,
    ),
    "altered signature": rows(
        {
            "first bit": with_signature(lambda signature: bytes([signature[0] ^ 1]) + signature[1:]),
            "last bit": with_signature(lambda signature: signature[:-1] + bytes([signature[-1] ^ 1])),
            "in the middle": with_signature(
                lambda signature: signature[:20] + bytes([signature[20] ^ 0x55]) + signature[21:]
            ),
            "cut": with_signature(lambda signature: signature[:-1]),
            "half of it": with_signature(lambda signature: signature[:23]),
            "a byte more": with_signature(lambda signature: signature + b"\0"),
            "twice": with_signature(lambda signature: signature * 2),
            "first number 0": with_numbers(lambda r, s: (0, s)),
            "second number 0": with_numbers(lambda r, s: (r, 0)),
            "numbers exchanged": with_numbers(lambda r, s: (s, r)),
        },
        CHECKED,
    )
    | rows(
        {
            # Other spellings of the same bytes: one good token must not have many.
            "no padding": lambda scene: f"Bearer {padded(scene).rstrip('=')}",
            "loose bits": lambda scene: f"Bearer {with_loose_bits(padded(scene))}",
            "padding twice": lambda scene: f"Bearer {padded(scene, 1)}=",
        },
        BAD,
        CHECKED,
    )
    | rows(
        {
            "URL-safe letters": with_signature(lambda signature: "-_" + base64.urlsafe_b64encode(signature).decode()),
            "no signature": lambda scene: f"Bearer {scene.data()};1.",
            "no version": lambda scene: f"Bearer {scene.data()};{scene.token().rpartition('.')[2]}",
            "neither": lambda scene: f"Bearer {scene.data()}",
        },
        BAD,
    ),
    "without algorithm, or with one of the token's choice": rows(
        {
            "none": jwt("none"),
            "None": jwt("None"),
            "nOnE, with a signature": jwt("nOnE", lambda scene, data: b"x"),
            "no algorithm": jwt(None),
            "HMAC with Hub's public key": jwt("HS256", by_public_key),
            "HMAC with an empty key": jwt("HS256", lambda scene, data: hmac.digest(b"", data, "sha256")),
            "a key of its own": jwt("HS256", lambda scene, data: b"x" * 32, jwk={"kty": "oct", "k": "eA"}),
            "a key by address": jwt("RS256", lambda scene, data: b"x" * 32, jku="https://evil.example/keys"),
            "a key by path": jwt("HS256", lambda scene, data: b"", kid="../../dev/null"),
            "critical": jwt("HS256", by_public_key, crit=["exp"]),
            "the word": text("Bearer none"),
            "null": text("Bearer null"),
            "undefined": text("Bearer undefined"),
            "true": text("Bearer true"),
        },
        BAD,
        CHECKED,
    ),
    "another key version": rows(
        {version: with_version(version) for version in ("2", "0", "01", "1a", "-1", "9" * 20, "v1")},
        CHECKED,
    ),
    "another service's": rows(
        {
            "Hub's": with_scope(lambda scene: HUB_ID),
            "YouTrack's": with_scope(lambda scene: YOUTRACK),
            "both of them": with_scope(lambda scene: f"{HUB_ID} {YOUTRACK}"),
            "begins alike": with_scope(lambda scene: scene.service[:-1]),
            "goes on": with_scope(lambda scene: f"{scene.service}0"),
            "in capitals": with_scope(lambda scene: scene.service.upper()),
            "with a space around it": with_scope(lambda scene: f"+{scene.service}"),
            "ours only as the client": with_scope(lambda scene: f"{YOUTRACK}+{HUB_ID}"),
        },
        CHECKED,
    ),
    "expired": rows(
        {
            "61 s ago": ending(-61),
            "a minute ago": ending(-60),
            "an hour ago": ending(-3600),
            "long ago": lambda scene: "Bearer " + scene.sign(scene.data(end="1")),
            "at the beginning": lambda scene: "Bearer " + scene.sign(scene.data(end="0")),
            "seconds instead of milliseconds": lambda scene: (
                "Bearer " + scene.sign(scene.data(end=str(int(scene.hub.clock()) + 3600)))
            ),
        },
        BAD,
    )
    | rows(
        {
            "no end": lambda scene: "Bearer " + scene.sign(scene.data(end="")),
            "before the beginning": lambda scene: "Bearer " + scene.sign(scene.data(end="-1")),
            "too far": lambda scene: "Bearer " + scene.sign(scene.data(end="9" * 17)),
            "no number": lambda scene: "Bearer " + scene.sign(scene.data(end="1e15")),
        },
        BAD,
    )
    | rows({"59 s ago": ending(-59), "now": ending(0)}, GOOD, group=CHECKED, permission=CHECKED),
    "over at Hub": rows(
        # Nobody but Hub knows of a signed one.
        {"revoked": revoked(good), "expired": expired(good)},
        GOOD,
        group=CHECKED,
        permission=CHECKED,
    )
    | rows(
        {
            "an opaque one, revoked": revoked(opaque),
            "an opaque one, expired": expired(opaque),
            "a permanent one, revoked": revoked(permanent()),
            "never issued": text("Bearer " + "x" * 48),
            "another Hub's": lambda scene: f"Bearer {opaque_elsewhere()}",
        },
        BAD,
        CHECKED,
    ),
    "too long": rows(
        {
            "8,193": text("Bearer " + "a" * 8193),
            "64 KiB": text("Bearer " + "a" * 65536),
            "a long signature": with_signature(lambda signature: signature + bytes(8192)),
            "many services": with_scope(lambda scene: " ".join([scene.service] * 300)),
            "a long person": lambda scene: "Bearer " + scene.sign(scene.data(user="a" * 8192)),
        },
        BAD,
    )
    | rows({"8,192": text("Bearer " + "a" * 8192)}, BAD, CHECKED),
    "other characters": rows(
        {
            name: with_mark(mark)
            for name, mark in {
                "end of a line": "\r\nX-Evil: 1\r\n",
                "CR": "\r",
                "LF": "\n",
                "NUL": "\0",
                "space": " ",
                "tab": "\t",
                "comma": ",",
                "quote": '"',
                "letter": "ä",
                "byte": "\xff",
                "percent": "%00",
                "tag": "<b>",
            }.items()
        }
        | {
            "space before": lambda scene: f"Bearer  {good(scene)}",
            "space after": lambda scene: f"Bearer {good(scene)} ",
            "end of a line after": lambda scene: f"Bearer {good(scene)}\n",
            "in quotes": lambda scene: f'Bearer "{good(scene)}"',
            "a comma and another scheme": lambda scene: f"Bearer {good(scene)}, Basic eDp4",
            "a parameter": lambda scene: f'Bearer token="{good(scene)}"',
            "a digit of another script": text("Bearer \u0661\u0662"),
            "two spaces between services": lambda scene: f"Bearer {good(scene)}".replace(f"{HUB_ID} ", f"{HUB_ID}  "),
        },
        BAD,
    ),
    "doubled": rows(
        {
            # Servers join two headers with a comma.
            "the same": lambda scene: f"Bearer {good(scene)},Bearer {good(scene)}",
            "two people's": lambda scene: f"Bearer {good(scene)}, Bearer {scene.token('john')}",
            "a good one and junk": lambda scene: f"Bearer {good(scene)}, Bearer x",
            "junk and a good one": lambda scene: f"Bearer x, bearer {good(scene)}",
            "two of junk": text("BEARER x,BEARER y"),
            "nothing and a good one": lambda scene: f"Bearer ,Bearer {good(scene)}",
            "a proxy's and a good one": lambda scene: f"Basic eDp4,Bearer {good(scene)}",
        },
        TWICE,
    ),
    "in the address": twice_or_never(
        {
            "once": {"query_string": "access_token=TOKEN"},
            "twice": {"query_string": "access_token=TOKEN&access_token=x"},
            "empty": {"query_string": "access_token="},
            "beside others": {"query_string": "a=b&access_token=TOKEN"},
            "encoded": {"query_string": "access%5Ftoken=TOKEN"},
        }
    ),
    "in the body": twice_or_never(
        {
            "once": outside("access_token"),
            "beside others": outside("a=b&access_token"),
            "encoded": outside("access%5Ftoken"),
            "twice": outside("access_token=x&access_token"),
            "empty before": outside("access_token=&access_token"),
        }
    ),
    "a form that is none of ours": {
        name: Row(bearer(good), GOOD, options=options)
        for name, options in {
            "JSON": outside('{"access_token": "x"', "application/json"),
            "plain text": outside("access_token", "text/plain"),
            "another word": outside("token"),
            "nothing": {"method": "POST"},
            "another word in the address": {"query_string": "token=x&accesstoken=x&Access_Token=x"},
        }.items()
    },
    "permanent": rows(
        {
            "for Hub and us": bearer(permanent()),
            "for Hub": bearer(permanent(HUB_ID)),
            "for Hub, another scheme's case": bearer(permanent(), "bearer"),
            "for Hub and YouTrack": bearer(permanent(f"{HUB_ID} {YOUTRACK}")),
        },
        BAD,
        GOOD,
        named=True,
    )
    | rows(
        {
            "for YouTrack": bearer(permanent(YOUTRACK)),
            "for us without Hub": lambda scene: f"Bearer {permanent(scene.service)(scene)}",
            "made up": text("Bearer perm:amFuZQ==.NDctMA==.0123456789"),
            "in another's name": lambda scene: f"Bearer {permanent()(scene).replace('amFuZQ', 'am9obg')}",
        },
        BAD,
        CHECKED,
    )
    | rows(
        {"the guest's": bearer(permanent(login="guest")), "a banned person's": bearer(permanent(login="mallory"))},
        BAD,
        CHECKED,
    ),
    "a service's own": rows(
        {
            "ours": lambda scene: f"Bearer {scene.hub.token_for_service()}",
            "YouTrack's": lambda scene: f"Bearer {scene.hub.token_for_service(YOUTRACK, f'{HUB_ID} {scene.service}')}",
            "Hub's": lambda scene: f"Bearer {scene.hub.token_for_service(HUB_ID, f'{HUB_ID} {scene.service}')}",
            "without Hub": lambda scene: f"Bearer {scene.hub.token_for_service(YOUTRACK, scene.service)}",
            "by hand": lambda scene: "Bearer " + scene.sign(scene.data(user="")),
        },
        SERVICE,
    )
    | rows({"an opaque one": lambda scene: f"Bearer {opaque_of_service(scene)}"}, BAD, SERVICE),
    "a person who changed": rows(
        {
            "banned": somebody("jane", banned=True),
        },
        GOOD,
        group=CHECKED,
        permission=LACKING,
    )
    | rows({"banned long ago": somebody("mallory")}, as_("mallory"), group=CHECKED, permission=LACKING)
    | rows({"the guest": somebody("guest")}, as_("guest"), group=CHECKED, permission=LACKING)
    | rows({"an opaque one, banned": somebody("jane", True, banned=True)}, BAD, CHECKED)
    | rows(
        {
            "left the group": somebody("jane", groups=["All Users"]),
            "left all groups": somebody("jane", groups=[]),
        },
        GOOD,
        group=LACKING,
        permission=LACKING,
    )
    | rows({"never in the group": somebody("john")}, as_("john"), group=LACKING, permission=LACKING)
    | rows(
        {"unknown to Hub": lambda scene: "Bearer " + scene.sign(scene.data(user="nobody"))},
        as_("nobody"),
        group=CHECKED,
        permission=CHECKED,
    ),
    "the scheme without a token": rows(
        {
            "word": text("Bearer"),
            "word and space": text("Bearer "),
            "two spaces": text("Bearer  "),
            "equals": text("Bearer ="),
            "padding alone": text("Bearer ===="),
            "small": text("bearer"),
            "tab": lambda scene: f"Bearer\t{good(scene)}",
            "comma": text("Bearer,"),
            "colon": lambda scene: f"Bearer: {good(scene)}",
        },
        BAD,
    ),
    "another scheme": rows(
        {
            "a proxy's": text("Basic " + base64.b64encode(b"jane:jane").decode()),
            "digest": text('Digest username="jane"'),
            "token": lambda scene: f"Token {good(scene)}",
            "begins alike": lambda scene: f"Bearers {good(scene)}",
            "nothing but a token": good,
            "empty": text(""),
            "no header": lambda scene: None,
            "hidden in a word": lambda scene: f"X-Bearer {good(scene)}",
        },
        NONE,
    ),
    "the case of the scheme": rows(
        {scheme: bearer(good, scheme) for scheme in ("Bearer", "bearer", "BEARER", "bEaReR", "bearEr")}, GOOD
    ),
    "without Hub": rows(
        {
            "ours alone": with_scope(lambda scene: scene.service),
            "ours and YouTrack": with_scope(lambda scene: f"{scene.service} {YOUTRACK}"),
            "ours in between": with_scope(lambda scene: f"{YOUTRACK} {scene.service} x"),
            "Hub's name is not its id": with_scope(lambda scene: f"{scene.service} Hub"),
            "nearly Hub": with_scope(lambda scene: f"{scene.service} 0-0-0-0-00"),
        },
        GOOD,
        group=LACKING,
        permission=LACKING,
        asks=False,
    ),
}


CASES = {f"{kind}: {name}": row for kind, found in TABLE.items() for name, row in found.items()}


@pytest.fixture
def scene(dev_hub: HubInMemory, hub_clock: Clock) -> Callable[..., Scene]:
    def make(**settings: Any) -> Scene:
        app = plain_app(dev_hub, HUB_PROTECT_ALL=True, **settings)
        HubAuth(app)
        seen = views(app)
        return Scene(dev_hub, app.test_client(), seen)

    return make


def challenge(scene: Scene, out: Out) -> str | None:
    """What ``WWW-Authenticate`` says."""
    if out.status == 200:
        return None
    words = [f'realm="{scene.service}"'] + ([f'error="{out.error}"'] if out.error else [])
    return "Bearer " + ", ".join(words + ([f'scope="{scene.service}"'] if out.status == 403 else []))


def whom(scene: Scene, out: Out) -> list[str]:
    """The ids that the view saw."""
    if out.who is None:
        return []
    return [scene.id(out.who) if out.who in scene.hub.people.users else out.who]


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 14
    assert all(len(found) >= 5 for found in TABLE.values()), {kind: len(found) for kind, found in TABLE.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_presented_token_gets_what_it_deserves_on_every_guard(
    name: str, scene: Callable[..., Scene], caplog: pytest.LogCaptureFixture
) -> None:
    """S72, S73, S74, S76, S77, S80, S81, S83, S84."""
    caplog.set_level(logging.DEBUG)
    row = CASES[name]
    for mode, routes in MODES.items():
        for route in routes:
            at, out = scene(HUB_BEARER=mode), row.out(mode, route)
            header, options = prepared(at, row)
            before = len(at.hub.calls)
            answer = at.send(header, route, **options)
            calls = [call["path"] for call in at.hub.calls[before:]]
            seen = (answer.status_code, answer.headers.get("WWW-Authenticate"), len(calls), at.seen)
            wanted = (out.status, challenge(at, out), out.calls, whom(at, out))
            assert seen == wanted, (mode, route, calls, answer.text)
            assert "Set-Cookie" not in answer.headers
            assert "Access-Control" not in str(answer.headers)
            assert_untold(header, options, answer, caplog.text)


@pytest.mark.parametrize("name", CASES)
def test_a_good_cookie_counts_only_where_no_token_is_presented(name: str, scene: Callable[..., Scene]) -> None:
    """S75."""
    row = CASES[name]
    for mode, route in (("signed", "/bearer"), ("signed", "/login-required"), ("off", "/login-required")):
        at, out = scene(HUB_BEARER=mode), row.out(mode, route)
        at.hub.sign_in(at.client, "john")
        header, options = prepared(at, row)
        answer = at.send(header, route, **options)
        if out == NONE and route != "/bearer":
            out = as_("john")
        seen = (answer.status_code, answer.headers.get("WWW-Authenticate"), at.seen)
        assert seen == (out.status, challenge(at, out), whom(at, out)), (mode, route, answer.text)
        assert "Set-Cookie" not in answer.headers


def prepared(at: Scene, row: Row) -> tuple[str | None, dict[str, Any]]:
    header = row.header(at)
    token = at.token()
    options = {
        name: value.replace("TOKEN", quote(token) if name == "query_string" else token)
        for name, value in row.options.items()
    }
    return header, options


def assert_untold(header: str | None, options: dict[str, Any], answer: TestResponse, log: str) -> None:
    """Nothing of a token is in the answer or in the log."""
    said = f"{answer.headers}{answer.text}{log}"
    _, _, token = (header or "").partition(" ")
    for secret in (token, token.rpartition(".")[2], *(value.rpartition("=")[2] for value in options.values())):
        if len(secret) > 20:
            assert secret not in said


# What a table cannot say


def test_a_caller_is_known_for_one_request_and_no_cookie_is_touched(scene: Callable[..., Scene]) -> None:
    """S83."""
    at = scene()
    # The count of round trips of somebody who comes from a login.
    at.client.set_cookie("hub_tried", at.client.application.extensions["hub_auth"].pending._dump("tried", 1))
    answer = at.send(f"Bearer {at.token()}", "/login-required")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert answer.cache_control.private
    assert {"Cookie", "Authorization"} <= set(answer.vary)
    assert at.send(None, "/login-required").status_code == 401


def test_a_page_is_no_place_for_a_bad_token_either(scene: Callable[..., Scene]) -> None:
    """S75: a navigation with one is not sent to Hub."""
    at = scene()
    for route in ROUTES:
        answer = at.client.get(route, headers={**NAVIGATION, "Authorization": "Bearer x"})
        assert (answer.status_code, answer.mimetype) == (401, "text/html")
        assert answer.headers["WWW-Authenticate"] == challenge(at, BAD)


@pytest.mark.parametrize("query", ["access_token=TOKEN", "a=b&access_token=TOKEN", "access%5Ftoken=TOKEN"])
def test_a_token_in_the_address_is_not_in_the_return_address(query: str, scene: Callable[..., Scene]) -> None:
    """S74."""
    at = scene()
    token = at.token()
    for headers in (SCRIPT, NAVIGATION):
        answer = at.client.get("/login-required", query_string=query.replace("TOKEN", quote(token)), headers=headers)
        assert answer.status_code == (401 if headers is SCRIPT else 302)
        told = unquote(unquote(f"{answer.headers}{answer.text}"))
        assert token.rpartition(".")[2] not in told


@pytest.mark.parametrize("route", ["/bearer", "/login-required", "/everything"])
def test_the_groups_of_the_login_hold_for_callers_too(route: str, scene: Callable[..., Scene]) -> None:
    at = scene(HUB_LOGIN_GROUPS=["Developers", "Somebody else"])
    assert at.send(f"Bearer {at.token('jane')}", route).status_code == 200
    answer = at.send(f"Bearer {at.token('john')}", route)
    assert (answer.status_code, answer.json["code"]) == (403, "HUB-113")  # type: ignore[index]
    assert answer.headers["WWW-Authenticate"] == challenge(at, LACKING)
    without_hub = at.send(f"Bearer {at.token('jane', at.service)}", route)
    assert (without_hub.status_code, at.seen) == (403, [at.id("jane")])


def test_what_a_view_reads_of_a_person_is_asked_once_in_a_while(
    dev_hub: HubInMemory, hub_clock: Clock, scene: Callable[..., Scene]
) -> None:
    at = scene()
    app = at.client.application
    says = {"reads": lambda: f"{current_hub_user.login} {current_hub_user.name} {sorted(current_hub_user.groups)}"}
    app.add_url_rule("/reads", "reads", hub_bearer_required(says["reads"]))
    header, before = f"Bearer {at.token()}", len(dev_hub.calls)
    for _ in range(2):
        for _ in range(3):
            assert at.send(header, "/reads").text == "jane Jane Doe ['All Users', 'Developers', 'Staff']"
        hub_clock.advance(30)
    assert [call["path"].rpartition("/")[2] for call in dev_hub.calls[before:]] == ["key", "me", "me"]
    dev_hub.update_user("jane", banned=True)
    answer = at.send(header, "/reads")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, challenge(at, BAD))
    dev_hub.fail(status=503)
    hub_clock.advance(30)
    answer = at.send(header, "/reads")
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("mode", ["signed", "any"])
def test_while_hub_is_away_a_token_is_not_called_bad(mode: str, scene: Callable[..., Scene]) -> None:
    """S82."""
    for route in ROUTES:
        at = scene(HUB_BEARER=mode)
        token = at.token() if mode == "signed" else opaque(at)
        at.hub.fail(transport="refuse")
        answer = at.send(f"Bearer {token}", route)
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0, at.seen) == (503, True, [])
        assert "WWW-Authenticate" not in answer.headers
        at.hub.mend()


def test_headers_that_come_twice_over_http_are_two_tokens(scene: Callable[..., Scene]) -> None:
    """S73: as a server joins them."""
    at = scene()
    server = make_server("127.0.0.1", 0, at.client.application)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    good = f"Authorization: Bearer {at.token()}"
    try:
        for first, second, status in (
            (good, good, b"400"),
            (good, "authorization: bearer x", b"400"),
            ("AUTHORIZATION: Basic eDp4", good, b"400"),
            (good, "X-More: 1", b"200"),
        ):
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.sendall(f"GET /bearer HTTP/1.1\r\nHost: localhost\r\n{first}\r\n{second}\r\n\r\n".encode())
                assert sock.recv(65536).split()[1] == status
    finally:
        server.shutdown()
        server.server_close()
