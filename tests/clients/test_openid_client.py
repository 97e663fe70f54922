"""openid-client, a relying party from npm: everything it does at the dev Hub, and what it is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_hub_auth.devhub import DevHub, serve
from flask_hub_auth.devhub.seed import YOUTRACK_ID

JANE = "c6b6e9c6-0000-4000-8000-000000000001"
CALLBACK = "http://localhost:5000/authorized"
Attempts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def hub() -> DevHub:
    return DevHub()


@pytest.fixture(scope="module")
def attempts(hub: DevHub, bundle: Callable[..., Path]) -> Attempts:
    """What ``openid.mjs`` has tried, by name, in one run."""
    script = bundle("openid.mjs", "--platform=node", "--format=esm")
    node = shutil.which("node") or "node"
    with serve(hub):
        words = [hub.url, hub.service_id, str(hub.service_secret), CALLBACK, YOUTRACK_ID]
        done = subprocess.run([node, str(script), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("name"): line for line in lines}


def test_discovery_is_found_in_both_places(attempts: Attempts, hub: DevHub) -> None:
    for name in ("discovery", "discovery in the second place"):
        assert attempts[name] == {"value": hub.url}


def test_a_code_gives_an_id_token_that_is_verified(attempts: Attempts, hub: DevHub) -> None:
    claims = attempts["code and PKCE"]["value"]
    assert (claims["iss"], claims["sub"], claims["aud"]) == (hub.url, JANE, hub.service_id)
    assert attempts["scope"]["value"] == "openid profile offline_access"
    assert attempts["max_age"]["value"] in (0, 1)


@pytest.mark.parametrize(
    "name",
    ["plain PKCE", "secret in the form", "public client", "password", "implicit id token", "key rotation"],
)
def test_jane_is_known_in_every_way_to_sign_in(attempts: Attempts, name: str) -> None:
    assert attempts[name] == {"value": JANE}


def test_tokens_are_renewed_in_both_manners(attempts: Attempts) -> None:
    assert attempts["refresh"]["value"] == ["bearer", True, False]
    assert attempts["refresh with rotation and id token"]["value"] == [True, JANE]


def test_a_service_gets_a_token_of_its_own(attempts: Attempts, hub: DevHub) -> None:
    assert attempts["client credentials"]["value"] == ["bearer", f"Hub {hub.service_id}", 3600]


def test_a_token_opens_userinfo_and_hub_s_rest(attempts: Attempts) -> None:
    assert attempts["userinfo"]["value"]["preferred_username"] == "jane"
    assert attempts["userinfo"]["value"]["groups"] == ["All Users", "Developers", "Staff"]
    assert attempts["protected resource"]["value"]["login"] == "jane"


# What is tried, and what Hub says: ``error``, and a status where the answer is no redirect.
REFUSALS = {
    "auth: no challenge where PKCE is required": ("invalid_request", None),
    "auth: challenge of an unknown method": ("invalid_request", None),
    "auth: request_credentials of no kind": ("invalid_request", None),
    "auth: unknown response type": ("unsupported_response_type", None),
    "auth: flow switched off": ("response_type_not_allowed", None),
    "auth: scope of no service": ("invalid_scope", None),
    "auth: banned": ("access_denied", None),
    "auth: consent refused": ("access_denied", None),
    "auth: prompt none": ("access_denied", None),
    "auth: server_error": ("server_error", None),
    "auth: temporarily_unavailable": ("temporarily_unavailable", None),
    "token: missing parameter": ("invalid_request", 400),
    "token: no client authentication": ("invalid_client", 401),
    "token: header that is none": ("invalid_client", 401),
    "token: unknown service": ("invalid_client", 401),
    "token: wrong secret": ("invalid_grant", 403),
    "token: unknown code": ("invalid_grant", 403),
    "token: used code": ("invalid_grant", 403),
    "token: old code": ("invalid_grant", 403),
    "token: code of another client": ("invalid_grant", 403),
    "token: other redirect URI": ("invalid_grant", 403),
    "token: other verifier": ("invalid_grant", 403),
    "token: unknown refresh token": ("invalid_grant", 403),
    "token: refresh token of another client": ("invalid_grant", 403),
    "token: services sent again": ("invalid_grant", 403),
    "token: refresh token of a banned user": ("invalid_grant", 403),
    "token: revoked refresh token": ("invalid_grant", 403),
    "token: wrong password": ("invalid_grant", 403),
    "token: service not trusted": ("unauthorized_client", 403),
    "token: flow switched off": ("unauthorized_client", 403),
    "token: unknown grant": ("unsupported_grant_type", 400),
    "token: scope of no service": ("invalid_scope", 400),
    "userinfo: bad token, with a challenge": ("OAUTH_WWW_AUTHENTICATE_CHALLENGE", 401),
    # Without a challenge, as Hub is thought to answer, it takes the 401 for an answer that is not in order.
    "userinfo: bad token": ("OAUTH_RESPONSE_IS_NOT_CONFORM", None),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_has_hub_s_error_and_status(attempts: Attempts, name: str) -> None:
    found = attempts[name]
    assert (found.get("error"), found.get("status")) == REFUSALS[name]


def test_a_production_hub_s_words_for_services_that_are_sent_again(attempts: Attempts) -> None:
    said = attempts["token: services sent again"]["description"]
    assert said == "Requested scope does not match allowed by access token"


@pytest.mark.parametrize(
    ("name", "error"),
    [("auth: redirect URI off by a slash", "invalid_redirect_uri"), ("auth: unknown client", "invalid_request")],
)
def test_what_must_not_be_redirected_ends_on_hub_s_own_page(attempts: Attempts, name: str, error: str) -> None:
    """S97"""
    assert attempts[name] == {"value": [303, "/hub/auth/oauth/error", error]}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("nonce", "OAUTH_JWT_CLAIM_COMPARISON_FAILED"),
        ("audience", "OAUTH_JWT_CLAIM_COMPARISON_FAILED"),
        ("issuer", "OAUTH_JWT_CLAIM_COMPARISON_FAILED"),
        ("expiry", "OAUTH_JWT_TIMESTAMP_CHECK_FAILED"),
        ("none", "OAUTH_INVALID_RESPONSE"),
        ("hmac", "OAUTH_INVALID_RESPONSE"),
        ("key", "OAUTH_INVALID_RESPONSE"),
        ("missing", "OAUTH_INVALID_RESPONSE"),
        ("subject", "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED"),
    ],
)
def test_each_wrong_id_token_is_one_that_openid_client_sees_through(attempts: Attempts, wrong: str, error: str) -> None:
    assert attempts[f"id token: {wrong}"]["error"] == error
