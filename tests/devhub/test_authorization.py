from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from werkzeug.test import Client, TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub, Service

from .conftest import CALLBACK, CHALLENGE, Clock, Visitor, answer_of

MakeVisitor = Callable[..., Visitor]


def is_login_page(response: TestResponse) -> bool:
    return response.status_code == 303 and urlsplit(response.location).path == "/hub/auth/login"


def test_a_stranger_is_sent_to_the_login_page_with_the_query_and_back_after_it(visitor: Visitor) -> None:
    to_login = visitor.ask()
    assert is_login_page(to_login)
    assert urlsplit(to_login.location).query == visitor.query()
    page = visitor.get(to_login.location)
    assert page.status_code == 200
    assert 'name="password"' in page.text

    signed_in = visitor.sign_in("jane")
    assert signed_in.status_code == 303
    assert signed_in.location == f"https://hub.test/hub/api/rest/oauth2/auth?{visitor.query()}"
    answer = answer_of(visitor.get(signed_in.location))
    assert answer.keys() == {"code", "state"}
    assert answer["state"] == "s 1/ä"


def test_the_second_request_of_a_browser_asks_for_no_password(visitor: Visitor) -> None:
    visitor.code("jane")
    assert "code" in answer_of(visitor.ask(state="2"))


def test_the_answer_names_its_issuer_where_that_is_switched_on(make_visitor: MakeVisitor) -> None:
    """S96: recorded answers of Hub have a code and a state alone."""
    with_iss, without = make_visitor(iss=True), make_visitor()
    with_iss.sign_in("jane")
    without.sign_in("jane")
    assert answer_of(with_iss.ask())["iss"] == "https://hub.test/hub"
    assert answer_of(with_iss.ask(scope="nothing"))["iss"] == "https://hub.test/hub"
    assert "iss" not in answer_of(without.ask())


@pytest.mark.parametrize("state", ["%FF", "%ED%A0%80", "%00", "a%2Bb", "%C3%A4", "%2525"])
def test_a_state_comes_back_byte_by_byte(visitor: Visitor, state: str) -> None:
    visitor.sign_in("jane")
    query = f"{visitor.query(state=None)}&state={state}"
    assert visitor.get(f"/api/rest/oauth2/auth?{query}").location.endswith(f"&state={state}")
    assert visitor.get(f"/api/rest/oauth2/logout?{query}").location.endswith(f"?state={state}")


def test_the_client_s_own_query_stays_in_the_redirect_uri(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(redirect_uris=[f"{CALLBACK}?tenant=a%20b"])
    visitor.sign_in("jane", redirect_uri=f"{CALLBACK}?tenant=a%20b")
    location = visitor.ask(redirect_uri=f"{CALLBACK}?tenant=a%20b").location
    assert location.startswith(f"{CALLBACK}?tenant=a%20b&code=")


# Requests that are answered on Hub's own page

FOREIGN = [
    "http://localhost:5000/authorized/",
    "http://localhost:5000/Authorized",
    "http://localhost:5000/authorized?x=1",
    "http://localhost:5000/authorized#x",
    "http://localhost:5001/authorized",
    "https://localhost:5000/authorized",
    "http://localhost:5000/authorized/../evil",
    "http://localhost:5000/authorize",
    "http://localhost:5000@evil.example/authorized",
    "//localhost:5000/authorized",
    "/authorized",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://evil.example/\r\nSet-Cookie: a=b",
    "http://evil.example/\x00",
    "\\\\evil.example",
    "http://[",
]


@pytest.mark.parametrize("uri", FOREIGN)
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_foreign_redirect_uri_never_gets_an_answer(visitor: Visitor, uri: str, signed_in: bool) -> None:
    """S97"""
    if signed_in:
        visitor.sign_in("jane")
    for mode in ("default", "silent", "required", "silent_logout"):
        refused = visitor.ask(redirect_uri=uri, request_credentials=mode)
        assert refused.status_code == 303
        assert refused.location.startswith("https://hub.test/hub/auth/oauth/error?")
        assert parse_qs(urlsplit(refused.location).query)["error"] == ["invalid_redirect_uri"]
        page = visitor.get(refused.location)
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "Set-Cookie" not in refused.headers


def test_the_login_and_consent_pages_answer_no_foreign_redirect_uri_either(visitor: Visitor) -> None:
    """S97"""
    evil = visitor.query(redirect_uri="https://evil.example/")
    for refused in (
        visitor.get(f"/auth/login?{evil}"),
        visitor.get(f"/auth/consent?{evil}"),
        visitor.sign_in("jane", redirect_uri="https://evil.example/"),
        visitor.post(f"/api/rest/oauth2/interactive/consent?{evil}"),
    ):
        assert refused.status_code == 303
        assert refused.location.startswith("https://hub.test/hub/auth/oauth/error?")
        assert "Set-Cookie" not in refused.headers


def test_a_foreign_redirect_uri_is_noted_once_on_the_service(visitor: Visitor, hub: DevHub, clock: Clock) -> None:
    for _ in range(3):
        visitor.ask(redirect_uri="https://app.example/authorized")
    assert hub.service.untrusted_redirect_uris == [
        {"redirectURI": "https://app.example/authorized", "triedFrom": "127.0.0.1", "triedAt": int(clock.now * 1000)}
    ]
    for number in range(100):
        visitor.ask(redirect_uri=f"https://app.example/{number}")
    assert len(hub.service.untrusted_redirect_uris) == 20


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"client_id": None}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_redirect_uri"),
        ({"redirect_uri": ""}, "invalid_redirect_uri"),
    ],
)
def test_a_request_of_nobody_known_ends_on_hub_s_error_page(
    visitor: Visitor, query: dict[str, str | None], error: str
) -> None:
    refused = visitor.ask(**query)
    assert refused.status_code == 303
    assert parse_qs(urlsplit(refused.location).query)["error"] == [error]


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_doubled_client_or_redirect_uri_ends_on_hub_s_error_page(visitor: Visitor, name: str) -> None:
    value = {"client_id": visitor.hub.service_id, "redirect_uri": CALLBACK}[name]
    refused = visitor.get(f"/api/rest/oauth2/auth?{visitor.query()}&{urlencode({name: value})}")
    assert refused.status_code == 303
    assert "error=invalid_request" in refused.location


@pytest.mark.parametrize(
    ("home_url", "base_urls", "registered", "asked", "good"),
    [
        ("https://app.example/", [], "./oauth/hub", "https://app.example/oauth/hub", True),
        ("https://app.example/", [], "oauth/hub", "https://app.example/oauth/hub", True),
        ("https://app.example/base/", [], "oauth/hub", "https://app.example/base/oauth/hub", True),
        ("https://app.example/", ["https://b.example/"], "oauth/hub", "https://b.example/oauth/hub", True),
        ("https://app.example/", ["relative"], "oauth/hub", "oauth/hub", False),
        (None, [], "oauth/hub", "oauth/hub", False),
        ("https://app.example/", [], "https://b.example/x", "https://app.example/x", False),
        (
            "https://app.example/",
            [],
            "cb?next=https://x.example/",
            "https://app.example/cb?next=https://x.example/",
            True,
        ),
        ("com.example.app://host/", [], "oauth/hub", "oauth/hub", False),
    ],
)
def test_relative_redirect_uris_are_good_at_the_home_and_base_urls(
    make_visitor: MakeVisitor, home_url: str, base_urls: list[str], registered: str, asked: str, good: bool
) -> None:
    visitor = make_visitor(home_url=home_url, redirect_uris=[registered])
    visitor.hub.service.base_urls = base_urls
    assert is_login_page(visitor.ask(redirect_uri=asked)) == good


@pytest.mark.parametrize(
    "uri", ["com.example.app:/oauth2redirect", "urn:ietf:wg:oauth:2.0:oob", "ytoauth://landing.url"]
)
@pytest.mark.parametrize(("response_type", "mark"), [("code", "?"), ("token", "#")])
def test_a_redirect_uri_of_any_scheme_gets_its_answer(
    make_visitor: MakeVisitor, uri: str, response_type: str, mark: str
) -> None:
    visitor = make_visitor(redirect_uris=[uri])
    visitor.sign_in("jane", redirect_uri=uri, response_type=response_type)
    location = visitor.ask(redirect_uri=uri, response_type=response_type).location
    assert location.startswith(f"{uri}{mark}{'code' if mark == '?' else 'access_token'}=")


# Requests that the client is told about

ERRORS = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": ""}, "invalid_request"),
    ({"response_type": "id_token token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"),
    ({"scope": None}, "invalid_request"),
    ({"scope": " "}, "invalid_request"),
    ({"scope": "Unknown"}, "invalid_scope"),
    ({"request_credentials": "always"}, "invalid_request"),
    ({"access_type": "sometimes"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "x" * 129}, "invalid_request"),
    ({"code_challenge": "ü" * 43}, "invalid_request"),
    ({"code_challenge": CHALLENGE, "code_challenge_method": "S512"}, "invalid_request"),
    ({"code_challenge": CHALLENGE, "code_challenge_method": "s256"}, "invalid_request"),
    ({"code_challenge_method": "S256"}, "invalid_request"),
    ({"code_challenge": "", "code_challenge_method": "S256"}, "invalid_request"),
]


@pytest.mark.parametrize(("query", "error"), ERRORS)
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_wrong_request_goes_back_to_the_client_with_its_error_and_state(
    visitor: Visitor, query: dict[str, str | None], error: str, signed_in: bool
) -> None:
    if signed_in:
        visitor.sign_in("jane")
    response = visitor.ask(**query)
    answer = answer_of(response)
    assert response.location.startswith(f"{CALLBACK}?")
    assert answer["error"] == error
    assert answer["error_description"]
    assert answer["state"] == "s 1/ä"
    assert "code" not in answer


@pytest.mark.parametrize("name", ["scope", "response_type", "state", "code_challenge", "rnd", "access_type"])
def test_a_doubled_parameter_is_an_invalid_request(visitor: Visitor, name: str) -> None:
    visitor.sign_in("jane")
    answer = answer_of(visitor.get(f"/api/rest/oauth2/auth?{visitor.query()}&{name}=1&{name}=2"))
    assert answer["error"] == "invalid_request"
    assert ("state" in answer) == (name != "state")


OPTIONAL = ["request_credentials", "access_type", "code_challenge", "code_challenge_method", "approval_prompt"]
OPTIONAL += ["prompt", "max_age", "nonce", "message", "login_hint", "auth_mode", "rnd"]
EMPTY = dict.fromkeys(OPTIONAL, "")


def test_a_parameter_without_a_value_counts_as_left_out(visitor: Visitor, hub: DevHub) -> None:
    """RFC 6749 section 3.1; an empty state comes back as it is."""
    assert is_login_page(visitor.ask(**EMPTY))
    visitor.sign_in("jane")
    answer = visitor.ask(**EMPTY, state="").location
    assert re.fullmatch(re.escape(CALLBACK) + r"\?code=[\w-]+&state=", answer)
    token = visitor.exchange(parse_qs(urlsplit(answer).query)["code"][0]).get_json()
    assert "refresh_token" not in token
    query = {"response_type": "id_token", "scope": "openid"}
    assert answer_of(visitor.ask(**query, nonce=""))["error"] == "invalid_request"
    hub.service.pkce_required = True
    assert answer_of(visitor.ask(code_challenge=""))["error"] == "invalid_request"


def test_a_parameter_that_hub_does_not_know_is_ignored(visitor: Visitor) -> None:
    visitor.sign_in("jane")
    assert "code" in answer_of(visitor.ask(rnd="0.4", ui_locales="de"))


@pytest.mark.parametrize(("flow", "response_type"), [("auth_code_flow", "code"), ("implicit_flow", "token")])
def test_a_flow_that_is_switched_off_is_not_allowed(
    visitor: Visitor, hub: DevHub, flow: str, response_type: str
) -> None:
    setattr(hub.service, flow, False)
    assert answer_of(visitor.ask(response_type=response_type))["error"] == "response_type_not_allowed"


@pytest.mark.parametrize("why", ["pkce_required", "public"])
def test_a_challenge_is_wanted_where_pkce_is_required(visitor: Visitor, hub: DevHub, why: str) -> None:
    if why == "public":
        hub.service.secret = None
    else:
        hub.service.pkce_required = True
    visitor.sign_in("jane", code_challenge=CHALLENGE)
    assert answer_of(visitor.ask())["error"] == "invalid_request"
    assert "code" in answer_of(visitor.ask(code_challenge=CHALLENGE))


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=y", "<script>", "a&code=evil", "%0d%0a", "日本", "a#b", "a b+c"])
def test_the_state_comes_back_unchanged_and_harmless(visitor: Visitor, state: str) -> None:
    """S97"""
    visitor.sign_in("jane")
    response = visitor.ask(state=state)
    assert answer_of(response)["state"] == state
    assert response.location.isascii()
    assert "Set-Cookie" not in response.headers


# Who is signed in, and request_credentials


@pytest.mark.parametrize(
    ("mode", "guest", "stranger", "signed_in"),
    [
        (None, True, "login", "code"),
        ("default", True, "login", "code"),
        ("default", False, "login", "code"),
        ("skip", True, "guest", "code"),
        ("skip", False, "login", "code"),
        ("silent", True, "guest", "code"),
        ("silent", False, "access_denied", "code"),
        ("required", True, "login", "login"),
        ("required", False, "login", "login"),
        ("silent_logout", True, "back", "back"),
    ],
)
def test_request_credentials_decides_about_strangers_and_sessions(
    make_visitor: MakeVisitor, mode: str | None, guest: bool, stranger: str, signed_in: str
) -> None:
    visitor = make_visitor(guest=guest)

    def outcome() -> str:
        response = visitor.ask(request_credentials=mode)
        if response.status_code == 303:
            assert is_login_page(response)
            return "login"
        answer = answer_of(response)
        if "code" not in answer:
            return answer.get("error", "back")
        token = visitor.exchange(answer["code"]).get_json()["access_token"]
        return "guest" if visitor.me(token).get_json()["guest"] else "code"

    assert outcome() == stranger
    visitor.sign_in("jane")
    assert outcome() == signed_in
    ended = mode in ("required", "silent_logout")
    assert is_login_page(visitor.ask()) == ended


def test_required_asks_once_and_then_again_at_the_next_request(visitor: Visitor) -> None:
    visitor.code("jane")
    assert is_login_page(visitor.ask(request_credentials="required"))
    signed_in = visitor.sign_in("john", request_credentials="required")
    assert "code" in answer_of(visitor.get(signed_in.location))
    assert is_login_page(visitor.get(signed_in.location))


def test_required_and_consent_are_asked_one_after_the_other(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    signed_in = visitor.sign_in("jane", request_credentials="required")
    consent = visitor.get(signed_in.location)
    assert urlsplit(consent.location).path == "/hub/auth/consent"
    approved = allow(visitor, consent.location)
    assert "code" in answer_of(visitor.get(approved.location))


def test_a_banned_user_is_told_to_the_client_and_signed_out(visitor: Visitor) -> None:
    visitor.sign_in("mallory")
    assert answer_of(visitor.ask())["error"] == "access_denied"
    assert is_login_page(visitor.ask())


def test_a_user_who_is_banned_meanwhile_gets_no_code(visitor: Visitor, hub: DevHub) -> None:
    visitor.code("jane")
    hub.update_user("jane", banned=True)
    assert answer_of(visitor.ask())["error"] == "access_denied"


# The login form


@pytest.mark.parametrize(
    ("login", "password"),
    [("jane", "wrong"), ("jane", ""), ("", ""), ("nobody", "nobody"), ("JANE", "jane"), ("j", "ü")],
)
def test_a_wrong_password_is_answered_on_the_page(visitor: Visitor, login: str, password: str) -> None:
    page = visitor.sign_in(login, password)
    assert page.status_code == 200
    assert "do not belong together" in page.text
    assert f'value="{login}"' in page.text
    assert "Set-Cookie" not in page.headers
    assert is_login_page(visitor.ask())


def test_a_login_without_a_client_ends_on_hub_s_home_page(visitor: Visitor) -> None:
    response = visitor.post("/api/rest/oauth2/interactive/login", data={"username": "jane", "password": "jane"})
    assert (response.status_code, response.location) == (303, "https://hub.test/hub/")
    assert "Jane Doe</h1>" in visitor.get("/").text


@pytest.mark.parametrize("remembered", ["form", "query", None])
def test_remember_me_outlives_the_browser_and_half_an_hour(
    visitor: Visitor, clock: Clock, remembered: str | None
) -> None:
    query = "rememberMe=true" if remembered == "query" else ""
    form = {"username": "jane", "password": "jane"} | ({"rememberMe": "on"} if remembered == "form" else {})
    cookie = visitor.post(
        f"/api/rest/oauth2/interactive/login?{visitor.query()}&{query}".rstrip("&"), data=form
    ).headers["Set-Cookie"]
    assert ("Max-Age=2592000" in cookie) == bool(remembered)
    clock.advance(31 * 60)
    assert is_login_page(visitor.ask()) == (not remembered)
    clock.advance(31 * 24 * 3600)
    assert is_login_page(visitor.ask())


def test_a_session_goes_on_while_it_is_used(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("jane")
    for _ in range(3):
        clock.advance(20 * 60)
        assert "code" in answer_of(visitor.ask())


@pytest.mark.parametrize(("base", "secure"), [("https://hub.test", True), ("http://localhost:8099", False)])
def test_the_session_cookie_is_hub_s_own_and_out_of_reach(visitor: Visitor, base: str, secure: bool) -> None:
    address = f"{base}/hub/api/rest/oauth2/interactive/login"
    cookie = visitor.post(address, data={"username": "jane", "password": "jane"}).headers["Set-Cookie"]
    assert re.match(r"devhub_session=[\w-]{43};", cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/hub;" in cookie
    assert ("Secure" in cookie) == secure


def test_a_cookie_from_before_the_login_is_worth_nothing_after_it(visitor: Visitor) -> None:
    def cookie() -> str:
        return visitor.sign_in("jane").headers["Set-Cookie"].partition(";")[0]

    first, second = cookie(), cookie()
    assert first != second
    thief = Client(visitor.hub.app, use_cookies=False)
    assert "Nobody is signed in" in thief.get("/hub/", headers={"Cookie": first}).text
    assert "Jane Doe</h1>" in thief.get("/hub/", headers={"Cookie": second}).text


# Consent


def allow(visitor: Visitor, address: str, **fields: object) -> TestResponse:
    """Presses a button on the consent page."""
    page = visitor.get(address).text
    form = {
        "csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page)[1],  # type: ignore[index]
        "service": re.findall(r'name="service" value="([^"]+)"', page),
        "decision": "approve",
        **fields,
    }
    return visitor.post(f"/api/rest/oauth2/interactive/consent?{urlsplit(address).query}", data=form)


def test_consent_is_asked_once_for_a_service_that_is_not_trusted(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane")
    consent = visitor.ask()
    assert urlsplit(consent.location).path == "/hub/auth/consent"
    approved = allow(visitor, consent.location)
    assert approved.status_code == 303
    assert "code" in answer_of(visitor.get(approved.location))
    assert "code" in answer_of(visitor.ask(state="again"))
    visitor.hub.add_service(Service("youtrack-id", "YouTrack"))
    assert urlsplit(visitor.ask(scope="Hub YouTrack").location).path == "/hub/auth/consent"
    other = Visitor(visitor.hub)
    other.sign_in("john")
    assert urlsplit(other.ask().location).path == "/hub/auth/consent"


def test_consent_is_not_asked_where_it_is_not_required(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.hub.service.consent_required = False
    visitor.sign_in("jane")
    assert "code" in answer_of(visitor.ask())


def test_a_token_is_limited_to_what_was_approved(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane")
    approved = allow(visitor, visitor.ask().location, service=[HUB_ID])
    token = visitor.exchange(answer_of(visitor.get(approved.location))["code"]).get_json()
    assert token["scope"] == HUB_ID
    assert answer_of(visitor.ask(scope=visitor.hub.service_id))["error"] == "access_denied"
    forced = visitor.ask(scope=visitor.hub.service_id, approval_prompt="force")
    assert urlsplit(forced.location).path == "/hub/auth/consent"


@pytest.mark.parametrize(
    "form", [{"decision": "refuse"}, {"service": []}, {"service": ["elsewhere"]}, {"decision": ""}]
)
def test_refusing_is_access_denied_and_not_remembered(make_visitor: MakeVisitor, form: dict[str, object]) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane")
    consent = visitor.ask().location
    assert answer_of(allow(visitor, consent, **form))["error"] == "access_denied"
    assert urlsplit(visitor.ask().location).path == "/hub/auth/consent"


def test_approval_prompt_force_asks_again_once(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane", approval_prompt="force")
    for _ in range(2):
        consent = visitor.ask(approval_prompt="force")
        assert urlsplit(consent.location).path == "/hub/auth/consent"
        assert "code" in answer_of(visitor.get(allow(visitor, consent.location).location))


def test_the_words_of_openid_are_up_to_a_person_too(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane")
    consent = visitor.ask(scope="openid profile")
    assert urlsplit(consent.location).path == "/hub/auth/consent"
    assert answer_of(allow(visitor, consent.location, decision="refuse"))["error"] == "access_denied"
    assert urlsplit(visitor.ask(scope="openid profile").location).path == "/hub/auth/consent"
    approved = allow(visitor, consent.location)
    token = visitor.exchange(answer_of(visitor.get(approved.location))["code"]).get_json()
    assert token["scope"] == "openid profile"
    assert "code" in answer_of(visitor.ask(scope="openid"))
    assert urlsplit(visitor.ask(scope="openid email").location).path == "/hub/auth/consent"
    both = visitor.ask(scope="openid email Hub")
    assert urlsplit(both.location).path == "/hub/auth/consent", "no service was asked for yet"
    assert answer_of(allow(visitor, both.location, service=[]))["error"] == "access_denied"
    assert urlsplit(visitor.ask(scope="openid email").location).path == "/hub/auth/consent"
    allow(visitor, both.location)
    assert "code" in answer_of(visitor.ask(scope="openid email"))
    assert answer_of(visitor.ask(scope="openid groups", prompt="none"))["error"] == "access_denied"


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("scope", ["openid profile email", HUB_ID])
def test_approval_prompt_force_asks_whoever_s_service_it_is(
    make_visitor: MakeVisitor, trusted: bool, scope: str
) -> None:
    visitor = make_visitor(trusted=trusted)
    visitor.sign_in("jane")
    for _ in range(2):
        consent = visitor.ask(scope=scope, approval_prompt="force")
        assert urlsplit(consent.location).path == "/hub/auth/consent"
        assert "code" in answer_of(visitor.get(allow(visitor, consent.location).location))
    assert "code" in answer_of(visitor.ask(scope=scope))


def test_silent_never_shows_a_consent_page(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane")
    assert answer_of(visitor.ask(request_credentials="silent"))["error"] == "access_denied"


def test_a_consent_form_without_this_session_s_token_is_refused(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    visitor.sign_in("jane")
    consent = visitor.ask().location
    refused = allow(visitor, consent, csrf_token="forged")
    assert refused.status_code == 403
    assert urlsplit(visitor.ask().location).path == "/hub/auth/consent"


# Scope


@pytest.mark.parametrize(
    ("wire", "services", "echoed"),
    [
        (HUB_ID, [HUB_ID], HUB_ID),
        ("Hub", [HUB_ID], "Hub"),
        ("Hub YouTrack", [HUB_ID, "yt"], "Hub YouTrack"),
        ("YouTrack%20Konnector", ["konnector"], "YouTrack%20Konnector"),
        ("YouTrack+Konnector", ["konnector"], "YouTrack+Konnector"),
        ("Hub YouTrack Konnector", [HUB_ID, "konnector"], "Hub YouTrack Konnector"),
        ("R%26D", ["rnd"], "R&D"),
        ("R&D Hub", ["rnd", HUB_ID], "R&D Hub"),
        ("Pr%C3%BCfung", ["exam"], "Pr%C3%BCfung"),
        ("R%26D rnd R&D", ["rnd"], "R&D rnd"),
        ("Hub Konnector", [HUB_ID], "Hub"),
        ("Hub 0-0-0-0-0", [HUB_ID], "Hub 0-0-0-0-0"),
        ("Hub Hub", [HUB_ID], "Hub"),
        ("Hub offline_access", [HUB_ID], "Hub offline_access"),
        ("openid profile", [""], "openid profile"),
        ("openid offline_access Hub yt", [HUB_ID, "yt"], "openid offline_access"),
    ],
)
def test_scopes_are_ids_or_names_and_come_back_as_they_were_meant(
    visitor: Visitor, hub: DevHub, wire: str, services: list[str], echoed: str
) -> None:
    hub.add_service(Service("yt", "YouTrack"))
    hub.add_service(Service("konnector", "YouTrack Konnector"))
    hub.add_service(Service("rnd", "R&D"))
    hub.add_service(Service("exam", "Prüfung"))
    token = visitor.exchange(visitor.code("jane", scope=wire)).get_json()
    assert token["scope"] == echoed
    assert token["access_token"].split(";")[0].split(".")[3].split(" ") == services


def test_a_half_known_scope_is_refused_when_hub_is_strict(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(strict_scope=True)
    answer = answer_of(visitor.ask(scope="Hub Konnector"))
    assert (answer["error"], answer["error_description"]) == (
        "invalid_scope",
        "Scope Konnector doesn't match any Service",
    )


# Implicit


def test_the_implicit_flow_gives_a_token_in_the_fragment(visitor: Visitor) -> None:
    visitor.sign_in("jane", response_type="token")
    response = visitor.ask(response_type="token", scope=HUB_ID, access_type="offline")
    assert response.location.startswith(f"{CALLBACK}#access_token=")
    fragment = urlsplit(response.location).fragment
    answer = answer_of(response)
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "state"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", "3600", HUB_ID)
    assert quote(answer["access_token"], safe="") in fragment
    assert visitor.me(answer["access_token"]).get_json()["login"] == "jane"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"scope": "nothing"}, "invalid_scope"),
        ({"scope": None}, "invalid_request"),
        ({"request_credentials": "x"}, "invalid_request"),
        ({"request_credentials": "silent"}, "access_denied"),
        ({"flow": "off"}, "response_type_not_allowed"),
        ({"login": "mallory"}, "access_denied"),
        ({"response_type": "id_token"}, "invalid_scope"),
        ({"response_type": "id_token", "scope": "openid Hub"}, "invalid_request"),
    ],
)
def test_errors_of_the_implicit_flow_are_in_the_fragment(
    make_visitor: MakeVisitor, query: dict[str, Any], error: str
) -> None:
    visitor = make_visitor(guest=False)
    visitor.hub.service.implicit_flow = "flow" not in query
    if "login" in query:
        visitor.sign_in(query["login"], response_type="token")
    response = visitor.ask(**{"response_type": "token", **query})
    assert response.location.startswith(f"{CALLBACK}#error={error}&")
    assert answer_of(response)["state"] == "s 1/ä"


# max_age and prompt


def test_a_password_older_than_max_age_is_asked_for_again(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("jane")
    clock.advance(100)
    assert "code" in answer_of(visitor.ask(max_age="100"))
    clock.advance(1)
    assert is_login_page(visitor.ask(max_age="100"))
    assert "code" in answer_of(visitor.ask()), "who turns away is still signed in"
    visitor.sign_in("jane", max_age="100")
    assert "code" in answer_of(visitor.ask(max_age="100"))


def test_a_max_age_of_nothing_asks_once_and_then_again_at_the_next_request(visitor: Visitor) -> None:
    visitor.sign_in("jane")
    assert is_login_page(visitor.ask(max_age="0"))
    visitor.sign_in("jane", max_age="0")
    assert "code" in answer_of(visitor.ask(max_age="0"))
    assert is_login_page(visitor.ask(max_age="0"))


@pytest.mark.parametrize("mode", ["silent", "skip"])
def test_a_password_that_is_too_old_does_not_make_a_guest(visitor: Visitor, clock: Clock, mode: str) -> None:
    visitor.sign_in("jane")
    clock.advance(2)
    answer = visitor.ask(max_age="1", request_credentials=mode)
    if mode == "skip":
        assert is_login_page(answer)
    else:
        assert answer_of(answer)["error"] == "access_denied"


@pytest.mark.parametrize("max_age", ["-1", "1.5", "x", "٣"])
def test_a_max_age_that_is_no_number_is_refused(visitor: Visitor, max_age: str) -> None:
    assert answer_of(visitor.ask(max_age=max_age))["error"] == "invalid_request"


def test_prompt_none_never_shows_anything_and_never_lets_a_guest_in(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(trusted=False)
    assert answer_of(visitor.ask(prompt="none"))["error"] == "access_denied"
    visitor.sign_in("jane")
    assert answer_of(visitor.ask(prompt="none"))["error"] == "access_denied"
    visitor.hub.service.trusted = True
    assert "code" in answer_of(visitor.ask(prompt="none"))


def test_prompt_login_asks_for_the_password(visitor: Visitor) -> None:
    visitor.sign_in("jane")
    assert is_login_page(visitor.ask(prompt="login"))
    visitor.sign_in("jane", prompt="login")
    assert "code" in answer_of(visitor.ask(prompt="login"))


def test_a_hub_that_knows_neither_ignores_both(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(prompt=False, max_age=False)
    visitor.sign_in("jane")
    for query in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "x"}):
        assert "code" in answer_of(visitor.ask(**query))
