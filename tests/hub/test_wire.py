"""The way of calls to services: what is sent, what is kept of it, and that no failure of the library comes out."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from flask_hub_auth.errors import HubUnavailable, TokenRejected
from flask_hub_auth.hub.wire import Wire
from flask_hub_auth.model import Secret

from .conftest import Certificate, Server, answer

TOKEN = Secret("t0ken")


def test_the_answer_is_that_of_requests(server: Server) -> None:
    server.always = answer({"a": 1}, 201, X_More="1")
    found = Wire().send("POST", f"{server.url}/x", TOKEN, json={"b": 2}, params={"q": "1"})
    assert type(found) is requests.Response
    assert (found.status_code, found.json(), found.headers["X-More"]) == (201, {"a": 1}, "1")
    [asked] = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/hub/x?q=1", b'{"b": 2}')
    assert asked.headers["authorization"] == "Bearer t0ken"


def test_without_a_token_no_header_is_sent(server: Server) -> None:
    Wire().send("GET", f"{server.url}/x", None, headers={"authorization": "Bearer x", "X-More": "1"})
    assert "authorization" not in server.asked[0].headers
    assert server.asked[0].headers["x-more"] == "1"


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX: y", "ä", "x" * 8193])
def test_what_is_no_token_is_not_sent(token: str, server: Server) -> None:
    with pytest.raises(TokenRejected):
        Wire().send("GET", f"{server.url}/x", Secret(token))
    assert server.connections == 0


@pytest.mark.parametrize("target", ["/y", "http://127.0.0.1:1/", "http://[", "", "//", "\x00", "javascript:x"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_nor_looked_at(status: int, target: str, server: Server) -> None:
    """S88."""
    server.always = answer(b"", status, Location=target)
    assert Wire().send("GET", f"{server.url}/x", TOKEN).status_code == status
    assert len(server.asked) == 1


def test_connections_are_kept_and_shared_by_threads(server: Server) -> None:
    wire = Wire()
    for _ in range(5):
        wire.send("GET", f"{server.url}/x", TOKEN)
    assert server.connections == 1
    threads = [threading.Thread(target=lambda: wire.send("GET", f"{server.url}/x", TOKEN)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 15
    assert server.connections <= 11


def test_an_unknown_certificate_is_refused_and_one_of_the_bundle_is_not(
    tls_server: Server, good_certificate: Certificate
) -> None:
    """S89."""
    with pytest.raises(HubUnavailable, match="certificate"):
        Wire().send("GET", f"{tls_server.url}/x", TOKEN)
    assert tls_server.asked == []
    assert Wire(ca_bundle=good_certificate.file).send("GET", f"{tls_server.url}/x", TOKEN).status_code == 200


BROKEN: dict[str, Any] = {
    "no HTTP": b"SSH-2.0-x\r\n\r\n",
    "half an answer": lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    "nothing": lambda sock: None,
    "a coding that it has not": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "a wrong chunk": lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_an_error_of_ours_that_tells_no_secret(name: str, server: Server) -> None:
    server.always = BROKEN[name]
    with pytest.raises(HubUnavailable) as caught:
        Wire().send("POST", f"{server.url}/x?secret=query", Secret("secret-token"), data={"secret": "form"})
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in repr(error)
        error = error.__cause__ or error.__context__
