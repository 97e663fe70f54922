"""One way to Hub: deadlines, limits, what is sent, what is never followed, kept or read."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import logging
import socket
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from flask_hub_auth.errors import HubConfigError, HubError, HubProtocolError, HubRefused, HubUnavailable, TokenRejected
from flask_hub_auth.hub import Transport, transport
from flask_hub_auth.hub.answer import Answer
from flask_hub_auth.model import Secret

from .conftest import Certificate, Server, answer, certificate, reset

TIMEOUT = 0.3
SLACK = 0.5
"""What a call may take beyond its deadline."""


def dripping(text: bytes, every: float = 0.05) -> Callable[[socket.socket], None]:
    """One byte after the other."""

    def reply(sock: socket.socket) -> None:
        for byte in text:
            sock.sendall(bytes([byte]))
            time.sleep(every)

    return reply


def endless(start: bytes, block: bytes) -> Callable[[socket.socket], None]:
    def reply(sock: socket.socket) -> None:
        sock.sendall(start)
        while True:
            sock.sendall(block)

    return reply


def hanging(start: bytes = b"") -> Callable[[socket.socket], None]:
    def reply(sock: socket.socket) -> None:
        sock.sendall(start)
        time.sleep(1.5)

    return reply


def timed(call: Callable[[], object]) -> tuple[HubError, float]:
    """The error that `call` raises, and the seconds it took."""
    began = time.monotonic()
    with pytest.raises(HubError) as caught:
        call()
    return caught.value, time.monotonic() - began


# The deadline

SLOW = {
    "headers one by one": dripping(answer({"a": 1})),
    "body byte by byte": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 100, 0.02),
    "chunks one by one": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50, 0.02),
    "nothing": hanging(),
    "half a status line": hanging(b"HTTP/1.1 2"),
    "headers without a body": hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
    "a body without an end": hanging(b"HTTP/1.1 200 OK\r\n\r\n12345"),
    "interim answers for ever": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.alone
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("reply", SLOW.values(), ids=SLOW)
def test_a_slow_answer_ends_with_the_deadline(
    reply: Any, tls: bool, server: Server, tls_server: Server, good_certificate: Certificate
) -> None:
    """S91, R21: the deadline is for the call as a whole, whatever drips."""
    slow = tls_server if tls else server
    slow.always = reply
    way = Transport(slow.url, timeout=TIMEOUT, ca_bundle=good_certificate.file)
    error, took = timed(lambda: way.request("GET", "/x"))
    assert isinstance(error, HubUnavailable)
    assert f"no complete answer within {TIMEOUT} s" in str(error)
    assert TIMEOUT - 0.05 < took < TIMEOUT + SLACK


@pytest.mark.alone
def test_a_silent_tls_handshake_ends_with_the_deadline(good_certificate: Certificate) -> None:
    """S91"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = Transport(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=TIMEOUT)
        error, took = timed(lambda: way.request("POST", "/x", data={"a": "b"}))
    assert isinstance(error, HubUnavailable)
    assert took < TIMEOUT + SLACK


@contextlib.contextmanager
def full_listener(host: str, port: int = 0) -> Iterator[int]:
    """A port where no further connection is taken, and none refused."""
    with contextlib.ExitStack() as opened:
        full = opened.enter_context(socket.socket())
        full.bind((host, port))
        full.listen(0)
        for _ in range(4):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="fills the queue of a listener as Linux has it")
def test_a_connection_that_does_not_come_about_ends_with_the_deadline() -> None:
    """S91"""
    with full_listener("127.0.0.1") as port:
        error, took = timed(lambda: Transport(f"http://127.0.0.1:{port}", timeout=TIMEOUT).request("GET", "/x"))
    assert isinstance(error, HubUnavailable)
    assert took < TIMEOUT + SLACK


@pytest.mark.alone
def test_a_silent_name_server_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """S91, R26"""
    asked = threading.Event()

    def look_up(*args: object, **kwargs: object) -> None:
        asked.wait(5)
        raise socket.gaierror("late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    error, took = timed(lambda: Transport("https://hub.invalid", timeout=TIMEOUT).request("GET", "/x"))
    asked.set()
    assert isinstance(error, HubUnavailable)
    assert took < TIMEOUT + SLACK


@pytest.mark.skipif(sys.platform != "linux", reason="fills the queue of a listener as Linux has it")
def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S91, R26: a host with a dead address before a live one is reached."""
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        hosts = ["127.0.0.2", "127.0.0.1"] if host == "localhost" else [host]
        return [found for each in hosts for found in real(each, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with full_listener("127.0.0.2", server.port):
        assert Transport(f"http://localhost:{server.port}", timeout=0.6).request("GET", "/x").status == 200


@pytest.mark.alone
def test_a_server_that_does_not_read_ends_with_the_deadline(server: Server) -> None:
    """S91"""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        way = Transport(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=TIMEOUT)
        error, took = timed(lambda: way.request("POST", "/x", data={"a": "x" * 20_000_000}))
    assert isinstance(error, HubUnavailable)
    # A busy machine takes its time to write so much down.
    assert took < TIMEOUT + 2 * SLACK


def test_a_connection_that_was_given_up_is_not_used_again(server: Server) -> None:
    """S91: the late rest of one answer never becomes the beginning of the next."""
    server.answers = [answer({"n": 1}), hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), answer({"n": 3})]
    way = Transport(server.url, timeout=0.3)
    assert way.request("GET", "/1").json() == {"n": 1}
    timed(lambda: way.request("GET", "/2"))
    assert way.request("GET", "/3").json() == {"n": 3}
    assert [asked.connection for asked in server.asked] == [1, 1, 2]


# Limits

BIG = 50 * 1024 * 1024
OVERSIZED = {
    "endless body": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "endless chunks": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ),
    "one huge chunk": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n", b"x" * 65536),
    "a length of 1 GiB": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"x" * 65536),
    "one byte too many": answer(b"x" * (1024 * 1024 + 1)),
    "gzip bomb": answer(gzip.compress(b"x" * BIG), Content_Encoding="gzip"),
    "gzip bomb in chunks": lambda sock: sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)
    ),
    "a bomb in a coding nobody asked for": answer(zlib.compress(b"x" * BIG), Content_Encoding="deflate"),
    "a coding nobody asked for": answer(zlib.compress(b"{}"), Content_Encoding="deflate"),
    "codings in each other": answer(gzip.compress(gzip.compress(b"x" * BIG)), Content_Encoding="gzip, gzip"),
    "broken gzip": answer(b"\x1f\x8b no", Content_Encoding="gzip"),
    "endless headers": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000),
    "a header of 1 MiB": endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * (1024 * 1024)),
}
BOMB = gzip.compress(b"x" * BIG)


@pytest.mark.alone
@pytest.mark.parametrize("reply", OVERSIZED.values(), ids=OVERSIZED)
def test_an_answer_that_is_too_long_is_given_up(reply: Any, server: Server) -> None:
    """S91, R21: at most 1 MiB is read, decoded bytes counted, and memory stays small."""
    server.always = reply
    way = Transport(server.url, timeout=5)
    tracemalloc.start()
    error, took = timed(lambda: way.request("GET", "/x"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(error, HubProtocolError)
    assert took < 2
    assert peak < 16 * 1024 * 1024
    assert "xxxx" not in str(error)


def test_a_long_answer_within_the_limit_is_read(server: Server) -> None:
    body = json.dumps({"a": "x" * 1_000_000}).encode()
    server.answers = [answer(body), answer(gzip.compress(body), Content_Encoding="gzip")]
    way = Transport(server.url)
    assert way.request("GET", "/x").body == way.request("GET", "/x").body == body


# Failures

BROKEN = {
    "reset": (reset, HubUnavailable),
    "closed": (lambda sock: None, HubUnavailable),
    "reset in the headers": (lambda sock: (sock.sendall(b"HTTP/1.1 200 OK\r\nX"), reset(sock)), HubUnavailable),
    "closed in the body": (lambda sock: sock.sendall(answer(b"x" * 10)[:-5]), HubUnavailable),
    "closed in a chunk": (
        lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        HubUnavailable,
    ),
    "not HTTP": (lambda sock: sock.sendall(b"220 mail.mycompany.com ESMTP\r\n"), HubProtocolError),
    "bytes": (lambda sock: sock.sendall(bytes(range(256)) * 4), HubProtocolError),
    "two lengths": (
        lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"),
        HubProtocolError,
    ),
}


@pytest.mark.alone
@pytest.mark.parametrize(("reply", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_an_error_of_ours(reply: Any, kind: type[HubError], server: Server) -> None:
    """S91, R26"""
    server.always = reply
    error, took = timed(lambda: Transport(server.url, timeout=2).request("GET", "/x?code=s3cret"))
    assert type(error) is kind
    assert server.host in str(error)
    assert "s3cret" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert took < 1


def test_a_name_that_does_not_exist_is_an_outage() -> None:
    """R26"""
    error, _ = timed(lambda: Transport("https://hub.invalid/hub", timeout=3).request("GET", "/x"))
    assert isinstance(error, HubUnavailable)


def test_a_refused_connection_is_an_outage(server: Server) -> None:
    """R26"""
    server.stop()
    error, _ = timed(lambda: Transport(server.url).request("GET", "/x"))
    assert "the connection was refused" in str(error)
    assert isinstance(error, HubUnavailable)
    assert error.retry_after == 5


@pytest.mark.parametrize("reply", [reset, lambda sock: None, lambda sock: sock.sendall(answer({"a": 1})[:-3])])
def test_what_may_have_been_sent_is_not_sent_again(reply: Any, server: Server) -> None:
    """R26: a code or a rotating refresh token must not be used twice."""
    server.answers = [reply]
    timed(lambda: Transport(server.url).request("POST", "/x", data={"code": "1"}))
    assert [asked.method for asked in server.asked] == ["POST"]


def test_a_get_is_made_once_more(server: Server) -> None:
    """R26: idempotent requests are retried once."""
    server.answers = [reset]
    assert Transport(server.url).request("GET", "/x").status == 200
    server.always = reset
    timed(lambda: Transport(server.url).request("GET", "/x"))
    assert len(server.asked) == 4


def test_a_post_of_which_nothing_was_sent_is_made_once_more(tls_server: Server, good_certificate: Certificate) -> None:
    """R26: a connection that breaks in its handshake has carried no request."""
    tls_server.resets = 1
    way = Transport(tls_server.url, ca_bundle=good_certificate.file)
    assert way.request("POST", "/x", data={"code": "1"}).status == 200
    assert (tls_server.connections, len(tls_server.asked)) == (2, 1)


def test_a_connection_closed_while_idle_fails_no_post(server: Server) -> None:
    """R26: a keep-alive connection that Hub has closed is seen before it is used."""
    way = Transport(server.url)
    way.request("POST", "/x", data={"code": "1"})
    server.hang_up()
    time.sleep(0.05)
    assert way.request("POST", "/x", data={"code": "2"}).status == 200
    assert [asked.form["code"] for asked in server.asked] == ["1", "2"]
    assert server.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_connection_is_used_again(
    tls: bool, server: Server, tls_server: Server, good_certificate: Certificate
) -> None:
    kept = tls_server if tls else server
    way = Transport(kept.url, ca_bundle=good_certificate.file)
    for _ in range(5):
        assert way.request("GET", "/x").status == 200
    assert kept.connections == 1


def test_threads_share_the_pool(server: Server) -> None:
    way = Transport(server.url)
    start = threading.Barrier(8)

    def ask(number: int) -> int:
        start.wait()
        return sum(way.request("GET", f"/{number}").status for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [4000] * 8
    assert server.connections <= 16
    assert len(way._sessions) == 1


def test_a_forked_process_opens_its_own_connections(server: Server) -> None:
    """S98"""
    script = """
        import os, sys
        from flask_hub_auth.hub import Transport
        way = Transport(sys.argv[1])
        way.request("GET", "/parent")
        child = os.fork()
        if not child:
            os._exit(0 if way.request("GET", "/child").status == 200 else 1)
        assert os.waitpid(child, 0)[1] == 0
        way.request("GET", "/parent")
    """
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), server.url], check=True, cwd=root, timeout=20)
    assert [(asked.path, asked.connection) for asked in server.asked] == [
        ("/hub/parent", 1),
        ("/hub/child", 2),
        ("/hub/parent", 1),
    ]


# TLS


def test_a_certificate_of_the_bundle_is_accepted(tls_server: Server, good_certificate: Certificate) -> None:
    assert Transport(tls_server.url, ca_bundle=good_certificate.file).request("GET", "/x").status == 200


def test_an_unknown_certificate_is_refused(tls_server: Server) -> None:
    """R27: and nothing was sent."""
    error, _ = timed(lambda: Transport(tls_server.url).request("POST", "/x", data={"code": "1"}))
    assert isinstance(error, HubUnavailable)
    assert "its certificate is not accepted (self-signed certificate" in str(error)
    assert tls_server.asked == []


@pytest.mark.parametrize(("name", "days", "reason"), [("127.0.0.1", -1, "expired"), ("127.0.0.2", 1, "mismatch")])
def test_a_wrong_certificate_is_refused(name: str, days: int, reason: str, tmp_path: Path) -> None:
    """R27"""
    made = certificate(tmp_path, name, days)
    server = Server(made.context)
    error, _ = timed(lambda: Transport(server.url, ca_bundle=made.file).request("GET", "/x"))
    server.stop()
    assert isinstance(error, HubUnavailable)
    assert reason in str(error)
    assert server.asked == []


# What is not followed, kept or read

TARGETS = [
    "{other}/hub/api",
    "/hub/elsewhere?token=s3cret",
    "//{host}/x#s3cret",
    "https://u:s3cret@[/",
    "",
    "javascript:x",
]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_followed(
    method: str, target: str, status: int, server: Server, other_server: Server
) -> None:
    """S88, R25"""
    location = target.format(other=f"http://{other_server.host}", host=other_server.host)
    server.always = answer(b"", status, Location=location)
    error, _ = timed(lambda: Transport(server.url).request(method, "/x"))
    assert isinstance(error, HubProtocolError)
    assert f"HTTP {status} is an unexpected redirect" in str(error)
    assert "s3cret" not in str(error)
    assert len(server.asked) == 1
    assert other_server.connections == 0


@pytest.mark.parametrize("given", [False, True], ids=["own session", "session of the app"])
def test_the_environment_changes_nothing(
    given: bool, server: Server, other_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S89"""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login mallory password m\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{other_server.host}")
        monkeypatch.setenv(name.lower(), f"http://{other_server.host}")
    way = Transport(server.url, http=requests.Session() if given else None)
    way.request("GET", "/x", bearer=Secret("token"))
    way.request("GET", "/x", auth=("me", Secret("päss")))
    way.request("GET", "/x")
    basic = base64.b64encode("me:päss".encode()).decode()
    sent = [asked.headers.get("authorization") for asked in server.asked]
    assert sent == ["Bearer token", f"Basic {basic}", None]
    assert other_server.connections == 0


@pytest.mark.parametrize("given", [False, True], ids=["own session", "session of the app"])
def test_the_environment_and_the_session_loosen_no_certificate_check(
    given: bool, tls_server: Server, good_certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S89"""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, good_certificate.file)
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    session = requests.Session()
    session.verify = False
    error, _ = timed(lambda: Transport(tls_server.url, http=session if given else None).request("GET", "/x"))
    assert isinstance(error, HubUnavailable)
    assert tls_server.asked == []


@pytest.mark.parametrize("given", [False, True], ids=["own session", "session of the app"])
def test_cookies_are_neither_kept_nor_sent(given: bool, server: Server) -> None:
    """S90"""
    server.always = answer({}, Set_Cookie="JSESSIONID=jane; Path=/")
    session = requests.Session()
    session.cookies.set("old", "1", domain="127.0.0.1", path="/")
    way = Transport(server.url, http=session if given else None)
    for _ in range(3):
        way.request("GET", "/x")
    assert [asked.headers.get("cookie") for asked in server.asked] == [None] * 3
    assert [cookie.name for cookie in session.cookies] == ["old"]
    assert not list(transport.open_session(server.url).cookies)


def test_a_session_of_ours_keeps_no_cookie_either(server: Server) -> None:
    """S90: also where it is used as a session."""
    session = transport.open_session(server.url)
    assert session.trust_env is False
    response = requests.Response()
    response.raw = None
    session.cookies.set_cookie(requests.cookies.create_cookie("a", "b"))
    request = requests.Request("GET", server.url).prepare()
    assert requests.cookies.get_cookie_header(session.cookies, request) is None


@pytest.mark.alone
def test_a_given_session_is_used_with_the_timeout(server: Server) -> None:
    server.always = hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    error, took = timed(lambda: Transport(server.url, timeout=TIMEOUT, http=requests.Session()).request("GET", "/x"))
    assert isinstance(error, HubUnavailable)
    assert took < TIMEOUT + SLACK


def test_a_given_session_does_not_send_a_post_twice(server: Server) -> None:
    """R26: of its connections nothing is known."""
    server.answers = [reset]
    timed(lambda: Transport(server.url, http=requests.Session()).request("POST", "/x", data={"code": "1"}))
    assert len(server.asked) == 1


def test_the_session_is_opened_by_the_name_of_the_module(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(transport, "open_session", lambda url: opened.append(url) or requests.Session())
    way = Transport(f"{server.url}/")
    way.request("GET", "/x")
    way.request("GET", "/x")
    assert opened == [server.url]


# A proxy


def tunnel(target: Server) -> Callable[[socket.socket], None]:
    """The answer of a proxy to CONNECT: one connection, carried on until it ends."""

    def reply(sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", target.port)) as onward:
            sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=carry, args=(onward, sock), daemon=True)
            back.start()
            carry(sock, onward)
            back.join(2)

    return reply


def carry(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)


def test_a_proxy_is_used_where_it_is_set(tls_server: Server, server: Server, good_certificate: Certificate) -> None:
    """S89: proxies are used only by the option."""
    server.always = tunnel(tls_server)
    way = Transport(tls_server.url, ca_bundle=good_certificate.file, proxy=f"http://u:p@{server.host}")
    assert way.request("GET", "/x", bearer=Secret("token")).status == 200
    [connect] = server.asked
    assert (connect.method, connect.target) == ("CONNECT", tls_server.host)
    assert connect.headers["proxy-authorization"] == "Basic dTpw"
    assert "authorization" not in connect.headers
    assert tls_server.asked[0].headers["authorization"] == "Bearer token"


def test_a_proxy_may_speak_tls_itself(tls_server: Server, good_certificate: Certificate) -> None:
    proxy = Server(good_certificate.context, always=tunnel(tls_server))
    way = Transport(tls_server.url, ca_bundle=good_certificate.file, proxy=f"https://{proxy.host}")
    tls_server.answers = [answer({"n": 1}), answer({"n": 2})]
    assert [way.request("GET", "/x").json() for _ in range(2)] == [{"n": 1}, {"n": 2}]
    assert (proxy.connections, tls_server.connections) == (1, 1)
    proxy.stop()


@pytest.mark.alone
def test_a_dripping_proxy_ends_with_the_deadline(server: Server) -> None:
    """S91"""
    server.always = dripping(b"HTTP/1.1 200 Connected\r\nX: " + b"y" * 100)
    way = Transport("https://hub.mycompany.com", timeout=TIMEOUT, proxy=f"http://{server.host}")
    error, took = timed(lambda: way.request("GET", "/x"))
    assert isinstance(error, HubUnavailable)
    assert took < TIMEOUT + SLACK


def test_a_refusing_proxy_is_an_outage(server: Server) -> None:
    server.always = answer(b"", 407)
    way = Transport("https://hub.mycompany.com", proxy=f"http://u:s3cret@{server.host}")
    error, _ = timed(lambda: way.request("GET", "/x"))
    assert isinstance(error, HubUnavailable)
    assert "the proxy did not connect to it" in str(error)
    assert "s3cret" not in repr(error) + str(error)


# What is sent


def test_a_request_is_sent_below_hubs_url(server: Server) -> None:
    way = Transport(f"{server.url}/")
    way.request("GET", "/api/rest/users/me", params={"fields": "id,a(b)"}, headers={"X-A": "b"})
    way.request("POST", "/api/rest/services", json={"name": "ä"})
    first, second = server.asked
    assert (first.path, first.query, first.headers["x-a"]) == ("/hub/api/rest/users/me", {"fields": "id,a(b)"}, "b")
    assert first.headers["accept"] == "application/json"
    assert json.loads(second.body) == {"name": "ä"}


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example/x", "api/rest", "", "@evil.example"])
def test_another_place_is_not_asked(path: str, server: Server) -> None:
    with pytest.raises(ValueError) as caught:
        Transport(server.url).request("GET", path, bearer=Secret("token"))
    assert "begins with one '/'" in str(caught.value)
    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "hub.mycompany.com",
        "http://hub.mycompany.com",
        "http://127.evil.example",
        "ftp://hub.mycompany.com",
        "https://",
        "https://u:s3cret@hub.mycompany.com",
        "https://hub.mycompany.com/?s3cret",
        "https://hub.mycompany.com/#s3cret",
    ],
)
def test_a_url_that_others_can_read_is_refused(url: str) -> None:
    """S89"""
    with pytest.raises(HubConfigError) as caught:
        Transport(url)
    assert "https://hub.mycompany.com/hub" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1", "127.0.0.1:3128", "u:s3cret@proxy"])
def test_a_proxy_of_another_kind_is_refused(proxy: str) -> None:
    with pytest.raises(HubConfigError) as caught:
        Transport("https://hub.mycompany.com", proxy=proxy)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-A: b", "a\x00", "ä", "a\n", "=", "x" * 8193, "1.a.b.c  d;1.eA=="])
def test_what_is_no_token_is_not_sent(token: str, server: Server) -> None:
    """S92"""
    with pytest.raises(TokenRejected) as caught:
        Transport(server.url).request("GET", "/x", bearer=Secret(token))
    assert not token or token not in str(caught.value)
    assert server.connections == 0


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "perm:amFuZQ==.NDct.rExb",
        "perm-amFuZQ==.NDct.rExb",
        "eyJ.eyJ.sig_-~+/",
        "1443459450185.svc.user.0-0-0-0-0;1.MCwCFC/a+b==",
        "1443459450185.svc..0-0-0-0-0 YouTrack+Konnector a%26b;1.MCwCFC/a+b==",
        "x" * 8192,
    ],
)
def test_a_token_of_hub_is_sent_as_it_is(token: str, server: Server) -> None:
    """S92"""
    Transport(server.url).request("GET", "/x", bearer=Secret(token))
    assert server.asked[0].headers["authorization"] == f"Bearer {token}"


def test_nothing_secret_is_logged_or_told(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """L4, L6"""
    caplog.set_level(logging.DEBUG)
    server.answers = [answer({}), reset, reset]
    way = Transport(server.url)
    way.request("POST", "/x", data={"code": "s3cret"}, auth=("id", Secret("s3cret")))
    error, _ = timed(lambda: way.request("GET", "/x", bearer=Secret("s3cret")))
    assert "s3cret" not in str(error) + repr(error)
    assert caplog.text
    assert "s3cret" not in caplog.text
    assert "aWQ6czNjcmV0" not in caplog.text
    assert all("s3cret" not in asked.target for asked in server.asked)


# The answer


def said(body: bytes, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_an_object_is_read() -> None:
    assert said(b' {"a": [1, null, true, "\xc3\xa4", "\\ud83d\\ude00"]} ').json() == {"a": [1, None, True, "ä", "😀"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"text"',
        b"[]",
        b"[{}]",
        b"{",
        b'{"a":1}}',
        b'{"a":1} {"a":1}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1,"a":2}',
        b'{"b":{"a":1,"a":1}}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":"a"}',
        b'{"a":["\\ud800"]}',
        b'{"a":"\n"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' + b"1" * 5000 + b"}",
        b"<html>invalid_grant</html>",
        b'{"a":1}<!-- -->',
        b"\x00" * 10,
        b'while(1);{"a":1}',
    ],
)
def test_anything_but_one_object_is_refused(body: bytes) -> None:
    """S91, R24, L6: and what was said is not repeated."""
    with pytest.raises(HubProtocolError) as caught:
        said(body, 200, Content_Type="text/html; charset=x").json()
    text = str(caught.value)
    assert "HTTP 200 with text/html that is not one JSON object" in text
    assert "invalid_grant" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "json-test-suite.jsonl"


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not there")
def test_the_json_test_suite_raises_nothing_of_others() -> None:
    """S91"""
    refused = 0
    for line in CORPUS.read_text().splitlines():
        case = json.loads(line)
        part, times = case.get("body_repeat") or (case["body_b64"], 1)
        try:
            said(base64.b64decode(part) * times).json()
        except HubProtocolError:
            refused += 1
        else:
            assert not case["file"].startswith("n_"), case["file"]
    assert refused > 280


def refusal(status: int, body: object, **headers: str) -> HubError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(HubError) as caught:
        said(content, status, **headers).raise_for_status()
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_raises_nothing(status: int) -> None:
    said(b"", status).raise_for_status()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
def test_invalid_grant_rejects_the_token_whatever_the_4xx(status: int) -> None:
    error = refusal(status, {"error": "invalid_grant", "error_description": "Unknown refresh token"})
    assert type(error) is TokenRejected
    assert error.description == "Unknown refresh token"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [{"error": "invalid_grant"}, b"<h1>invalid_grant</h1>", b""])
def test_an_overloaded_hub_is_an_outage_whatever_it_says(status: int, body: object) -> None:
    """R22, R23"""
    expected = TokenRejected if status == 429 and isinstance(body, dict) else HubUnavailable
    assert type(refusal(status, body)) is expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("30", 30),
        ("31", 30),
        ("999999999", 30),
        ("9" * 5000, 5),
        ("-1", 5),
        ("1.5", 5),
        ("", 5),
        ("٣", 5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 5),
    ],
)
def test_retry_after_is_honoured_within_reason(text: str, seconds: int) -> None:
    """R22"""
    error = refusal(503, b"", Retry_After=text)
    assert isinstance(error, HubUnavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize("name", ["server_error", "temporarily_unavailable"])
def test_an_outage_that_hub_names_is_one(name: str) -> None:
    assert type(refusal(400, {"error": name})) is HubUnavailable


@pytest.mark.parametrize("name", ["invalid_client", "unauthorized_client", "invalid_scope", "something_new"])
def test_another_error_refuses_the_service(name: str) -> None:
    """R17"""
    error = refusal(403, {"error": name, "error_description": "No\r\n\u202e"})
    assert type(error) is HubRefused
    assert (error.error, error.description) == (name, "No\\r\\n\\u202e")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>invalid_grant</html>",
        b"",
        {"message": "invalid_grant"},
        {"error": ["invalid_grant"]},
        {"error": {"invalid_grant": 1}},
        {"error": None},
        {"error": ""},
        {"error": 400},
        [{"error": "invalid_grant"}],
        "invalid_grant",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 404])
def test_words_in_a_text_reject_nothing(status: int, body: object) -> None:
    """R22, R23"""
    assert type(refusal(status, body)) is HubProtocolError


def test_a_description_that_is_no_text_is_left_out() -> None:
    error = refusal(400, {"error": "invalid_scope", "error_description": ["x"]})
    assert isinstance(error, HubRefused)
    assert error.description == ""


def test_an_answer_shows_no_body() -> None:
    """L6"""
    assert "s3cret" not in repr(said(b"s3cret"))
