"""When a server is spared, and when it is asked again."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable

import pytest

from flask_hub_auth.breaker import FAILURES, GLANCE, LONGEST_PAUSE, LONGEST_TRIAL_PAUSE, SHORTEST, WINDOW, Breaker


class Server:
    """A server that is looked at, and the time that passes."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.is_there = False
        self.looks = 0
        self.answers = threading.Event()
        self.answers.set()
        self.breaker = Breaker("the server", self.look, lambda: self.time)

    def look(self) -> bool:
        self.looks += 1
        self.answers.wait(5)
        return self.is_there

    def fail(self, times: int = FAILURES, seconds: float = SHORTEST) -> None:
        for number in range(times):
            self.time += seconds / (times - 1) if number else 0
            self.breaker.failed()

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.001)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize(
    ("times", "seconds", "is_asked"),
    [(FAILURES, SHORTEST, False), (FAILURES - 1, SHORTEST, True), (100, SHORTEST - 0.01, True), (100, WINDOW, False)],
)
def test_it_takes_several_failures_that_last(server: Server, times: int, seconds: float, is_asked: bool) -> None:
    """R12"""
    server.fail(times, seconds)
    assert server.breaker.may_ask() is is_asked


def test_failures_far_apart_or_with_a_success_between_are_no_outage(server: Server) -> None:
    for _ in range(20):
        server.breaker.failed()
        server.time += WINDOW
    for _ in range(5):
        server.fail(FAILURES - 1)
        server.breaker.succeeded()
    assert server.breaker.may_ask()
    assert server.looks == 0


def test_the_longer_a_server_is_away_the_rarer_are_the_looks(server: Server) -> None:
    """R12"""
    server.fail()
    for _ in range(6000):
        assert not server.breaker.may_ask()
        server.time += 0.01
    assert 60 / LONGEST_PAUSE <= server.looks < 90


def test_a_server_that_is_back_is_asked_at_once_by_whoever_looks(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """R12, R72"""
    server.fail()
    server.is_there = True
    assert server.breaker.may_ask()
    assert server.breaker.ask()
    assert not server.breaker.ask(), "one tries, and the others wait for how it goes"
    server.breaker.succeeded()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert server.breaker.ask()
    assert server.breaker.ask()


def test_a_server_that_answers_looks_alone_is_tried_ever_more_rarely(server: Server) -> None:
    """R12"""
    server.fail()
    server.is_there = True
    tries = []
    for _ in range(12000):
        if server.breaker.ask():
            tries.append(server.time)
            server.breaker.failed()
        server.time += 0.01
    pauses = [later - sooner for sooner, later in itertools.pairwise(tries)]
    assert pauses == sorted(pauses)
    assert len(tries) <= 8
    assert LONGEST_TRIAL_PAUSE <= pauses[-1] < LONGEST_TRIAL_PAUSE + 1
    server.time += LONGEST_TRIAL_PAUSE
    assert server.breaker.ask()
    server.breaker.succeeded()
    server.fail()
    assert server.breaker.ask(), "it was well meanwhile"


def test_those_who_had_asked_before_it_opened_are_no_trials(server: Server) -> None:
    server.fail()
    for _ in range(30):
        server.breaker.failed()
    server.time += LONGEST_PAUSE
    server.is_there = True
    assert server.breaker.ask()


def test_a_server_that_asks_for_a_pause_has_it_at_once(server: Server) -> None:
    """R22"""
    server.is_there = True
    server.breaker.failed(pause=20)
    assert server.breaker.pause() == 20
    for _ in range(19):
        server.time += 1
        assert not server.breaker.ask()
    assert server.looks == 0
    server.time += 1
    assert server.breaker.ask()
    server.breaker.failed(pause=10_000)
    assert server.breaker.pause() == LONGEST_TRIAL_PAUSE


def test_a_server_that_asks_for_a_pause_when_it_is_looked_at_has_that_too(server: Server) -> None:
    """R22: time and again, and never for longer than the longest pause."""
    wanted = [6, 20, 10_000, 0, 0]
    breaker = Breaker("the server", lambda: bool(breaker.rest(wanted.pop(0))), lambda: server.time)
    breaker.failed(pause=6)
    for seconds in (6, 20, LONGEST_TRIAL_PAUSE, LONGEST_PAUSE):
        server.time += breaker.pause()
        assert not breaker.may_ask()
        assert breaker.pause() == seconds
    server.time -= 3600
    assert not breaker.may_ask()
    assert breaker.pause() == 1


@pytest.mark.parametrize(("failures", "words"), [(1, "wants to be left alone"), (FAILURES, "failed 5 times in a row")])
def test_the_log_says_why_a_server_is_not_asked(
    server: Server, failures: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    if failures > 1:
        server.fail(failures)
    else:
        server.breaker.failed(pause=20)
    assert [words in record.getMessage() for record in caplog.records] == [True]


def test_after_an_answer_it_takes_several_failures_again(server: Server) -> None:
    server.fail()
    server.is_there = True
    assert server.breaker.ask()
    server.breaker.succeeded()
    server.breaker.failed()
    assert server.breaker.may_ask()


@pytest.mark.alone
def test_nobody_waits_for_a_server_that_hangs(server: Server) -> None:
    """R31"""
    server.fail()
    server.answers.clear()
    try:
        began = time.monotonic()
        assert not server.breaker.may_ask()
        assert time.monotonic() - began < GLANCE + 0.05
        began = time.monotonic()
        assert not any(server.breaker.may_ask() for _ in range(1000))
        assert time.monotonic() - began < 0.5
        assert server.looks == 1
    finally:
        server.answers.set()


def test_a_look_that_took_long_lets_everybody_ask_when_it_succeeds(server: Server) -> None:
    server.fail()
    server.is_there = True
    server.answers.clear()
    assert not server.breaker.may_ask()
    server.answers.set()
    server.until(server.breaker.may_ask)
    assert server.looks == 1


def test_a_sign_of_life_lets_everybody_ask_until_the_next_failure(server: Server) -> None:
    server.fail()
    assert not server.breaker.may_ask()
    server.breaker.try_again()
    assert server.breaker.may_ask()
    server.breaker.failed()
    assert not server.breaker.may_ask()


def test_a_clock_that_jumps_back_keeps_nobody_out(server: Server) -> None:
    """R19"""
    server.fail()
    assert not server.breaker.may_ask()
    server.time -= 3600
    server.is_there = True
    assert server.breaker.may_ask()


def test_a_look_that_raises_is_no_answer_and_not_the_last_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)

    def crash() -> bool:
        raise RuntimeError("no more threads")

    breaker = Breaker("the server", crash, lambda: server.time)
    for _ in range(FAILURES):
        server.time += SHORTEST
        breaker.failed()
    assert not breaker.may_ask()
    breaker._look = lambda: True
    server.time += LONGEST_PAUSE
    assert breaker.may_ask()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_begins_anew(server: Server) -> None:
    """S98"""
    server.fail()
    server.answers.clear()
    assert not server.breaker.may_ask()  # a look is under way, in a thread that the child does not have
    child = os.fork()
    if not child:
        os._exit(0 if server.breaker.may_ask() else 1)
    server.answers.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
