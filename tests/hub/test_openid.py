"""What Hub says about itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_hub_auth.hub import Transport
from flask_hub_auth.hub.openid import Discovery

from .conftest import Server, answer

ISSUER = {"issuer": "https://yt.example.com/hub", "jwks_uri": "https://yt.example.com/hub/api/rest/oauth2/keys"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_issuer_is_read_once(server: Server) -> None:
    server.always = answer(ISSUER)
    discovery = Discovery(Transport(server.url))
    assert [discovery.issuer() for _ in range(3)] == ["https://yt.example.com/hub"] * 3
    assert [asked.path for asked in server.asked] == ["/hub/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (503, b""),
        (401, {"error": "invalid_grant"}),
        (302, b""),
        (200, b"<html>"),
        (200, []),
        (200, {}),
        (200, {"issuer": None}),
        (200, {"issuer": ""}),
        (200, {"issuer": ["https://yt.example.com/hub"]}),
    ],
)
def test_a_document_that_cannot_be_had_is_asked_for_again_after_a_minute(
    status: int, body: Any, server: Server
) -> None:
    """S88"""
    clock = Clock()
    server.always = answer(body, status, Location="/hub/elsewhere")
    discovery = Discovery(Transport(server.url), clock=clock)
    assert discovery.issuer() is None
    clock.now += 59
    assert discovery.issuer() is None
    assert len(server.asked) == 1
    clock.now += 1
    server.always = answer(ISSUER)
    assert discovery.issuer() == "https://yt.example.com/hub"
    assert len(server.asked) == 2


def test_a_hub_that_is_away_has_no_issuer(server: Server) -> None:
    server.stop()
    assert Discovery(Transport(server.url)).issuer() is None


def test_threads_get_the_same_issuer(server: Server) -> None:
    server.always = answer(ISSUER)
    discovery = Discovery(Transport(server.url))
    start = threading.Barrier(8)

    def ask(_: int) -> str | None:
        start.wait()
        return discovery.issuer()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"https://yt.example.com/hub"}
    count = len(server.asked)
    discovery.issuer()
    assert len(server.asked) == count <= 8
