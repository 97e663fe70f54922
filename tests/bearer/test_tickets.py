"""Tickets: a job outside of a request acts as the person who gave it one, and no longer than they are signed in."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from flask_hub_auth import HubAuth, HubConfigError, HubUnavailable, LoginRequired, hub_bearer_required
from flask_hub_auth.devhub import Service, serve
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock
from flask_hub_auth.web.identity import SESSION_KEY

from ..hub.conftest import Server, answer
from ..visiting import KEY, OTHER_KEY, add_views, plain_app

ISSUES = "d2c5b7a4-0000-4000-8000-000000000002"
TOKEN_PATH = "/api/rest/oauth2/token"
SIGN_OUT = {"Sec-Fetch-Site": "same-origin"}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def service() -> Iterator[Server]:
    """The service that jobs call."""
    server = Server()
    yield server
    server.stop()


def application(hub: HubInMemory, service: Server, **settings: Any) -> Flask:
    """An application that gives tickets; its HubAuth is ``app.extensions["hub"]``."""
    app = plain_app(hub, HUB_SERVICES={"issues": {"id": ISSUES, "url": service.url}}, **settings)
    auth = app.extensions["hub"] = HubAuth(app)
    add_views(app)
    app.get("/ticket")(lambda: auth.ticket(float(request.args.get("age", 3600))))  # type: ignore[type-var]
    app.add_url_rule("/bearer", "bearer", hub_bearer_required(lambda: auth.ticket()))
    return app


Make = Callable[..., Flask]


@pytest.fixture
def make(dev_hub: HubInMemory, hub_clock: Clock, service: Server) -> Make:
    dev_hub.add_service(Service(ISSUES, "Issues", trusted=True))
    return lambda **settings: application(dev_hub, service, **settings)


def signed_in(app: Flask, hub: HubInMemory, login: str = "jane") -> FlaskClient:
    client = app.test_client()
    hub.sign_in(client, login)
    return client


def call(app: Flask, ticket: str) -> int:
    """What a job does."""
    with app.app_context():
        return int(app.extensions["hub"].as_user("issues", ticket=ticket).get("/job").status_code)


def callers(service: Server) -> list[str]:
    """The users of the tokens that the service got."""
    return [each.headers["authorization"].removeprefix("Bearer ").split(".")[2] for each in service.asked]


# A job in another process

JOB = """
import json, sys
from flask import Flask
from flask_hub_auth import HubAuth, HubError
app = Flask("job")
app.config.from_prefixed_env()
app.testing = True
hub = HubAuth(app)
for line in sys.stdin:
    try:
        with app.app_context():
            print(hub.as_user("issues", ticket=line.strip()).get("/job").status_code, flush=True)
    except HubError as error:
        print(type(error).__name__, flush=True)
"""


@contextlib.contextmanager
def job(app: Flask) -> Iterator[Callable[[str], str]]:
    """A worker of its own that has the application's settings; gives what comes of a ticket there."""
    names = ("SECRET_KEY", "HUB_URL", "HUB_SERVICE_ID", "HUB_SERVICE_SECRET", "HUB_SERVICES", "HUB_CACHE")
    settings = {
        f"FLASK_{name}": value if isinstance(value := app.config[name], str) else json.dumps(value) for name in names
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(JOB)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    sent, said = process.stdin, process.stdout

    def ask(ticket: str) -> str:
        sent.write(f"{ticket}\n")
        sent.flush()
        return said.readline().strip()

    with process:
        try:
            yield ask
        finally:
            sent.close()
            process.kill()


def test_a_job_in_another_process_acts_as_the_person_until_they_sign_out(service: Server, tmp_path: Path) -> None:
    with serve(HubInMemory()) as served:
        hub = served.hub
        assert isinstance(hub, HubInMemory)
        app = application(hub, service, HUB_CACHE=(tmp_path / "logins").as_uri())
        jane, john = signed_in(app, hub, "jane"), signed_in(app, hub, "john")
        of_jane, of_john = jane.get("/ticket").text, john.get("/ticket").text
        with job(app) as ask:
            assert [ask(of_jane), ask(of_john), ask(of_jane)] == ["200"] * 3
            ids = [hub.user(login).id for login in ("jane", "john", "jane")]
            assert callers(service) == ids
            # The token that the service refuses is renewed by the job, for the application as well.
            service.answers = [answer(b"", 401)]
            assert ask(of_jane) == "200"
            assert sum(call["path"] == TOKEN_PATH for call in hub.calls) == 1
            newest = service.asked[-1].headers["authorization"].removeprefix("Bearer ")
            with app.app_context():
                app.extensions["hub"].as_user("issues", ticket=of_jane).get("/here")
            assert service.asked[-1].headers["authorization"] == f"Bearer {newest}"
            sent = len(service.asked)
            assert jane.post("/logout", headers=SIGN_OUT).status_code == 302
            assert [ask(of_jane), ask(of_jane), ask(of_john)] == ["LoginRequired", "LoginRequired", "200"]
            assert len(service.asked) == sent + 1
            assert callers(service)[-1] == hub.user("john").id
            hub.revoke("john")
            service.answers = [answer(b"", 401)]
            assert [ask(of_john), ask(of_john)] == ["LoginRequired", "LoginRequired"]
            assert john.get("/private", headers={"Accept": "application/json"}).status_code == 401


def test_a_job_in_a_thread_acts_as_the_person(make: Make, dev_hub: HubInMemory, service: Server) -> None:
    app = make()
    ticket = signed_in(app, dev_hub).get("/ticket").text
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(call(app, ticket))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 5
    assert set(callers(service)) == {dev_hub.user("jane").id}


# When a ticket opens nothing


def refused(app: Flask, ticket: str, service: Server, hub: HubInMemory) -> str:
    """Why a ticket opens nothing; neither the service nor Hub hears of it."""
    before = (service.connections, len(hub.calls))
    with pytest.raises(LoginRequired) as caught:
        call(app, ticket)
    assert (service.connections, len(hub.calls)) == before
    assert not ticket or ticket not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("age", [3600, 60, 1])
def test_a_ticket_is_good_for_its_time(
    age: int, make: Make, dev_hub: HubInMemory, hub_clock: Clock, service: Server
) -> None:
    app = make()
    ticket = signed_in(app, dev_hub).get(f"/ticket?age={age}").text
    hub_clock.advance(age - 1.5 if age > 1 else 0)
    assert call(app, ticket) == 200
    hub_clock.advance(1.5)
    assert "ticket is old" in refused(app, ticket, service, dev_hub)


@pytest.mark.parametrize("age", [0, -1, -3600])
def test_a_ticket_without_a_time_is_never_good(age: int, make: Make, dev_hub: HubInMemory, service: Server) -> None:
    app = make()
    refused(app, signed_in(app, dev_hub).get(f"/ticket?age={age}").text, service, dev_hub)


ALTERED: dict[str, Callable[[str], str]] = {
    "empty": lambda ticket: "",
    "cut": lambda ticket: ticket[:-1],
    "cut more": lambda ticket: ticket[:-4],
    "half": lambda ticket: ticket[: len(ticket) // 2],
    "without its begin": lambda ticket: ticket[1:],
    "longer": lambda ticket: ticket + "A",
    "longer by a group": lambda ticket: ticket + "AAAA",
    "padded": lambda ticket: ticket + "=",
    "twice": lambda ticket: ticket * 2,
    "with a space": lambda ticket: ticket + " ",
    "with an end of a line": lambda ticket: ticket + "\n",
    "in other letters": lambda ticket: ticket.replace("-", "+").replace("_", "/") + "=",
    "no base64": lambda ticket: "!" * len(ticket),
    "no ASCII": lambda ticket: "ä" + ticket[1:],
    "half a character": lambda ticket: "\ud800" + ticket[1:],
    "in capitals": lambda ticket: ticket.upper(),
    "zeros": lambda ticket: "A" * len(ticket),
    "very long": lambda ticket: "A" * 1_000_000,
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_ticket_opens_nothing(name: str, make: Make, dev_hub: HubInMemory, service: Server) -> None:
    app = make()
    ticket = signed_in(app, dev_hub).get("/ticket").text
    refused(app, ALTERED[name](ticket), service, dev_hub)
    assert call(app, ticket) == 200


def test_no_letter_of_a_ticket_may_change(make: Make, dev_hub: HubInMemory, service: Server) -> None:
    app = make()
    ticket = signed_in(app, dev_hub).get("/ticket").text
    for place, letter in enumerate(ticket):
        for other in "AB_":
            if other != letter:
                refused(app, ticket[:place] + other + ticket[place + 1 :], service, dev_hub)


FOREIGN: dict[str, dict[str, Any]] = {
    "another key": {"SECRET_KEY": OTHER_KEY},
    "another Hub": {"HUB_URL": "https://other.test/hub"},
    "another service": {"HUB_SERVICE_ID": "another"},
    "another Hub's path": {"HUB_URL": "https://hub.test/hub2"},
    "another key of two": {"SECRET_KEY": OTHER_KEY, "SECRET_KEY_FALLBACKS": ["f" * 64]},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_ticket_of_another_application_opens_nothing(
    name: str, make: Make, dev_hub: HubInMemory, service: Server, tmp_path: Path
) -> None:
    """S13: also where both keep their logins in the same place."""
    folder = (tmp_path / "logins").as_uri()
    here, there = make(HUB_CACHE=folder), make(HUB_CACHE=folder, **FOREIGN[name])
    ticket = signed_in(here, dev_hub).get("/ticket").text
    refused(there, ticket, service, dev_hub)
    assert call(here, ticket) == 200


def test_what_else_the_application_seals_is_no_ticket(make: Make, dev_hub: HubInMemory, service: Server) -> None:
    app = make()
    client = signed_in(app, dev_hub)
    with client.session_transaction() as session:
        handle = session[SESSION_KEY]
    state = app.extensions["hub_auth"]
    raw = base64.urlsafe_b64decode(handle + "=") + (2_000_000_000).to_bytes(8, "big")
    seals = {
        "handle": handle,
        "plain": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "another purpose": _spelled(state.sealer.seal(raw, purpose="login")),
        "another place": _spelled(state.sealer.seal(raw, purpose="ticket", place="x")),
        "a short handle": _spelled(state.sealer.seal(raw[1:32], purpose="ticket")),
        "nothing": _spelled(state.sealer.seal(b"", purpose="ticket")),
    }
    for sealed in seals.values():
        refused(app, sealed, service, dev_hub)
    assert call(app, _spelled(state.sealer.seal(raw, purpose="ticket"))) == 200


def _spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


ENDS: dict[str, Callable[[FlaskClient, HubInMemory, Clock], object]] = {
    "signed out": lambda client, hub, clock: client.post("/logout", headers=SIGN_OUT),
    "idle": lambda client, hub, clock: clock.advance(8 * 3600),
    "too old": lambda client, hub, clock: clock.advance(24 * 3600),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_ticket_ends_with_the_login(
    how: str, make: Make, dev_hub: HubInMemory, hub_clock: Clock, service: Server
) -> None:
    app = make()
    client = signed_in(app, dev_hub)
    ticket = client.get("/ticket?age=1000000").text
    assert call(app, ticket) == 200
    ENDS[how](client, dev_hub, hub_clock)
    refused(app, ticket, service, dev_hub)


def test_a_person_who_is_banned_ends_the_ticket_at_the_next_renewal(
    make: Make, dev_hub: HubInMemory, hub_clock: Clock, service: Server
) -> None:
    app = make()
    ticket = signed_in(app, dev_hub).get("/ticket?age=1000000").text
    dev_hub.update_user("jane", banned=True)
    hub_clock.advance(3601)
    with pytest.raises(LoginRequired):
        call(app, ticket)
    assert service.connections == 0
    refused(app, ticket, service, dev_hub)


def test_while_hub_is_away_a_job_cannot_renew_and_is_told_so(
    make: Make, dev_hub: HubInMemory, hub_clock: Clock, service: Server
) -> None:
    app = make()
    ticket = signed_in(app, dev_hub).get("/ticket?age=1000000").text
    dev_hub.fail(status=503)
    assert call(app, ticket) == 200
    hub_clock.advance(3601)
    with pytest.raises(HubUnavailable):
        call(app, ticket)
    dev_hub.mend()
    assert call(app, ticket) == 200


# Keys


def test_a_ticket_opens_under_every_key_of_the_settings(
    make: Make, dev_hub: HubInMemory, service: Server, tmp_path: Path
) -> None:
    """C10: as the login does whose it is."""
    folder = (tmp_path / "logins").as_uri()
    before = make(HUB_CACHE=folder)
    ticket = signed_in(before, dev_hub).get("/ticket").text
    rotated = make(HUB_CACHE=folder, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=["f" * 64, KEY])
    assert call(rotated, ticket) == 200
    after = make(HUB_CACHE=folder, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=["f" * 64])
    refused(after, ticket, service, dev_hub)


# Who gets one


def test_only_who_is_signed_in_with_a_browser_gets_a_ticket(make: Make, dev_hub: HubInMemory) -> None:
    app = make()
    token = {"Authorization": f"Bearer {dev_hub.token_for('jane')}"}
    assert app.test_client().get("/ticket").status_code == 401
    for client in (app.test_client(), signed_in(app, dev_hub)):
        assert client.get("/ticket", headers=token).status_code == 401
        assert client.get("/bearer", headers=token).status_code == 401
    assert signed_in(app, dev_hub).get("/ticket").status_code == 200


def test_a_ticket_tells_nothing_and_is_told_nowhere(
    make: Make, dev_hub: HubInMemory, service: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """L2."""
    caplog.set_level(logging.DEBUG)
    app = make()
    client = signed_in(app, dev_hub)
    with client.session_transaction() as session:
        handle = session[SESSION_KEY]
    ticket, twin = client.get("/ticket").text, client.get("/ticket").text
    assert ticket != twin
    data = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    assert base64.urlsafe_b64decode(handle + "=") not in data
    assert dev_hub.user("jane").id.encode() not in data
    assert call(app, ticket) == 200
    refused(app, ticket[:-1], service, dev_hub)
    client.post("/logout", headers=SIGN_OUT)
    refused(app, ticket, service, dev_hub)
    assert ticket[:-1] not in caplog.text
    assert handle not in caplog.text


@pytest.mark.parametrize("age", ["nan", "inf", "1e300"])
def test_an_age_that_is_none_is_told(make: Make, dev_hub: HubInMemory, age: str) -> None:
    client = signed_in(make(), dev_hub)
    with pytest.raises(HubConfigError, match="ticket: max_age must be seconds or a timedelta, got"):
        client.get(f"/ticket?age={age}")


def test_an_age_may_be_a_timedelta(make: Make, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    app = make()
    app.add_url_rule("/long", "long", lambda: app.extensions["hub"].ticket(timedelta(minutes=2)))
    ticket = signed_in(app, dev_hub).get("/long").text
    hub_clock.advance(60)
    assert call(app, ticket) == 200
    hub_clock.advance(61)
    with pytest.raises(LoginRequired):
        call(app, ticket)
