"""How a token is obtained: what is asked, what of an answer is taken, and what a refusal means."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from flask_hub_auth.errors import HubError, HubProtocolError, HubRefused, HubUnavailable, TokenRejected
from flask_hub_auth.hub import HubOAuth, HubRest
from flask_hub_auth.model import HubToken, Secret

from .conftest import Server, answer

NOW = 1_800_000_000
GOOD = {"access_token": "1.a.b.c;1.eA==", "token_type": "Bearer", "expires_in": 3600, "scope": "0-0-0-0-0"}
HUB = "0-0-0-0-0"
SERVICE_ID = "98071167-004c-4ddf-ba37-5d4599fdf319"


@pytest.fixture
def oauth(server: Server) -> HubOAuth:
    server.always = answer(GOOD)
    return HubOAuth(server.url, "svc", "s3cret", clock=lambda: NOW + 0.9)


def exchanged(oauth: HubOAuth) -> HubToken:
    return oauth.exchange("c0de", redirect_uri="https://app.example/authorized", verifier="v" * 43)


def refused(call: Callable[[], object]) -> HubError:
    with pytest.raises(HubError) as caught:
        call()
    return caught.value


# The authorization address


def address(oauth: HubOAuth, **more: Any) -> tuple[str, dict[str, str]]:
    given: dict[str, Any] = {"redirect_uri": "https://app.example/authorized?a=b&c", "state": "st&te", "verifier": None}
    url = oauth.authorization_url(**(given | {"scope": [HUB]} | more))
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs)), "a parameter twice"
    return url.partition("?")[0], dict(pairs)


def test_the_address_asks_for_a_code(oauth: HubOAuth, server: Server) -> None:
    base, query = address(oauth, verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert base == f"{server.url}/api/rest/oauth2/auth"
    assert query == {
        "response_type": "code",
        "client_id": "svc",
        "redirect_uri": "https://app.example/authorized?a=b&c",
        "scope": HUB,
        "state": "st&te",
        "request_credentials": "default",
        "access_type": "offline",
        # RFC 7636 appendix B
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    assert server.connections == 0


def test_the_address_says_no_more_than_is_asked(oauth: HubOAuth) -> None:
    _, query = address(oauth, offline=False, request_credentials="silent", nonce="n")
    assert query.keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "request_credentials", "nonce"
    }  # fmt: skip
    assert query["request_credentials"] == "silent"


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ([HUB, "98071167-004c-4ddf-ba37-5d4599fdf319"], f"{HUB} 98071167-004c-4ddf-ba37-5d4599fdf319"),
        (["YouTrack", HUB, "YouTrack", "", HUB], f"YouTrack {HUB}"),
        (["YouTrack Konnector", "a+b", "ä", "50%", "a&b=c"], "YouTrack%20Konnector a%2Bb %C3%A4 50%25 a%26b%3Dc"),
        (("openid", "offline_access"), "openid offline_access"),
        ([], None),
    ],
)
def test_scope_entries_are_encoded_before_they_are_joined(
    scope: Any, value: str | None, oauth: HubOAuth, server: Server
) -> None:
    assert address(oauth, scope=scope)[1].get("scope") == value
    oauth.for_service(scope)
    assert server.asked[0].form.get("scope") == value
    if value:
        assert [unquote(entry) for entry in value.split(" ")] == list(dict.fromkeys(filter(None, scope)))


# What is sent


def test_a_code_is_exchanged(oauth: HubOAuth, server: Server) -> None:
    token = exchanged(oauth)
    [asked] = server.asked
    assert (asked.method, asked.target) == ("POST", "/hub/api/rest/oauth2/token")
    assert asked.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"svc:s3cret").decode()
    assert asked.form == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "https://app.example/authorized",
        "code_verifier": "v" * 43,
    }
    assert token == HubToken(Secret("1.a.b.c;1.eA=="), None, "Bearer", HUB, NOW + 3600)


def test_without_a_verifier_none_is_sent(oauth: HubOAuth, server: Server) -> None:
    oauth.exchange("c", redirect_uri="https://app.example/", verifier=None)
    assert "code_verifier" not in server.asked[0].form


@pytest.mark.parametrize("token", ["r3fresh&+ä ", Secret("r3fresh&+ä ")])
def test_a_refresh_token_travels_in_the_body_without_scope(token: Any, oauth: HubOAuth, server: Server) -> None:
    """S58, S60"""
    refreshed = oauth.refresh(token)
    [asked] = server.asked
    assert asked.form == {"grant_type": "refresh_token", "refresh_token": "r3fresh&+ä "}
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.query == {}
    assert refreshed.refresh_token == Secret("r3fresh&+ä ")


@pytest.mark.parametrize("given", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_the_old_refresh_token_is_kept_where_hub_sends_none(given: Any, oauth: HubOAuth, server: Server) -> None:
    """R15"""
    server.always = answer(GOOD | given)
    assert oauth.refresh("old").refresh_token == Secret("old")
    assert exchanged(oauth).refresh_token is None


def test_a_new_refresh_token_replaces_the_old_one(oauth: HubOAuth, server: Server) -> None:
    server.always = answer(GOOD | {"refresh_token": "new"})
    assert oauth.refresh("old").refresh_token == Secret("new")


def test_a_service_asks_for_itself(oauth: HubOAuth, server: Server) -> None:
    oauth.for_service([HUB, "yt"])
    assert server.asked[0].form == {"grant_type": "client_credentials", "scope": f"{HUB} yt"}


@pytest.mark.parametrize("offline", [False, True])
def test_a_password_is_exchanged(offline: bool, oauth: HubOAuth, server: Server) -> None:
    oauth.for_password("jäne", Secret("p=&ß\n"), scope=[HUB], offline=offline)
    form = {"grant_type": "password", "username": "jäne", "password": "p=&ß\n", "scope": HUB}
    assert server.asked[0].form == form | ({"access_type": "offline"} if offline else {})


@pytest.mark.parametrize("secret", ["päss", "пароль", "a:b%+", " "])
def test_basic_has_the_raw_halves_in_utf_8(secret: str, server: Server) -> None:
    """S60"""
    server.always = answer(GOOD)
    HubOAuth(server.url, "svc", Secret(secret)).for_service([HUB])
    sent = server.asked[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == f"svc:{secret}"
    assert "client_id" not in server.asked[0].form
    assert "client_secret" not in server.asked[0].form


@pytest.mark.parametrize("secret", [None, "", Secret("")])
def test_a_public_client_sends_its_id(secret: Any, server: Server) -> None:
    server.always = answer(GOOD)
    HubOAuth(server.url, "svc", secret).refresh("r")
    assert server.asked[0].form == {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "svc"}
    assert "authorization" not in server.asked[0].headers


def test_half_a_character_is_not_sent(oauth: HubOAuth, server: Server) -> None:
    error = refused(lambda: oauth.for_password("jane", "\ud800s3cret", scope=[HUB]))
    assert isinstance(error, HubRefused)
    assert server.connections == 0
    assert "s3cret" not in str(error)


# Token answers

LONG = "x" * 8192
TOO_LONG = "x" * 8193
CLASSIC = (
    "1443459450185.98071167-004c-4ddf-ba37-5d4599fdf319.c6b6e9c6-0000-4000-8000-000000000001.{};1.MCwCFC/YWvLj+a=="
)

GOOD_TOKENS = [
    "a",
    "perm:amFuZQ==.NDct.rExb",
    "perm-amFuZQ==.NDct.rExb",
    "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
    "-._~+/a==",
    LONG,
    CLASSIC.format(HUB),
    CLASSIC.format(f"{HUB} 98071167-004c-4ddf-ba37-5d4599fdf319"),
    CLASSIC.format("YouTrack+Konnector a%26b"),
    "1443459450185.svc..0-0-0-0-0;1.MCwC",
]
ODD_TOKENS = [
    None,
    True,
    1,
    1.5,
    [],
    ["a"],
    {},
    "",
    " ",
    "a b",
    "a\r\nX-Injected: 1",
    "a\r",
    "a\n",
    "\na",
    "a\x00",
    "a\tb",
    "a\x7f",
    "a\u00a0b",
    "tökén",
    "ключ",
    "٣",
    "a\u202eb",
    '"a"',
    "a,b",
    "a<b>",
    "=",
    "=a",
    TOO_LONG,
    CLASSIC.format(f"{HUB}  x"),
    CLASSIC.format(f" {HUB}"),
    CLASSIC.format(f"{HUB} "),
    CLASSIC.format(f"{HUB}\ty"),
    CLASSIC.format(f"{HUB}\u2003y"),
    CLASSIC.format(f"{HUB} y") + "\n",
    CLASSIC.format(f"{HUB} y") + " ",
    CLASSIC.format(f"{HUB} y").replace(".c6b", " .c6b"),
    CLASSIC.format(f"{HUB} y").replace(";1", ""),
    CLASSIC.format("ä y"),
    f"x{CLASSIC.format(f'{HUB} y')}",
]


@pytest.mark.parametrize("token", GOOD_TOKENS)
def test_a_token_of_hub_is_taken(token: str, oauth: HubOAuth, server: Server) -> None:
    """S92"""
    server.always = answer(GOOD | {"access_token": token})
    assert exchanged(oauth).access_token.reveal() == token


@pytest.mark.parametrize("token", ODD_TOKENS)
def test_a_token_with_odd_characters_is_refused(token: Any, oauth: HubOAuth, server: Server) -> None:
    """S92, R24"""
    server.always = answer(GOOD | {"access_token": token})
    error = refused(lambda: exchanged(oauth))
    assert type(error) is HubProtocolError
    assert "access_token is missing or not as it must be" in str(error)


ODD_ANSWERS: list[Any] = [
    {},
    {"error": None},
    {"token_type": "Bearer", "expires_in": 3600},
    {"access_token": "a"},
    {"access_token": "a", "token_type": None},
    {"access_token": "a", "token_type": ""},
    {"access_token": "a", "token_type": "mac"},
    {"access_token": "a", "token_type": "Bearer "},
    {"access_token": "a", "token_type": ["Bearer"]},
    {"access_token": "a", "token_type": True},
    GOOD | {"refresh_token": 1},
    GOOD | {"refresh_token": True},
    GOOD | {"refresh_token": False},
    GOOD | {"refresh_token": []},
    GOOD | {"refresh_token": {"a": 1}},
    GOOD | {"refresh_token": TOO_LONG},
    GOOD | {"refresh_token": "ä" * 4097},
    GOOD | {"scope": None},
    GOOD | {"scope": 1},
    GOOD | {"scope": [HUB]},
    GOOD | {"scope": {}},
    GOOD | {"scope": "a\nb"},
    GOOD | {"scope": "a\tb"},
    GOOD | {"scope": "ä"},
    GOOD | {"scope": "a\x00"},
    GOOD | {"scope": TOO_LONG},
    GOOD | {"id_token": 1},
    GOOD | {"id_token": ["a"]},
    GOOD | {"id_token": TOO_LONG},
    GOOD | {"error": "invalid_grant"},
    GOOD | {"error": ["x"]},
    {"error": "invalid_grant", "error_description": "Unknown refresh token"},
    [GOOD],
    [],
    None,
    "text",
    1,
    b"",
    b"<html>invalid_grant</html>",
    b"access_token=a&token_type=Bearer",
    json.dumps(GOOD).encode()[:-1],
    json.dumps(GOOD).encode("utf-16"),
    b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    b'{"access_token":"a","token_type":"Bearer","access_token":"b"}',
    b'{"access_token":"a","token_type":"Bearer","expires_in":NaN}',
    b'{"access_token":"a","token_type":"Bearer","expires_in":Infinity}',
    b'{"access_token":"a","token_type":"Bearer","scope":"\\ud800"}',
    b'{"access_token":"\xff","token_type":"Bearer"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", ODD_ANSWERS, ids=lambda body: repr(body)[:70])
def test_an_odd_token_answer_is_refused(body: Any, oauth: HubOAuth, server: Server) -> None:
    """S91, R24: and at a renewal it ends no login, since it is no `TokenRejected`."""
    server.always = answer(body)
    assert type(refused(lambda: exchanged(oauth))) is HubProtocolError
    assert type(refused(lambda: oauth.refresh("r"))) is HubProtocolError


FINE_ANSWERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"token_type": "bearer"}, {}),
    ({"token_type": "BEARER"}, {}),
    ({"refresh_token": LONG}, {"refresh_token": Secret(LONG)}),
    ({"refresh_token": "ä b"}, {"refresh_token": Secret("ä b")}),
    ({"id_token": None}, {"id_token": None}),
    ({"id_token": "a.b.c"}, {"id_token": Secret("a.b.c")}),
    ({"scope": ""}, {"scope": ""}),
    ({"scope": "a b"}, {"scope": "a b"}),
    ({"scope": LONG}, {"scope": LONG}),
    ({"error": None}, {}),
    ({"something": ["new"], "expires_at": "never"}, {}),
]


@pytest.mark.parametrize(("given", "expected"), FINE_ANSWERS, ids=lambda case: repr(case)[:50])
def test_what_hub_may_say_is_taken(given: Any, expected: Any, oauth: HubOAuth, server: Server) -> None:
    server.always = answer(GOOD | given)
    token = exchanged(oauth)
    assert token.token_type == "Bearer"
    assert {name: getattr(token, name) for name in expected} == expected


def test_a_scope_that_is_not_told_is_empty(oauth: HubOAuth, server: Server) -> None:
    """S58: nothing is granted that Hub did not name."""
    server.always = answer({"access_token": "a", "token_type": "Bearer"})
    assert exchanged(oauth) == HubToken(Secret("a"), expires_at=NOW + 600)


LIVES = [
    ("3600", 3600),
    ("1", 1),
    ("0", 0),
    ("-1", 0),
    ("-1e308", 0),
    ("0.9", 0),
    ("1.5", 1),
    ("3600.0", 3600),
    ("1e3", 1000),
    ("2592000", 2_592_000),
    ("2592001", 2_592_000),
    ("1e308", 2_592_000),
    ("1" * 400, 2_592_000),
    ("1e999", 600),
    ("-1e999", 600),
    ("-" + "1" * 400, 0),
    ('"3600"', 3600),
    ('"0"', 0),
    ('"' + "9" * 4500 + '"', 2_592_000),
    ('"' + "0" * 50 + '60"', 60),
    ('""', 600),
    ('"abc"', 600),
    ('"-1"', 600),
    ('"+5"', 600),
    ('" 5"', 600),
    ('"5\\n"', 600),
    ('"1e3"', 600),
    ('"5.0"', 600),
    ('"1_000"', 600),
    ('"٣٦٠٠"', 600),
    ('"NaN"', 600),
    ("true", 600),
    ("false", 600),
    ("null", 600),
    ("[3600]", 600),
    ("{}", 600),
]


@pytest.mark.parametrize(("text", "life"), LIVES, ids=lambda value: str(value)[:20])
def test_a_life_is_counted_from_our_clock(text: str, life: int, oauth: HubOAuth, server: Server) -> None:
    """R18, R20: from the time of the request; a life that cannot be read is 600 s, and none is over 30 days."""
    server.always = answer(f'{{"access_token":"a","token_type":"Bearer","expires_in":{text}}}'.encode())
    token = exchanged(oauth)
    assert token.expires_at == NOW + life
    assert type(token.expires_at) is int


def test_the_clock_is_read_before_the_request(server: Server) -> None:
    """R18"""
    times = iter([NOW, NOW + 100])
    server.always = answer(GOOD)
    assert HubOAuth(server.url, "svc", clock=lambda: next(times)).refresh("r").expires_at == NOW + 3600


# Refusals

GRANTS: list[Callable[[HubOAuth], object]] = [
    exchanged,
    lambda oauth: oauth.refresh("r"),
    lambda oauth: oauth.for_service([HUB]),
    lambda oauth: oauth.for_password("jane", "p", scope=[HUB]),
]

REFUSALS: list[tuple[int, Any, type[HubError]]] = [
    (403, {"error": "invalid_grant", "error_description": "Unknown refresh token"}, TokenRejected),
    (400, {"error": "invalid_grant"}, TokenRejected),
    (401, {"error": "invalid_grant", "error_description": None}, TokenRejected),
    (403, {"error": "invalid_grant", "error_description": "Invalid service secret"}, HubRefused),
    (401, {"error": "invalid_client", "error_description": "Service was not found"}, HubRefused),
    (403, {"error": "unauthorized_client"}, HubRefused),
    (400, {"error": "invalid_scope"}, HubRefused),
    (400, {"error": "unsupported_grant_type"}, HubRefused),
    (400, {"error": "server_error"}, HubUnavailable),
    (400, {"error": "temporarily_unavailable"}, HubUnavailable),
    (500, {"error": "invalid_grant"}, HubUnavailable),
    (502, b"<html>invalid_grant</html>", HubUnavailable),
    (503, b"", HubUnavailable),
    (429, b"slow down", HubUnavailable),
    (400, b"<html>invalid_grant</html>", HubProtocolError),
    (403, b"<html>blocked: invalid_grant</html>", HubProtocolError),
    (404, b"no such backend", HubProtocolError),
    (400, b"", HubProtocolError),
    (400, {"error": ["invalid_grant"]}, HubProtocolError),
    (400, {"error": None}, HubProtocolError),
    (400, ["invalid_grant"], HubProtocolError),
    (400, b'{"error":"x","error":"invalid_grant"}', HubProtocolError),
    (302, b"", HubProtocolError),
    (400, GOOD, HubProtocolError),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS, ids=lambda case: repr(case)[:60])
@pytest.mark.parametrize("grant", GRANTS, ids=["exchange", "refresh", "for_service", "for_password"])
def test_a_refusal_is_what_its_json_says(
    grant: Callable[[HubOAuth], object], status: int, body: Any, kind: type[HubError], oauth: HubOAuth, server: Server
) -> None:
    """R17, R22, R23, R24"""
    server.always = answer(body, status)
    assert type(refused(lambda: grant(oauth))) is kind
    assert len(server.asked) == 1


def test_a_wrong_secret_is_our_own_mistake(oauth: HubOAuth, server: Server) -> None:
    """R17: Hub calls it invalid_grant, which would end the login of a person."""
    server.always = answer({"error": "invalid_grant", "error_description": "Invalid service secret"}, 403)
    error = refused(lambda: oauth.refresh("r"))
    assert isinstance(error, HubRefused)
    assert (error.error, error.description) == ("invalid_client", "Invalid service secret")


# A secret that is asked for

INVALID_CLIENT = answer({"error": "invalid_client"}, 401)
INVALID_SECRET = answer({"error": "invalid_grant", "error_description": "Invalid service secret"}, 403)


class Source:
    """Gives one value after the other, then the last again."""

    def __init__(self, *values: Any) -> None:
        self.values = list(values)
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if isinstance(value, Exception):
            raise value
        return value


def secrets_sent(server: Server) -> list[str]:
    sent = [asked.headers["authorization"].removeprefix("Basic ") for asked in server.asked]
    return [base64.b64decode(each).decode().removeprefix("svc:") for each in sent]


def test_the_source_is_asked_at_the_first_use_alone(server: Server) -> None:
    server.always = answer(GOOD)
    source = Source("one")
    oauth = HubOAuth(server.url, "svc", source)
    assert source.calls == 0
    for _ in range(3):
        oauth.refresh("r")
    assert source.calls == 1
    assert secrets_sent(server) == ["one"] * 3


@pytest.mark.parametrize("refusal", [INVALID_CLIENT, INVALID_SECRET])
def test_a_changed_secret_is_used_at_once(refusal: bytes, server: Server) -> None:
    """R17: works again without a restart."""
    server.answers = [refusal]
    server.always = answer(GOOD)
    source = Source("one", Secret("two"))
    oauth = HubOAuth(server.url, "svc", source)
    assert oauth.refresh("r").refresh_token == Secret("r")
    oauth.refresh("r")
    assert secrets_sent(server) == ["one", "two", "two"]
    assert source.calls == 2


@pytest.mark.parametrize("second", ["one", "", None, RuntimeError("vault: s3cret")])
def test_a_secret_that_has_not_changed_is_sent_once(second: Any, server: Server) -> None:
    """R17"""
    server.always = INVALID_CLIENT
    error = refused(lambda: HubOAuth(server.url, "svc", Source("one", second)).refresh("r"))
    assert isinstance(error, HubRefused)
    assert error.error == "invalid_client"
    assert secrets_sent(server) == ["one"]


def test_a_changed_secret_that_is_refused_too_is_not_asked_for_again(server: Server) -> None:
    server.always = INVALID_CLIENT
    refused(lambda: HubOAuth(server.url, "svc", Source("one", "two", "three")).refresh("r"))
    assert secrets_sent(server) == ["one", "two"]


@pytest.mark.parametrize("error", ["unauthorized_client", "invalid_scope", "invalid_grant"])
def test_another_refusal_asks_for_no_secret(error: str, server: Server) -> None:
    server.always = answer({"error": error}, 403)
    source = Source("one", "two")
    refused(lambda: HubOAuth(server.url, "svc", source).refresh("r"))
    assert (source.calls, len(server.asked)) == (1, 1)


@pytest.mark.parametrize("value", ["", None, RuntimeError("vault: s3cret"), OSError("s3cret")])
def test_a_source_that_gives_nothing_is_an_outage(value: Any, server: Server) -> None:
    error = refused(lambda: HubOAuth(server.url, "svc", Source(value)).refresh("r"))
    assert isinstance(error, HubUnavailable)
    assert "s3cret" not in "".join(traceback.format_exception(error))
    assert server.connections == 0


# Nothing is told


@pytest.mark.parametrize(
    "reply",
    [
        answer({"error": "invalid_grant"}, 403),
        answer(b"t0ken", 200),
        answer(b"t0ken", 404),
        answer(b"t0ken", 503),
        answer(GOOD | {"access_token": "t0ken\n"}),
        answer(b"", 302, Location="https://app.example/?code=t0ken"),
        lambda sock: None,
    ],
    ids=["refused", "no JSON", "not found", "outage", "odd token", "redirect", "closed"],
)
def test_an_error_tells_no_secret_even_in_its_frames(reply: Any, oauth: HubOAuth, server: Server) -> None:
    """L4, L6: error trackers show the values of local names."""
    server.always = reply
    calls = [
        lambda: oauth.refresh(Secret("r3fresh")),
        lambda: oauth.for_password("jane", Secret("p4ss"), scope=[HUB]),
        lambda: exchanged(oauth),
    ]
    for call in calls:
        error = refused(call)
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        # The frame of exchange() has the code because its caller had it.
        ours = [frame for frame in frames if Path(frame.filename).parent.name == "hub" and frame.name != "exchange"]
        told = str(error) + repr(error) + "".join(str(frame.locals) for frame in ours if "tests" not in frame.filename)
        for secret in ("s3cret", "r3fresh", "p4ss", "c0de", "v" * 43, "t0ken"):
            assert secret not in told
        assert error.__context__ is None or error.__suppress_context__


# With a Hub that was written from the same documentation by somebody else


def test_the_dev_hub_gives_and_renews_tokens() -> None:
    devhub = pytest.importorskip("flask_hub_auth.devhub")
    hub = devhub.DevHub(rotate=True, service_id=SERVICE_ID, service_secret="s3cret")
    served = devhub.serve(hub, port=0)
    try:
        oauth = HubOAuth(served.url, SERVICE_ID, "s3cret")
        token = oauth.for_password("jane", "jane", scope=[HUB, SERVICE_ID], offline=True)
        renewed = oauth.refresh(token.refresh_token or "")
        assert renewed.refresh_token != token.refresh_token
        assert set(renewed.scope.split()) == {HUB, SERVICE_ID}
        user = HubRest(served.url, renewed).me(["VCSUserNames"])
        assert (user.login, user.guest, user.banned) == ("jane", False, False)
        assert {"All Users", "Developers"} <= user.groups
        assert oauth.for_service([HUB]).refresh_token is None
        assert type(refused(lambda: oauth.refresh("unknown"))) is TokenRejected
        wrong = refused(lambda: HubOAuth(served.url, SERVICE_ID, "wrong").for_service([HUB]))
        assert isinstance(wrong, HubRefused)
        assert wrong.error == "invalid_client"
        assert type(refused(lambda: HubRest(served.url, "unknown").me())) is TokenRejected
    finally:
        served.stop()
