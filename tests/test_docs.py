"""What the documents say beside what the code does."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import click
import pytest
from flask import Flask, request
from werkzeug.serving import make_server

import flask_hub_auth
from flask_hub_auth import HubAuth, HubPermissions, HubSession, HubToken, HubUser
from flask_hub_auth.cli import hub
from flask_hub_auth.config import SETTINGS
from flask_hub_auth.devhub import DevHub, serve
from flask_hub_auth.devhub.__main__ import add_options
from flask_hub_auth.devhub.seed import DEMO_PERMISSIONS, YOUTRACK_ID, YOUTRACK_PERMISSIONS
from flask_hub_auth.errors import CODES
from flask_hub_auth.testing import plugin
from flask_hub_auth.testing.browser import Browser
from flask_hub_auth.testing.hub import HubInMemory

from .visiting import KEY

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
ERROR = re.compile(r"^\| `(HUB-\d+)` \| \d+ \| (.+?) \| .+ \|$", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(?:# (\w+\.py)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"flask (?:--app \w+ )?hub ([a-z]+)(?: ([a-z]+))?")
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md")))]

OpenBrowser = Callable[[Flask], Browser]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def write_examples(page: str, folder: Path) -> None:
    """Write the Python of a page as its reader would: a block without a file's name goes on with the last file."""
    files: dict[str, str] = {}
    for name, code in BLOCK.findall(text(page)):
        name = name or list(files)[-1]
        files[name] = files.pop(name, "") + code
    for name, code in files.items():
        (folder / name).write_text(code, encoding="utf-8")


# Pages beside the code


def test_the_page_of_settings_has_each_of_them_once_with_its_default() -> None:
    rows = ROW.findall(text("docs/settings.md"))
    assert sorted(name for name, _, _ in rows) == sorted(SETTINGS)
    for name, default, _ in rows:
        setting = SETTINGS[name]
        if setting.default is MISSING:
            assert default == "required"
        elif setting.default is not None:
            assert default.strip("`") == str(setting.default), name


def test_the_page_of_errors_has_each_code_once_with_its_title() -> None:
    rows = ERROR.findall(text("docs/errors.md"))
    assert rows == [(code, title) for code, (title, _) in CODES.items()]


def test_the_page_of_names_has_every_name() -> None:
    code = re.findall(r"`([^`\n]+)`|^ {4}(.+)$", text("docs/api.md"), re.MULTILINE)
    told = {word for parts in code for word in re.findall(r"\w+", " ".join(parts))}
    names = {*flask_hub_auth.__all__, *(name for name in vars(HubAuth) if not name.startswith("_"))}
    for value in (HubUser, HubToken, HubPermissions, HubSession):
        names |= {field.name for field in fields(value)}
    assert names - told == set()


def test_the_page_about_tests_has_every_fixture_and_nothing_that_is_not_there() -> None:
    page = text("docs/testing.md")
    fixtures = {name for name in vars(plugin) if name == "dev_hub" or name.startswith("hub_")}
    assert fixtures <= set(re.findall(r"^\| `(\w+)", page, re.MULTILINE))
    hub_in_memory = HubInMemory()
    assert [name for name in re.findall(r"dev_hub\.(\w+)", page) if not hasattr(hub_in_memory, name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_command_that_a_page_names_is_there(page: str) -> None:
    for name, below in COMMAND.findall(text(page)):
        command = hub.commands.get(name)
        assert command, name
        if isinstance(command, click.Group) and below:
            assert below in command.commands


def test_the_page_of_commands_has_each_of_them_and_every_option_of_the_dev_hub() -> None:
    page = text("docs/commands.md")
    assert set(re.findall(r"^\| `flask hub (\w+)", page, re.MULTILINE)) == set(hub.commands)
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    told = set(re.findall(r"--[a-z-]+", "".join(re.findall(r"^\| (`--.+?) \|", page, re.MULTILINE))))
    options = [action.option_strings for action in parser._actions]
    assert [each for each in options if told.isdisjoint(each)] == []
    assert told <= {option for each in options for option in each}


def test_the_page_of_commands_has_every_permission_of_the_dev_hub() -> None:
    rows = re.findall(r"^\| `([\w-]+(?:\.[\w-]+)+)` \|", text("docs/commands.md"), re.MULTILINE)
    assert rows == [*DEMO_PERMISSIONS, *YOUTRACK_PERMISSIONS]


@pytest.mark.parametrize("page", PAGES)
def test_a_link_of_a_page_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", text(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w-]", "", each.lower().replace(" ", "-")) for each in headings}


def test_the_readme_is_read_in_one_go() -> None:
    lines = text("README.md").splitlines()
    assert len(lines) < 200
    assert [line for line in lines if len(line) >= 120] == []


# Examples


@pytest.fixture
def youtrack() -> Iterator[str]:
    """The address of a service that says what kind of token it was shown."""
    service = Flask("youtrack")

    @service.get("/api/<what>")
    def show(what: str) -> dict[str, str]:
        return {"what": what, "shown": request.headers.get("Authorization", "").partition(" ")[0]}

    server = make_server("127.0.0.1", 0, service, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def load(
    dev_hub: HubInMemory, youtrack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., ModuleType]]:
    """Loads a file of a page, with settings in the environment as the README has them."""
    services = f'{{"youtrack": {{"id": "{YOUTRACK_ID}", "url": "{youtrack}"}}}}'
    for name in [name for name in os.environ if name.startswith("FLASK_")]:
        monkeypatch.delenv(name)
    settings = {**dev_hub.settings, "HUB_CACHE": "memory://", "HUB_SERVICES": services, "SECRET_KEY": KEY, "DEBUG": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"FLASK_{name}", value)
    monkeypatch.syspath_prepend(tmp_path)

    def loaded(page: str, name: str = "app") -> ModuleType:
        write_examples(page, tmp_path)
        return importlib.import_module(name)

    yield loaded
    for name in [path.stem for path in tmp_path.glob("*.py")]:
        sys.modules.pop(name, None)


def test_the_application_of_the_readme_does_what_it_says(
    load: Callable[..., ModuleType], hub_browser: OpenBrowser
) -> None:
    browser = hub_browser(load("README.md").app)
    assert browser.get("/", as_="jane").text == "Hello Jane Doe"
    assert browser.get("/issues").json == {"what": "issues", "shown": "Bearer"}


def test_the_guards_of_their_page_let_in_whom_they_say(
    load: Callable[..., ModuleType], hub_browser: OpenBrowser, hub_bearer: Callable[[str], dict[str, str]]
) -> None:
    app = load("docs/guards.md").app
    jane, john, nobody = hub_browser(app), hub_browser(app), app.test_client()
    for path in ("/account", "/reports", "/apollo", "/salaries", "/welcome", "/admin/"):
        assert jane.get(path, as_="jane").status_code == 200, path
    assert [john.get(path, as_="john").status_code for path in ("/account", "/reports", "/apollo")] == [200, 403, 403]
    assert [nobody.get(path).status_code for path in ("/welcome", "/admin/", "/admin/status")] == [200, 401, 200]
    assert nobody.get("/api/me", headers=hub_bearer("jane")).status_code == 200
    assert jane.get("/api/me").status_code == 401
    assert jane.get("/metrics/").text == "Metrics for c6b6e9c6-0000-4000-8000-000000000001"
    assert nobody.get("/metrics/").status_code == 401


def test_the_example_of_names_does_what_it_says(
    load: Callable[..., ModuleType],
    hub_browser: OpenBrowser,
    hub_bearer: Callable[[str], dict[str, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = load("docs/api.md")
    module.app.add_url_rule("/vip", view_func=flask_hub_auth.hub_group_required("VIP")(lambda: ""))
    tickets: list[str] = []
    vars(module)["start_job"] = tickets.append
    caplog.set_level("INFO")
    browser = hub_browser(module.app)
    about = browser.get("/me", as_="jane").json
    assert about
    assert about["may read reports"]
    assert "Developers" in about["groups"]
    assert "jane signed in" in caplog.messages
    assert browser.get("/issues").json == {"what": "issues", "shown": "Bearer"}
    browser.get("/report")
    assert module.report(tickets[0]) == {"what": "issues", "shown": "Bearer"}
    profile = browser.get("/profile").json
    assert profile
    assert profile["name"] == "Jane Doe"
    assert browser.get("/vip").text.startswith("You need VIP. (HUB-403 ")
    script = module.app.test_client().get("/vip", headers=hub_bearer("jane"))
    assert (script.status_code, script.mimetype) == (403, "application/problem+json")
    assert "insufficient_scope" in script.headers["WWW-Authenticate"]


def test_the_script_of_the_page_of_names_runs_beside_a_hub(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_examples("docs/api.md", tmp_path)
    with serve(DevHub()) as served:
        monkeypatch.setenv("FLASK_HUB_URL", served.url)
        monkeypatch.setenv("FLASK_HUB_SERVICE_ID", served.hub.service_id)
        monkeypatch.setenv("FLASK_HUB_SERVICE_SECRET", str(served.hub.service_secret))
        runpy.run_path(str(tmp_path / "script.py"))
    assert capsys.readouterr().out.startswith("Jane Doe True\n")


def test_the_caches_of_the_page_of_settings_are_taken(load: Callable[..., ModuleType]) -> None:
    app = load("docs/settings.md", "myapp").create_app()
    assert type(app.extensions["hub_auth"].config.cache).__name__ == "RedisCache"


@pytest.mark.parametrize(("page", "tests"), [("README.md", 1), ("docs/testing.md", 11)])
def test_the_tests_of_a_page_pass(page: str, tests: int, tmp_path: Path) -> None:
    write_examples(page, tmp_path)
    known = "hub_auth" in entry_points(group="pytest11").names
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *([] if known else ["-p", plugin.__name__]), "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert f"{tests} passed" in answer.stdout, answer.stdout + answer.stderr
