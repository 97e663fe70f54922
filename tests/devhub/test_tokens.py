from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from flask_hub_auth.devhub import HUB_ID, DevHub

from .conftest import Clock, Visitor


def verified(token: str, published: str) -> bool:
    """As a service checks it that has this answer of ``/oauth2/key``."""
    data, _, signed = token.rpartition(";")
    _, _, signature = signed.partition(".")
    key = load_der_public_key(base64.b64decode(published.partition(".")[2], validate=True))
    assert isinstance(key, DSAPublicKey)
    try:
        key.verify(base64.b64decode(signature, validate=True), data.encode(), hashes.SHA1())  # what Hub signs with
    except InvalidSignature:
        return False
    return True


def test_a_rotated_key_has_the_next_version_and_old_tokens_keep_the_old_one(visitor: Visitor, hub: DevHub) -> None:
    old_key, old = visitor.get("/api/rest/oauth2/key").text, hub.token_for("jane")
    hub.rotate_key()
    new_key, new = visitor.get("/api/rest/oauth2/key").text, hub.token_for("jane")
    assert (old_key.partition(".")[0], new_key.partition(".")[0]) == ("1", "2")
    assert [token.rpartition(";")[2].partition(".")[0] for token in (old, new)] == ["1", "2"]
    assert [verified(token, key) for token in (old, new) for key in (old_key, new_key)] == [True, False, False, True]
    assert visitor.me(old).status_code == visitor.me(new).status_code == 200


def test_a_token_that_only_looks_signed_is_none_of_hub_s(visitor: Visitor, hub: DevHub) -> None:
    forged = hub.store.signer.sign(hub.token_for("jane").partition(";")[0])
    assert verified(forged, visitor.get("/api/rest/oauth2/key").text)
    assert visitor.me(forged).get_json()["error_description"] == "Token signature is invalid"


@pytest.mark.parametrize("tokens", ["classic", "opaque"])
@pytest.mark.parametrize(
    ("scope", "services"),
    [
        ("Hub", ["Hub"]),
        (HUB_ID, ["Hub"]),
        ("Hub YouTrack", ["Hub", "YouTrack"]),
        ("YouTrack", ["YouTrack"]),
        ("Hub Demo", ["Hub", "Demo"]),
    ],
)
def test_names_and_ids_make_the_same_audience(
    make_visitor: Callable[..., Visitor], tokens: str, scope: str, services: list[str]
) -> None:
    visitor = make_visitor(tokens=tokens)
    people = visitor.hub.people
    ids = [each.id for each in people.services.values() if each.name in services]
    token = visitor.token(grant_type="client_credentials", scope=scope).get_json()["access_token"]
    if tokens == "classic":
        assert token.partition(";")[0].split(".")[3].split(" ") == ids
    assert visitor.get("/api/rest/services/me", headers={"Authorization": f"Bearer {token}"}).status_code == (
        200 if HUB_ID in ids else 401
    )
    for each in ids:
        assert visitor.hub.store.check(token, each).grant.user_id is None


@pytest.mark.parametrize("path", ["/users/me", "/users", "/services", "/permissions/cache", "/usergroups", "/projects"])
def test_rest_takes_only_tokens_that_are_for_hub(visitor: Visitor, hub: DevHub, path: str) -> None:
    for token in (
        hub.token_for("jane", "Demo YouTrack"),
        hub.token_for_service(scope="YouTrack"),
        hub.permanent_token("jane", "YouTrack"),
    ):
        refused = visitor.get(f"/api/rest{path}", headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_scope")
        assert refused.get_json()["error_description"].endswith(f"and can't be used for {HUB_ID}")


def test_a_service_s_own_token_is_made_without_a_round_trip(visitor: Visitor, hub: DevHub, clock: Clock) -> None:
    token = hub.token_for_service(life=10)
    made = visitor.token(grant_type="client_credentials").get_json()["access_token"]
    assert token.partition(";")[0].split(".")[1:] == made.partition(";")[0].split(".")[1:]
    clock.advance(10)
    refused = visitor.get("/api/rest/services/me", headers={"Authorization": f"Bearer {token}"})
    assert refused.get_json()["error_description"].startswith("Token expired. ")
