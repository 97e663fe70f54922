from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub, Service

from .conftest import CALLBACK, CHALLENGE, VERIFIER, Clock, Visitor

MakeVisitor = Callable[..., Visitor]

OTHER = Service("other-id", "Other", "other-secret", redirect_uris=[CALLBACK], trusted=True)


def assert_refused(response: TestResponse, status: int, error: str, description: str) -> None:
    """The fields of Hub's own library, and nothing that could be kept by a cache."""
    assert response.get_json() == {
        "error": error,
        "error_code": status,
        "error_description": description,
        "error_developer_message": description,
    }
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"


# Authorization code


def test_a_code_gives_a_token_for_the_person(visitor: Visitor) -> None:
    response = visitor.exchange(visitor.code("jane"))
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.get_json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert answer["scope"] == f"{HUB_ID} {visitor.hub.service_id}"
    assert visitor.me(answer["access_token"]).get_json()["login"] == "jane"


@pytest.mark.parametrize(
    ("query", "refresh_token"),
    [
        ({}, False),
        ({"access_type": "online"}, False),
        ({"access_type": "offline"}, True),
        ({"scope": "Hub offline_access"}, True),
        ({"scope": "openid offline_access Hub"}, True),
    ],
)
def test_a_refresh_token_comes_only_when_it_was_asked_for(
    visitor: Visitor, query: dict[str, str], refresh_token: bool
) -> None:
    assert ("refresh_token" in visitor.exchange(visitor.code("jane", **query)).get_json()) == refresh_token


@pytest.mark.parametrize("kind", ["basic", "encoded basic", "form", "query"])
def test_the_service_says_who_it_is_in_any_of_hub_s_ways(make_visitor: MakeVisitor, kind: str) -> None:
    visitor = make_visitor(service_secret="s:ecret+% ü")
    code = visitor.code("jane")
    service_id, secret = visitor.hub.service_id, "s:ecret+% ü"
    if kind == "basic":
        response = visitor.exchange(code, client_id=service_id)
    elif kind == "encoded basic":
        response = visitor.exchange(code, auth=(quote_plus(service_id), quote_plus(secret)))
    elif kind == "form":
        response = visitor.exchange(code, header=False, client_id=service_id, client_secret=secret)
    else:
        query = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        query |= {"client_id": service_id, "client_secret": secret}
        response = visitor.post("/api/rest/oauth2/token?" + "&".join(f"{k}={quote_plus(v)}" for k, v in query.items()))
    assert response.status_code == 200


# What is wrong with a code request: what it changes, and what Hub says. None takes a parameter out.
CODE_ERRORS = [
    ({"grant_type": None}, 400, "invalid_request", "Parameter 'grant_type' is required"),
    ({"grant_type": ""}, 400, "invalid_request", "Parameter 'grant_type' is required"),
    ({"code": None}, 400, "invalid_request", "Parameter 'code' is required"),
    ({"redirect_uri": None}, 400, "invalid_request", "Parameter 'redirect_uri' is required"),
    ({"code": "unknown"}, 403, "invalid_grant", "Unknown authorization code"),
    ({"redirect_uri": f"{CALLBACK}/"}, 403, "invalid_grant", "Invalid authorization code"),
    ({"redirect_uri": "http://127.0.0.1:5000/authorized"}, 403, "invalid_grant", "Invalid authorization code"),
    ({"auth": ("other-id", "other-secret")}, 403, "invalid_grant", "Invalid authorization code"),
    ({"auth": ("other-id", "wrong")}, 403, "invalid_grant", "Invalid service secret"),
    ({"auth": ("no-id", "x")}, 401, "invalid_client", 'Service with id "no-id" was not found'),
    ({"auth": ("", "x")}, 401, "invalid_client", "Authorization header was not passed"),
    ({"header": False}, 401, "invalid_client", "Authorization header was not passed"),
    ({"header": False, "client_id": "other-id"}, 401, "invalid_client", "Authorization header was not passed"),
    (
        {"header": False, "client_id": "other-id", "client_secret": "wrong"},
        403,
        "invalid_grant",
        "Invalid service secret",
    ),
    ({"client_id": "other-id"}, 400, "invalid_request", "Parameter 'client_id' is not the one of the header"),
    (
        {"client_secret": "x"},
        400,
        "invalid_request",
        "Service secret is passed in the header and as a parameter",
    ),
    ({"code_verifier": VERIFIER}, 403, "invalid_grant", "Invalid code verifier"),
    ({"code": ["a", "b"]}, 400, "invalid_request", "Parameter 'code' is passed more than once"),
    (
        {"grant_type": "token_exchange"},
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server",
    ),
    (
        {"grant_type": "AUTHORIZATION_CODE"},
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server",
    ),
]


@pytest.mark.parametrize(("form", "status", "error", "description"), CODE_ERRORS)
def test_a_wrong_code_request_is_refused_in_hub_s_words(
    visitor: Visitor, form: dict[str, Any], status: int, error: str, description: str
) -> None:
    visitor.hub.add_service(OTHER)
    code = visitor.code("jane")
    assert_refused(visitor.exchange(**{"code": code, **form}), status, error, description)


def test_a_parameter_without_a_value_counts_as_left_out(visitor: Visitor, hub: DevHub) -> None:
    """RFC 6749 section 3.2"""
    empty = dict.fromkeys(("client_id", "client_secret", "scope", "access_type", "code_verifier", "token"), "")
    assert visitor.exchange(visitor.code(), **empty).status_code == 200
    refreshed = visitor.refresh(hub.grant("jane")["refresh_token"], **empty)
    assert refreshed.get_json()["scope"] == f"{HUB_ID} {hub.service_id}"
    form = {"grant_type": "password", "username": "jane", "password": "jane", **empty}
    assert visitor.token(**{**form, "scope": "Hub"}).status_code == 200
    assert visitor.token(**form).get_json()["error_description"] == "Parameter 'scope' is required"
    assert visitor.token(grant_type="client_credentials", **empty).status_code == 200
    form = {"client_id": hub.service_id, "client_secret": "", "grant_type": "client_credentials"}
    assert visitor.token(header=False, **form).get_json()["error"] == "invalid_client"


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic eA==", "Bearer x", "", "Basic //8="])
def test_an_authorization_header_that_is_not_basic_is_invalid(visitor: Visitor, header: str) -> None:
    response = visitor.post(
        "/api/rest/oauth2/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert_refused(response, 401, "invalid_client", "Invalid authorization header")


def test_a_wrong_secret_is_an_invalid_grant_as_in_hub(visitor: Visitor) -> None:
    code = visitor.code("jane")
    refused = visitor.exchange(code, auth=(visitor.hub.service_id, "wrong"))
    assert_refused(refused, 403, "invalid_grant", "Invalid service secret")
    assert visitor.exchange(code).status_code == 200


def test_the_status_of_invalid_grant_can_be_that_of_the_rfc(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(invalid_grant_status=400)
    assert_refused(visitor.exchange("unknown"), 400, "invalid_grant", "Unknown authorization code")
    assert_refused(visitor.refresh("unknown"), 400, "invalid_grant", "Unknown refresh token")


def test_a_code_lives_sixty_seconds(visitor: Visitor, clock: Clock) -> None:
    """S96"""
    young, old = visitor.code("jane"), visitor.code("jane", state="2")
    clock.advance(60)
    assert visitor.exchange(young).status_code == 200
    clock.advance(1)
    assert_refused(visitor.exchange(old), 403, "invalid_grant", "Invalid authorization code")


def test_a_code_that_is_used_again_revokes_what_it_gave(visitor: Visitor) -> None:
    """S96"""
    code = visitor.code("jane", access_type="offline")
    given = visitor.exchange(code).get_json()
    assert_refused(visitor.exchange(code), 403, "invalid_grant", "Invalid authorization code")
    assert visitor.me(given["access_token"]).status_code == 401
    assert visitor.refresh(given["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_a_code_is_spent_by_a_wrong_attempt(visitor: Visitor) -> None:
    code = visitor.code("jane", code_challenge=CHALLENGE, code_challenge_method="S256")
    assert visitor.exchange(code, code_verifier="w" * 43).status_code == 403
    assert_refused(visitor.exchange(code, code_verifier=VERIFIER), 403, "invalid_grant", "Invalid authorization code")


def test_a_flow_that_is_switched_off_gives_no_token(visitor: Visitor, hub: DevHub) -> None:
    code = visitor.code("jane")
    hub.service.auth_code_flow = False
    description = "The authenticated client is not authorized to use this authorization grant type"
    assert_refused(visitor.exchange(code), 403, "unauthorized_client", description)


# PKCE


@pytest.mark.parametrize(
    ("challenge", "method", "verifier", "good"),
    [
        (CHALLENGE, "S256", VERIFIER, True),
        (CHALLENGE, "S256", CHALLENGE, False),
        (CHALLENGE, "S256", VERIFIER + "v", False),
        (CHALLENGE, "S256", None, False),
        (CHALLENGE, "S256", "", False),
        (VERIFIER, "plain", VERIFIER, True),
        (VERIFIER, None, VERIFIER, True),
        (VERIFIER, "plain", CHALLENGE, False),
        ("x" * 128, "plain", "x" * 128, True),
        (CHALLENGE, "S256", "ü" * 43, False),
    ],
)
def test_a_challenge_wants_its_verifier(
    visitor: Visitor, challenge: str, method: str | None, verifier: str | None, good: bool
) -> None:
    """S96"""
    code = visitor.code("jane", code_challenge=challenge, code_challenge_method=method)
    response = visitor.exchange(code, code_verifier=verifier)
    if good:
        assert response.status_code == 200
    else:
        assert_refused(response, 403, "invalid_grant", "Invalid code verifier")


@pytest.mark.parametrize(
    ("secret", "trusted", "pkce", "good"),
    [
        (None, True, True, True),
        (None, False, True, True),
        ("secret", False, True, True),
        ("secret", True, True, False),
        ("secret", False, False, False),
    ],
)
def test_a_public_client_may_leave_out_its_secret_if_it_uses_pkce(
    make_visitor: MakeVisitor, secret: str | None, trusted: bool, pkce: bool, good: bool
) -> None:
    visitor = make_visitor(service_secret=secret, trusted=trusted)
    visitor.hub.service.consent_required = False
    challenge = CHALLENGE if pkce else None
    code = visitor.code(
        "jane", access_type="offline", code_challenge=challenge, code_challenge_method="S256" if pkce else None
    )
    public = {"header": False, "client_id": visitor.hub.service_id}
    response = visitor.exchange(code, code_verifier=VERIFIER if pkce else None, **public)
    if not good:
        assert_refused(response, 401, "invalid_client", "Authorization header was not passed")
        return
    assert visitor.refresh(response.get_json()["refresh_token"], **public).status_code == 200


def test_an_empty_secret_is_none(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(service_secret=None)
    code = visitor.code("jane", code_challenge=CHALLENGE, code_challenge_method="S256")
    assert visitor.exchange(code, auth=(visitor.hub.service_id, ""), code_verifier=VERIFIER).status_code == 200


# Refresh token


@pytest.fixture
def offline(visitor: Visitor) -> dict[str, Any]:
    """The answer to a code that was asked for with ``access_type=offline``."""
    answer: dict[str, Any] = visitor.exchange(visitor.code("jane", access_type="offline")).get_json()
    return answer


def test_a_refresh_gives_a_new_access_token_and_no_new_refresh_token(visitor: Visitor, offline: dict[str, Any]) -> None:
    for _ in range(2):
        answer = visitor.refresh(offline["refresh_token"]).get_json()
        assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
        assert answer["scope"] == offline["scope"]
        assert answer["access_token"] != offline["access_token"]
        assert visitor.me(answer["access_token"]).get_json()["login"] == "jane"
    assert visitor.me(offline["access_token"]).status_code == 200


def test_with_rotation_each_refresh_token_is_good_once_and_its_reuse_ends_the_family(
    make_visitor: MakeVisitor,
) -> None:
    """S96"""
    visitor = make_visitor(rotate=True)
    first = visitor.hub.grant("jane")
    second = visitor.refresh(first["refresh_token"]).get_json()
    third = visitor.refresh(second["refresh_token"]).get_json()
    assert len({first["refresh_token"], second["refresh_token"], third["refresh_token"]}) == 3
    assert visitor.me(third["access_token"]).status_code == 200
    other = visitor.hub.grant("jane")

    description = "Token is invalid, expired, revoked or was issued to another client"
    assert_refused(visitor.refresh(first["refresh_token"]), 403, "invalid_grant", description)
    assert_refused(visitor.refresh(third["refresh_token"]), 403, "invalid_grant", description)
    for answer in (first, second, third):
        assert visitor.me(answer["access_token"]).status_code == 401
    assert visitor.refresh(other["refresh_token"]).status_code == 200


REFRESH_ERRORS = [
    ({"refresh_token": None}, 400, "invalid_request", "Parameter 'refresh_token' is required"),
    ({"refresh_token": "unknown"}, 403, "invalid_grant", "Unknown refresh token"),
    (
        {"refresh_token": "unknown", "auth": ("other-id", "wrong")},
        403,
        "invalid_grant",
        "Unknown refresh token",
    ),
    (
        {"auth": ("other-id", "other-secret")},
        403,
        "invalid_grant",
        "Refresh token is issued to another client",
    ),
    ({"auth": ("no-id", "x")}, 401, "invalid_client", 'Service with id "no-id" was not found'),
    ({"header": False}, 401, "invalid_client", "Authorization header was not passed"),
    ({"scope": "Other"}, 403, "invalid_grant", "Requested scope does not match allowed by access token"),
    (
        {"scope": "Hub offline_access"},
        403,
        "invalid_grant",
        "Requested scope does not match allowed by access token",
    ),
    ({"scope": "nothing"}, 400, "invalid_scope", "Scope nothing doesn't match any Service"),
]


@pytest.mark.parametrize(("form", "status", "error", "description"), REFRESH_ERRORS)
def test_a_wrong_refresh_request_is_refused_in_hub_s_words(
    visitor: Visitor, offline: dict[str, Any], form: dict[str, Any], status: int, error: str, description: str
) -> None:
    visitor.hub.add_service(OTHER)
    form = {"grant_type": "refresh_token", "refresh_token": offline["refresh_token"], **form}
    assert_refused(visitor.token(**form), status, error, description)


def test_a_wrong_secret_with_a_good_refresh_token_is_named(visitor: Visitor, offline: dict[str, Any]) -> None:
    refused = visitor.refresh(offline["refresh_token"], auth=(visitor.hub.service_id, "wrong"))
    assert_refused(refused, 403, "invalid_grant", "Invalid service secret")
    assert visitor.refresh(offline["refresh_token"]).status_code == 200


def test_a_banned_user_s_refresh_token_is_refused_until_the_ban_ends(
    visitor: Visitor, hub: DevHub, offline: dict[str, Any]
) -> None:
    hub.update_user("jane", banned=True)
    description = "The owner of the refresh token is banned"
    assert_refused(visitor.refresh(offline["refresh_token"]), 403, "invalid_grant", description)
    hub.update_user("jane", banned=False)
    assert visitor.refresh(offline["refresh_token"]).status_code == 200


def test_the_same_or_a_narrower_scope_may_be_sent_again(visitor: Visitor, offline: dict[str, Any]) -> None:
    assert visitor.refresh(offline["refresh_token"], scope=offline["scope"]).get_json()["scope"] == offline["scope"]
    assert visitor.refresh(offline["refresh_token"], scope="Hub").get_json()["scope"] == "Hub"
    assert visitor.refresh(offline["refresh_token"]).get_json()["scope"] == offline["scope"]


def test_services_sent_again_for_an_openid_token_are_refused(visitor: Visitor) -> None:
    scope = "openid offline_access Hub"
    refresh_token = visitor.exchange(visitor.code("jane", scope=scope)).get_json()["refresh_token"]
    description = "Requested scope does not match allowed by access token"
    assert_refused(visitor.refresh(refresh_token, scope=scope), 403, "invalid_grant", description)
    assert_refused(visitor.refresh(refresh_token, scope="Hub"), 403, "invalid_grant", description)
    assert visitor.refresh(refresh_token, scope="openid offline_access").status_code == 200
    assert visitor.refresh(refresh_token).status_code == 200


# Client credentials and password


def test_a_trusted_service_gets_a_token_of_its_own_without_a_user(visitor: Visitor) -> None:
    answer = visitor.token(grant_type="client_credentials", scope=HUB_ID).get_json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer["access_token"].split(".")[2] == ""
    assert visitor.me(answer["access_token"]).status_code == 404


@pytest.mark.parametrize(
    ("service", "form", "status", "error", "description"),
    [
        ({"trusted": False}, {}, 403, "unauthorized_client", "Service is not verified"),
        (
            {"client_credentials_flow": False},
            {},
            403,
            "unauthorized_client",
            "The authenticated client is not authorized to use this authorization grant type",
        ),
        ({}, {"auth": ("98071167-004c-4ddf-ba37-5d4599fdf319", "x")}, 403, "invalid_grant", "Invalid service secret"),
        ({}, {"header": False}, 401, "invalid_client", "Authorization header was not passed"),
        ({}, {"scope": "nothing"}, 400, "invalid_scope", "Scope nothing doesn't match any Service"),
    ],
)
def test_client_credentials_are_refused_in_hub_s_words(
    visitor: Visitor, service: dict[str, Any], form: dict[str, Any], status: int, error: str, description: str
) -> None:
    for name, value in service.items():
        setattr(visitor.hub.service, name, value)
    assert_refused(visitor.token(grant_type="client_credentials", **form), status, error, description)


@pytest.mark.parametrize("access_type", [None, "offline"])
def test_a_password_gives_a_token(visitor: Visitor, access_type: str | None) -> None:
    form: dict[str, Any] = {"username": "jane", "password": "jane", "scope": HUB_ID, "access_type": access_type}
    answer = visitor.token(grant_type="password", **form).get_json()
    assert visitor.me(answer["access_token"]).get_json()["login"] == "jane"
    assert ("refresh_token" in answer) == (access_type == "offline")


@pytest.mark.parametrize(
    ("form", "status", "error", "description"),
    [
        ({"password": "wrong"}, 403, "invalid_grant", "Invalid resource owner credentials"),
        ({"username": "nobody"}, 403, "invalid_grant", "Invalid resource owner credentials"),
        (
            {"username": "mallory", "password": "mallory"},
            403,
            "invalid_grant",
            "Invalid resource owner credentials",
        ),
        ({"username": None}, 400, "invalid_request", "Parameter 'username' is required"),
        ({"password": None}, 400, "invalid_request", "Parameter 'password' is required"),
        ({"scope": None}, 400, "invalid_request", "Parameter 'scope' is required"),
        ({"scope": "nothing"}, 400, "invalid_scope", "Scope nothing doesn't match any Service"),
        (
            {"access_type": "forever"},
            400,
            "invalid_request",
            "Parameter 'access_type' is none of online, offline",
        ),
        ({"header": False}, 401, "invalid_client", "Authorization header was not passed"),
        ({"auth": ("98071167-004c-4ddf-ba37-5d4599fdf319", "x")}, 403, "invalid_grant", "Invalid service secret"),
        ({"auth": ("no-id", "x")}, 401, "invalid_client", 'Service with id "no-id" was not found'),
    ],
)
def test_a_wrong_password_request_is_refused_in_hub_s_words(
    visitor: Visitor, form: dict[str, Any], status: int, error: str, description: str
) -> None:
    form = {"grant_type": "password", "username": "jane", "password": "jane", "scope": HUB_ID, **form}
    assert_refused(visitor.token(**form), status, error, description)


def test_the_password_flow_can_be_switched_off(visitor: Visitor) -> None:
    visitor.hub.service.resource_owner_flow = False
    response = visitor.token(grant_type="password", username="jane", password="jane", scope=HUB_ID)
    description = "The authenticated client is not authorized to use this authorization grant type"
    assert_refused(response, 403, "unauthorized_client", description)


# Tokens as bytes


def test_a_classic_token_is_signed_with_the_key_that_hub_publishes(visitor: Visitor, clock: Clock) -> None:
    token = visitor.exchange(visitor.code("jane")).get_json()["access_token"]
    data, _, signed = token.rpartition(";")
    version, _, signature = signed.partition(".")
    published = visitor.get("/api/rest/oauth2/key")
    assert published.content_type.startswith("text/plain")
    key_version, _, key = published.text.partition(".")
    assert version == key_version
    public = load_der_public_key(base64.b64decode(key, validate=True))
    assert isinstance(public, DSAPublicKey)
    public.verify(base64.b64decode(signature, validate=True), data.encode(), hashes.SHA1())  # what Hub signs with

    user_id = visitor.hub.user("jane").id
    service_id = visitor.hub.service_id
    assert data.split(".") == [str(int((clock.now + 3600) * 1000)), service_id, user_id, f"{HUB_ID} {service_id}"]


def test_two_hubs_of_a_process_have_keys_of_their_own(make_visitor: MakeVisitor) -> None:
    keys = {make_visitor().get("/api/rest/oauth2/key").text for _ in range(3)}
    assert len(keys) == 3


def test_an_opaque_token_says_nothing(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(tokens="opaque")
    token = visitor.exchange(visitor.code("jane")).get_json()["access_token"]
    assert "." not in token
    assert ";" not in token
    assert visitor.me(token).get_json()["login"] == "jane"


def test_a_token_lives_as_long_as_the_option_says(make_visitor: MakeVisitor, clock: Clock) -> None:
    visitor = make_visitor(token_life=60)
    answer = visitor.exchange(visitor.code("jane")).get_json()
    assert answer["expires_in"] == 60
    clock.advance(59)
    assert visitor.me(answer["access_token"]).status_code == 200
    clock.advance(1)
    assert visitor.me(answer["access_token"]).get_json()["error"] == "invalid_grant"
