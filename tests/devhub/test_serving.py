from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from flask_hub_auth.devhub import DevHub, PortTaken, Served, serve


@pytest.fixture
def served() -> Iterator[Served]:
    with serve(DevHub()) as served:
        yield served


def me(served: Served, timeout: float = 3) -> requests.Response:
    return requests.get(f"{served.url}/api/rest/users/me", timeout=timeout)


def test_it_is_served_on_loopback_under_its_path(served: Served) -> None:
    """S95"""
    assert served.url == f"http://localhost:{served.port}/hub" == served.hub.url
    assert me(served).json()["login"] == "guest"
    for name in ("localhost", "127.0.0.1"):
        answer = requests.get(f"http://{name}:{served.port}/__dev__/calls", timeout=3)
        assert answer.status_code == 200
    evil = requests.get(f"{served.url}/", headers={"Host": "evil.example"}, timeout=3)
    assert evil.status_code == 421


def test_a_connection_is_kept_for_the_next_request(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=3)
    sockets = set()
    for method, path, status in [
        ("GET", "/hub/api/rest/users/me", 200),
        ("POST", "/hub/api/rest/oauth2/token", 400),
        ("HEAD", "/hub/", 200),
        ("GET", "/favicon.ico", 204),
        ("GET", "/hub/static/hub.css", 200),
        ("PUT", "/hub/api/rest/users/me", 405),
    ]:
        connection.request(method, path, body="a=b" if method == "POST" else None)
        answer = connection.getresponse()
        assert answer.status == status
        assert answer.version == 11
        assert bool(answer.read()) == (method != "HEAD" and status != 204)
        sockets.add(connection.sock)
    assert len(sockets) == 1
    assert None not in sockets
    connection.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /hub/api/rest/users/me HTTP/1.0\r\nHost: localhost\r\n\r\n", b"200"),
        (b"GET /hub/ HTTP/1.1\r\n\r\n", b"421"),
        (b"GET /hub/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
        (b"POST /hub/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /hub/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /hub/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET /hub/api/rest/oauth2/auth?state=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /hub/auth/login?state=\xed\xa0\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /__dev__/calls?\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
    ],
)
def test_raw_requests_get_a_status(served: Served, request_: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=3) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        assert status in connection.recv(65536).split(b"\r\n")[0]


@pytest.mark.alone
def test_two_hundred_connections_at_once_are_answered(served: Served) -> None:
    served.hub.fail("/api/rest/users/me", delay=0.3)
    barrier = threading.Barrier(200)

    def ask(_: int) -> int:
        barrier.wait()
        return me(served, timeout=20).status_code

    start = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(ask, range(200))) == {200}
    # One after the other they would take a minute: nothing is locked during a delay.
    assert time.monotonic() - start < 10


# Faults on the wire


def test_a_refused_connection_gives_no_byte_and_the_control_interface_goes_on(served: Served) -> None:
    control = f"http://localhost:{served.port}/__dev__"
    assert requests.post(f"{control}/faults", json={"path": "*", "transport": "refuse"}, timeout=3).status_code == 204
    with socket.create_connection(("127.0.0.1", served.port), timeout=3) as connection:
        connection.sendall(b"GET /hub/api/rest/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(requests.ConnectionError):
        me(served)
    assert requests.get(f"{control}/calls", timeout=3).json()[-1]["status"] is None
    assert requests.delete(f"{control}/faults", timeout=3).status_code == 204
    assert me(served).status_code == 200


def test_a_reset_connection_breaks_in_the_middle_of_the_answer_after_hub_has_worked(served: Served) -> None:
    hub = served.hub
    hub.rotate = True
    refresh_token = hub.grant("jane")["refresh_token"]
    hub.fail(transport="reset", times=1)
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    basic = (hub.service_id, str(hub.service_secret))
    with pytest.raises(requests.RequestException):
        requests.post(f"{served.url}/api/rest/oauth2/token", data=form, auth=basic, timeout=3)
    assert hub.calls[-1]["status"] == 200
    again = requests.post(f"{served.url}/api/rest/oauth2/token", data=form, auth=basic, timeout=3)
    assert again.json()["error"] == "invalid_grant"


def test_a_hanging_connection_answers_nothing(served: Served) -> None:
    served.hub.fail(transport="hang", times=1)
    with pytest.raises(requests.ReadTimeout):
        me(served, timeout=0.3)
    assert me(served).status_code == 200


def test_a_dripping_answer_comes_byte_by_byte_from_its_first_line_on(served: Served) -> None:
    served.hub.fail(transport="drip", times=1)
    with socket.create_connection(("127.0.0.1", served.port), timeout=3) as connection:
        connection.sendall(b"GET /hub/api/rest/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n")
        start = time.monotonic()
        assert b"".join(connection.recv(10) for _ in range(8)) == b"HTTP/1.1"
        assert time.monotonic() - start > 0.5


def test_an_endless_answer_goes_on(served: Served) -> None:
    served.hub.fail(transport="endless", times=1)
    got = 0
    with requests.get(f"{served.url}/api/rest/users/me", stream=True, timeout=3) as answer:
        assert answer.status_code == 200
        for block in answer.iter_content(65536):
            got += len(block)
            if got > 3_000_000:
                break
    assert got > 3_000_000
    assert me(served).status_code == 200


@pytest.mark.alone
@pytest.mark.parametrize("transport", ["hang", "drip", "endless"])
def test_faults_on_the_wire_end_when_the_server_stops(transport: str) -> None:
    served = serve(DevHub())
    served.hub.fail(transport=transport)
    with socket.create_connection(("127.0.0.1", served.port), timeout=3) as connection:
        connection.sendall(b"GET /hub/api/rest/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
        start = time.monotonic()
        served.stop()
        try:
            while connection.recv(1024 * 1024):
                pass
        except ConnectionResetError:
            pass
        assert time.monotonic() - start < 1


@pytest.mark.parametrize("transport", ["hang", "endless"])
def test_faults_on_the_wire_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    monkeypatch.setattr("flask_hub_auth.devhub.serving.LONGEST_FAULT", 0.2)
    served.hub.fail(transport=transport, times=1)
    with socket.create_connection(("127.0.0.1", served.port), timeout=3) as connection:
        connection.sendall(b"GET /hub/api/rest/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while connection.recv(1024 * 1024):
            pass


# Start and stop


def test_a_stopped_hub_keeps_no_connection_and_its_memory_comes_back() -> None:
    served = serve(DevHub())
    token = served.hub.token_for("jane")
    with requests.Session() as session:
        address, headers = f"{served.url}/api/rest/users/me", {"Authorization": f"Bearer {token}"}
        assert session.get(address, headers=headers, timeout=3).status_code == 200
        time.sleep(0.1)  # until the server waits for the next request on this connection
        served.stop()
        served.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(address, headers=headers, timeout=3)
        with serve(served.hub, port=served.port) as again:
            assert again.url == served.url
            assert session.get(address, headers=headers, timeout=3).json()["login"] == "jane"


def test_a_port_that_is_taken_is_named(served: Served) -> None:
    hub = DevHub()
    with pytest.raises(PortTaken, match=f"Port {served.port} is taken"):
        serve(hub, port=served.port)
    with pytest.raises(PortTaken):
        serve(hub, port=99999)
    assert hub.url == "https://hub.test/hub"
