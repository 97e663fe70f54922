"""``python -m demo_app``: one line, a free port, a clean end; and the same against a Hub that is already there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests

from demo_app.__main__ import WrongLife, token_life
from demo_app.serving import PORTS, CannotServe, WrongValue, secret_key, start, untrusted
from flask_hub_auth import HubConfigError
from flask_hub_auth.devhub import DevHub, Served, serve

ROOT = Path(__file__).parents[2]
PERSON = {"Accept": "text/html"}


def environment(**more: str) -> dict[str, str]:
    """What a shell without settings of its own gives, and `more`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "DEMO_"))}
    return {**plain, "PYTHONPATH": str(ROOT), **more}


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The demo where it ends by itself."""
    command = [sys.executable, "-m", "demo_app", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(**more), capture_output=True, text=True, timeout=20)


@contextmanager
def running(**more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo in a process group of its own, and the line that it prints."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo_app"],
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout
    try:
        yield demo, demo.stdout.readline()
    finally:
        demo.kill()
        demo.communicate()


@contextmanager
def listener(host: str, port: int = 0) -> Iterator[int]:
    """Somebody who listens at `host`, and the port; without `port`, on one that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen()
        yield sock.getsockname()[1]


def address_in(line: str) -> str:
    found = re.search(r"http://localhost:\d+", line)
    assert found, line
    return found[0]


def free_port() -> int:
    with listener("127.0.0.1") as port:
        return port


def has_ipv6() -> bool:
    try:
        with listener("::1"):
            return True
    except OSError:
        return False


@pytest.fixture
def real_hub() -> Iterator[Served]:
    """A Hub that runs elsewhere, and knows the redirect URI of the port that the test will use."""
    with serve(DevHub(redirect_uris=[])) as served:
        yield served


def settings_for(hub: Served, port: int) -> dict[str, str]:
    address = f"http://localhost:{port}"
    hub.hub.service.redirect_uris.append(f"{address}/authorized")
    return {
        "FLASK_HUB_URL": hub.url,
        "FLASK_HUB_SERVICE_ID": hub.hub.service_id,
        "FLASK_HUB_SERVICE_SECRET": hub.hub.service_secret or "",
        "FLASK_HUB_SERVICE_URL": address,
    }


def sign_in(visitor: requests.Session, address: str, login: str = "jane") -> requests.Response:
    """Open a guarded page and answer Hub's login form."""
    form = visitor.get(f"{address}/me", headers=PERSON, timeout=10)
    action = re.search(r'<form method="post" action="([^"]+)"', form.text)
    assert action, form.text
    target = requests.compat.urljoin(form.url, action[1].replace("&amp;", "&"))  # type: ignore[attr-defined]
    return visitor.post(target, data={"username": login, "password": login}, headers=PERSON, timeout=10)


# With a dev Hub


def test_it_prints_one_line_serves_and_ends_with_ctrl_c() -> None:
    with running() as (demo, line), requests.Session() as visitor:
        address = address_in(line)
        assert all(login in line for login in ("jane", "john", "admin", "mallory", "guest"))
        assert visitor.get(address, timeout=10).status_code == 200
        page = sign_in(visitor, address)
        assert page.url == f"{address}/me"
        assert "Jane Doe" in page.text
        began = time.monotonic()
        # As a terminal does it: to the whole group.
        os.killpg(demo.pid, signal.SIGINT)
        rest, errors = demo.communicate(timeout=10)
        assert time.monotonic() - began < 3
        assert demo.returncode == 0
        assert (rest, errors) == ("", "")
        assert line.endswith("\n")
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_also_right_after_its_start(number: signal.Signals) -> None:
    with running() as (demo, _):
        for _ in range(3):
            demo.send_signal(number)
        rest, errors = demo.communicate(timeout=10)
        assert (demo.returncode, rest, errors) == (0, "", "")


def test_two_demos_have_ports_of_their_own() -> None:
    with running() as (_, first), running() as (_, second):
        assert address_in(first) != address_in(second)
        for line in (first, second):
            assert requests.get(address_in(line), timeout=10).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_a_port_that_somebody_listens_on_is_left_alone(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    second = free_port()
    with listener(host) as first:
        monkeypatch.setattr("demo_app.serving.PORTS", [first, second])
        ending, line = start({}, token_life=60, instance=tmp_path)
        with ending:
            assert address_in(line) == f"http://localhost:{second}"


def test_no_free_port_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listener("127.0.0.1") as port:
        monkeypatch.setattr("demo_app.serving.PORTS", [port])
        with pytest.raises(CannotServe, match=rf"^No port from {port} to {port} is free\."):
            start({}, token_life=60, instance=tmp_path)


def test_no_port_is_one_that_browsers_refuse() -> None:
    assert PORTS[0] == 5000
    assert {5060, 5061}.isdisjoint(PORTS)


def test_both_names_of_this_machine_lead_to_a_login(tmp_path: Path) -> None:
    ending, line = start({}, token_life=60, instance=tmp_path)
    with ending, requests.Session() as visitor:
        address = address_in(line)
        assert sign_in(visitor, address.replace("localhost", "127.0.0.1")).url == f"{address}/me"


def test_tokens_live_as_long_as_asked_and_rotate(tmp_path: Path) -> None:
    ending, line = start({}, token_life=7, instance=tmp_path)
    with ending, requests.Session() as visitor:
        assert re.search(r"in [67] seconds", sign_in(visitor, address_in(line)).text)


def test_a_restart_keeps_people_signed_in_until_the_new_dev_hub_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo_app.serving.PORTS", [free_port()])
    with requests.Session() as visitor:
        ending, line = start({}, token_life=60, instance=tmp_path)
        with ending:
            sign_in(visitor, address_in(line))
        ending, line = start({}, token_life=60, instance=tmp_path)
        with ending:
            page = visitor.get(f"{address_in(line)}/me", headers=PERSON, timeout=10)
            assert "Jane Doe" in page.text
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + 61)
            page = visitor.get(f"{address_in(line)}/me", headers=PERSON, timeout=10)
            assert page.status_code == 200
            assert "/hub/auth/login" in page.url


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    key = secret_key(folder)
    assert len(key) >= 64
    assert secret_key(folder) == key
    assert (folder / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotServe, match=r"^The key of the demo cannot be kept in .*file/secret_key: "):
        secret_key(tmp_path / "file")


def test_an_untrusted_demo_lets_hub_ask(tmp_path: Path) -> None:
    for value, trusted in (("1", False), ("0", True), ("false", True)):
        ending, line = start({"DEMO_UNTRUSTED": value}, token_life=60, instance=tmp_path)
        with ending, requests.Session() as visitor:
            assert ("Allow Demo?" in sign_in(visitor, address_in(line)).text) == (not trusted)


def test_the_help_names_the_environment_in_few_lines() -> None:
    answer = run("--help")
    assert answer.returncode == 0
    for name in ("DEMO_TOKEN_LIFE", "DEMO_UNTRUSTED", "FLASK_HUB_URL", "flask hub register"):
        assert name in answer.stdout


@pytest.mark.parametrize("taken", [False, True])
def test_the_issues_service_is_there_also_where_its_port_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    monkeypatch.setattr("demo_app.serving.PORTS", [port := free_port()])
    with listener("127.0.0.1") as other:
        if taken:
            monkeypatch.setattr("demo_app.serving.ISSUES_ABOVE", other - port)
        ending, line = start({}, token_life=60, instance=tmp_path)
        with ending, requests.Session() as visitor:
            sign_in(visitor, address_in(line))
            page = visitor.get(f"{address_in(line)}/issues", headers=PERSON, timeout=10)
            assert "Count down aloud" in page.text


# Wrong settings


@pytest.mark.parametrize("life", ["0", "-1", "1.5", "5s", " 5", "٣", "1" * 10, "1_0"])
def test_a_token_life_that_is_none_is_said_in_a_sentence(life: str) -> None:
    with pytest.raises(WrongLife, match=r"^DEMO_TOKEN_LIFE must be a whole number of seconds, at least 1, got "):
        token_life(life)


def test_a_token_life_is_a_whole_number_of_seconds() -> None:
    assert token_life("") == 60
    assert token_life("1") == 1


def test_whether_hub_asks_is_said_in_words_that_are_known() -> None:
    assert [text for text in ("", "0", "false", "1", "true", "True") if untrusted(text)] == ["1", "true", "True"]
    for text in ("no", "yes", "2", " 1"):
        with pytest.raises(WrongValue, match=r"^DEMO_UNTRUSTED must be 1, 0, true or false, got "):
            untrusted(text)


def test_wrong_settings_end_it_with_2_and_no_traceback() -> None:
    for answer in (run(DEMO_TOKEN_LIFE="soon"), run(FLASK_HUB_URL="ftp://hub"), run("--port")):
        assert answer.returncode == 2
        assert answer.stdout == ""
        assert "Traceback" not in answer.stderr
    for answer in (run(DEMO_TOKEN_LIFE="soon"), run(DEMO_UNTRUSTED="no")):
        assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)


def test_what_is_left_in_the_environment_is_named_as_the_cause() -> None:
    """A secret that was exported for a script makes the demo look for a Hub that is there already."""
    last = run(FLASK_HUB_SERVICE_SECRET="s").stderr.splitlines()[-1]
    assert last == (
        "FLASK_HUB_SERVICE_SECRET is set, so there is no Hub of its own; for that: unset FLASK_HUB_SERVICE_SECRET"
    )


def test_all_problems_of_the_settings_are_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"FLASK_HUB_URL": "ftp://hub", "FLASK_HUB_TIMEOUT": "never"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(HubConfigError) as problem:
        start(environ, token_life=60, instance=tmp_path)
    assert all(name in str(problem.value) for name in ("HUB_URL", "HUB_SERVICE_ID", "HUB_TIMEOUT"))


# With a Hub that is already there


def test_with_a_real_hub_it_listens_where_the_service_is(real_hub: Served) -> None:
    port = free_port()
    with running(**settings_for(real_hub, port)) as (demo, line), requests.Session() as visitor:
        assert address_in(line) == f"http://localhost:{port}"
        assert real_hub.url in line
        assert "FLASK_HUB_URL is set, so there is no Hub of its own; for that: unset FLASK_HUB_URL FLASK_HUB_S" in line
        assert "Nobody listens" not in line
        assert "jane" not in line
        page = sign_in(visitor, address_in(line))
        assert page.url == f"http://localhost:{port}/me"
        assert "Jane Doe" in page.text
        assert real_hub.hub.calls
        demo.terminate()
        rest, errors = demo.communicate(timeout=10)
        assert (demo.returncode, rest, errors) == (0, "", "")


def test_with_a_real_hub_a_taken_port_ends_it(real_hub: Served) -> None:
    with listener("0.0.0.0") as port:
        answer = run(**settings_for(real_hub, port))
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"Port {port} of HUB_SERVICE_URL http://localhost:{port} cannot be used: ")
    assert answer.stderr.count("\n") == 1


def test_with_a_real_hub_that_is_away_it_says_so(real_hub: Served) -> None:
    away = f"http://localhost:{free_port()}/hub"
    with running(**{**settings_for(real_hub, free_port()), "FLASK_HUB_URL": away}) as (_, line):
        assert f"Nobody listens at {away}." in line


def test_a_taken_port_that_nobody_has_set_is_not_blamed_on_a_setting(
    real_hub: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with listener("127.0.0.1") as port:
        monkeypatch.setattr("flask_hub_auth.config.DEVELOPMENT_URL", f"http://localhost:{port}")
        environ = {name: value for name, value in settings_for(real_hub, port).items() if "SERVICE_URL" not in name}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(CannotServe, match=rf"^Port {port} \(FLASK_HUB_SERVICE_URL is not set\) cannot be used: "):
            start(environ, token_life=60, instance=tmp_path)


def test_with_a_real_hub_it_can_live_below_a_path(
    real_hub: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://localhost:{free_port()}/demo"
    environ = {**settings_for(real_hub, 1), "FLASK_HUB_SERVICE_URL": address}
    real_hub.hub.service.redirect_uris.append(f"{address}/authorized")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ending, _ = start(environ, token_life=60, instance=tmp_path)
    with ending, requests.Session() as visitor:
        page = sign_in(visitor, address)
        assert page.url == f"{address}/me"
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token
        visitor.post(f"{address}/logout", data={"csrf_token": token[1]}, timeout=10)
        page = visitor.get(f"{address}/me?x=1", headers=PERSON, timeout=10)
        assert page.url == f"{address}/?next=/demo/me?x%3D1"
