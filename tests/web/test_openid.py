"""Signing in with OpenID Connect: what is asked for, which id tokens are believed, and what keys cost."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey

from flask_hub_auth import hub_login_failed, hub_login_required
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import TOKEN_PATH, Visitor, add_page, query

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]
KEYS_PATH = "/api/rest/oauth2/keys"
DISCOVERY_PATH = "/.well-known/openid-configuration"
WRONG = ["nonce", "audience", "issuer", "expiry", "none", "hmac", "key", "missing", "subject"]


@pytest.fixture
def visitor(make_site: MakeSite, visit: Visit) -> Visitor:
    """A browser for an application that signs in with OpenID Connect."""
    app = make_site(HUB_OPENID=True)
    add_page(app, "/vault", "gold", hub_login_required(max_age=60))
    return visit(app)


def asked(hub: HubInMemory, path: str) -> int:
    return sum(call["path"] == path for call in hub.calls)


# What is asked for


def test_a_login_asks_for_openid_beside_the_services_and_sends_a_nonce(visitor: Visitor, dev_hub: HubInMemory) -> None:
    first, second = query(visitor.begin()), query(visitor.begin())
    assert first["scope"] == f"openid 0-0-0-0-0 {dev_hub.service_id}"
    assert len(first["nonce"]) == 43
    assert len({first["nonce"], second["nonce"], first["state"], first["code_challenge"]}) == 4
    assert first["access_type"] == "offline"
    assert not {"max_age", "prompt"} & set(first)
    # The nonce is in no cookie: it comes from the state and the key.
    assert not any(first["nonce"] in cookie for cookie in visitor.cookies().values())


def test_without_the_setting_nothing_of_openid_is_asked_for(make_site: MakeSite, visit: Visit) -> None:
    said = query(visit(make_site()).begin())
    assert "nonce" not in said
    assert "openid" not in said["scope"].split()


def test_somebody_signs_in_and_stays_so_when_the_token_is_renewed(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """The scope is not sent again, which Hub would refuse."""
    assert visitor.sign_in().status_code == 302
    assert visitor.who() == "jane"
    hub_clock.advance(3590)
    assert visitor.open("/private").text == "private jane"
    assert [call["grant"] for call in dev_hub.calls if call["path"] == TOKEN_PATH] == [
        "authorization_code",
        "refresh_token",
    ]


# Wrong id tokens


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_id_token_signs_nobody_in(
    wrong: str, visitor: Visitor, dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[str] = []

    def failed(app: Flask, code: str) -> None:
        codes.append(code)

    dev_hub.fail(TOKEN_PATH, id_token=wrong)
    with hub_login_failed.connected_to(failed), caplog.at_level(logging.DEBUG):
        answer = visitor.sign_in()
    assert answer.status_code == 502
    assert "HUB-202" in answer.text
    assert (visitor.logins(), visitor.who(), codes) == (0, "nobody", ["HUB-202"])
    # The reason is in the log, and nothing of a token.
    (reason,) = (record.message for record in caplog.records if "HUB-202" in record.message)
    assert "id token" in reason
    assert "eyJ" not in caplog.text

    dev_hub.mend()
    assert visitor.sign_in().status_code == 302
    assert visitor.who() == "jane"


@pytest.mark.parametrize("wrong", ["nonce", "missing", "key"])
def test_a_wrong_id_token_leaves_the_login_that_was_there(wrong: str, visitor: Visitor, dev_hub: HubInMemory) -> None:
    visitor.sign_in()
    dev_hub.fail(TOKEN_PATH, id_token=wrong)
    assert visitor.sign_in("/login", as_="john").status_code == 502
    assert visitor.who() == "jane"


KEY = RSAKey.generate_key(2048)
KEY.ensure_kid()
PUBLIC = {**KEY.as_dict(private=False), "use": "sig", "alg": "RS256"}


class Minted:
    """A Hub whose id tokens and keys are made by the test."""

    def __init__(self, visitor: Visitor, hub: HubInMemory) -> None:
        self.visitor = visitor
        self.hub = hub
        self.keys: object = {"keys": [PUBLIC]}
        begun = visitor.begin()
        self.callback = visitor.answer(begun)
        now = int(hub.clock())
        self.claims: dict[str, Any] = {
            "iss": hub.url,
            "sub": hub.user("jane").id,
            "aud": hub.service_id,
            "nonce": query(begun)["nonce"],
            "iat": now,
            "exp": now + 300,
        }

    def come_back(self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: RSAKey = KEY) -> int:
        """The status of the callback with an id token of these claims; those that are None are left out."""
        said = {name: value for name, value in (self.claims | claims).items() if value is not None}
        head = {"alg": "RS256", "kid": KEY.kid, **(header or {})}
        signed = {name: value for name, value in head.items() if value is not None}
        return self.answer(jwt.encode(signed, said, key, algorithms=["RS256", "RS512", "PS256"]))

    def answer(self, id_token: str) -> int:
        token = {"access_token": self.hub.token_for("jane"), "token_type": "Bearer", "expires_in": 600}
        self.hub.fail(TOKEN_PATH, status=200, body=json.dumps({**token, "id_token": id_token}))
        body = self.keys if isinstance(self.keys, str) else json.dumps(self.keys)
        self.hub.fail(KEYS_PATH, status=200, body=body)
        answer = self.visitor.come_back(self.callback)
        assert (answer.status_code == 302) == (self.visitor.who() == "jane")
        return answer.status_code


@pytest.fixture
def minted(visitor: Visitor, dev_hub: HubInMemory) -> Minted:
    return Minted(visitor, dev_hub)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": ["98071167-004c-4ddf-ba37-5d4599fdf319"]},
        {"aud": ["98071167-004c-4ddf-ba37-5d4599fdf319", "other"], "azp": "98071167-004c-4ddf-ba37-5d4599fdf319"},
        {"azp": "98071167-004c-4ddf-ba37-5d4599fdf319"},
        {"auth_time": 5},
        {"nbf": 5},
        {"extra": {"a": [1]}},
    ],
)
def test_a_good_id_token_signs_in(claims: dict[str, Any], minted: Minted) -> None:
    assert minted.come_back(claims) == 302


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None},
        {"iss": ""},
        {"iss": ["https://hub.test/hub"]},
        {"iss": "https://hub.test/hub/"},
        {"iss": "https://hub.test"},
        {"aud": None},
        {"aud": []},
        {"aud": {"98071167-004c-4ddf-ba37-5d4599fdf319": 1}},
        {"aud": "98071167"},
        {"aud": ["98071167-004c-4ddf-ba37-5d4599fdf319", "other"]},
        {"aud": ["98071167-004c-4ddf-ba37-5d4599fdf319", "other"], "azp": "other"},
        {"azp": "other"},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": 1},
        {"iat": None},
        {"iat": "now"},
        {"auth_time": "now"},
        {"nbf": "now"},
        {"nbf": True},
        {"exp": 10**400},
        {"iat": 10**400},
        {"iat": -(10**400)},
        {"auth_time": 10**400},
        {"auth_time": 1e308},
        {"nbf": 10**400},
        {"nonce": None},
        {"nonce": ""},
        {"nonce": 5},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "somebody else"},
    ],
)
def test_an_id_token_that_says_something_else_signs_nobody_in(claims: dict[str, Any], minted: Minted) -> None:
    assert minted.come_back(claims) == 502


@pytest.mark.parametrize(("claim", "apart"), [("iat", 1205), ("iat", -1205), ("nbf", 1205)])
def test_a_time_is_good_within_twenty_minutes(claim: str, apart: int, visitor: Visitor, dev_hub: HubInMemory) -> None:
    for seconds, status in ((apart, 502), (apart - 10 * (apart // abs(apart)), 302)):
        minted = Minted(visitor, dev_hub)
        assert minted.come_back({claim: minted.claims["iat"] + seconds}) == status
        dev_hub.mend()


def test_an_id_token_may_be_as_old_as_the_login(minted: Minted, hub_clock: Clock) -> None:
    hub_clock.advance(250)
    assert minted.come_back({}) == 302


@pytest.mark.parametrize("header", [{"alg": "RS512"}, {"alg": "PS256"}, {"kid": None}, {"kid": "other"}])
def test_an_id_token_cannot_choose_how_it_is_checked(header: dict[str, Any], minted: Minted) -> None:
    assert minted.come_back({}, header) == 502


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "..",
        "a.b.c",
        "eyJ.eyJ.eyJ",
        "a.b.c.d.e",
        f"{part([])}.{part({})}.",
        f"{part(5)}.{part({})}.",
        f"{part({'alg': ['RS256'], 'kid': KEY.kid})}.{part({})}.AA",
        f"{part({'alg': 'RS256', 'kid': [KEY.kid]})}.{part({})}.AA",
        f"{part({'alg': 'RS256', 'kid': KEY.kid, 'crit': ['exp']})}.{part({})}.AA",
        f"{part({'alg': 'RS256', 'kid': KEY.kid})}.{'[' * 3000}.AA",
        "[" * 3000 + ".e.e",
    ],
)
def test_nonsense_for_an_id_token_signs_nobody_in(text: str, minted: Minted) -> None:
    assert minted.answer(text) == 502


def resigned(header: bytes, payload: bytes) -> str:
    """A token of these very bytes, signed well."""
    signed = ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (header, payload))
    signature = KEY.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


TWISTS: dict[str, Callable[[bytes], bytes]] = {
    "a name twice": lambda text: text[:-1] + b"," + text[1:],
    "a mark at the start": lambda text: b"\xef\xbb\xbf" + text,
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "no number": lambda text: text[:-1] + b', "more": NaN}',
    "half a character": lambda text: text[:-1] + b', "more": "\\ud800"}',
    "too deep": lambda text: text[:-1] + b', "more": ' + b"[" * 101 + b"]" * 101 + b"}",
    "an array": lambda text: b"[" + text + b"]",
}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("twist", [None, *TWISTS])
def test_an_id_token_is_read_as_strictly_as_all_that_hub_says(twist: str | None, place: int, minted: Minted) -> None:
    parts = [json.dumps(each).encode() for each in ({"alg": "RS256", "kid": KEY.kid}, minted.claims)]
    if twist:
        parts[place] = TWISTS[twist](parts[place])
    assert minted.answer(resigned(*parts)) == (502 if twist else 302)


@pytest.mark.parametrize(
    "more", [{"zip": "DEF"}, {"enc": "A128GCM"}, {"b64": True}, {"crit": ["exp"], "exp": 1}, {"crit": []}]
)
def test_a_header_that_asks_for_more_than_a_signature_is_refused(more: dict[str, Any], minted: Minted) -> None:
    header = {"alg": "RS256", "kid": KEY.kid, **more}
    assert minted.answer(resigned(*(json.dumps(each).encode() for each in (header, minted.claims)))) == 502


@pytest.mark.parametrize(
    "keys",
    [
        "<html>",
        [],
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": [None, 5, "x"]},
        {"keys": [{**PUBLIC, "use": "enc"}]},
        {"keys": [{**PUBLIC, "key_ops": ["encrypt"]}]},
        {"keys": [{**PUBLIC, "key_ops": "verify"}]},
        {"keys": [{**PUBLIC, "alg": "RS512"}]},
        {"keys": [{**PUBLIC, "kid": 5}]},
        {"keys": [{**PUBLIC, "n": "AQAB"}]},
        {"keys": [{**PUBLIC, "e": ""}]},
        {"keys": [{name: value for name, value in PUBLIC.items() if name != "e"}]},
        {"keys": [{**PUBLIC, "e": 65537}]},
        {"keys": [{"kty": "oct", "kid": KEY.kid, "k": "AAAA"}]},
    ],
)
def test_a_set_without_the_key_signs_nobody_in(keys: object, minted: Minted) -> None:
    minted.keys = keys
    assert minted.come_back({}) == 502


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_that_is_too_short_signs_nobody_in(minted: Minted) -> None:
    """RFC 7518 section 3.3: 2048 bits, however good the signature is."""
    short = RSAKey.generate_key(1024)
    minted.keys = {"keys": [{**short.as_dict(private=False), "kid": KEY.kid, "use": "sig", "alg": "RS256"}]}
    assert minted.come_back({}, key=short) == 502


def test_keys_of_other_kinds_in_the_set_do_no_harm(minted: Minted) -> None:
    minted.keys = {
        "keys": [{"kty": "EC", "kid": "e"}, {"kty": "RSA", "kid": "broken", "n": "!" * 400, "e": "!"}, PUBLIC]
    }
    assert minted.come_back({}) == 302


def test_the_issuer_may_be_another_name_that_the_discovery_gives(minted: Minted, dev_hub: HubInMemory) -> None:
    name = "https://yt.example.com/hub"
    dev_hub.fail(DISCOVERY_PATH, status=200, body=json.dumps({"issuer": name}))
    assert minted.come_back({"iss": name}) == 302


# Keys


def test_keys_are_read_once_and_a_rotation_costs_one_reading(
    visitor: Visitor, dev_hub: HubInMemory, make_site: MakeSite, visit: Visit
) -> None:
    for _ in range(3):
        assert visitor.sign_in("/login").status_code == 302
    assert asked(dev_hub, KEYS_PATH) == 1
    for rotations in range(1, 4):
        dev_hub.rotate_id_token_key()
        for _ in range(3):
            assert visitor.sign_in("/login").status_code == 302
        assert asked(dev_hub, KEYS_PATH) == 1 + rotations


def test_names_of_keys_that_nobody_knows_cost_one_reading_a_minute(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """R29"""
    for minutes in range(1, 4):
        for number in range(5):
            assert Minted(visitor, dev_hub).come_back({}, {"kid": f"{minutes}.{number}"}) == 502
        assert asked(dev_hub, KEYS_PATH) == minutes
        dev_hub.mend()
        hub_clock.advance(61)


def test_while_the_keys_cannot_be_read_nobody_is_called_wrong(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    dev_hub.fail(KEYS_PATH, status=503)
    for _ in range(2):
        answer = visitor.sign_in()
        assert (answer.status_code, "HUB-201" in answer.text) == (503, True)
        assert "Retry-After" in answer.headers
    assert visitor.who() == "nobody"
    dev_hub.mend()
    hub_clock.advance(1)
    assert visitor.sign_in().status_code == 302


# Passwords


def test_a_password_that_hub_tells_of_opens_a_vault(visitor: Visitor, hub_clock: Clock) -> None:
    visitor.sign_in()
    assert visitor.open("/vault").text == "gold"
    hub_clock.advance(62)
    said = query(visitor.begin("/vault"))
    assert (said["request_credentials"], said["max_age"], said["prompt"]) == ("required", "60", "login")


def test_a_password_of_long_ago_does_not_open_a_vault(visitor: Visitor, hub_clock: Clock) -> None:
    begun = visitor.begin()
    callback = visitor.answer(begun)
    visitor.come_back(callback)
    visitor.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"})
    hub_clock.advance(600)
    visitor.sign_in()
    assert visitor.who() == "jane"
    assert visitor.open("/vault").status_code == 302


def test_a_hub_that_asks_for_no_password_though_it_should_opens_no_vault(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """Somebody at an open browser can change what is asked of Hub, but not what Hub says in an id token."""
    visitor.sign_in()
    hub_clock.advance(600)
    begun = visitor.begin("/vault")
    tampered = begun.replace("request_credentials=required", "request_credentials=default")
    tampered = tampered.replace("prompt=login", "prompt=").replace("max_age=60", "max_age=9999")
    assert visitor.come_back(visitor.answer(tampered)).status_code == 502
    assert visitor.who() == "jane"
    assert visitor.open("/vault").status_code == 302


@pytest.mark.parametrize("apart", [-1500, 1500])
def test_the_log_says_that_the_clocks_are_apart(
    apart: int, visitor: Visitor, dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    ours = dev_hub.clock
    dev_hub.clock = dev_hub.sessions._clock = dev_hub.store._clock = lambda: ours() + apart
    assert visitor.sign_in().status_code == 502
    assert "the clocks of Hub and this machine are over 20 minutes apart" in caplog.text


@pytest.mark.parametrize("apart", [-900, -55, 55, 900])
def test_a_clock_of_hubs_that_is_a_little_apart_locks_nobody_out(
    apart: int, visitor: Visitor, dev_hub: HubInMemory
) -> None:
    ours = dev_hub.clock
    dev_hub.clock = dev_hub.sessions._clock = dev_hub.store._clock = lambda: ours() + apart
    assert visitor.come_back(visitor.answer(visitor.begin("/vault"))).location == "/vault"
    assert visitor.open("/vault").text == "gold"
    visitor.sign_in("/login")
    assert visitor.open("/vault").text == "gold"
