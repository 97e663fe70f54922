from __future__ import annotations

import base64
from typing import Any

import pytest

from flask_hub_auth.devhub import HUB_ID, DevHub, Service

from .conftest import CALLBACK, Clock, Visitor

JANE = "c6b6e9c6-0000-4000-8000-000000000001"


def test_users_me_has_the_shape_of_a_live_hub(visitor: Visitor, hub: DevHub) -> None:
    me = visitor.me(hub.token_for("jane")).get_json()
    assert me["type"] == "user"
    assert (me["id"], me["login"], me["name"], me["banned"], me["guest"]) == (JANE, "jane", "Jane Doe", False, False)
    assert me["profile"]["email"] == {"type": "EmailJSON", "verified": True, "email": "jane@example.com"}
    assert me["profile"]["avatar"] == {"type": "defaultavatar", "url": f"{hub.url}/api/rest/avatar/{JANE}"}
    assert [group["name"] for group in me["groups"]] == ["All Users", "Developers"]
    assert [group["name"] for group in me["transitiveGroups"]] == ["All Users", "Developers", "Staff"]


def objects_in(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for element in value for found in objects_in(element)]
    if isinstance(value, dict):
        return [value] + [found for part in value.values() for found in objects_in(part)]
    return []


@pytest.mark.parametrize("path", ["/users/me", "/users/guest", "/services", "/settings/public", "/users/me?fields=id"])
def test_every_object_has_a_type(visitor: Visitor, hub: DevHub, path: str) -> None:
    headers = {"Authorization": f"Bearer {hub.token_for('admin')}"}
    found = objects_in(visitor.get(f"/api/rest{path}", headers=headers).get_json())
    assert found
    assert all(value.get("type") for value in found)


GROUP = {"type": "userGroup", "id": "2acd3c36-0706-5a1d-b161-28141c324964", "name": "All Users"}


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ("id,login", {"login": "john"}),
        ("login", {"login": "john"}),
        ("profile/email/email", {"profile": {"type": "profile", "email": {"type": "EmailJSON", "email": "j@x"}}}),
        ("profile(email(email))", {"profile": {"type": "profile", "email": {"type": "EmailJSON", "email": "j@x"}}}),
        ("profile(email/email)", {"profile": {"type": "profile", "email": {"type": "EmailJSON", "email": "j@x"}}}),
        (
            "login,profile/email/email,profile/email/verified",
            {
                "login": "john",
                "profile": {"type": "profile", "email": {"type": "EmailJSON", "verified": True, "email": "j@x"}},
            },
        ),
        ("groups(id,name)", {"groups": [GROUP]}),
        ("groups/name", {"groups": [GROUP]}),
        ("groups", {"groups": [GROUP]}),
        ("guest, banned ,nothing(at(all))", {"guest": False, "banned": False}),
        ("groups(id)", {"groups": [{name: GROUP[name] for name in ("type", "id")}]}),
    ],
)
def test_fields_are_projected_in_both_spellings(
    visitor: Visitor, hub: DevHub, fields: str, answer: dict[str, Any]
) -> None:
    hub.update_user("john", email="j@x")
    me = visitor.me(hub.token_for("john"), f"?fields={fields}").get_json()
    assert me == {"type": "user", "id": hub.user("john").id, **answer}


@pytest.mark.parametrize(
    "fields", ["a(b", "a)", "(a)", "a(b))", "," * 10 + "(", "a(" * 5000, f"a({'a/' * 5000}b)", "a/" * 21]
)
@pytest.mark.parametrize("path", ["/users/me", "/services"])
def test_fields_that_nobody_can_read_are_a_bad_request(visitor: Visitor, fields: str, path: str) -> None:
    response = visitor.get(f"/api/rest{path}?fields={fields}")
    assert (response.status_code, response.get_json()["error"]) == (400, "bad_request")


def test_who_sends_no_token_is_the_guest(visitor: Visitor) -> None:
    me = visitor.me()
    assert me.status_code == 200
    assert (me.get_json()["login"], me.get_json()["guest"]) == ("guest", True)
    assert me.get_json() == visitor.get("/api/rest/users/guest").get_json()


def test_without_guests_a_token_is_wanted(visitor: Visitor, hub: DevHub) -> None:
    hub.update_user("guest", banned=True)
    refused = visitor.me()
    assert (refused.status_code, refused.get_json()["error"]) == (401, "Unauthorized")
    assert "WWW-Authenticate" not in refused.headers
    assert visitor.me(hub.token_for("guest")).status_code == 401


def test_a_banned_user_is_told_in_a_200(visitor: Visitor, hub: DevHub) -> None:
    token = hub.token_for("jane")
    hub.update_user("jane", banned=True)
    me = visitor.me(token)
    assert (me.status_code, me.get_json()["banned"]) == (200, True)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Bearer nonsense", "invalid_grant"),
        ("Bearer 1.2.3.4;1.AAAA", "invalid_grant"),
        ("Bearer ", "invalid_grant"),
        ("Digest x", "invalid_request"),
        ("", "invalid_request"),
        ("Basic !", "invalid_request"),
        ("Basic " + base64.b64encode(b"jane:wrong").decode(), "invalid_grant"),
        ("Basic " + base64.b64encode(b"mallory:mallory").decode(), "invalid_grant"),
    ],
)
@pytest.mark.parametrize("path", ["/users/me", "/services"])
def test_a_header_that_is_not_good_is_401(visitor: Visitor, header: str, error: str, path: str) -> None:
    refused = visitor.get(f"/api/rest{path}", headers={"Authorization": header})
    assert refused.status_code == 401
    assert refused.get_json()["error"] == error
    assert refused.get_json()["error_code"] == 401


def test_a_token_for_other_services_is_not_for_hub(visitor: Visitor, hub: DevHub) -> None:
    refused = visitor.me(hub.token_for("jane", hub.service_id))
    assert refused.status_code == 401
    assert refused.get_json()["error"] == "invalid_scope"
    assert refused.get_json()["error_description"] == (
        f"Token is granted for [{hub.service_id}] and can't be used for {HUB_ID}"
    )


def test_a_token_that_is_over_is_401(visitor: Visitor, hub: DevHub, clock: Clock) -> None:
    token = hub.token_for("jane", life=10)
    clock.advance(10)
    refused = visitor.me(token)
    assert refused.status_code == 401
    assert refused.get_json()["error_description"].startswith("Token expired. It was granted till ")


def test_a_login_and_a_password_are_taken_too(visitor: Visitor) -> None:
    assert visitor.get("/api/rest/users/me", auth=("john", "john")).get_json()["login"] == "john"


def test_services_is_a_page_and_empty_for_strangers(visitor: Visitor, hub: DevHub) -> None:
    empty = visitor.get("/api/rest/services?fields=id")
    assert empty.status_code == 200
    assert empty.get_json() == {"type": "ServicesPage", "skip": 0, "top": 100, "total": 0, "services": []}
    headers = {"Authorization": f"Bearer {hub.token_for('jane')}"}
    hub.add_service(Service("yt", "YouTrack"))
    page = visitor.get("/api/rest/services?fields=id,name&$skip=1&$top=1", headers=headers).get_json()
    assert page == {
        "type": "ServicesPage",
        "skip": 1,
        "top": 1,
        "total": 3,
        "services": [{"type": "service", "id": hub.service_id, "name": "Demo"}],
    }
    inside = visitor.get("/api/rest/services?fields=total,services(name)&$top=-1", headers=headers).get_json()
    assert [service["name"] for service in inside["services"]] == ["Hub", "Demo", "YouTrack"]
    assert visitor.get("/api/rest/services?$top=x", headers=headers).status_code == 400


def test_services_tell_what_was_refused_and_never_a_secret(visitor: Visitor, hub: DevHub) -> None:
    visitor.ask(redirect_uri=f"{CALLBACK}/")
    headers = {"Authorization": f"Bearer {hub.token_for('jane')}"}
    response = visitor.get("/api/rest/services", headers=headers)
    assert hub.service_secret
    assert hub.service_secret not in response.text
    service = response.get_json()["services"][1]
    assert [entry["redirectURI"] for entry in service["untrustedRedirectUris"]] == [f"{CALLBACK}/"]


def test_settings_and_the_scope_of_hub_are_open_to_everybody(visitor: Visitor) -> None:
    assert visitor.get("/api/rest/settings/public?fields=id").get_json().keys() == {"type", "id"}
    settings = visitor.get("/api/rest/settings/public?fields=companyLogo,hubMottoHidden").get_json()
    assert (settings["companyLogo"], settings["hubMottoHidden"]) == (None, False)
    assert visitor.get("/api/rest/oauth2/target").text == HUB_ID


def test_an_avatar_is_a_picture_without_anybody_s_markup(visitor: Visitor, hub: DevHub) -> None:
    picture = visitor.get(f"/api/rest/avatar/{JANE}")
    assert picture.content_type.startswith("image/svg+xml")
    assert ">JD<" in picture.text
    hub.update_user("jane", name="<script> &x")
    assert "<&" not in visitor.get(f"/api/rest/avatar/{JANE}").text
    assert "&lt;&amp;" in visitor.get(f"/api/rest/avatar/{JANE}").text
    hub.update_user("jane", name=" ")
    assert ">?<" in visitor.get(f"/api/rest/avatar/{JANE}").text
    assert visitor.get("/api/rest/avatar/nobody").status_code == 404


def test_what_hub_does_not_have_is_404_in_json(visitor: Visitor) -> None:
    missing = visitor.get("/api/rest/nothing")
    assert (missing.status_code, missing.get_json()["error"]) == (404, "Not Found")
    assert visitor.post("/api/rest/users/me").status_code == 405


def test_login_dialogs_learn_the_name_of_the_service(visitor: Visitor, hub: DevHub) -> None:
    address = "/api/rest/oauth2/interactive/login/settings?client_id="
    assert visitor.get(address + hub.service_id).get_json() == {"serviceName": "Demo", "iconUrl": None}
    assert visitor.get(f"{address}none").status_code == 404
