from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from flask_hub_auth.devhub import DevHub, serve

COMMAND = [sys.executable, "-m", "flask_hub_auth.devhub"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process, and its first line."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    with process, process.stdout, process.stderr:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_with_what_an_application_needs_and_ends_cleanly(number: signal.Signals) -> None:
    with running() as (process, line):
        url = re.search(r"http://localhost:\d+/hub", line)
        assert url
        assert "98071167-004c-4ddf-ba37-5d4599fdf319" in line
        for login in ("admin", "jane", "john", "mallory", "guest"):
            assert login in line
        assert requests.get(f"{url[0]}/api/rest/settings/public", timeout=3).status_code == 200
        assert process.stdout
        assert [process.stdout.readline() for _ in range(4)] == [
            f"export FLASK_HUB_URL={url[0]}\n",
            "export FLASK_HUB_SERVICE_ID=98071167-004c-4ddf-ba37-5d4599fdf319\n",
            "export FLASK_HUB_SERVICE_SECRET=eAUyKgVfhSbV\n",
            "export FLASK_HUB_SERVICE_URL=http://localhost:5000\n",
        ]
        process.send_signal(number)
        out, err = process.communicate(timeout=5)
        assert (process.returncode, out, err) == (0, "", "")


def test_its_help_says_who_is_there_and_what_each_option_does() -> None:
    told = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
    hub = DevHub()
    for login, user in hub.people.users.items():
        groups = ", ".join(group.name for group in hub.people.groups.values() if group.name in user_groups(hub, login))
        assert re.search(rf"^  {login} +{groups or 'none'}", told, re.MULTILINE), (login, user)
    assert "lost at its end" in told
    options = re.split(r"\n  (?=-)", told.partition("options:")[2])[1:]
    assert all(len(re.split(r"\s{2,}", option.strip(), maxsplit=1)) == 2 for option in options), options


def user_groups(hub: DevHub, login: str) -> list[str]:
    return [str(getattr(group, "name", group)) for group in hub.user(login).groups]


def test_its_options_are_heard() -> None:
    options = (
        "--service-id my-id --service-secret my-secret --redirect-uri http://localhost:1/a --redirect-uri http://x/b"
    )
    options += (
        " --untrusted --token-life 7 --rotate --no-guest --hub-path /a/b/ --tokens opaque --no-secrets --no-permissions"
    )
    with running(*options.split()) as (_, line):
        url = line.split()[2].rstrip(",")
        assert url.endswith("/a/b")
        assert requests.get(f"{url}/api/rest/users/me", timeout=3).status_code == 401
        form = {"grant_type": "password", "username": "jane", "password": "jane", "scope": "Hub"}
        form["access_type"] = "offline"
        token = requests.post(f"{url}/api/rest/oauth2/token", data=form, auth=("my-id", "my-secret"), timeout=3).json()
        assert token["expires_in"] == 7
        assert "." not in token["access_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        again = requests.post(f"{url}/api/rest/oauth2/token", data=form, auth=("my-id", "my-secret"), timeout=3).json()
        assert again["refresh_token"] != token["refresh_token"]
        form = {"grant_type": "client_credentials"}
        refused = requests.post(f"{url}/api/rest/oauth2/token", data=form, auth=("my-id", "my-secret"), timeout=3)
        assert refused.json()["error"] == "unauthorized_client"
        services = requests.get(f"{url}/api/rest/services", auth=("jane", "jane"), timeout=3).json()["services"]
        assert services[1]["redirectUris"] == ["http://localhost:1/a", "http://x/b"]
        made = requests.post(f"{url}/api/rest/services", json={"name": "x"}, auth=("admin", "admin"), timeout=3)
        assert (made.status_code, made.json().get("secret")) == (200, None)
        held = requests.get(f"{url}/api/rest/permissions/cache", auth=("jane", "jane"), timeout=3)
        assert held.status_code == 404


def test_a_port_that_is_taken_is_one_sentence_and_exit_status_1() -> None:
    with serve(DevHub()) as served:
        done = subprocess.run([*COMMAND, "--port", str(served.port)], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"Port {served.port} is taken[^\n]*\n", done.stderr)


def test_a_service_id_that_no_token_could_name_is_one_sentence_and_exit_status_1() -> None:
    done = subprocess.run([*COMMAND, "--service-id", "my.app"], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"A service id is [^\n]*'my\.app'[^\n]*\n", done.stderr)


def test_wrong_usage_is_exit_status_2() -> None:
    done = subprocess.run([*COMMAND, "--tokens", "jwt"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
