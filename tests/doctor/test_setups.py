"""Set-ups that are wrong in one way each, made for real: the doctor names that way and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from contextlib import closing as closed
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask

from ..hub.conftest import Server, answer, certificate
from ..redis_servers import free_port
from .caller import calling
from .clinic import SECRET, SERVICE_ID, SITE, YOUTRACK, Clinic, closing, scope, services
from .patient import badly_guarded, bare, broken, crowded, plain, reopened, shadowed
from .permitting import permitting

UNKNOWN = "00000000-0000-4000-8000-00000000dead"
PUBLIC = "https://app.example"


def hub_with(**options: Any) -> Callable[[Clinic], None]:
    """A Hub that behaves otherwise."""
    return lambda clinic: clinic.change(**options)


def service_with(**fields: Any) -> Callable[[Clinic], None]:
    """Another registration at Hub."""
    return lambda clinic: clinic.service(**fields)


def registered(uri: str, *, trusted: bool = True) -> Callable[[Clinic], None]:
    return service_with(redirectUris=[uri], trusted=trusted)


def fault(path: str, **fields: Any) -> Callable[[Clinic], None]:
    return lambda clinic: clinic.hub.fail(path, **fields)


def both(*changes: Callable[[Clinic], None]) -> Callable[[Clinic], None]:
    def change(clinic: Clinic) -> None:
        for each in changes:
            each(clinic)

    return change


def with_closed_port(setting: str, url: str) -> Callable[[Clinic], dict[str, str]]:
    return lambda _: {setting: url.format(free_port())}


def fail_to_read() -> str:
    raise OSError("TopSecret")


def exit_instead() -> str:
    raise BaseException("TopSecret")


Change = Callable[[Clinic], Any] | None
AUTH, TOKEN, ME = "/api/rest/oauth2/auth", "/api/rest/oauth2/token", "/api/rest/users/me"
PERMISSIONS, KEYS = "/api/rest/permissions/cache", "/api/rest/oauth2/keys"
AT_PUBLIC = {"HUB_SERVICE_URL": PUBLIC, "TESTING": False, "HUB_CACHE": None}
KNOWN_AT_PUBLIC = registered(f"{PUBLIC}/authorized")

# Name, what is changed at Hub (or gives settings that depend on it), other settings, and the one code.
SETUPS: dict[str, tuple[Change, dict[str, Any], str]] = {
    # The way to Hub
    "a name that nobody has": (None, {"HUB_URL": "https://hub.invalid/hub"}, "hub-name-unknown"),
    "a port where nobody listens": (
        with_closed_port("HUB_URL", "http://localhost:{}/hub"),
        {},
        "hub-port-closed",
    ),
    "a proxy that is not there": (
        with_closed_port("HUB_PROXY", "http://u:TopSecret@localhost:{}"),
        {},
        "hub-proxy",
    ),
    "an address that no way leads to": (None, {"HUB_URL": "https://[fe80::1]/hub"}, "hub-unreachable"),
    "https where http is spoken": (lambda c: {"HUB_URL": c.hub.url.replace("http:", "https:")}, {}, "hub-plain-http"),
    "no context path": (lambda c: {"HUB_URL": c.origin}, {}, "hub-path-wrong"),
    "a wrong context path": (lambda c: {"HUB_URL": f"{c.origin}/wrong"}, {}, "hub-path-wrong"),
    "the path of the REST": (lambda c: {"HUB_URL": f"{c.hub.url}/api/rest"}, {}, "hub-path-wrong"),
    "a doubled context path": (lambda c: {"HUB_URL": f"{c.hub.url}/hub"}, {}, "hub-path-wrong"),
    "Hub says 503": (fault("*", status=503), {}, "hub-failing"),
    "Hub says 429": (fault("*", status=429), {}, "hub-failing"),
    "Hub says 503 to who wants a token": (fault(TOKEN, status=503), {}, "hub-failing"),
    "Hub says 503 to a public client": (fault(TOKEN, status=503), {"HUB_SERVICE_SECRET": None}, "hub-failing"),
    "Hub ends connections": (fault("*", transport="reset"), {}, "hub-broken-off"),
    "Hub hangs": (fault("*", transport="hang"), {"HUB_TIMEOUT": 0.5}, "hub-silent"),
    "Hub drips": (fault("*", transport="drip"), {"HUB_TIMEOUT": 0.5}, "hub-silent"),
    "Hub hangs where tokens are": (fault(TOKEN, transport="hang"), {"HUB_TIMEOUT": 0.5}, "hub-silent"),
    "somebody says what is no word of Hub": (fault("*", body="<html>"), {}, "hub-something-else"),
    "somebody does not stop talking": (fault("*", transport="endless"), {}, "hub-something-else"),
    "nonsense where tokens are": (fault(TOKEN, body="<html>"), {}, "hub-nonsense"),
    "nonsense where permissions are": (fault(PERMISSIONS, body="<html>"), {}, "hub-nonsense"),
    "permissions fail": (fault(PERMISSIONS, status=503), {}, "hub-failing"),
    "nonsense where people are": (fault(ME, body="[]"), {}, "hub-nonsense"),
    "nobody where people are": (fault(ME, body='{"a": 1}'), {}, "hub-nonsense"),
    "no key among those for id tokens": (fault(KEYS, body='{"keys": []}'), {"HUB_OPENID": True}, "hub-nonsense"),
    "no keys for id tokens": (fault(KEYS, body='{"a": 1}'), {"HUB_OPENID": True}, "hub-nonsense"),
    # What Hub knows of the service
    "a service id that Hub does not know": (None, {"HUB_SERVICE_ID": UNKNOWN}, "service-unknown"),
    "a wrong secret": (None, {"HUB_SERVICE_SECRET": "not-the-s3cret"}, "secret-wrong"),
    "a wrong secret, not trusted": (
        service_with(trusted=False),
        {"HUB_SERVICE_SECRET": "not-the-s3cret"},
        "secret-wrong",
    ),
    "no secret, and Hub has one": (None, {"HUB_SERVICE_SECRET": None}, "secret-missing"),
    "a secret that is out of reach": (None, {"HUB_SERVICE_SECRET": fail_to_read}, "secret-unreadable"),
    "a secret that ends what asks for it": (None, {"HUB_SERVICE_SECRET": exit_instead}, "secret-unreadable"),
    "a secret that does not come": (None, {"HUB_SERVICE_SECRET": Event().wait}, "secret-unreadable"),
    "the secret in place of the id": (
        None,
        {"HUB_SERVICE_ID": SECRET, "HUB_SERVICE_SECRET": SERVICE_ID},
        "service-unknown",
    ),
    "a Hub that gives no tokens so": (
        fault(TOKEN, status=400, body='{"error": "unsupported_grant_type"}'),
        {},
        "service-refused",
    ),
    "a Hub that minds PKCE": (
        fault(AUTH, status=302, headers={"Location": f"{SITE}/authorized?error=invalid_request"}, times=1),
        {},
        "pkce-refused",
    ),
    "no code flow": (service_with(authCodeFlowEnabled=False), {}, "flow-off"),
    "a slash too much": (registered(f"{SITE}/authorized/"), {}, "redirect-uri-slash"),
    "a slash too much, not trusted": (registered(f"{SITE}/authorized/", trusted=False), {}, "redirect-uri-slash"),
    "another scheme": (registered("https://localhost:5000/authorized"), {}, "redirect-uri-scheme"),
    "another scheme, not trusted": (
        registered("https://localhost:5000/authorized", trusted=False),
        {},
        "redirect-uri-scheme",
    ),
    "another port": (registered("http://localhost:5001/authorized"), {}, "redirect-uri-port"),
    "another port, not trusted": (
        registered(f"{SITE}/authorized", trusted=False),
        {"HUB_SERVICE_URL": "http://localhost:5001"},
        "redirect-uri-port",
    ),
    "another host": (registered("http://127.0.0.1:5000/authorized"), {}, "redirect-uri-host"),
    "another host, not trusted": (
        registered("http://127.0.0.1:5000/authorized", trusted=False),
        {},
        "redirect-uri-host",
    ),
    "a host that Hub has never heard of": (None, {"HUB_SERVICE_URL": "http://app.example:81"}, "redirect-uri-unknown"),
    "a path that nobody has registered": (None, {"HUB_REDIRECT_PATH": "/back"}, "redirect-uri-unknown"),
    "a service URL that is the callback": (None, {"HUB_SERVICE_URL": f"{SITE}/authorized"}, "redirect-uri-doubled"),
    "nothing is registered": (service_with(redirectUris=[], trusted=False), {}, "redirect-uri-unknown"),
    "a scope that Hub does not know": (None, {"HUB_SCOPE": scope("Nobody")}, "scope-unknown"),
    "a scope without Hub": (None, {"HUB_SCOPE": ["YouTrack", SERVICE_ID]}, "scope-without-hub"),
    "only scopes that Hub does not know": (None, {"HUB_SCOPE": ["Nobody", "No one"]}, "scope-unknown"),
    "a service that Hub does not know": (
        None,
        {"HUB_SERVICES": services("https://youtrack.invalid", UNKNOWN)},
        "scope-unknown",
    ),
    "a Hub without OpenID Connect": (hub_with(openid=False), {"HUB_OPENID": True}, "openid-unsupported"),
    "no keys for id tokens today": (
        fault(KEYS, status=503),
        {"HUB_OPENID": True},
        "hub-failing",
    ),
    "a Hub that signs nobody out": (hub_with(rp_logout=False), {"HUB_LOGOUT_FROM_HUB": "rp"}, "logout-unsupported"),
    "no key for tokens": (fault("/api/rest/oauth2/key", body="<html>"), {}, "hub-nonsense"),
    "an old Hub": (hub_with(pkce=False), {}, "pkce-unsupported"),
    "a clock that is slow": (hub_with(clock_skew=120), {}, "clock-apart"),
    "a clock that is fast": (hub_with(clock_skew=-120), {}, "clock-apart"),
    "tokens that are opaque": (hub_with(tokens="opaque"), {}, "tokens-opaque"),
    # Other services
    "a service that is away": (None, {"HUB_SERVICES": services("https://youtrack.invalid")}, "service-away"),
    "permissions that Hub does not serve": (
        hub_with(serves_permissions=False),
        {"HUB_SERVICES": services("https://youtrack.invalid")},
        "permissions-elsewhere",
    ),
    # The application
    "a short key": (None, {"SECRET_KEY": "dev"}, "secret-key-weak"),
    "a key of one letter": (KNOWN_AT_PUBLIC, {**AT_PUBLIC, "SECRET_KEY": "x" * 64}, "secret-key-weak"),
    "a key of words": (
        KNOWN_AT_PUBLIC,
        {**AT_PUBLIC, "SECRET_KEY": "this is my very own secret key!!!"},
        "secret-key-weak",
    ),
    "a fallback that can be guessed": (
        KNOWN_AT_PUBLIC,
        {**AT_PUBLIC, "SECRET_KEY_FALLBACKS": ["changeme" * 5]},
        "secret-key-weak",
    ),
    "tokens for whomever they were meant": (None, {"HUB_BEARER": "any"}, "tokens-of-others"),
    "a setting that is misspelled": (None, {"HUB_SERVICE_UR": SITE}, "setting-wrong"),
    "a Hub without TLS": (None, {"HUB_URL": "http://hub.mycompany.com/hub"}, "setting-wrong"),
    "groups in one text": (None, {"HUB_LOGIN_GROUPS": "Team Leads, Developers"}, "login-groups-joined"),
    "another server name": (None, {"SERVER_NAME": "app.example:5000"}, "server-name-differs"),
    "a cookie that scripts read": (None, {"SESSION_COOKIE_HTTPONLY": False}, "cookie-not-httponly"),
    "a cookie for all sites": (None, {"SESSION_COOKIE_SAMESITE": "None"}, "cookie-samesite"),
    "a cookie that stays behind": (None, {"SESSION_COOKIE_SAMESITE": "Strict"}, "cookie-samesite"),
    "a cookie of another host": (None, {"SESSION_COOKIE_DOMAIN": "other.example"}, "cookie-domain"),
    "a cookie of another path": (None, {"SESSION_COOKIE_PATH": "/app"}, "cookie-path"),
    "a cookie that http does not get": (None, {"SESSION_COOKIE_SECURE": True}, "cookie-secure-on-http"),
    # The store
    "a store in memory": (KNOWN_AT_PUBLIC, {**AT_PUBLIC, "HUB_CACHE": "memory://"}, "store-in-memory"),
}


@pytest.mark.parametrize("name", SETUPS)
def test_each_set_up_is_named_by_its_own_code_and_no_other(name: str, clinic: Clinic) -> None:
    """R70, S94"""
    change, settings, code = SETUPS[name]
    more = change(clinic) if change else None
    assert clinic.codes(**{**settings, **(more or {})}) == [code]


APPLICATIONS: dict[str, tuple[Callable[..., Flask], str]] = {
    "its guard guards nothing": (badly_guarded, "guard-guards-nothing"),
    "it has a login of its own": (crowded, "path-taken"),
    "its own login comes too late": (shadowed, "path-taken"),
    "it does not start": (broken, "app-does-not-start"),
    "it has no HubAuth": (bare, "hubauth-missing"),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_that_is_wrong_is_a_finding_too(name: str, clinic: Clinic) -> None:
    """S63, S94"""
    make, code = APPLICATIONS[name]
    assert clinic.codes(make) == [code]


def test_a_view_that_never_answers_is_named(clinic: Clinic) -> None:
    [finding] = clinic.check(shadowed)
    assert finding["seen"] == "At /login the login answers, and GET never comes to the own view 'own_login'."
    assert finding["do"] == "Move that view, or give HUB_LOGIN_PATH another path."


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": 500}, "hub-failing"),
        ({"status": 503, "body": "<html>"}, "hub-failing"),
        ({"status": 429}, "hub-failing"),
        ({"status": 401, "body": '{"error": "invalid_token"}'}, "hub-nonsense"),
        ({"status": 400, "body": "{}"}, "hub-nonsense"),
        ({"body": "<html>"}, "hub-nonsense"),
        ({"body": '{"a": 1}'}, "hub-nonsense"),
        ({"body": '[{"a": 1}]'}, "hub-nonsense"),
        ({"status": 302, "headers": {"Location": "https://sso.example/"}}, "hub-nonsense"),
        ({"status": 404}, "permissions-elsewhere"),
    ],
)
def test_permissions_that_hub_never_tells_are_found_where_they_are_asked_for(
    fields: dict[str, Any], code: str, clinic: Clinic
) -> None:
    """R70"""
    assert clinic.codes(permitting) == []
    clinic.hub.fail(PERMISSIONS, **fields)
    assert clinic.codes(permitting) == [code]


def test_who_asks_for_no_permission_may_be_refused_them(clinic: Clinic) -> None:
    clinic.hub.fail(PERMISSIONS, status=401, body='{"error": "invalid_token"}')
    assert clinic.codes(plain) == []
    clinic.service(trusted=False)
    assert clinic.codes(permitting) == []


def test_a_cookie_that_is_opened_after_hubauth_is_found(clinic: Clinic, tmp_path: Path) -> None:
    KNOWN_AT_PUBLIC(clinic)
    settings = {**AT_PUBLIC, "HUB_CACHE": (tmp_path / "logins").as_uri()}
    assert clinic.codes(reopened, **settings) == ["cookie-not-secure"]
    assert clinic.codes(plain, **settings) == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"HUB_SERVICE_URL": f"{SITE}/", "HUB_URL": None},
        {"HUB_SCOPE": ["YouTrack", SERVICE_ID, "Hub"]},
        {"SERVER_NAME": "localhost:5000"},
        {"HUB_OFFLINE": False},
        {"HUB_OPENID": True, "HUB_LOGOUT_FROM_HUB": "rp", "HUB_REQUEST_CREDENTIALS": "silent"},
        {"SESSION_COOKIE_DOMAIN": ".localhost"},
        {"SECRET_KEY": "x" * 32},
    ],
)
def test_a_healthy_set_up_has_no_findings(settings: dict[str, Any], clinic: Clinic) -> None:
    if "HUB_URL" in settings:
        settings["HUB_URL"] = f"{clinic.hub.url.replace('localhost', '127.0.0.1')}/"
    assert clinic.check(**settings) == []
    assert clinic.check(calling, **settings) == []


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"tokens": "opaque"}, {"HUB_BEARER": "off"}),
        ({"clock_skew": 20}, {}),
        ({"clock_skew": -20}, {}),
        ({"serves_permissions": False}, {}),
        ({"invalid_grant_status": 400, "redirect_status": 303}, {}),
        ({"openid": False}, {}),
    ],
)
def test_what_a_hub_may_be_like_is_no_finding(
    options: dict[str, Any], settings: dict[str, Any], clinic: Clinic
) -> None:
    clinic.change(**options)
    assert clinic.check(**settings) == []


def test_a_service_has_to_be_trusted_only_where_it_calls_others_as_itself(clinic: Clinic) -> None:
    clinic.service(trusted=False)
    assert clinic.codes(plain) == []
    assert clinic.codes(calling) == ["service-not-trusted"]


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_the_youtrack_of_a_dev_hub_names_it(kind: str, clinic: Clinic) -> None:
    clinic.change(youtrack=kind)
    [finding] = clinic.check(HUB_URL=clinic.origin)
    assert (finding["code"], finding["do"]) == ("hub-is-youtrack", f"Set HUB_URL to {clinic.hub.url}")


@pytest.mark.parametrize(
    ("address", "hub"),
    [
        ("/hub", "{origin}/hub"),
        ("/", "{origin}"),
        ("https://hub.example/", "https://hub.example"),
        ("https://u:p@hub.example", ""),
        ("javascript:1", ""),
        ("https://hub.example/\x1b]0;owned\x07", ""),
        ("https://hub.example/\u202e", ""),
        ("/" + "x" * 5000, ""),
        (1, ""),
        (None, ""),
    ],
)
def test_a_youtrack_in_place_of_its_hub_says_where_that_is(address: object, hub: str, clinic: Clinic) -> None:
    server = Server(always=answer({"ring": {"url": address}, "version": "2026.2"}))
    with closing(server):
        [finding] = clinic.check(HUB_URL=server.url)
    if not hub:
        assert finding["code"] == "hub-something-else"
        return
    assert finding["code"] == "hub-is-youtrack"
    assert finding["do"] == f"Set HUB_URL to {hub.format(origin=f'http://{server.host}')}"


@pytest.mark.parametrize("path", ["", "/hub/api/rest"])
def test_another_context_path_is_told_where_hub_is_there(path: str, clinic: Clinic) -> None:
    [finding] = clinic.check(HUB_URL=clinic.origin + path)
    assert finding["do"] == f"Set HUB_URL to {clinic.hub.url}"


def test_the_near_miss_of_a_redirect_uri_is_told(clinic: Clinic) -> None:
    clinic.service(redirectUris=[f"{SITE}/elsewhere", f"{SITE}/authorized/"])
    [finding] = clinic.check()
    assert f"{SITE}/authorized/, which differs in its slash" in finding["seen"]
    clinic.service(redirectUris=[f"{SITE}/elsewhere", "https://app.example/"])
    [finding] = clinic.check()
    assert finding["code"] == "redirect-uri-unknown"
    assert f"{SITE}/elsewhere, https://app.example/" in finding["seen"]


@pytest.mark.parametrize(
    ("settings", "redirect_uri", "do"),
    [
        ({}, f"{SITE}/authorized/", f"In Hub, register {SITE}/authorized to the letter."),
        ({}, f"{SITE}/x", f"In Hub, register {SITE}/authorized to the letter, or change HUB_SERVICE_URL."),
        (
            {"HUB_REDIRECT_PATH": "/back"},
            f"{SITE}/back/",
            f"In Hub, register {SITE}/back to the letter, or change HUB_REDIRECT_PATH.",
        ),
        (
            {"HUB_REDIRECT_PATH": "/back"},
            f"{SITE}/authorized",
            f"In Hub, register {SITE}/back to the letter, or change HUB_SERVICE_URL or HUB_REDIRECT_PATH.",
        ),
    ],
)
def test_what_could_be_changed_instead_of_a_registration_is_named(
    settings: dict[str, str], redirect_uri: str, do: str, clinic: Clinic
) -> None:
    clinic.service(redirectUris=[redirect_uri])
    assert [each["do"] for each in clinic.check(**settings)] == [do]


def test_each_wrong_setting_has_a_line_of_its_own_and_a_command_is_told_once(clinic: Clinic) -> None:
    answer = clinic.run("check", SECRET_KEY="dev", HUB_TIMEOUT="5s", HUB_BEARER="some")
    assert answer.stdout.count("token_hex") == 1
    lines = answer.stdout.splitlines()
    assert [line[:18] for line in lines if line.startswith("  HUB_")] == ["  HUB_TIMEOUT must", "  HUB_BEARER must "]


@pytest.mark.parametrize(
    ("settings", "seen", "do"),
    [
        (
            {"HUB_LOGIN_GROUPS": "Team Leads, Developers"},
            "'Team Leads, Developers'",
            'If these are several groups, write HUB_LOGIN_GROUPS as JSON: ["Team Leads", "Developers"]',
        ),
        ({"HUB_SERVICE_URL": f"{SITE}/authorized"}, f"{SITE}/authorized/authorized", f"Set HUB_SERVICE_URL to {SITE}"),
        (
            {"HUB_SERVICE_URL": f"{SITE}/back", "HUB_REDIRECT_PATH": "/back"},
            f"{SITE}/back/back",
            f"Set HUB_SERVICE_URL to {SITE}",
        ),
    ],
)
def test_what_was_meant_is_told(settings: dict[str, str], seen: str, do: str, clinic: Clinic) -> None:
    [finding] = clinic.check(**settings)
    assert seen in finding["seen"]
    assert finding["do"] == do


def test_tls_where_this_machine_speaks_http_is_told_with_the_address_that_works(clinic: Clinic) -> None:
    [finding] = clinic.check(HUB_URL=clinic.hub.url.replace("http:", "https:"))
    assert finding["seen"].startswith("HUB_URL is https://")
    assert finding["do"] == f"Set HUB_URL to {clinic.hub.url}"


def test_a_setting_without_flasks_prefix_in_the_environment_is_told(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_URL", "https://hub.example/?TopSecret")
    [finding] = clinic.check(HUB_URL=None)
    assert finding["seen"].endswith("The environment has HUB_URL, which Flask reads as FLASK_HUB_URL.")
    assert "HUB_URL as FLASK_HUB_URL" in finding["do"]
    [finding] = clinic.check(HUB_TIMEOUT="5s")
    assert "environment has" not in finding["seen"]
    [finding] = clinic.check(HUB_SERVICE_UR=SITE)
    assert "HUB_URL as FLASK_HUB_URL" in finding["do"]


def test_two_causes_are_two_findings(clinic: Clinic) -> None:
    clinic.change(clock_skew=300)
    found = clinic.codes(HUB_SERVICE_SECRET="not-the-s3cret", HUB_SERVICE_URL="http://localhost:5001")
    assert found == ["secret-wrong", "redirect-uri-port", "clock-apart"]


def moved(clinic: Clinic) -> bytes:
    return answer(b"", 301, Location=f"{clinic.hub.url}/api/rest/oauth2/auth?x=y")


STRANGERS: dict[str, tuple[bytes | Callable[[Clinic], bytes], str]] = {
    "a list": (answer(b"[]"), "hub-something-else"),
    "an object": (answer({"ring": None}), "hub-something-else"),
    "a page": (answer(b"<html>"), "hub-something-else"),
    "nothing there": (answer(b"", 404), "hub-something-else"),
    "no HTTP": (b"220 mail.example ESMTP\r\n\r\n", "hub-something-else"),
    "another login": (answer(b"", 302, Location="https://sso.example/login?error=x"), "hub-something-else"),
    "a redirect to nowhere": (answer(b"", 302, Location="http://["), "hub-something-else"),
    "a redirect to Hub": (moved, "hub-moved"),
    "a login elsewhere": (answer(b"", 302, Location="/other/auth/login?x=y"), "hub-path-wrong"),
    "a login of others": (answer(b"", 302, Location="https://sso.invalid/hub/auth/login"), "hub-something-else"),
    "an error page of others": (
        answer(b"", 302, Location="https://sso.invalid/hub/auth/oauth/error?error=invalid_request"),
        "hub-something-else",
    ),
    "the login of the Hub that it is": (
        lambda clinic: answer(b"", 302, Location=f"{clinic.hub.url}/auth/login?x=y"),
        "hub-moved",
    ),
    "a redirect with a password": (
        answer(b"", 302, Location="http://u:TopSecret@localhost/hub/api/rest/oauth2/auth"),
        "hub-something-else",
    ),
    "a redirect that paints": (
        answer(b"", 302, Location="http://localhost/\x1b[2J/api/rest/oauth2/auth"),
        "hub-something-else",
    ),
    "a redirect without end": (
        answer(b"", 302, Location=f"http://localhost/{'x' * 5000}/api/rest/oauth2/auth"),
        "hub-something-else",
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_in_hubs_place_is_named(name: str, clinic: Clinic) -> None:
    says, code = STRANGERS[name]
    server = Server(always=says if isinstance(says, bytes) else says(clinic))
    with closing(server):
        assert clinic.codes(HUB_URL=server.url) == [code]


def test_tls_that_is_not_accepted_or_not_spoken_is_named(clinic: Clinic, tmp_path: Path) -> None:
    made = certificate(tmp_path)
    server = Server(made.context)
    with closing(server):
        assert clinic.codes(HUB_URL=server.url) == ["hub-certificate"]
        assert clinic.codes(HUB_URL=server.url, HUB_CA_BUNDLE=made.file) == ["hub-something-else"]
    with closed(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        assert clinic.codes(HUB_URL=f"https://127.0.0.1:{port}/hub", HUB_TIMEOUT=0.5) == ["hub-silent"]


def test_a_bundle_without_a_certificate_is_named(clinic: Clinic, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("nothing of the kind\n", encoding="utf-8")
    server = Server(certificate(tmp_path).context)
    with closing(server):
        [finding] = clinic.check(HUB_URL=server.url, HUB_CA_BUNDLE=str(bundle))
    assert finding["code"] == "hub-certificate"
    assert f"{bundle}, there is no certificate" in finding["seen"]


@pytest.mark.parametrize(
    "greeting", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 400 The plain request was sent to TLS\r\n\r\n"]
)
def test_a_server_that_fails_in_tls_and_does_not_speak_http_is_named(greeting: bytes, clinic: Clinic) -> None:
    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    # A connection that is closed with something unread is reset.
                    client.recv(65536)
                    client.sendall(greeting)

    with closed(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=greet, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/hub"
        assert clinic.codes(HUB_URL=url) == ["hub-tls"]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_youtrack_that_keeps_its_permissions_itself_is_named(clinic: Clinic) -> None:
    for version, codes in {
        "2026.1": ["permissions-elsewhere"],
        "2025.3.1": [],
        "2026.1.77": ["permissions-elsewhere"],
    }.items():
        server = Server(always=answer({"version": version, "ring": {"url": "/hub"}}))
        with closing(server):
            site = server.url.removesuffix("/hub")
            assert clinic.codes(HUB_SERVICES=services(site)) == codes
            assert clinic.codes(HUB_SERVICES=services(site, permissions="own")) == []


@pytest.mark.parametrize("fields", [{"secret": None}, {"secret": None, "trusted": False}, {"trusted": False}])
def test_a_service_that_may_leave_its_secret_out_is_not_asked_for_one(fields: dict[str, Any], clinic: Clinic) -> None:
    clinic.service(**fields)
    assert clinic.codes(HUB_SERVICE_SECRET=None) == []


def test_hub_is_asked_and_nobody_signed_in(clinic: Clinic) -> None:
    """No code is asked for, and nothing is left behind at the service but what was refused."""
    before = len(clinic.hub.calls("/api/rest/oauth2/token"))
    clinic.check(HUB_SERVICES=services("https://youtrack.invalid", YOUTRACK))
    grants = [call["grant"] for call in clinic.hub.calls("/api/rest/oauth2/token")[before:]]
    assert grants == ["client_credentials"]
