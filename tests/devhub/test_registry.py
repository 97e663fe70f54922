from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub, Service
from flask_hub_auth.devhub.seed import YOUTRACK_ID

from .conftest import CALLBACK, CHALLENGE, VERIFIER, Visitor

SERVICES = "/api/rest/services"
OWN_ID = "0b9d3f5e-1111-4222-8333-444455556666"
MY_APP = {"name": "My app", "homeUrl": "https://app.example/", "redirectUris": ["./authorized"]}


@pytest.fixture
def admin(visitor: Visitor, hub: DevHub) -> Callable[..., TestResponse]:
    """A request of the administrator's."""
    headers = {"Authorization": f"Bearer {hub.token_for('admin')}"}
    return lambda method, path, **options: visitor.open(SERVICES + path, method=method, headers=headers, **options)


Ask = Callable[..., TestResponse]


def refusal(response: TestResponse) -> tuple[int, str, str | None]:
    answer = response.get_json()
    assert answer["error_code"] == response.status_code
    assert answer["error_description"]
    return response.status_code, answer["error"], answer.get("error_field")


# Registering


def test_a_service_that_is_registered_signs_people_in(visitor: Visitor, admin: Ask) -> None:
    made = admin("POST", "?fields=id,key,secret", json=MY_APP)
    assert made.status_code == 200
    answer = made.get_json()
    assert answer.keys() == {"type", "id", "key", "secret"}
    assert (answer["type"], answer["key"]) == ("service", "My app")
    assert str(UUID(answer["id"])) == answer["id"]

    query = {"client_id": answer["id"], "redirect_uri": "https://app.example/authorized", "scope": answer["id"]}
    visitor.sign_in("jane", **query)
    assert "/auth/consent?" in visitor.ask(**query).location
    assert visitor.hub.people.services[answer["id"]].has_secret(answer["secret"])


def test_a_trusted_service_gets_a_token_of_its_own_at_once(visitor: Visitor, admin: Ask) -> None:
    made = admin("POST", "", json={**MY_APP, "trusted": True}).get_json()
    token = visitor.token(auth=(made["id"], made["secret"]), grant_type="client_credentials").get_json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert visitor.get(f"{SERVICES}/me?fields=name", headers=headers).get_json()["name"] == "My app"


def test_an_administrator_s_password_does_as_well_as_a_token(visitor: Visitor) -> None:
    assert visitor.post(SERVICES, json=MY_APP, auth=("admin", "admin")).status_code == 200


def test_the_caller_may_choose_id_and_secret(admin: Ask, hub: DevHub) -> None:
    made = admin("POST", "?fields=id,secret", json={**MY_APP, "id": OWN_ID, "secret": "my secret"}).get_json()
    assert made == {"type": "service", "id": OWN_ID, "secret": "my secret"}
    assert hub.people.services[OWN_ID].has_secret("my secret")


def test_an_id_in_capitals_is_kept_as_it_was_sent(visitor: Visitor, admin: Ask) -> None:
    made = admin("POST", "?fields=id,secret", json={**MY_APP, "id": OWN_ID.upper(), "trusted": True}).get_json()
    assert made["id"] == OWN_ID.upper()
    assert visitor.token(auth=(made["id"], made["secret"]), grant_type="client_credentials").status_code == 200


def test_secrets_are_made_anew_each_time_and_never_shown_again(admin: Ask) -> None:
    first, second = (admin("POST", "", json={**MY_APP, "name": name}).get_json() for name in ("A", "B"))
    assert first["secret"] != second["secret"]
    assert len(first["secret"]) >= 24
    for path in ("", f"/{first['id']}", f"/{first['id']}?fields=secret"):
        assert first["secret"] not in admin("GET", path).text
    assert "secret" not in admin("POST", f"/{first['id']}", json={"secret": "other"}).get_json()


def test_a_hub_that_gives_no_secret_makes_public_clients(make_visitor: Callable[..., Visitor]) -> None:
    visitor = make_visitor(gives_secrets=False)
    made = visitor.post(f"{SERVICES}?fields=id,key,secret", json=MY_APP, auth=("admin", "admin")).get_json()
    assert made.keys() == {"type", "id", "key"}
    service = visitor.hub.people.services[made["id"]]
    assert service.secret is None
    service.consent_required = False
    redirect_uri = "https://app.example/authorized"
    query = {"client_id": made["id"], "redirect_uri": redirect_uri, "scope": "Hub"}
    query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    form = {"header": False, "client_id": made["id"], "redirect_uri": redirect_uri, "code_verifier": VERIFIER}
    assert visitor.exchange(visitor.code("jane", **query), **form).status_code == 200


@pytest.mark.parametrize(
    ("auth", "status", "error"),
    [
        ("Bearer jane", 403, "Forbidden"),
        ("Bearer john", 403, "Forbidden"),
        ("Bearer guest", 403, "Forbidden"),
        ("Bearer service", 403, "Forbidden"),
        ("Bearer nonsense", 401, "invalid_grant"),
        ("Bearer admin elsewhere", 401, "invalid_scope"),
        ("Basic admin:wrong", 401, "invalid_grant"),
        ("Basic jane:jane", 403, "Forbidden"),
        ("Basic mallory:mallory", 401, "invalid_grant"),
        (None, 403, "Forbidden"),
    ],
)
@pytest.mark.parametrize("path", ["", f"/{YOUTRACK_ID}", f"/{YOUTRACK_ID}/untrustedredirecturis/0/reject"])
def test_only_administrators_register_and_change_services(
    visitor: Visitor, hub: DevHub, auth: str | None, status: int, error: str, path: str
) -> None:
    scheme, _, who = (auth or "").partition(" ")
    tokens = {login: hub.token_for(login) for login in ("jane", "john", "guest")}
    tokens |= {"service": hub.token_for_service(), "admin elsewhere": hub.token_for("admin", "YouTrack")}
    value = base64.b64encode(who.encode()).decode() if scheme == "Basic" else tokens.get(who, who)
    headers = {"Authorization": f"{scheme} {value}"} if auth else {}
    before = dict(hub.people.services)
    refused = visitor.post(SERVICES + path, json=MY_APP, headers=headers)
    assert refusal(refused) == (status, error, None)
    assert hub.people.services == before


def test_somebody_else_may_be_let_to(visitor: Visitor, hub: DevHub) -> None:
    hub.grant_permission("jane", "jetbrains.jetpass.service-create")
    assert visitor.post(SERVICES, json=MY_APP, auth=("jane", "jane")).status_code == 200


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"name": "Demo"}, "must-be-unique", "name"),
        ({"name": "Hub"}, "must-be-unique", "name"),
        ({"id": YOUTRACK_ID}, "must-be-unique", "id"),
        ({"name": None}, "bad_request", "name"),
        ({"name": ""}, "bad_request", "name"),
        ({"name": " x"}, "bad_request", "name"),
        ({"name": "a\nb"}, "bad_request", "name"),
        ({"name": 1}, "bad_request", "name"),
        ({"id": "my-id"}, "bad_request", "id"),
        ({"id": 1}, "bad_request", "id"),
        ({"homeUrl": "app.example"}, "bad_request", "homeUrl"),
        ({"homeUrl": "ftp://app.example"}, "bad_request", "homeUrl"),
        ({"homeUrl": "https://[x"}, "bad_request", "homeUrl"),
        ({"homeUrl": "https://app.example/#a"}, "bad_request", "homeUrl"),
        ({"baseUrls": "https://app.example"}, "bad_request", "baseUrls"),
        ({"baseUrls": ["/x"]}, "bad_request", "baseUrls"),
        ({"redirectUris": "https://app.example/authorized"}, "bad_request", "redirectUris"),
        ({"redirectUris": ["https://app.example/#a"]}, "bad_request", "redirectUris"),
        ({"redirectUris": [""]}, "bad_request", "redirectUris"),
        ({"redirectUris": ["//[x]"]}, "bad_request", "redirectUris"),
        ({"redirectUris": ["https://["]}, "bad_request", "redirectUris"),
        ({"redirectUris": [1]}, "bad_request", "redirectUris"),
        ({"redirectUris": None}, "bad_request", "redirectUris"),
        ({"trusted": "true"}, "bad_request", "trusted"),
        ({"trusted": None}, "bad_request", "trusted"),
        ({"vendor": 1}, "bad_request", "vendor"),
        ({"secret": ""}, "bad_request", "secret"),
        ({"home_url": "https://app.example/"}, "bad_request", "home_url"),
        ({"iconUrl": ["x"]}, "bad_request", "iconUrl"),
        ({"viewers": "x"}, "bad_request", "viewers"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused_by_its_field(
    admin: Ask, hub: DevHub, fields: dict[str, Any], error: str, field: str
) -> None:
    assert refusal(admin("POST", "", json={**MY_APP, **fields})) == (400, error, field)
    assert len(hub.people.services) == 3


@pytest.mark.parametrize("body", ["[]", "1", "nonsense", ""])
def test_a_body_that_is_no_object_is_a_bad_request(admin: Ask, body: str) -> None:
    assert admin("POST", "", data=body, content_type="application/json").status_code == 400


def test_a_name_is_needed(admin: Ask) -> None:
    assert refusal(admin("POST", "", json={"homeUrl": "https://app.example/"})) == (400, "bad_request", "name")


def test_names_differ_by_case(admin: Ask) -> None:
    assert admin("POST", "", json={**MY_APP, "name": "demo"}).status_code == 200


# Reading


def test_a_service_is_found_by_its_name(admin: Ask, hub: DevHub) -> None:
    hub.add_service(Service("two", "Demo app"))
    page = admin("GET", '?query=name: "Demo app"&fields=id,name').get_json()
    found = {"type": "service", "id": "two", "name": "Demo app"}
    assert page == {"type": "ServicesPage", "skip": 0, "top": 100, "total": 1, "services": [found]}
    page = admin("GET", "?query=nameStartsWith: demo&fields=id&$top=1").get_json()
    assert (page["total"], [each["id"] for each in page["services"]]) == (2, [hub.service_id])


def test_a_service_tells_everything_but_its_secret(admin: Ask, hub: DevHub) -> None:
    service = admin("GET", f"/{hub.service_id}").get_json()
    assert service["redirectUris"] == [CALLBACK, "http://127.0.0.1:5000/authorized"]
    assert (service["key"], service["applicationName"], service["immutable"]) == ("Demo", "Demo", False)
    assert {"type": "permission", "key": "demo.report-read"} in service["permissions"]
    assert service.keys() >= {"authCodeFlowEnabled", "pkceRequired", "trusted", "vendor", "version"}
    assert "secret" not in service
    assert admin("GET", f"/{HUB_ID}?fields=immutable").get_json()["immutable"] is True
    assert refusal(admin("GET", "/unknown")) == (404, "Not Found", None)


@pytest.mark.parametrize(("login", "listed", "status"), [("jane", 3, 200), ("john", 0, 403), ("guest", 0, 403)])
def test_who_may_not_read_services_sees_an_empty_page(
    visitor: Visitor, hub: DevHub, login: str, listed: int, status: int
) -> None:
    headers = {"Authorization": f"Bearer {hub.token_for(login)}"}
    assert visitor.get(SERVICES, headers=headers).get_json()["total"] == listed
    assert visitor.get(f"{SERVICES}/{YOUTRACK_ID}", headers=headers).status_code == status
    assert visitor.get(f"{SERVICES}/me", headers=headers).status_code == 404


def test_a_service_reads_and_changes_itself(visitor: Visitor, hub: DevHub) -> None:
    hub.service.trusted = False
    headers = {"Authorization": f"Bearer {hub.token_for_service()}"}
    assert visitor.get(f"{SERVICES}/me?fields=id", headers=headers).get_json()["id"] == hub.service_id
    assert visitor.get(f"{SERVICES}/{hub.service_id}", headers=headers).status_code == 200
    assert visitor.get(f"{SERVICES}/{YOUTRACK_ID}", headers=headers).status_code == 403
    changed = visitor.post(f"{SERVICES}/{hub.service_id}?fields=version", json={"version": "2"}, headers=headers)
    assert changed.get_json()["version"] == "2"


# Changing


def test_an_update_changes_what_it_names_and_nothing_else(admin: Ask, hub: DevHub) -> None:
    secret = hub.service_secret
    changes = {"homeUrl": "https://new.example", "redirectUris": ["authorized"], "implicitFlowEnabled": False}
    changed = admin("POST", f"/{hub.service_id}?fields=name,homeUrl,redirectUris,trusted", json=changes).get_json()
    assert changed == {
        "type": "service",
        "id": hub.service_id,
        "name": "Demo",
        "homeUrl": "https://new.example",
        "redirectUris": ["authorized"],
        "trusted": True,
    }
    assert hub.service.accepted_uris == ["https://new.example/authorized"]
    assert (hub.service.secret, hub.service.implicit_flow, hub.service.auth_code_flow) == (secret, False, True)


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        (f"/{YOUTRACK_ID}", {"name": "Demo"}, (400, "must-be-unique", "name")),
        (f"/{YOUTRACK_ID}", {"id": OWN_ID}, (400, "bad_request", "id")),
        (f"/{YOUTRACK_ID}", {"name": None}, (400, "bad_request", "name")),
        (f"/{YOUTRACK_ID}", {"vendor": "x"}, (403, "Forbidden", "vendor")),
        (f"/{YOUTRACK_ID}", {"applicationName": "x"}, (403, "Forbidden", "applicationName")),
        (f"/{HUB_ID}", {"name": "x"}, (403, "Forbidden", None)),
        ("/unknown", {"name": "x"}, (404, "Not Found", None)),
    ],
)
def test_an_update_that_cannot_be_is_refused(
    admin: Ask, path: str, fields: dict[str, Any], expected: tuple[int, str, str | None]
) -> None:
    assert refusal(admin("POST", path, json=fields)) == expected


ABOUT = {
    "audienceSwitchTargets": ["https://b.example/"],
    "userUriPattern": "users/{0}",
    "groupUriPattern": "groups/{0}",
    "releaseDate": 1443459450185,
    "audience": "people",
    "iconUrl": "https://app.example/icon.svg",
    "defaultRoles": [{"type": "role", "id": "r1"}],
    "viewers": [{"type": "userGroup", "id": "g1"}],
    "apiVersion": "2",
    "scopeItems": [{"key": "read"}],
}


def test_what_services_say_about_themselves_is_kept(visitor: Visitor, admin: Ask) -> None:
    made = admin("POST", "", json={**MY_APP, **ABOUT}).get_json()
    assert made.items() >= ABOUT.items()
    changed = admin("POST", f"/{made['id']}", json={"iconUrl": None, "viewers": []}).get_json()
    assert changed.items() >= {**ABOUT, "iconUrl": None, "viewers": []}.items()
    none = {"type": "service", "id": YOUTRACK_ID, "viewers": [], "audience": None}
    assert admin("GET", f"/{YOUTRACK_ID}?fields=viewers,audience").get_json() == none
    admin("POST", f"/{made['id']}", json={"iconUrl": "https://app.example/other.svg"})
    settings = visitor.get(f"/api/rest/oauth2/interactive/login/settings?client_id={made['id']}").get_json()
    assert settings == {"serviceName": "My app", "iconUrl": "https://app.example/other.svg"}


def test_what_was_read_may_be_sent_back(visitor: Visitor, admin: Ask, hub: DevHub) -> None:
    visitor.ask(redirect_uri="https://evil.example/")
    read = admin("GET", f"/{hub.service_id}").get_json()
    assert admin("POST", f"/{hub.service_id}", json=read).get_json() == read
    headers = {"Authorization": f"Bearer {hub.token_for_service()}"}
    assert visitor.post(f"{SERVICES}/{hub.service_id}", json=read, headers=headers).get_json() == read
    renamed = admin("POST", f"/{hub.service_id}", json={**read, "name": "Other", "permissions": []}).get_json()
    assert (renamed["key"], renamed["applicationName"], renamed["permissions"]) == (
        "Other",
        "Other",
        read["permissions"],
    )
    del read["id"]
    copied = admin("POST", "?fields=name,permissions,untrustedRedirectUris", json={**read, "name": "Copy"}).get_json()
    assert (copied["name"], copied["permissions"], copied["untrustedRedirectUris"]) == ("Copy", [], [])


def test_an_update_may_repeat_what_is_so_already(admin: Ask) -> None:
    same = {"type": "service", "id": YOUTRACK_ID, "name": "YouTrack"}
    assert admin("POST", f"/{YOUTRACK_ID}", json=same).status_code == 200


# Redirect URIs that were refused


def test_a_refused_redirect_uri_is_approved_by_adding_it(visitor: Visitor, admin: Ask, hub: DevHub) -> None:
    for uri in (f"{CALLBACK}/", "https://evil.example/"):
        assert "/auth/oauth/error?" in visitor.ask(redirect_uri=uri).location
    uris = [*hub.service.redirect_uris, f"{CALLBACK}/"]
    changed = admin("POST", f"/{hub.service_id}?fields=untrustedRedirectUris", json={"redirectUris": uris}).get_json()
    assert [each["redirectURI"] for each in changed["untrustedRedirectUris"]] == ["https://evil.example/"]
    assert "/auth/login?" in visitor.ask(redirect_uri=f"{CALLBACK}/").location


def test_a_refused_redirect_uri_is_rejected_for_good(visitor: Visitor, admin: Ask, hub: DevHub) -> None:
    for number in range(3):
        visitor.ask(redirect_uri=f"https://evil.example/{number}")
    path = f"/{hub.service_id}/untrustedredirecturis"
    left = admin("POST", f"{path}/1/reject?fields=untrustedRedirectUris(redirectURI)").get_json()
    places = [each["redirectURI"] for each in left["untrustedRedirectUris"]]
    assert places == ["https://evil.example/0", "https://evil.example/2"]
    assert "/auth/oauth/error?" in visitor.ask(redirect_uri="https://evil.example/1").location
    assert refusal(admin("POST", f"{path}/7/reject")) == (404, "Not Found", None)
