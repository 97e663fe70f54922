from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any, get_args

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub
from flask_hub_auth.devhub.id_tokens import WrongIdToken

from .conftest import Clock, Visitor, answer_of

OPENID = f"openid profile email offline_access {HUB_ID}"
REST = "https://hub.test/hub/api/rest"
JANE = "c6b6e9c6-0000-4000-8000-000000000001"


def id_token(visitor: Visitor, **query: str) -> str:
    return str(visitor.exchange(visitor.code("jane", scope=OPENID, nonce="n-1", **query)).get_json()["id_token"])


def keys(visitor: Visitor) -> KeySet:
    return KeySet.import_key_set(visitor.get("/api/rest/oauth2/keys").get_json())


def parts(token: str) -> list[dict[str, Any]]:
    """Header and claims, unchecked."""
    return [json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def userinfo(visitor: Visitor, token: str | None) -> TestResponse:
    return visitor.get("/api/rest/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"} if token else {})


@pytest.mark.parametrize("place", ["", "/api/rest/oauth2"])
def test_discovery_is_at_both_places_as_a_live_hub_was_seen_to_answer(visitor: Visitor, place: str) -> None:
    document = visitor.get(f"{place}/.well-known/openid-configuration").get_json()
    assert document == {
        "issuer": "https://hub.test/hub",
        "authorization_endpoint": f"{REST}/oauth2/auth",
        "token_endpoint": f"{REST}/oauth2/token",
        "userinfo_endpoint": f"{REST}/oauth2/userinfo",
        "jwks_uri": f"{REST}/oauth2/keys",
        "scopes_supported": ["openid", "offline_access", "profile", "email", "groups"],
        "response_types_supported": ["code", "token", "id_token"],
        "grant_types_supported": [
            "authorization_code",
            "client_credentials",
            "password",
            "refresh_token",
            "implicit",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": ["sub", "name", "preferred_username", "email", "groups"],
        "service_documentation": "https://www.jetbrains.com/help/hub/Managing-Services.html",
        "request_uri_parameter_supported": False,
    }


def test_an_id_token_says_who_signed_in_where_and_when(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("jane")
    clock.advance(100)
    visitor.ask(scope=OPENID)
    code = visitor.ask(scope=OPENID, nonce="n-1").location.partition("code=")[2].partition("&")[0]
    clock.advance(10)
    token = jwt.decode(visitor.exchange(code).get_json()["id_token"], keys(visitor), algorithms=["RS256"])
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": keys(visitor).keys[0].kid}
    assert token.claims == {
        "iss": "https://hub.test/hub",
        "sub": JANE,
        "aud": visitor.hub.service_id,
        "iat": int(clock.now),
        "exp": int(clock.now) + 3600,
        "auth_time": int(clock.now) - 110,
        "nonce": "n-1",
        "name": "Jane Doe",
        "preferred_username": "jane",
    }


@pytest.mark.parametrize("login", ["code", "password"])
def test_an_id_token_comes_only_when_openid_was_asked_for(visitor: Visitor, login: str) -> None:
    def answer(scope: str) -> Any:
        if login == "code":
            return visitor.exchange(visitor.code("jane", scope=scope)).get_json()
        return visitor.token(grant_type="password", username="jane", password="jane", scope=scope).get_json()

    assert "id_token" not in answer("profile Hub")
    with_openid = answer("openid Hub")
    assert parts(with_openid["id_token"])[1].keys() == {"iss", "sub", "aud", "iat", "exp", "auth_time"}
    assert with_openid["scope"] == "openid"


def test_an_id_token_alone_comes_in_the_fragment(visitor: Visitor) -> None:
    query = {"response_type": "id_token", "scope": OPENID, "nonce": "n-1"}
    visitor.sign_in("jane", **query)
    location = visitor.ask(**query).location
    assert location.startswith("http://localhost:5000/authorized#id_token=")
    answer = answer_of(visitor.ask(**query))
    assert answer.keys() == {"id_token", "state"}
    assert jwt.decode(answer["id_token"], keys(visitor)).claims["nonce"] == "n-1"


def test_neither_a_service_nor_a_renewal_nor_the_implicit_flow_gets_an_id_token(visitor: Visitor) -> None:
    assert "id_token" not in visitor.token(grant_type="client_credentials", scope="openid Hub").get_json()
    answer = visitor.exchange(visitor.code("jane", scope=OPENID)).get_json()
    assert "id_token" not in visitor.refresh(answer["refresh_token"]).get_json()
    assert "id_token" not in visitor.ask(response_type="token", scope=OPENID).location


def test_the_published_key_says_what_it_is_for_and_nothing_secret(visitor: Visitor) -> None:
    (key,) = visitor.get("/api/rest/oauth2/keys").get_json()["keys"]
    assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
    assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")


@pytest.mark.parametrize("by", ["control", "method"])
def test_a_key_that_was_rotated_is_published_no_more(visitor: Visitor, hub: DevHub, by: str) -> None:
    old, old_keys = id_token(visitor), keys(visitor)
    if by == "control":
        assert visitor.post("https://hub.test/__dev__/keys").status_code == 204
    else:
        hub.rotate_id_token_key()
    new = id_token(visitor)
    assert jwt.decode(new, keys(visitor)).claims["sub"] == JANE
    assert jwt.decode(old, old_keys).claims["sub"] == JANE
    for token, known in ((old, keys(visitor)), (new, old_keys)):
        with pytest.raises(InvalidKeyIdError):
            jwt.decode(token, known)


# userinfo


def test_userinfo_says_everything_about_the_person(visitor: Visitor) -> None:
    answer = visitor.exchange(visitor.code("jane", scope="openid")).get_json()
    assert userinfo(visitor, answer["access_token"]).get_json() == {
        "sub": JANE,
        "name": "Jane Doe",
        "preferred_username": "jane",
        "email": "jane@example.com",
        "email_verified": True,
        "picture": f"{REST}/avatar/{JANE}",
        "groups": ["All Users", "Developers", "Staff"],
    }


def test_userinfo_answers_a_token_for_hub_too_and_no_other(visitor: Visitor, hub: DevHub) -> None:
    assert userinfo(visitor, hub.token_for("jane", HUB_ID)).get_json()["sub"] == JANE
    foreign = userinfo(visitor, hub.token_for("jane", hub.service_id))
    assert (foreign.status_code, foreign.get_json()["error"]) == (401, "invalid_scope")


def test_a_person_without_e_mail_has_no_claim_about_it(visitor: Visitor, hub: DevHub) -> None:
    hub.user("jane").email = None
    assert not userinfo(visitor, hub.token_for("jane")).get_json().keys() & {"email", "email_verified"}


@pytest.mark.parametrize("who", ["nobody", "made up", "expired", "banned", "a service"])
def test_userinfo_is_401_for_a_token_behind_which_nobody_is(visitor: Visitor, hub: DevHub, who: str) -> None:
    token: str | None = hub.token_for("jane")
    if who in ("nobody", "made up"):
        token = None if who == "nobody" else "x"
    if who == "expired":
        hub.expire()
    if who == "banned":
        hub.update_user("jane", banned=True)
    if who == "a service":
        token = hub.token_for_service()
    assert userinfo(visitor, token).status_code == 401


# Wrong id tokens


@pytest.mark.parametrize("wrong", get_args(WrongIdToken))
def test_a_wrong_id_token_comes_as_often_as_it_was_asked_for(visitor: Visitor, wrong: str) -> None:
    fault = {"path": "/api/rest/oauth2/token", "id_token": wrong, "times": 1}
    assert visitor.post("https://hub.test/__dev__/faults", json=fault).status_code == 204
    code = visitor.code("jane", scope=OPENID, nonce="n-1")
    answer = visitor.exchange(code)
    assert answer.status_code == 200
    assert visitor.me(answer.get_json()["access_token"]).get_json()["login"] == "jane"
    right = id_token(visitor)
    assert jwt.decode(right, keys(visitor)).claims["nonce"] == "n-1"
    if wrong == "missing":
        assert "id_token" not in answer.get_json()
        return
    header, claims = parts(answer.get_json()["id_token"])
    right_header, right_claims = parts(right)
    changed = {name for name in claims if claims[name] != right_claims[name]}
    changed |= {name for name in header if header[name] != right_header[name]}
    claim = {"nonce": "nonce", "audience": "aud", "issuer": "iss", "subject": "sub"}
    expected = {"expiry": {"iat", "exp"}, "none": {"alg"}, "hmac": {"alg"}, "key": set()}
    assert changed == expected.get(wrong, {claim.get(wrong)})
    assert (header["alg"] == "none") == answer.get_json()["id_token"].endswith(".")
    if wrong == "key":
        with pytest.raises(BadSignatureError):
            jwt.decode(answer.get_json()["id_token"], keys(visitor))
    elif header["alg"] == "RS256":
        jwt.decode(answer.get_json()["id_token"], keys(visitor))


def test_an_id_token_is_wrong_in_a_known_way_or_not_at_all(visitor: Visitor, hub: DevHub) -> None:
    with pytest.raises(ValueError, match="id_token must be one of"):
        hub.fail("*", id_token="signature")
    hub.fail("/api/rest/oauth2/token", id_token="nonce")
    assert "id_token" not in visitor.exchange(visitor.code("jane")).get_json()
