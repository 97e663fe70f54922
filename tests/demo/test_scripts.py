"""The commands that the demo shows, run as they stand there: they do what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from demo_app.serving import start

ROOT = Path(__file__).parents[2]

ONCE = "Once, in a terminal of its own"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")

# What "make demo" installs: the command with the group of this package.
FLASK = f"""#!{sys.executable}
from flask.cli import cli
from flask_hub_auth.cli import hub
cli.add_command(hub)
cli.main(prog_name="flask")
"""


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The commands of a demo that runs, by their titles."""
    ending, line = start({}, token_life=60, instance=tmp_path / "instance")
    with ending:
        address = re.findall(r"http://localhost:\d+", line)[0]
        page = requests.get(f"{address}/scripts", timeout=10).text
        yield {
            title: unescape(text) for title, text in re.findall(r'aria-label="([^"]+)"><code>(.*?)</code>', page, re.S)
        }


def shell(folder: Path, *lines: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `lines` in bash as somebody would in the demo's folder, with these variables."""
    program = folder / "bin"
    program.mkdir(exist_ok=True)
    for name, content in (("flask", FLASK), ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
        (program / name).write_text(content)
        (program / name).chmod(0o755)
    text = "\n".join(lines).replace(". .venv/bin/activate\n", "")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "HUB_", "DEMO_"))}
    path = f"{program}:{plain['PATH']}"
    environ = {**plain, "PATH": path, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(["bash", "-c", text], cwd=folder, env=environ, capture_output=True, text=True, timeout=50)


def test_a_token_of_the_service_itself_opens_the_projects(commands: dict[str, str], tmp_path: Path) -> None:
    done = shell(tmp_path, commands[ONCE], commands["A script on behalf of itself"])
    assert json.loads(done.stdout)["projects"][0]["key"] == "APOLLO", done.stderr


def test_a_token_of_a_person_opens_the_api(commands: dict[str, str], tmp_path: Path) -> None:
    lines = commands[ONCE], commands["A script on behalf of a person"]
    assert json.loads(shell(tmp_path, *lines, HUB_PASSWORD="jane").stdout)["login"] == "jane"
    done = shell(tmp_path, *lines, HUB_PASSWORD="wrong")
    assert "Hub does not take this" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_is_registered_and_a_second_demo_runs_as_it(
    commands: dict[str, str], tmp_path: Path, unused_port: int
) -> None:
    port = f":{unused_port}"
    register, second = (commands[title].replace(":8000", port) for title in ("Registering a service", "A second demo"))
    assert shell(tmp_path, register, HUB_PASSWORD="admin").returncode == 0
    assert (tmp_path / "my.env").stat().st_mode & 0o777 == 0o600
    begun = second.replace("exec python", "exec timeout 20 python")
    visit = (
        f"curl -sS -o /dev/null -w '%{{http_code}} %{{redirect_url}}' -H 'Accept: text/html' http://localhost{port}/me"
    )
    lines = begun.removesuffix(")") + " >line) & demo=$!", "until [ -s line ]; do sleep 0.1; done", visit, "kill $demo"
    done = shell(tmp_path, *lines)
    assert f"Open http://localhost{port}" in (tmp_path / "line").read_text()
    status, _, location = done.stdout.partition(" ")
    assert status == "302", done.stderr
    assert requests.get(location, timeout=10).status_code == 200, "Hub knows the service and its redirect URI"


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
