"""Two worker processes that share logins by files, as they are served in production."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from flask_hub_auth.web.identity import SESSION_KEY

from .harness import ANSWER_SECONDS, ME_PATH, TOKEN_PATH, Connections, Hub, Workers, cookie_of

pytestmark = pytest.mark.slow

STORM = 50


def get(workers: Workers, browser: requests.Session, path: str = "/who") -> requests.Response:
    return browser.get(workers.url + path, timeout=ANSWER_SECONDS)


def session_of(headers: dict[str, str]) -> dict[str, object]:
    """What an answer puts into Flask's session."""
    found = re.search(r"session=([\w-]+)\.", headers.get("Set-Cookie", ""))
    content: dict[str, object] = json.loads(base64.urlsafe_b64decode(found[1] + "==")) if found else {}
    return content


def test_both_workers_know_who_signed_in_at_one_and_who_signed_out(workers: Workers, hub: Hub) -> None:
    """S49, R53"""
    browser = workers.sign_in("jane")
    cookie = cookie_of(browser, workers.url)
    with Connections(workers).spread(8) as connections:
        answers = connections.at_once("/who", [cookie])
        assert {answer.pid for answer in answers} == set(connections.by_worker)
        assert len(connections.by_worker) == 2
        assert [(answer.status, answer.body["login"]) for answer in answers] == [(200, "jane")] * 8
        signed_out = browser.post(
            f"{workers.url}/logout", headers={"Origin": workers.url}, allow_redirects=False, timeout=ANSWER_SECONDS
        )
        assert signed_out.status_code == 302
        answers = connections.at_once("/who", [cookie])
        assert [answer.status for answer in answers] == [401] * 8


def test_fifty_requests_on_an_expired_token_make_one_renewal_and_get_fifty_good_answers(
    workers: Workers, hub: Hub, record_property: pytest.RecordProperty
) -> None:
    """R2, S98: with refresh tokens that are good once, and a Hub that takes its time."""
    browser = workers.sign_in("jane")
    cookie = cookie_of(browser, workers.url)
    before = get(workers, browser).json()["token"]
    with Connections(workers).spread(STORM) as connections:
        for number in range(3):
            workers.time.advance(3601)
            hub.expire()
            hub.fail(TOKEN_PATH, delay=0.3, times=1)
            get(workers, requests.Session(), "/most")
            with hub.new_calls() as renewals:
                answers = connections.at_once("/who", [cookie])
            most = get(workers, requests.Session(), "/most").json()["most"]
            slowest = max(answer.seconds for answer in answers)
            record_property(f"storm {number}", f"{len(renewals)} call, {most} under way, slowest {slowest:.2f} s")
            print(f"storm {number}: {len(renewals)} call, {most} under way, slowest {slowest:.3f} s")
            assert [answer.status for answer in answers] == [200] * STORM, answers
            assert [(call["grant"], call["status"]) for call in renewals] == [("refresh_token", 200)]
            assert {answer.body["login"] for answer in answers} == {"jane"}
            [token] = {answer.body["token"] for answer in answers}
            assert token != before
            before = token
            assert len({answer.pid for answer in answers}) == 2
            assert most >= 30
            assert slowest < 0.3 + 2
    assert get(workers, browser).json()["token"] == before


def test_everybody_keeps_their_own_token_while_all_are_renewed(workers: Workers, hub: Hub) -> None:
    """R4, R5, S98"""
    logins = ["admin", "jane", "john"] * 3
    cookies = [cookie_of(workers.sign_in(login), workers.url) for login in logins]
    workers.time.advance(3601)
    hub.fail(TOKEN_PATH, delay=0.05, times=4)
    with Connections(workers).spread(36) as connections, hub.new_calls() as renewals:
        answers = connections.at_once("/who", cookies)
    assert [answer.status for answer in answers] == [200] * 36
    assert [answer.body["login"] for answer in answers] == logins * 4
    assert len(renewals) == len(logins)
    assert len({answer.body["token"] for answer in answers}) == len(logins)


def test_a_ban_is_seen_by_both_workers_with_one_call(workers: Workers, hub: Hub) -> None:
    """S40"""
    cookies = [cookie_of(workers.sign_in(login), workers.url) for login in ("john", "jane")]
    hub.update_user("john", banned=True)
    try:
        workers.time.advance(301)
        hub.fail(ME_PATH, delay=0.1)
        with Connections(workers).spread(20) as connections, hub.new_calls(ME_PATH) as readings:
            connections.at_once("/who", cookies)
            answers = connections.at_once("/who", cookies)
        assert [answer.status for answer in answers] == [401, 200] * 10
        assert len(readings) == 2
    finally:
        hub.update_user("john", banned=False)


def test_a_callback_is_good_once_over_all_workers(workers: Workers, hub: Hub) -> None:
    """S27: fifty times at the same moment."""
    browser = requests.Session()
    address = urlsplit(workers.way_back(browser, "jane", "/who?a=1&b=2"))
    cookie = cookie_of(browser, workers.url)
    hub.fail(TOKEN_PATH, delay=0.2, times=1)
    with Connections(workers).spread(STORM) as connections, hub.new_calls() as exchanges:
        answers = connections.at_once(f"{address.path}?{address.query}", [cookie])
    assert [(call["grant"], call["status"]) for call in exchanges] == [("authorization_code", 200)]
    signed_in = [answer for answer in answers if answer.status == 302]
    assert len(signed_in) == 1
    assert signed_in[0].headers["Location"] == "/who?a=1&b=2"
    assert {answer.status for answer in answers} == {302, 400}
    assert sum(SESSION_KEY in session_of(answer.headers) for answer in answers) == 1


def test_a_restart_of_all_workers_keeps_everybody_signed_in(workers: Workers, hub: Hub) -> None:
    browsers = {login: workers.sign_in(login) for login in ("admin", "jane", "john")}
    tokens = {login: get(workers, browser).json()["token"] for login, browser in browsers.items()}
    before = workers.until_all_answer()
    calls = len(hub.calls())
    workers.restart()
    assert not before & workers.pids()
    for login, browser in browsers.items():
        answer = get(workers, browser)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["login"], answer.json()["token"]) == (login, tokens[login])
    assert len(hub.calls()) == calls


def test_a_client_that_goes_away_during_a_renewal_loses_nothing(workers: Workers, hub: Hub) -> None:
    """R55"""
    browser = workers.sign_in("jane")
    workers.time.advance(3601)
    hub.fail(TOKEN_PATH, delay=0.4, times=1)
    with hub.new_calls() as renewals:
        with Connections(workers).spread(2) as connections:
            for connection in connections.open:
                connection.request("GET", "/who", headers=cookie_of(browser, workers.url))
            time.sleep(0.1)
        time.sleep(0.6)
        assert get(workers, browser).json()["login"] == "jane"
    assert [call["status"] for call in renewals] == [200]


def test_a_worker_killed_during_a_renewal_holds_nobody_up(workers: Workers, hub: Hub) -> None:
    """R9: before Hub has done anything; the other worker takes over at once, long before the first had given up."""
    browser = workers.sign_in("jane")
    cookie = cookie_of(browser, workers.url)
    workers.time.advance(3601)
    hub.fail(TOKEN_PATH, transport="hang", times=1)
    with Connections(workers).spread(12) as connections, hub.new_calls() as renewals:
        killed, other = connections.by_worker
        connections.by_worker[killed][0].request("GET", "/who", headers=cookie)
        time.sleep(0.3)
        others = Connections(workers, connections.by_worker[other])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(others.at_once, "/who", [cookie])
            time.sleep(0.3)
            assert not waiting.done()
            os.kill(killed, signal.SIGKILL)
            began = time.monotonic()
            answers = waiting.result(ANSWER_SECONDS)
            seconds = time.monotonic() - began
    assert [answer.status for answer in answers] == [200] * 6
    assert seconds < 1
    assert [call["status"] for call in renewals] == [None, 200]
    workers.until_all_answer()


def test_killed_workers_are_replaced_and_nobody_notices(workers: Workers, hub: Hub) -> None:
    browser = workers.sign_in("jane")
    before = workers.until_all_answer()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert not workers.until_all_answer() & before
    assert get(workers, browser).json()["login"] == "jane"
