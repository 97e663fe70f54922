"""Where Hubs differ, or nobody has written down what they do: both ways."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from flask_hub_auth.devhub import HUB_ID, DevHub, Service

from .conftest import CALLBACK, CHALLENGE, VERIFIER, Clock, Visitor, answer_of

MakeVisitor = Callable[..., Visitor]

ROOT = "https://hub.test/__dev__"
OPENID = f"openid offline_access {HUB_ID}"


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def test_options_are_read_and_changed_by_the_control_interface(visitor: Visitor, hub: DevHub) -> None:
    assert visitor.get(f"{ROOT}/options").get_json()["token_life"] == 3600
    changes = {"token_life": 5, "rotate": True, "allowed_origins": ["http://localhost:1"]}
    assert visitor.post(f"{ROOT}/options", json=changes).status_code == 204
    assert (hub.token_life, hub.rotate, hub.options.allowed_origins) == (5, True, ("http://localhost:1",))
    assert visitor.get(f"{ROOT}/options").get_json().items() >= changes.items()


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"rotate": 1},
        {"token_life": True},
        {"token_life": "5"},
        {"token_life": 1.5},
        {"invalid_grant_status": 500},
        {"invalid_grant_status": 403.0},
        {"tokens": "jwt"},
        {"allowed_origins": "http://localhost"},
        {"allowed_origins": [1]},
        {"issuer": 1},
        {"clock_skew": "1"},
        {"clock_skew": -1e300},
        {"clock_skew": 1e12},
        {"session_life": -1e12},
        {"token_life": 10**30},
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_a_sentence(
    visitor: Visitor, hub: DevHub, changes: dict[str, Any]
) -> None:
    refused = visitor.post(f"{ROOT}/options", json={"iss": True, **changes})
    assert refused.status_code == 400
    assert next(iter(changes)) in refused.get_json()["error_description"]
    assert hub.options == DevHub().options
    with pytest.raises(ValueError):
        DevHub(**changes)


# Tokens


def test_codes_and_tokens_live_as_long_as_it_is_said(make_visitor: MakeVisitor, clock: Clock) -> None:
    visitor = make_visitor(code_life=5, token_life=7, id_token_life=9)
    answer = visitor.exchange(visitor.code("jane", scope=OPENID)).get_json()
    assert answer["expires_in"] == 7
    assert claims(answer["id_token"])["exp"] == int(clock.now) + 9
    late = visitor.code("jane")
    clock.advance(5.1)
    assert visitor.exchange(late).get_json()["error"] == "invalid_grant"
    assert visitor.me(answer["access_token"]).status_code == 200
    clock.advance(2)
    assert visitor.me(answer["access_token"]).status_code == 401


def test_a_replaced_refresh_token_can_stay_good(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(rotate=True, keeps_replaced=True)
    old = visitor.hub.grant("jane")["refresh_token"]
    assert visitor.refresh(old).get_json()["refresh_token"] != old
    assert visitor.refresh(old).status_code == 200


def test_a_renewal_can_give_an_id_token(make_visitor: MakeVisitor, clock: Clock) -> None:
    visitor = make_visitor(refresh_gives_id_token=True)
    answer = visitor.hub.grant("jane", OPENID)
    clock.advance(10)
    renewed = claims(visitor.refresh(answer["refresh_token"]).get_json()["id_token"])
    assert renewed["iat"] - renewed["auth_time"] == 10


@pytest.mark.parametrize(
    ("says", "names"),
    [([], set()), (["nonce"], {"nonce"}), (["at_hash", "groups", "email"], {"at_hash", "groups", "email"})],
)
def test_an_id_token_says_what_it_is_told_to(make_visitor: MakeVisitor, says: list[str], names: set[str]) -> None:
    visitor = make_visitor(id_token_says=says)
    answer = visitor.exchange(visitor.code("jane", scope=OPENID, nonce="n")).get_json()
    assert claims(answer["id_token"]).keys() == {"iss", "sub", "aud", "iat", "exp"} | names


def test_the_issuer_can_be_another_than_hub_s_address(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(issuer="https://inside.example/hub", iss=True)
    document = visitor.get("/.well-known/openid-configuration").get_json()
    assert document["issuer"] == "https://inside.example/hub"
    assert document["token_endpoint"] == "https://hub.test/hub/api/rest/oauth2/token"
    visitor.sign_in("jane", scope=OPENID)
    answer = answer_of(visitor.ask(scope=OPENID))
    assert answer["iss"] == claims(visitor.exchange(answer["code"]).get_json()["id_token"])["iss"] == document["issuer"]


@pytest.mark.parametrize("skew", [120, -120])
def test_a_clock_that_is_off_is_off_in_dates_and_tokens(visitor: Visitor, clock: Clock, skew: int) -> None:
    visitor.post(f"{ROOT}/options", json={"clock_skew": skew})
    answer = visitor.exchange(visitor.code("jane", scope=OPENID))
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == clock.now + skew
    assert claims(answer.get_json()["id_token"])["iat"] == clock.now + skew


def test_the_format_of_tokens_changes_while_it_runs(visitor: Visitor, hub: DevHub) -> None:
    assert ";1." in hub.token_for("jane")
    hub.change(tokens="opaque")
    assert ";" not in hub.token_for("jane")


def test_a_session_lives_as_long_as_it_is_said(make_visitor: MakeVisitor, clock: Clock) -> None:
    visitor = make_visitor(session_life=10, remembered_life=20)
    visitor.sign_in("jane")
    clock.advance(11)
    assert visitor.ask().status_code == 303
    form = {"username": "jane", "password": "jane", "rememberMe": "on"}
    remembered = visitor.post(f"/api/rest/oauth2/interactive/login?{visitor.query()}", data=form)
    assert "Max-Age=20;" in remembered.headers["Set-Cookie"]
    clock.advance(11)
    assert visitor.ask().status_code == 302


# Scopes


@pytest.mark.parametrize(
    ("options", "scope", "good"),
    [
        ({}, "youtrack", False),
        ({"ignores_case_of_names": True}, "youtrack", True),
        ({"ignores_case_of_names": True}, "tracker 2", False),
        ({"knows_application_names": True}, "Tracker 2", True),
        ({"knows_application_names": True}, "tracker 2", False),
        ({"knows_application_names": True, "ignores_case_of_names": True}, "tracker 2", True),
    ],
)
def test_a_service_is_known_by_the_names_that_count(
    make_visitor: MakeVisitor, options: dict[str, bool], scope: str, good: bool
) -> None:
    visitor = make_visitor(strict_scope=True, **options)
    visitor.hub.add_service(Service("yt", "YouTrack", application_name="Tracker 2"))
    visitor.sign_in("jane")
    assert ("code" in answer_of(visitor.ask(scope=scope))) == good


@pytest.mark.parametrize(("way", "scope"), [("asked", "Hub"), ("ids", HUB_ID), ("absent", None)])
def test_the_answer_names_the_scope_in_one_of_three_ways(
    make_visitor: MakeVisitor, way: str, scope: str | None
) -> None:
    visitor = make_visitor(scope_in_answer=way)
    assert visitor.exchange(visitor.code("jane", scope="Hub")).get_json().get("scope") == scope


# Endpoints


def test_the_statuses_and_words_that_nobody_has_written_down(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(
        guest=False,
        invalid_grant_status=400,
        disabled_grant_status=401,
        silent_error="login_required",
        redirect_status=303,
        error_uri=True,
        no_store=False,
        www_authenticate=True,
        group_type="usergroup",
    )
    refused = visitor.refresh("x")
    assert (refused.status_code, refused.get_json()["error_code"]) == (400, 400)
    assert refused.get_json()["error_uri"].endswith("#token.invalid_grant")
    assert "Cache-Control" not in refused.headers
    visitor.hub.service.client_credentials_flow = False
    assert visitor.token(grant_type="client_credentials").status_code == 401
    silent = visitor.ask(request_credentials="silent")
    assert silent.status_code == 303
    assert "?error=login_required&" in silent.location
    assert visitor.me("x").headers["WWW-Authenticate"] == 'Bearer realm="Hub"'
    assert visitor.me(visitor.hub.token_for("jane")).get_json()["groups"][0]["type"] == "usergroup"


@pytest.mark.parametrize(("way", "raw", "encoded"), [("raw", 200, 403), ("encoded", 403, 200), ("either", 200, 200)])
def test_a_basic_header_is_read_in_one_way_or_in_both(
    make_visitor: MakeVisitor, way: str, raw: int, encoded: int
) -> None:
    visitor = make_visitor(service_secret="s+%20ü", basic=way)
    service_id = visitor.hub.service_id
    for secret, status in (("s+%20ü", raw), (quote_plus("s+%20ü"), encoded)):
        answer = visitor.token(auth=(service_id, secret), grant_type="client_credentials")
        assert answer.status_code == status


# Older Hubs


def test_a_hub_without_pkce_sees_no_challenge_and_no_verifier(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(pkce=False)
    visitor.sign_in("jane")
    assert "code" in answer_of(visitor.ask(code_challenge="short", code_challenge_method="S512"))
    code = visitor.code("jane", code_challenge=CHALLENGE, code_challenge_method="S256")
    assert visitor.exchange(code, code_verifier=VERIFIER[::-1] + "x").status_code == 200
    visitor.hub.service.secret = None
    public = visitor.exchange(visitor.code("jane"), header=False, client_id=visitor.hub.service_id)
    assert public.get_json()["error"] == "invalid_client"


def test_a_hub_without_openid_connect_knows_none_of_it(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(openid=False, strict_scope=True)
    for path in (
        "/.well-known/openid-configuration",
        "/api/rest/oauth2/.well-known/openid-configuration",
        "/api/rest/oauth2/keys",
        "/api/rest/oauth2/userinfo",
    ):
        assert visitor.get(path).status_code == 404
    assert answer_of(visitor.ask(scope=OPENID))["error"] == "invalid_scope"


# Services and sessions, by the control interface


def test_a_service_is_changed_by_the_control_interface(visitor: Visitor, hub: DevHub) -> None:
    path = f"{ROOT}/services/{hub.service_id}"
    visitor.ask(redirect_uri="https://app.example/in")
    assert len(hub.service.untrusted_redirect_uris) == 1
    changes: dict[str, Any] = {
        "redirectUris": ["in", CALLBACK],
        "baseUrls": ["https://app.example/"],
        "trusted": False,
        "pkceRequired": True,
        "implicitFlowEnabled": False,
        "secret": "new",
    }
    assert visitor.post(path, json=changes).status_code == 204
    assert hub.service.accepted_uris == [CALLBACK, "https://app.example/in"]
    assert hub.service.untrusted_redirect_uris == []
    assert (hub.service.trusted, hub.service.pkce_required, hub.service.implicit_flow) == (False, True, False)
    assert hub.service_secret == "new"
    assert visitor.post(path, json={"secret": None}).status_code == 204
    assert hub.service_secret is None


@pytest.mark.parametrize(
    "changes", [{"trusted": 1}, {"colour": "red"}, {"redirectUris": "x"}, [], {"id": "x"}, {"name": "YouTrack"}]
)
def test_a_change_of_a_service_that_makes_no_sense_is_refused(visitor: Visitor, hub: DevHub, changes: Any) -> None:
    before = repr(hub.service)
    refused = visitor.post(f"{ROOT}/services/{hub.service_id}", json=changes)
    assert (refused.status_code, repr(hub.service)) == (400, before)
    assert visitor.post(f"{ROOT}/services/none", json={"trusted": True}).status_code == 404


def test_signing_out_ends_the_sessions_of_one_user_and_no_token(visitor: Visitor, hub: DevHub) -> None:
    other = Visitor(hub)
    token = hub.token_for("jane")
    visitor.sign_in("jane")
    other.sign_in("john")
    assert visitor.post(f"{ROOT}/sign_out/jane").status_code == 204
    assert visitor.ask().status_code == 303
    assert other.ask().status_code == 302
    assert visitor.me(token).status_code == 200
    assert visitor.post(f"{ROOT}/sign_out/nobody").status_code == 404
