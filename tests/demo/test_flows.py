"""The pages of the other flows: what each of them shows to whom, and what it says where something is missing."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from demo_app.app import create_app
from demo_app.issues import ISSUES_ID
from flask_hub_auth.devhub import HUB_ID

if TYPE_CHECKING:
    from flask_hub_auth.testing.browser import Browser
    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock

PERSON = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

OPEN = ["/projects", "/api", "/scripts"]
GUARDED = ["/issues", "/people", "/consent", "/me", "/panel"]

MakeBrowser = Callable[[Flask], "Browser"]


@pytest.fixture
def browser(whole_demo: Flask, hub_browser: MakeBrowser) -> Browser:
    return hub_browser(whole_demo)


@pytest.fixture
def stranger(whole_demo: Flask) -> Client:
    return whole_demo.test_client()


@pytest.fixture
def beside_real_hub(dev_hub: HubInMemory, hub_browser: MakeBrowser, tmp_path: Path) -> Browser:
    """The demo as it is with ``FLASK_HUB_URL``: no dev Hub to look into, and no issues service."""
    settings = {"TESTING": True, "SECRET_KEY": "k" * 32, **dev_hub.settings}
    return hub_browser(create_app(settings, instance=tmp_path))


def words(answer: TestResponse) -> str:
    """The text of a page, as one line."""
    return " ".join(re.sub(r"<[^>]+>", "", answer.text).split())


# Issues: as the person


@pytest.mark.parametrize(
    ("login", "theirs"),
    [("jane", "APOLLO-1 Count down aloud"), ("john", "Polish the helmets"), ("admin", "Order fuel")],
)
def test_everybody_sees_their_own_issues(browser: Browser, login: str, theirs: str) -> None:
    seen = words(browser.get("/issues", as_=login))
    assert theirs in seen
    assert [text in seen for text in ("Count down aloud", "Polish the helmets", "Order fuel")].count(True) == 1


def test_a_stranger_is_sent_to_hub_first(stranger: Client, dev_hub: HubInMemory) -> None:
    answer = stranger.get("/issues", headers=PERSON)
    assert answer.location.startswith(f"{dev_hub.url}/api/rest/oauth2/auth?")
    assert ISSUES_ID in answer.location


def test_an_issue_is_filed_as_the_person(browser: Browser, whole_demo: Flask, hub_browser: MakeBrowser) -> None:
    browser.get("/issues", as_="john")
    page = browser.post("/issues", data={"project": "HERMES", "summary": "<b>milk</b>"})
    assert page.request.path == "/issues"
    assert "&lt;b&gt;milk&lt;/b&gt;" in page.text
    assert "milk" not in hub_browser(whole_demo).get("/issues", as_="jane").text


def test_the_issues_services_own_words_are_shown_where_it_refuses(browser: Browser) -> None:
    browser.get("/issues", as_="john")
    page = browser.post("/issues", data={"project": "NONE", "summary": "milk"})
    assert "The issues service says: An issue has a project" in words(page)


def test_issues_go_on_with_a_renewed_token(browser: Browser, hub_clock: Clock) -> None:
    browser.get("/issues", as_="jane")
    hub_clock.advance(100)
    assert "Count down aloud" in browser.get("/issues").text


# Projects: as the application itself


@pytest.mark.parametrize("login", [None, "jane", "john", "admin"])
def test_projects_are_read_by_the_application_itself(browser: Browser, dev_hub: HubInMemory, login: str | None) -> None:
    if login:
        browser.get("/me", as_=login)
    seen = words(browser.get("/projects"))
    assert "Apollo 4 issues" in seen
    assert ("you are not signed in, and need not be" in seen) == (login is None)
    assert [call["grant"] for call in dev_hub.calls].count("client_credentials") == 1
    browser.get("/projects")
    assert [call["grant"] for call in dev_hub.calls].count("client_credentials") == 1


def test_a_service_that_is_not_trusted_is_told_what_to_do(browser: Browser, dev_hub: HubInMemory) -> None:
    dev_hub.service.trusted = False
    page = browser.get("/projects")
    assert page.status_code == 200
    assert "Hub gives this application no token of its own." in words(page)
    assert "make this service trusted" in words(page)


# People: for a permission


@pytest.mark.parametrize(("login", "status"), [("jane", 200), ("admin", 200), ("john", 403)])
def test_people_are_for_who_may_read_users(browser: Browser, login: str, status: int) -> None:
    page = browser.get("/people", as_=login)
    assert page.status_code == status
    assert ("Mallory Moe" in page.text) == (status == 200)


def test_who_lacks_the_permission_is_told_which_and_offered_a_way_on(browser: Browser) -> None:
    page = browser.get("/people", as_="john")
    assert "You are signed in as john, who does not hold the permission Read User." in words(page)
    assert 'href="/switch?next=/people"' in page.text
    assert "It refused you /people, which needs the permission Read User" in words(browser.get("/me"))


def test_a_permission_that_is_taken_away_is_gone_within_minutes(
    browser: Browser, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    assert browser.get("/people", as_="jane").status_code == 200
    dev_hub.update_user("jane", groups=["All Users"])
    hub_clock.advance(301)
    assert browser.get("/people").status_code == 403


def test_me_says_what_the_person_may_do_and_where(browser: Browser) -> None:
    seen = words(browser.get("/me", as_="jane"))
    assert "demo.report-read everywhere" in seen
    assert "demo.report-update in 1 project" in seen
    assert "demo.report-read" not in words(browser.get("/me", as_="john"))


# A job in the background


def found_by(app: Flask, hub: HubInMemory, login: str) -> list[str]:
    job = app.extensions["demo"].jobs.of(hub.user(login).id)
    return [found for _, found in job.found] if job else []


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come true within five seconds")


def test_a_job_acts_as_the_person_and_shows_what_it_finds_on_the_panel(
    browser: Browser, whole_demo: Flask, dev_hub: HubInMemory
) -> None:
    whole_demo.extensions["demo"].jobs.times, whole_demo.extensions["demo"].jobs.pause = 2, 0
    browser.get("/issues", as_="jane")
    assert browser.post("/summary").request.path == "/panel"
    wait_until(lambda: "It is done." in browser.get("/panel").text)
    assert found_by(whole_demo, dev_hub, "jane") == ["3 issues are assigned to you."] * 2
    assert "3 issues are assigned to you." in browser.get("/panel").text
    assert "3 issues" not in browser.get("/panel", as_="john").text


def test_a_job_stops_when_the_person_signs_out(browser: Browser, whole_demo: Flask, dev_hub: HubInMemory) -> None:
    jobs = whole_demo.extensions["demo"].jobs
    jobs.times, jobs.pause = 1000, 0.02
    browser.get("/issues", as_="john")
    browser.post("/summary")
    wait_until(lambda: found_by(whole_demo, dev_hub, "john") != [])
    job = jobs.of(dev_hub.user("john").id)
    browser.post("/summary")
    assert jobs.of(dev_hub.user("john").id) is job, "one at a time"
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)
    assert token
    browser.post("/logout", data={"csrf_token": token[1]})
    wait_until(lambda: job.ended is not None)
    assert len(job.found) < 1000
    browser.get("/switch?next=/panel")
    assert "It stopped: the login that gave it the ticket is over." in browser.get("/panel").text


def test_a_job_goes_on_with_a_renewed_token_and_while_hub_is_away(
    browser: Browser, whole_demo: Flask, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    jobs = whole_demo.extensions["demo"].jobs
    jobs.times, jobs.pause = 1000, 0.02
    browser.get("/issues", as_="john")
    browser.post("/summary")
    wait_until(lambda: found_by(whole_demo, dev_hub, "john") != [])
    dev_hub.fail("/api/rest/oauth2/token", status=503)
    hub_clock.advance(100)
    wait_until(lambda: "Nobody answers now. It goes on trying." in found_by(whole_demo, dev_hub, "john"))
    dev_hub.mend()
    hub_clock.advance(60)
    wait_until(lambda: found_by(whole_demo, dev_hub, "john")[-1] == "1 issue is assigned to you.")
    assert "It renewed your token for a job in the background" in words(browser.get("/me"))
    assert "Not by a request of yours, yet." in words(browser.get("/panel"))
    dev_hub.revoke("john")
    hub_clock.advance(100)
    wait_until(lambda: jobs.of(dev_hub.user("john").id).ended is not None)


def test_nobody_gets_a_job_who_is_not_signed_in(stranger: Client, whole_demo: Flask) -> None:
    assert stranger.post("/summary").status_code == 401
    assert not whole_demo.extensions["demo"].jobs._jobs


# The API, and the page that calls it


def test_the_api_knows_who_brings_a_token_and_takes_no_cookie(
    browser: Browser, whole_demo: Flask, dev_hub: HubInMemory
) -> None:
    caller = whole_demo.test_client()
    for login in ("jane", "john", "admin"):
        answer = caller.get("/api/me", headers={"Authorization": f"Bearer {dev_hub.token_for(login)}"})
        assert answer.json
        assert (answer.json["login"], answer.json["name"]) == (login, dev_hub.user(login).name)
        assert answer.headers["Cache-Control"] == "no-store"
    browser.get("/me", as_="jane")
    assert browser.get("/api/me", headers={"Accept": "application/json"}).status_code == 401
    own = caller.get("/api/me", headers={"Authorization": f"Bearer {dev_hub.token_for_service()}"})
    assert own.status_code == 403


@pytest.mark.parametrize("login", [None, "jane"])
def test_the_api_page_allows_its_own_script_and_calls_to_its_own_site_alone(
    browser: Browser, login: str | None
) -> None:
    if login:
        browser.get("/me", as_=login)
    page = browser.get("/api")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert policy.endswith("; script-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>", page.text) == ['<script src="/static/api.js" defer>']
    assert "This page needs JavaScript" in page.text
    assert 'data-credentials="default"' in page.text


def test_no_other_page_allows_scripts(browser: Browser) -> None:
    browser.get("/me", as_="jane")
    for path in ("/", *OPEN, *GUARDED):
        page = browser.get(path)
        assert page.status_code == 200
        if path != "/api":
            assert "script" not in page.headers["Content-Security-Policy"]
            assert "<script" not in page.text
        assert "style=" not in page.text
        assert all(
            address.startswith(("/", "https://hub.test/")) for address in re.findall(r'src="([^"]+)"', page.text)
        )


# Consent


def test_trust_is_taken_and_given_and_hub_forgets_the_answers(browser: Browser, dev_hub: HubInMemory) -> None:
    assert "trusted Hub asks nobody." in words(browser.get("/consent", as_="jane"))
    dev_hub.user("jane").approved[dev_hub.service_id] = {HUB_ID: True, ISSUES_ID: False}
    assert "Hub: allowed" in words(browser.get("/consent"))
    assert "Issues: refused" in words(browser.get("/consent"))
    page = browser.post("/consent", data={"trusted": "no"})
    assert page.request.path == "/consent"
    assert "not trusted Hub asks everybody once." in words(page)
    assert "Hub remembers none." in words(page)
    assert not dev_hub.service.trusted
    browser.post("/consent", data={"trusted": "yes"})
    assert dev_hub.service.trusted


def test_hub_asks_once_and_remembers(browser: Browser, dev_hub: HubInMemory) -> None:
    dev_hub.service.trusted = False
    asked = browser.get("/consent", as_="jane")
    assert "Allow Demo?" in asked.text
    assert answer_consent(browser, asked, "approve").request.path == "/consent"
    assert "Issues: allowed" in words(browser.get("/consent"))
    assert browser.get("/login?next=/issues").request.path == "/issues"


def test_refusing_ends_on_a_kind_page(browser: Browser, dev_hub: HubInMemory) -> None:
    dev_hub.service.trusted = False
    page = answer_consent(browser, browser.get("/issues", as_="jane"), "refuse")
    assert page.status_code == 403
    assert "it was refused, or the account is banned. Nothing has changed here." in words(page)
    assert '<a class="button" href="/login?next=/issues">Let Hub ask again</a>' in page.text


def test_who_leaves_the_issues_service_out_is_told_so_by_it(browser: Browser, dev_hub: HubInMemory) -> None:
    dev_hub.service.trusted = False
    only = [HUB_ID, dev_hub.service_id]
    page = answer_consent(browser, browser.get("/issues", as_="jane"), "approve", only)
    assert page.request.path == "/issues"
    assert "The issues service says: This token is for other services" in words(page)
    assert 'href="/login?next=/issues">Sign in again</a>' in page.text


def answer_consent(
    browser: Browser, asked: TestResponse, decision: str, services: list[str] | None = None
) -> TestResponse:
    """Send Hub's form: everything ticked, or `services`."""
    action, token = (
        re.search(pattern, asked.text) for pattern in (r'action="([^"]+)"', r'csrf_token" value="([^"]+)"')
    )
    assert action
    assert token
    ticked = services or re.findall(r'name="service" value="([^"]+)"', asked.text)
    form = {"csrf_token": token[1], "decision": decision, "service": ticked}
    return browser.post(f"https://hub.test{unescape(action[1])}", data=form)


# The start page


def test_the_start_page_names_every_flow_and_the_page_that_shows_it(stranger: Client) -> None:
    rows = re.findall(r"<tr><td>(.*?)</td>.*?<a href=\"([^\"]+)\"", stranger.get("/").text)
    assert rows == [
        ("Authorization code", "/me"),
        ("Refresh token", "/panel"),
        ("Client credentials", "/projects"),
        ("Resource owner password", "/scripts"),
        ("Implicit", "/api"),
        ("Registering a service", "/scripts"),
    ]


# Nothing secret


def test_no_page_shows_a_secret(browser: Browser, dev_hub: HubInMemory, hub_clock: Clock, given_out: set[str]) -> None:
    browser.get("/me", as_="jane")
    bodies = [browser.post("/summary").text, *(browser.get(path).text for path in (*OPEN, *GUARDED))]
    hub_clock.advance(70)
    bodies += [browser.get(path).text for path in (*OPEN, *GUARDED)]
    secrets = given_out | {dev_hub.service_secret or "", "k" * 32}
    assert len(secrets) >= 8
    assert [secret for secret in secrets for body in bodies if secret in body] == []


@pytest.mark.parametrize("path", GUARDED)
def test_after_signing_out_no_page_comes_back_by_itself(browser: Browser, path: str) -> None:
    browser.get("/me", as_="jane")
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)
    assert token
    browser.post("/logout", data={"csrf_token": token[1]})
    assert browser.get(path).request.path == "/"
    assert 'data-credentials="required"' in browser.get("/api").text


def test_everything_goes_on_with_default_deny(make_demo: Callable[..., Flask], dev_hub: HubInMemory) -> None:
    stranger = make_demo(HUB_PROTECT_ALL=True).test_client()
    for path in OPEN:
        assert stranger.get(path, headers=PERSON).status_code == 200
    bearer = {"Authorization": f"Bearer {dev_hub.token_for('jane')}"}
    assert stranger.get("/api/me", headers=bearer).status_code == 200


# Beside a real Hub


@pytest.mark.parametrize("path", ["/issues", "/projects"])
def test_beside_a_real_hub_pages_say_that_there_is_no_issues_service(beside_real_hub: Browser, path: str) -> None:
    page = beside_real_hub.get(path, as_="jane")
    assert page.status_code == 200
    assert "There is no issues service beside a real Hub" in words(page)
    assert '<form method="post">' not in page.text


def test_beside_a_real_hub_the_other_pages_say_what_to_do_there(beside_real_hub: Browser, dev_hub: HubInMemory) -> None:
    assert "An administrator of Hub decides that" in words(beside_real_hub.get("/consent", as_="jane"))
    assert beside_real_hub.post("/consent", data={"trusted": "no"}).request.path == "/consent"
    assert dev_hub.service.trusted
    assert beside_real_hub.post("/issues", data={"summary": "x"}).request.path == "/issues"
    assert beside_real_hub.post("/summary").request.path == "/panel"
    assert "In the background" not in beside_real_hub.get("/panel").text
    assert "<code>http://localhost:5000/api</code>" in beside_real_hub.get("/api").text
    commands = unescape(beside_real_hub.get("/scripts").text)
    assert "read -rs FLASK_HUB_SERVICE_SECRET" in commands
    assert "--user NAME --hub-url https://hub.test/hub" in commands
    assert "jane" not in commands.partition("</header>")[2]
    assert "Mallory Moe" in beside_real_hub.get("/people").text
