"""What no client should send: it is refused, in time, and the Hub is as it was."""

from __future__ import annotations

import time

import pytest

from flask_hub_auth.devhub import DevHub

from .conftest import CALLBACK, Visitor, answer_of

ADMIN = ("admin", "admin")
MULTIPART = "multipart/form-data; boundary=b"


def part(value: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + value + b"\r\n"


@pytest.mark.parametrize("body", [part(b"c") * 2000, part(b"c" * 600_000)], ids=["many parts", "a large part"])
def test_a_form_that_is_too_large_is_413(body: bytes, visitor: Visitor) -> None:
    for path in ("/api/rest/oauth2/token", f"/api/rest/oauth2/interactive/login?{visitor.query()}"):
        assert visitor.post(path, data=body + b"--b--\r\n", content_type=MULTIPART).status_code == 413
    assert [call["status"] for call in visitor.hub.calls] == [413, 413]


BODIES = [
    "[" * 100_000,
    '{"name": ' * 100_000,
    '{"name": "\\ud800"}',
    '{"name": NaN}',
    '{"name": "Other", "viewers": [NaN, 1e999]}',
    b'{"name": "\xed\xa0\x80"}',
    b"\xff",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize(
    "path",
    ["hub/api/rest/services", "__dev__/faults", "__dev__/options", "__dev__/users/jane", "__dev__/services/{}"],
)
def test_json_that_cannot_be_kept_is_a_bad_request(body: str | bytes, path: str, visitor: Visitor, hub: DevHub) -> None:
    address = f"https://hub.test/{path.format(hub.service_id)}"
    assert visitor.post(address, data=body, content_type="application/json", auth=ADMIN).status_code == 400
    assert visitor.get("/api/rest/users", auth=ADMIN).status_code == 200


@pytest.mark.parametrize("change", ['{"issuer": "\\ud800"}', '{"clock_skew": NaN}', '{"clock_skew": 1e999}'])
def test_an_option_that_cannot_be_told_changes_nothing(change: str, visitor: Visitor, hub: DevHub) -> None:
    before = hub.options
    address = "https://hub.test/__dev__/options"
    assert visitor.post(address, data=change, content_type="application/json").status_code == 400
    assert hub.options is before


@pytest.mark.parametrize("uri", ["//[x]", "https://[x/"])
def test_a_redirect_uri_that_is_no_address_changes_nothing(uri: str, visitor: Visitor, hub: DevHub) -> None:
    hub.service.home_url = "https://app.example/"
    fields = {"name": "Other", "redirectUris": [uri]}
    for address in ("https://hub.test/__dev__/services/", f"{hub.url}/api/rest/services/"):
        assert visitor.post(address + hub.service_id, json=fields, auth=ADMIN).status_code == 400
    assert (hub.service.name, hub.service.redirect_uris[0]) == ("Demo", CALLBACK)
    assert "code" in answer_of(visitor.get(visitor.sign_in("jane").location))
    with pytest.raises(ValueError, match="no redirect URI"):
        DevHub(redirect_uris=[uri])


@pytest.mark.alone
@pytest.mark.parametrize("scope", ["a " * 200_000, "Hub " * 200_000])
def test_a_scope_without_end_holds_nobody_up(scope: str, visitor: Visitor) -> None:
    begun = time.monotonic()
    refused = visitor.token(grant_type="client_credentials", scope=scope)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_scope")
    assert time.monotonic() - begun < 1
