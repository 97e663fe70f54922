from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from flask_hub_auth.devhub import DevHub, Service

from .conftest import CALLBACK, Visitor, answer_of


def test_home_tells_who_is_signed_in_and_lets_them_out(visitor: Visitor) -> None:
    assert "Nobody is signed in" in visitor.get("/").text
    visitor.sign_in("jane")
    page = visitor.get("/").text
    assert "Jane Doe</h1>" in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    assert visitor.post("/api/rest/oauth2/interactive/logout", data={"csrf_token": "forged"}).status_code == 403
    assert "Jane Doe</h1>" in visitor.get("/").text
    signed_out = visitor.post("/api/rest/oauth2/interactive/logout", data={"csrf_token": token[1]})
    assert (signed_out.status_code, signed_out.location) == (303, "https://hub.test/hub/")
    assert "Nobody is signed in" in visitor.get("/").text


def test_signing_out_twice_is_no_mistake(visitor: Visitor) -> None:
    assert visitor.post("/api/rest/oauth2/interactive/logout").status_code == 303


def test_home_lists_the_users_and_services_and_no_secret(visitor: Visitor, hub: DevHub) -> None:
    visitor.ask(redirect_uri="https://app.example/other")
    page = visitor.get("/").text
    for login in ("admin", "jane", "john", "mallory", "guest"):
        assert f"<code>{login}</code>" in page
    assert hub.service_id in page
    assert "https://app.example/other" in page
    assert str(hub.service_secret) not in page


def test_the_login_page_says_for_whom_and_what_the_client_wrote(visitor: Visitor) -> None:
    page = visitor.get(f"/auth/login?{visitor.query(message='Please <b>hurry</b>', login_hint='jane')}").text
    assert "<strong>Demo</strong>" in page
    assert "Please &lt;b&gt;hurry&lt;/b&gt;" in page
    assert 'value="jane"' in page


def test_the_recovery_page_has_the_password_form(visitor: Visitor) -> None:
    page = visitor.get("/loginOptions")
    assert page.status_code == 200
    assert page.text == visitor.get("/auth/login").text
    assert 'name="password"' in page.text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'\"&<>", "{{ 7*7 }}", "\r\n\r\n<b>"]
)
def test_nothing_that_is_sent_becomes_markup(visitor: Visitor, hub: DevHub, text: str) -> None:
    """S97"""
    hub.update_user("jane", name=text)
    hub.service.name = text
    hub.service.trusted = False
    visitor.ask(redirect_uri=text)
    wrong = visitor.post(
        f"/api/rest/oauth2/interactive/login?{visitor.query(state=text)}", data={"username": text, "password": "x"}
    )
    query = urlencode({"error": text, "error_description": text, "redirect_uri": text})
    unregistered = urlencode({"error": "invalid_redirect_uri", "redirect_uri": text})
    visitor.sign_in("jane")
    addresses = ["/", f"/auth/login?{visitor.query(message=text)}", f"/auth/consent?{visitor.query(state=text)}"]
    addresses += [f"/auth/oauth/error?{query}", f"/auth/oauth/error?{unregistered}"]
    for page in (wrong, *map(visitor.get, addresses)):
        assert page.status_code == 200
        assert "<script" not in page.text.replace(FRAMED, "")
        assert "<img src=x" not in page.text
        assert "<b>" not in page.text
        assert "49" not in re.sub(r"[\w-]{20,}", "", page.text)


def test_the_error_page_names_what_is_not_registered(visitor: Visitor) -> None:
    page = visitor.get(visitor.ask(redirect_uri=f"{CALLBACK}/").location)
    assert page.status_code == 200
    assert f"<code>{CALLBACK}/</code>" in page.text
    assert "invalid_redirect_uri" in page.text


def test_a_page_that_is_missing_is_a_page(visitor: Visitor) -> None:
    page = visitor.get("/nothing")
    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text


# Beside its own script, for whoever has the login page in a frame, no page has one.
FRAMED = '<script src="/hub/static/framed.js"></script>'

PAGES = ["/", "/auth/login", "/loginOptions", "/auth/oauth/error?error=x", "/nothing"]


@pytest.mark.parametrize("address", PAGES)
def test_pages_load_nothing_from_elsewhere_and_run_no_script(visitor: Visitor, address: str) -> None:
    page = visitor.get(address)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert " style=" not in page.text
    assert not re.search(r'(?:src|href)="(?!/hub/)', page.text)
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
    for asset in re.findall(r'(?:src|href)="(/hub/(?:static|api)/[^"]+)"', page.text):
        assert visitor.get(f"https://hub.test{asset}").status_code == 200


def test_the_login_form_may_lead_to_the_client_and_nowhere_else(visitor: Visitor, hub: DevHub) -> None:
    """Chromium applies form-action to the redirects behind a form."""
    hub.service.redirect_uris += ["ytoauth://landing.url", "https://app.example:8443/x", "https://evil; script-src *"]
    policy = visitor.get(f"/auth/login?{visitor.query()}").headers["Content-Security-Policy"]
    forms = re.search(r"form-action ([^;]+);", policy)
    assert forms
    assert forms[1].split() == [
        "'self'",
        "http://127.0.0.1:5000",
        "http://localhost:5000",
        "https://app.example:8443",
        "ytoauth:",
    ]
    assert "form-action 'self';" in visitor.get("/auth/login").headers["Content-Security-Policy"]


def test_the_consent_page_names_who_asks_for_what(visitor: Visitor, hub: DevHub) -> None:
    hub.service.trusted = False
    hub.add_service(Service("yt", "YouTrack"))
    visitor.sign_in("jane")
    page = visitor.get(visitor.ask(scope="Hub YouTrack", access_type="offline").location).text
    assert "<h1>Allow Demo?</h1>" in page
    assert 'value="yt" checked' in page
    assert "while you are away" in page
    assert "signed in as Jane Doe" in page


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        ("openid", ["who you are"]),
        ("openid profile email", ["who you are", "your name and user name", "your email address"]),
        ("groups email openid", ["who you are", "your email address", "your groups"]),
        ("openid offline_access", ["who you are"]),
        ("openid email Hub", ["who you are", "your email address"]),
        ("Hub", []),
    ],
)
def test_the_consent_page_names_what_a_service_would_know(
    visitor: Visitor, hub: DevHub, scope: str, named: list[str]
) -> None:
    hub.service.trusted = False
    visitor.sign_in("jane")
    page = visitor.get(visitor.ask(scope=scope).location).text
    assert re.findall(r"<li>([^<]+)</li>", page) == named
    assert ("to act as you in these services" in page) == ("Hub" in scope)
    assert ("while you are away" in page) == ("offline" in scope)


def test_the_consent_page_of_a_stranger_is_the_login_page(visitor: Visitor, hub: DevHub) -> None:
    hub.service.trusted = False
    page = visitor.get(f"/auth/consent?{visitor.query()}")
    assert 'name="password"' in page.text
    assert visitor.post(f"/api/rest/oauth2/interactive/consent?{visitor.query()}").status_code == 303


# In a frame


def test_only_pages_of_the_service_may_have_its_login_form_in_a_frame(visitor: Visitor, hub: DevHub) -> None:
    hub.service.redirect_uris.append("ytoauth://landing.url")
    page = visitor.get(f"/auth/login?{visitor.query()}")
    assert page.text.count(FRAMED) == 1
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert "frame-ancestors http://127.0.0.1:5000 http://localhost:5000" in policy
    assert "script-src 'self'" in policy
    assert "HUB_AUTH_PAGE_OPENED" in visitor.get("/static/framed.js").text
    hub.service.trusted = False
    visitor.sign_in("jane")
    consent = visitor.get(visitor.ask().location)
    assert "frame-ancestors 'none'" in consent.headers["Content-Security-Policy"]


# Hub begins a login


def test_a_click_at_hub_begins_a_login_whose_state_is_a_url_of_the_application(visitor: Visitor, hub: DevHub) -> None:
    visitor.sign_in("jane")
    address = f"/open/{hub.service_id}"
    assert f'href="/hub{address}"' in visitor.get("/").text
    answer = answer_of(visitor.get(visitor.get(address).location))
    assert answer["state"] == "http://localhost:5000/"
    assert visitor.exchange(answer["code"]).status_code == 200
    hub.service.home_url = "https://app.example/start"
    assert answer_of(visitor.get(visitor.get(address).location))["state"] == "https://app.example/start"


@pytest.mark.parametrize("why", ["pkce_required", "public", "flow off", "no address", "unknown"])
def test_hub_begins_no_login_that_would_fail(visitor: Visitor, hub: DevHub, why: str) -> None:
    service_id = "none" if why == "unknown" else hub.service_id
    hub.service.pkce_required = why == "pkce_required"
    hub.service.auth_code_flow = why != "flow off"
    if why == "public":
        hub.service.secret = None
    if why == "no address":
        hub.service.redirect_uris = ["ytoauth://landing.url"]
    assert visitor.get(f"/open/{service_id}").status_code == 404
    assert f'href="/hub/open/{service_id}"' not in visitor.get("/").text
