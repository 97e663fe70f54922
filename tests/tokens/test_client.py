"""Calls to services over real HTTP: where a token goes, when it is renewed, and whose it is."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from flask_hub_auth import HubAuth, hub_login_required
from flask_hub_auth.devhub import HUB_ID, DevHub, Service, serve
from flask_hub_auth.errors import (
    HubConfigError,
    HubRefused,
    HubUnavailable,
    LoginRequired,
    TokenRejected,
)
from flask_hub_auth.hub import HubOAuth
from flask_hub_auth.hub.wire import Wire
from flask_hub_auth.model import Secret
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock
from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.client import PresentedToken, ServiceClient, ServiceTokens, UserTokens

from ..hub.conftest import Server, answer
from ..visiting import plain_app
from .conftest import at_once
from .keeping import TOKEN_PATH, Site, calls, make_site

ISSUES = "d2c5b7a4-0000-4000-8000-000000000002"
OTHER = "d2c5b7a4-0000-4000-8000-000000000003"


@pytest.fixture
def server() -> Iterator[Server]:
    """The service that is called."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def other() -> Iterator[Server]:
    """Somebody else's server."""
    server = Server()
    yield server
    server.stop()


class Tokens:
    """Gives one token after the other, as long as there are some."""

    def __init__(self, *tokens: str) -> None:
        self.left = [Secret(token) for token in tokens]
        self.asked = 0
        self.refused: list[str] = []

    def token(self) -> Secret:
        self.asked += 1
        return self.left[0]

    def renewed(self, refused: Secret) -> Secret | None:
        self.refused.append(refused.reveal())
        self.left.pop(0)
        return self.left[0] if self.left else None


def client(server: Server, *tokens: str, **wire: Any) -> ServiceClient:
    return ServiceClient(server.url, Tokens(*tokens or ("t1",)), Wire(**wire))


def presented(server: Server) -> list[str | None]:
    return [each.headers.get("authorization") for each in server.asked]


class Choosy:
    """A service that refuses some tokens."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.seen: list[str] = []
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self.server.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        self.seen.append(token)
        return Response(status=401 if token in self.refused else 200)(environ, start_response)


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def choosy() -> Iterator[Choosy]:
    service = Choosy()
    yield service
    service.server.shutdown()
    service.server.server_close()


# Where a call goes

EVIL = [
    "",
    "x",
    "x/y",
    ".",
    "..",
    "../x",
    "?a=b",
    "#a",
    "@evil.example/",
    ":80/",
    "//evil.example/x",
    "//OTHER/x",
    "//SERVER/x",
    "///OTHER/x",
    "/\\OTHER/x",
    "\\\\OTHER\\x",
    "\\/OTHER/x",
    "/x\\..\\y",
    "http:OTHER/x",
    "http:/OTHER/x",
    "http:///OTHER/x",
    "http://",
    "http://OTHER/x",
    "http://OTHER#SERVER/",
    "http://OTHER?SERVER/",
    "http://OTHER/SERVER/",
    "HTTP://OTHER/x",
    "https://evil.example/x",
    "https://SERVER/hub/x",
    "http://SERVER.evil.example/",
    "http://SERVER@OTHER/",
    "http://SERVER:x@OTHER/",
    "http://SERVER%40OTHER/",
    "http://SERVER%2F@OTHER/",
    "http://user@SERVER/hub/x",
    "http://user:password@SERVER/hub/x",
    "http://:password@SERVER/hub/x",
    "http://@SERVER/hub/x",
    "http://SERVER;@OTHER/",
    "http://SERVER,OTHER/",
    "http://127.0.0.1/hub/x",
    "http://127.0.0.1:1/hub/x",
    "http://127.0.0.1:x/hub/x",
    "http://127.0.0.1:99999999/hub/x",
    "http://127.0.0.1:-1/hub/x",
    "http://localhost:PORT/hub/x",
    "http://127.1:PORT/hub/x",
    "http://2130706433:PORT/hub/x",
    "http://127.0.0.1.:PORT/hub/x",
    "http://[::1]:PORT/hub/x",
    "http://[::ffff:127.0.0.1]:PORT/hub/x",
    "http://[",
    "http://127。0。0。1:PORT/hub/x",
    "http://１２７.0.0.1:PORT/hub/x",
    "ftp://SERVER/hub/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:,x",
    "ws://SERVER/hub/x",
    "／／OTHER/x",
    "/x\r\nHost: OTHER",
    "/x\rX: y",
    "/x\nX: y",
    "/x\0",
    "/x\t",
    "/x\x0b",
    "/x\x7f",
    "/x y",
    " /x",
    "/x ",
    "\n/x",
    "\t//OTHER/x",
    "/\t/OTHER/x",
    "/\n/OTHER/x",
    "http://OT\tHER/x",
    "\ufeff//OTHER/x",
]


@pytest.mark.parametrize("path", EVIL)
def test_a_path_that_could_lead_elsewhere_is_refused_before_anything_is_sent(
    path: str, server: Server, other: Server
) -> None:
    """S59: nobody is even asked for a token."""
    for name, value in {"SERVER": server.host, "OTHER": other.host, "PORT": str(server.port)}.items():
        path = path.replace(name, value)
    tokens = Tokens("t1")
    with pytest.raises(ValueError):
        ServiceClient(server.url, tokens, Wire()).get(path)
    assert (server.connections, other.connections, tokens.asked) == (0, 0, 0)


@pytest.mark.parametrize("path", [None, 3, b"/x?y=s3cret", ["/x"]])
def test_a_path_that_is_no_text_is_refused_with_its_value(path: Any, server: Server) -> None:
    with pytest.raises(ValueError, match="A path is text, got ") as caught:
        client(server).get(path)
    assert repr(path).partition("?")[0] in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/hub/"),
        ("/x", "/hub/x"),
        ("/x?y=1&z=%20", "/hub/x?y=1&z=%20"),
        ("/x#fragment", "/hub/x"),
        ("/x//y", "/hub/x//y"),
        ("/@evil.example/", "/hub/@evil.example/"),
        ("/:80/", "/hub/:80/"),
        ("/http://evil.example/", "/hub/http://evil.example/"),
        ("/?next=//evil.example", "/hub/?next=//evil.example"),
        ("/%2F%2Fevil.example/", "/hub/%2F%2Fevil.example/"),
        ("/%0d%0aX:y", "/hub/%0D%0AX:y"),
        ("/ä", "/hub/%C3%A4"),
        ("http://SERVER/x", "/x"),
        ("HTTP://SERVER/hub/x?y", "/hub/x?y"),
        ("http://SERVER", "/"),
        ("http://SERVER?x", "/?x"),
        # Out of the path of the service, but not to another host.
        ("/..//evil.example/", "//evil.example/"),
        ("/../../x", "/x"),
    ],
)
def test_a_path_of_the_service_gets_its_token(path: str, target: str, server: Server) -> None:
    client(server).get(path.replace("SERVER", server.host))
    [asked] = server.asked
    assert (asked.target, asked.headers["host"]) == (target, server.host)
    assert asked.headers["authorization"] == "Bearer t1"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_header_of_the_caller_does_not_take_the_tokens_place(name: str, server: Server) -> None:
    client(server).get("/x", headers={name: "Bearer of somebody else", "X-More": "1"})
    assert presented(server) == ["Bearer t1"]
    assert server.asked[0].headers["x-more"] == "1"


def test_every_method_is_there(server: Server) -> None:
    calls = client(server)
    for method in ("get", "post", "put", "patch", "delete"):
        getattr(calls, method)("/x")
    calls.request("options", "/x")
    assert [each.method for each in server.asked] == ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


# Redirects


def to(target: str, status: int) -> bytes:
    return answer(b"", status, Location=target, Set_Cookie="a=b; Path=/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get", "POST", "PUT"])
def test_a_redirect_to_another_place_goes_without_the_token(
    method: str, status: int, server: Server, other: Server
) -> None:
    """S59, and without what else the caller identifies itself with."""
    server.always = to(f"http://{other.host}/x?y", status)
    found = client(server).request(method, "/x", params={"a": "b"}, cookies={"c": "d"})
    assert found.url == f"http://{other.host}/x?y"
    [asked] = other.asked
    assert "authorization" not in asked.headers
    assert "cookie" not in asked.headers
    assert asked.method == (
        "GET" if (method, status) in {("POST", 301), ("POST", 302)} or status == 303 else method.upper()
    )
    assert presented(server) == ["Bearer t1"]


@pytest.mark.parametrize(
    "place",
    ["http://localhost:PORT/x", "//localhost:PORT/x", "http://OTHER/x", "//OTHER/x", "http://user@127.0.0.1:PORT/x"],
)
def test_the_token_is_dropped_where_only_a_part_of_the_origin_is_the_same(
    place: str, server: Server, other: Server
) -> None:
    """S59."""
    server.answers = [to(place.replace("OTHER", other.host).replace("PORT", str(server.port)), 302)]
    client(server).get("/x")
    assert [each for each in [*presented(server), *presented(other)] if each] == ["Bearer t1"]
    assert len(server.asked) + len(other.asked) == 2


@pytest.mark.parametrize(
    "place", ["ftp://SERVER/x", "file:///etc/passwd", "https://SERVER/x", "javascript:x", "http://["]
)
def test_a_redirect_to_what_is_no_place_is_an_error_of_ours(place: str, server: Server) -> None:
    server.answers = [to(place.replace("SERVER", server.host), 302)]
    with pytest.raises(HubUnavailable):
        client(server, timeout=1).get("/x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["/y?z", "http://SERVER/y?z", "//SERVER/y?z"])
def test_a_redirect_within_the_service_keeps_the_token(place: str, status: int, server: Server) -> None:
    server.answers = [to(place.replace("SERVER", server.host), status)]
    assert client(server).get("/x", params={"a": "b"}).status_code == 200
    assert [each.target for each in server.asked] == ["/hub/x?a=b", "/y?z"]
    assert presented(server) == ["Bearer t1"] * 2


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", b""), (303, "GET", b""), (307, "POST", b"a=b")])
def test_a_form_becomes_what_the_status_says(status: int, method: str, body: bytes, server: Server) -> None:
    """RFC 9110 section 15.4; also where the method is written small."""
    server.answers = [to("/y", status)]
    client(server).request("post", "/x", data={"a": "b"}, headers={"X-More": "1"})
    assert [(each.method, each.body) for each in server.asked] == [("POST", b"a=b"), (method, body)]
    assert server.asked[1].headers["x-more"] == "1"


@pytest.mark.parametrize("status", [307, 308])
def test_a_stream_is_not_sent_to_a_second_place(status: int, server: Server) -> None:
    """Nothing of it is left: the second place would get an empty body."""
    server.answers = [to("/y", status)]
    with pipe(b"content") as stream:
        found = client(server).put("/x", data=stream, headers={"Content-Length": "7"})
    assert (found.status_code, found.headers["Location"]) == (status, "/y")
    assert len(server.asked) == 1


def test_a_file_is_sent_to_a_second_place_from_where_it_stood(server: Server) -> None:
    server.answers = [to("/y", 307)]
    assert client(server).put("/x", data=standing(7, b"before content")).status_code == 200
    assert [(each.target, each.body) for each in server.asked] == [("/hub/x", b"content"), ("/y", b"content")]


def test_a_redirect_back_to_the_service_takes_the_token_up_again(server: Server, other: Server) -> None:
    server.answers = [to(f"http://{other.host}/x", 302)]
    other.answers = [to(f"{server.url}/y", 302)]
    assert client(server).get("/x").status_code == 200
    assert (presented(server), presented(other)) == (["Bearer t1"] * 2, [None])


def test_a_service_that_redirects_for_ever_is_given_up(server: Server) -> None:
    server.always = to("/x", 302)
    with pytest.raises(HubUnavailable):
        client(server).get("/x")
    assert len(server.asked) == 5


def test_a_redirect_is_followed_only_where_the_caller_wants_it(server: Server) -> None:
    server.always = to("/y", 302)
    calls = client(server)
    assert calls.get("/x", allow_redirects=False).status_code == 302
    assert calls.request("head", "/x").status_code == 302
    assert len(server.asked) == 2


def test_an_unauthorized_of_another_place_says_nothing_about_the_token(server: Server, other: Server) -> None:
    server.always, other.always = to(f"http://{other.host}/x", 302), answer(b"", 401)
    tokens = Tokens("t1", "t2")
    assert ServiceClient(server.url, tokens, Wire()).get("/x").status_code == 401
    assert (tokens.refused, len(server.asked), len(other.asked)) == ([], 1, 1)


# One renewal and one retry


@pytest.mark.parametrize(
    "body", [{}, {"data": b"x"}, {"data": "x"}, {"data": {"a": "b"}}, {"data": [("a", "b")]}, {"json": {"a": 1}}]
)
def test_after_a_401_the_call_is_made_once_more_with_another_token(body: dict[str, Any], server: Server) -> None:
    server.answers = [answer(b"", 401)]
    tokens = Tokens("t1", "t2", "t3")
    assert ServiceClient(server.url, tokens, Wire()).post("/x", params={"q": "1"}, **body).status_code == 200
    assert presented(server) == ["Bearer t1", "Bearer t2"]
    first, second = server.asked
    assert (first.body, first.target) == (second.body, second.target)
    assert tokens.refused == ["t1"]


def test_a_second_401_is_the_answer(server: Server) -> None:
    server.always = answer(b"no", 401)
    tokens = Tokens("t1", "t2", "t3")
    found = ServiceClient(server.url, tokens, Wire()).get("/x")
    assert (found.status_code, found.content) == (401, b"no")
    assert (presented(server), tokens.refused) == (["Bearer t1", "Bearer t2"], ["t1"])


@contextmanager
def pipe(content: bytes) -> Iterator[BinaryIO]:
    """A stream that cannot be sent back."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with open(reading, "rb") as stream:
        yield stream


def standing(place: int, content: bytes) -> io.BytesIO:
    """A file of which something has been read."""
    file = io.BytesIO(content)
    file.seek(place)
    return file


@pytest.mark.parametrize(
    "body",
    [
        {"files": {"f": b"content"}},
        {"files": {"f": ("name.txt", "content", "text/plain")}},
        {"files": [("f", ("name.txt", standing(7, b"before content"))), ("g", io.BytesIO(b"content"))]},
        {"files": {"f": FileStorage(standing(7, b"before content")).stream}, "data": {"a": "b"}},
        {"data": standing(7, b"before content")},
        {"data": bytearray(b"content")},
    ],
    ids=["bytes", "text", "files", "upload", "file as body", "bytearray"],
)
def test_files_are_sent_again_from_where_they_stood(body: dict[str, Any], server: Server) -> None:
    server.answers = [answer(b"", 401)]
    assert ServiceClient(server.url, Tokens("t1", "t2"), Wire()).post("/x", **body).status_code == 200
    first, second = (re.sub(rb"[0-9a-f]{32}", b"", each.body) for each in server.asked)
    assert presented(server) == ["Bearer t1", "Bearer t2"]
    assert first == second
    assert b"content" in first
    assert b"before" not in first


def test_a_repeated_call_has_its_parameters_again(server: Server) -> None:
    server.answers = [answer(b"", 401)]
    ServiceClient(server.url, Tokens("t1", "t2"), Wire()).get("/x", params=iter([("q", "1")]))
    assert [each.target for each in server.asked] == ["/hub/x?q=1"] * 2


@pytest.mark.parametrize("way", ["data", "files", "form"])
def test_what_cannot_be_sent_again_is_not_but_the_next_call_has_a_good_token(way: str, server: Server) -> None:
    server.answers = [answer(b"no", 401)]
    tokens = Tokens("t1", "t2")
    calls = ServiceClient(server.url, tokens, Wire())
    with pipe(b"content") as stream:
        body = {
            "data": {"data": stream, "headers": {"Content-Length": "7"}},
            "files": {"files": {"f": stream}},
            "form": {"data": {"a": iter(["content"])}},
        }
        found = calls.post("/x", **body[way])
    assert (found.status_code, found.content, tokens.refused) == (401, b"no", ["t1"])
    assert calls.get("/x").status_code == 200
    assert presented(server) == ["Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_other_statuses_are_answers(status: int, server: Server) -> None:
    server.always = answer(b"said", status, Set_Cookie="a=b")
    tokens = Tokens("t1", "t2")
    found = ServiceClient(server.url, tokens, Wire()).get("/x")
    assert (found.status_code, found.content, len(server.asked), tokens.refused) == (status, b"said", 1, [])


def test_a_presented_token_is_the_only_one(server: Server) -> None:
    server.always = answer(b"", 401)
    assert ServiceClient(server.url, PresentedToken(Secret("t1")), Wire()).get("/x").status_code == 401
    assert presented(server) == ["Bearer t1"]


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ä"])
def test_what_is_no_token_is_not_sent(token: str, server: Server) -> None:
    with pytest.raises(TokenRejected):
        ServiceClient(server.url, PresentedToken(Secret(token)), Wire()).get("/x")
    assert server.connections == 0


# The wire


def timed(call: Callable[[], Any]) -> float:
    begun = time.monotonic()
    with pytest.raises(HubUnavailable):
        call()
    return time.monotonic() - begun


@pytest.mark.alone
def test_a_call_waits_as_long_as_the_settings_say_or_the_caller(server: Server) -> None:
    server.always = lambda sock: time.sleep(6)
    assert 0.2 < timed(lambda: client(server, timeout=0.3).get("/x")) < 3
    assert timed(lambda: client(server, timeout=60).get("/x", timeout=0.3)) < 3
    server.always = slow
    assert client(server, timeout=0.2).get("/x", timeout=5).status_code == 200


def slow(sock: socket.socket) -> None:
    time.sleep(0.6)
    sock.sendall(answer(b"{}", Connection="close"))


def test_an_answer_may_be_read_in_pieces(server: Server) -> None:
    server.always = answer(b"x" * 3_000_000)
    with client(server).get("/x", stream=True) as found:
        assert sum(map(len, found.iter_content(65536))) == 3_000_000


def test_a_service_that_is_away_is_unavailable(server: Server) -> None:
    """And the error says neither query nor token."""
    server.stop()
    with pytest.raises(HubUnavailable) as caught:
        client(server, "a-secret-token").get("/x?code=secret-code")
    told = f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert "secret" not in told
    assert "127.0.0.1" in told


def test_cookies_of_a_service_are_not_kept(server: Server) -> None:
    server.always = answer(b"{}", Set_Cookie="session=jane; Path=/")
    calls = client(server)
    for _ in range(2):
        assert calls.get("/x").cookies["session"] == "jane"
    assert [each.headers.get("cookie") for each in server.asked] == [None, None]


def test_the_environment_changes_nothing(
    server: Server, other: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S89."""
    (tmp_path / ".netrc").write_text("default login mallory password x\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{other.host}")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "missing.pem"))
    server.answers = [to("/y", 302)]
    assert client(server).get("/x").status_code == 200
    assert presented(server) == ["Bearer t1"] * 2
    assert other.connections == 0


def test_a_proxy_of_the_settings_is_used(server: Server, other: Server) -> None:
    client(server, proxy=f"http://{other.host}").get("/x")
    assert server.connections == 0
    assert other.asked[0].target == f"{server.url}/x"


def test_connections_are_kept_and_not_shared_with_a_forked_process(server: Server) -> None:
    """S98."""
    script = """
        import os, sys
        from flask_hub_auth.hub.wire import Wire
        from flask_hub_auth.model import Secret
        from flask_hub_auth.tokens.client import PresentedToken, ServiceClient
        calls = ServiceClient(sys.argv[1], PresentedToken(Secret("t1")), Wire())
        calls.get("/parent")
        child = os.fork()
        if not child:
            os._exit(0 if calls.get("/child").status_code == 200 else 1)
        assert os.waitpid(child, 0)[1] == 0
        calls.get("/parent")
    """
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), server.url], check=True, cwd=root, timeout=20)
    seen = [(each.path, each.connection, each.headers["authorization"]) for each in server.asked]
    assert seen == [("/hub/parent", 1, "Bearer t1"), ("/hub/child", 2, "Bearer t1"), ("/hub/parent", 1, "Bearer t1")]


def test_a_forked_process_does_not_wait_for_a_token_that_its_parent_asked_for() -> None:
    """S98."""
    script = """
        import os, signal, threading
        from flask_hub_auth.model import HubToken, Secret
        from flask_hub_auth.tokens.calls import SharedCalls
        begun, end = threading.Event(), threading.Event()
        calls = SharedCalls()
        threading.Thread(target=lambda: calls.call("token", lambda: begun.set() or end.wait(10))).start()
        begun.wait()
        child = os.fork()
        if not child:
            signal.alarm(5)
            os._exit(0 if calls.call("token", lambda: "mine") == "mine" else 1)
        ended = os.waitpid(child, 0)[1]
        end.set()
        raise SystemExit(ended and "the child waited")
    """
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=20)


# A person's token


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A keeper of logins beside a Hub on a port."""
    with serve(DevHub()) as served:
        yield make_site(served.hub, open_store("memory://", str(tmp_path)), time.time)


def as_user(site: Site, server: Server, handle: bytes) -> ServiceClient:
    return ServiceClient(server.url, UserTokens(site.keeper, handle), Wire())


def test_a_person_calls_with_their_token_and_a_refused_one_is_renewed_once(site: Site, server: Server) -> None:
    handle = site.sign_in()
    first = site.access(handle)
    server.answers = [answer(b"", 401)]
    with calls(site.hub) as asked:
        assert as_user(site, server, handle).get("/x").status_code == 200
    second = site.access(handle)
    assert len(asked) == 1
    assert first != second
    assert presented(server) == [f"Bearer {first}", f"Bearer {second}"]


@pytest.mark.alone
def test_many_calls_that_are_refused_at_once_cost_one_renewal(site: Site, choosy: Choosy) -> None:
    handle = site.sign_in()
    first = site.access(handle)
    choosy.refused.add(first)
    one = ServiceClient(choosy.url, UserTokens(site.keeper, handle), Wire())
    with calls(site.hub) as asked:
        found = at_once([lambda: one.get("/x").status_code] * 20)
    assert set(found) == {200}
    assert len(asked) == 1
    seen = Counter(choosy.seen)
    assert set(seen) == {first, second := site.access(handle)}
    # Whoever begins when the others are done has the new token at once.
    assert seen[second] == 20 >= seen[first] > 1


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"body": "<html>"}, {"transport": "reset"}, {"status": 401, "body": "{}"}]
)
def test_where_the_renewal_fails_hub_is_unavailable_and_the_login_stays(
    fault: dict[str, Any], site: Site, server: Server
) -> None:
    handle = site.sign_in()
    server.always = answer(b"", 401)
    site.hub.fail(TOKEN_PATH, **fault)
    with pytest.raises(HubUnavailable):
        as_user(site, server, handle).get("/x")
    assert site.ended == []
    site.hub.mend()
    server.always = answer()
    assert as_user(site, server, handle).get("/x").status_code == 200


def test_where_hub_says_the_login_is_over_it_is(site: Site, server: Server) -> None:
    handle = site.sign_in()
    site.hub.revoke("jane")
    server.always = answer(b"", 401)
    with pytest.raises(LoginRequired):
        as_user(site, server, handle).get("/x")
    assert site.ended == [(site.hub.user("jane").id, "revoked")]
    with pytest.raises(LoginRequired):
        as_user(site, server, handle).get("/x")
    assert len(server.asked) == 1


def test_without_a_refresh_token_the_401_is_the_answer(site: Site, server: Server) -> None:
    handle = site.sign_in(offline=False)
    server.always = answer(b"", 401)
    with calls(site.hub) as asked:
        assert as_user(site, server, handle).get("/x").status_code == 401
    assert (len(server.asked), asked) == (1, [])


# The service's own token


@pytest.fixture
def own(site: Site) -> ServiceTokens:
    hub = site.hub
    return ServiceTokens(HubOAuth(hub.url, hub.service_id, hub.service_secret, timeout=3), time.time)


def test_there_is_one_token_for_each_scope(site: Site, own: ServiceTokens, server: Server) -> None:
    with calls(site.hub) as asked:
        for _ in range(5):
            for scope in ((HUB_ID,), (HUB_ID, site.hub.service_id)):
                ServiceClient(server.url, own.of(scope), Wire()).get("/x")
    assert [call["grant"] for call in asked] == ["client_credentials"] * 2
    assert sorted(Counter(presented(server)).values()) == [5, 5]


def test_fifty_threads_get_one_token(site: Site, own: ServiceTokens) -> None:
    site.hub.fail(TOKEN_PATH, delay=0.2)
    with calls(site.hub) as asked:
        found = at_once([own.of((HUB_ID,)).token] * 50)
    assert (len(set(found)), len(asked)) == (1, 1)


def test_a_refused_token_is_dropped_once_by_fifty_threads(site: Site, own: ServiceTokens, choosy: Choosy) -> None:
    one = ServiceClient(choosy.url, own.of((HUB_ID,)), Wire())
    one.get("/x")
    choosy.refused.update(choosy.seen)
    site.hub.fail(TOKEN_PATH, delay=0.2)
    with calls(site.hub) as asked:
        assert set(at_once([lambda: one.get("/x").status_code] * 50)) == {200}
    assert len(asked) == 1
    assert [len(set(choosy.seen)), len(choosy.seen)] == [2, 101]


def test_a_token_near_its_end_is_replaced(site: Site) -> None:
    moved = [0.0]
    hub = site.hub
    hub.clock = lambda: time.time() + moved[0]
    tokens = ServiceTokens(HubOAuth(hub.url, hub.service_id, hub.service_secret, clock=hub.clock), hub.clock)
    first = tokens.get((HUB_ID,))
    moved[0] = 3580
    assert tokens.get((HUB_ID,)) == first
    moved[0] = 3595
    assert tokens.get((HUB_ID,)) != first


def trusts_no_more(hub: DevHub) -> None:
    hub.service.trusted = False


def switches_off(hub: DevHub) -> None:
    hub.service.client_credentials_flow = False


def changes_secret(hub: DevHub) -> None:
    hub.service.secret = "another"


REFUSALS: dict[Callable[[DevHub], None], str] = {
    trusts_no_more: "Hub says unauthorized_client: Service is not verified. In Hub, make this service trusted, or"
    " switch this flow on for it.",
    switches_off: "Hub says unauthorized_client: The authenticated client is not authorized to use this authorization"
    " grant type. In Hub, make this service trusted, or switch this flow on for it.",
    changes_secret: "Hub says invalid_client: Invalid service secret. Compare the service id and secret with those in"
    " Hub.",
}


@pytest.mark.parametrize("change", REFUSALS)
def test_a_service_that_hub_refuses_is_told_what_to_do(
    change: Callable[[DevHub], None], site: Site, own: ServiceTokens, server: Server
) -> None:
    """R17: and every thread that waits is told, and it works again as soon as Hub agrees."""
    before = (site.hub.service.trusted, site.hub.service.client_credentials_flow, site.hub.service.secret)
    change(site.hub)
    one = ServiceClient(server.url, own.of((HUB_ID,)), Wire())

    def say() -> str:
        with pytest.raises(HubRefused) as caught:
            one.get("/x")
        return str(caught.value)

    assert set(at_once([say] * 5)) == {REFUSALS[change]}
    assert server.connections == 0
    site.hub.service.trusted, site.hub.service.client_credentials_flow, site.hub.service.secret = before
    assert one.get("/x").status_code == 200


def test_while_hub_is_away_there_is_no_new_token(site: Site, own: ServiceTokens, server: Server) -> None:
    one = ServiceClient(server.url, own.of((HUB_ID,)), Wire())
    one.get("/x")
    site.hub.fail(status=503)
    assert one.get("/x").status_code == 200
    server.always = answer(b"", 401)
    with pytest.raises(HubUnavailable):
        one.get("/x")


# In an application


@pytest.fixture
def app(dev_hub: HubInMemory, hub_clock: Clock, server: Server, other: Server) -> Flask:
    """An application that calls two services over HTTP."""
    services = {"issues": {"id": ISSUES, "url": server.url}, "other": {"id": OTHER, "url": other.url}}
    for number, name in ((ISSUES, "issues"), (OTHER, "other")):
        dev_hub.add_service(Service(number, name, trusted=True))
    app = plain_app(dev_hub, HUB_SERVICES=services, HUB_TIMEOUT=30)
    app.extensions["hub"] = HubAuth(app)
    return app


def claims(header: str | None) -> tuple[str, set[str]]:
    """User id and scope of the token that a service got, as the service reads it."""
    data = (header or "").removeprefix("Bearer ").partition(";")[0].split(".")
    return data[2], set(data[3].split(" "))


def test_each_service_gets_a_token_for_hub_and_for_itself(app: Flask, server: Server, other: Server) -> None:
    hub: HubAuth = app.extensions["hub"]
    with app.app_context():
        for _ in range(3):
            hub.as_service("issues").get("/x")
            hub.as_service("other").get("/x")
    assert [claims(header) for header in set(presented(server))] == [("", {HUB_ID, ISSUES})]
    assert [claims(header) for header in set(presented(other))] == [("", {HUB_ID, OTHER})]


def test_without_a_name_hubs_own_rest_is_called(app: Flask, dev_hub: HubInMemory) -> None:
    hub: HubAuth = app.extensions["hub"]
    app.get("/me")(lambda: hub.as_user().get("/users/me").json()["login"])
    visitor = app.test_client()
    dev_hub.sign_in(visitor, "jane")
    assert visitor.get("/me").text == "jane"
    assert app.test_client().get("/me", headers={"Authorization": f"Bearer {dev_hub.token_for('john')}"}).text == "john"
    with app.app_context():
        assert hub.as_service().get("/services/me").json()["id"] == dev_hub.service_id


def test_an_unknown_name_is_said_with_the_known_ones(app: Flask) -> None:
    hub: HubAuth = app.extensions["hub"]
    with app.test_request_context():
        for call in (lambda: hub.as_service("yuotrack"), lambda: hub.as_service("Issues")):
            with pytest.raises(
                HubConfigError, match=r"'(yuotrack|Issues)' is not in HUB_SERVICES\. Known: issues, other\."
            ):
                call()


def test_nobody_calls_as_nobody(app: Flask, server: Server) -> None:
    hub: HubAuth = app.extensions["hub"]
    app.get("/call")(lambda: hub.as_user("issues").get("/x").text)
    assert app.test_client().get("/call").status_code == 401
    assert server.connections == 0


def test_a_client_may_be_handed_to_a_thread(app: Flask, dev_hub: HubInMemory, server: Server) -> None:
    hub: HubAuth = app.extensions["hub"]

    @app.get("/call")
    @hub_login_required
    def call() -> str:
        one = hub.as_user("issues")
        return str(at_once([lambda: one.get("/x").status_code] * 3))

    visitor = app.test_client()
    dev_hub.sign_in(visitor, "jane")
    assert visitor.get("/call").text == "[200, 200, 200]"
    assert {claims(header)[0] for header in presented(server)} == {dev_hub.user("jane").id}


def test_people_and_services_are_never_taken_for_each_other(app: Flask, dev_hub: HubInMemory, server: Server) -> None:
    """S85: a hundred threads, five thousand calls, with tokens that are refused and renewed in between."""
    hub: HubAuth = app.extensions["hub"]

    @app.get("/both/<user_id>")
    @hub_login_required
    def both(user_id: str) -> str:
        one, own = hub.as_user("issues"), hub.as_service("issues")
        for _ in range(5):
            one.get(f"/as/{user_id}")
            own.get("/as/")
        return "done"

    people = [dev_hub.add_user(f"person{number}") for number in range(25)]
    visitors = []
    for number in range(100):
        visitor, person = app.test_client(), people[number % len(people)]
        dev_hub.sign_in(visitor, person.login)
        visitors.append((visitor, person.id))
    server.answers = [answer() if n % 50 else answer(b"", 401) for n in range(2000)]

    def visit(number: int) -> set[str]:
        visitor, user_id = visitors[number]
        return {visitor.get(f"/both/{user_id}").text for _ in range(5)}

    begun = time.monotonic()
    assert set().union(*at_once([lambda number=number: visit(number) for number in range(100)])) == {"done"}
    took = time.monotonic() - begun
    wrong = [
        each for each in server.asked if claims(each.headers["authorization"])[0] != each.path.removeprefix("/hub/as/")
    ]
    retried = len(server.asked) - 5000
    print(f"\n{len(server.asked)} calls ({retried} of them repeated) in {took:.1f} s, {len(wrong)} with a wrong token,")
    print(f"{len(set(presented(server)))} tokens of {len({claims(each)[0] for each in presented(server)})} callers")
    assert wrong == []
    assert retried > 30
    assert len({claims(each)[0] for each in presented(server)}) == 26
