"""``flask hub ...``: what the commands print, what they refuse, and where secrets come from."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin

import pytest
import requests
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from flask_hub_auth import HubAuth
from flask_hub_auth.cli import hub
from flask_hub_auth.devhub import HUB_ID, DevHub, serve

from .visiting import KEY, NAVIGATION

ROOT = Path(__file__).parents[1]
YOUTRACK = "d2c5b7a4-0000-4000-8000-000000000001"
HOME = "https://app.example"
REST = "/api/rest/services"
TOKEN_PATH = "/api/rest/oauth2/token"
SECRET = "s3cret-Of-nobody"


def test_the_commands_are_listed_with_a_sentence_each() -> None:
    answer = CliRunner().invoke(hub, ["--help"])
    assert answer.exit_code == 0
    assert "dev" in answer.output
    assert all(command.help and command.help.endswith(".") for command in hub.commands.values())


def test_the_dev_hub_tells_its_own_options() -> None:
    answer = CliRunner().invoke(hub, ["dev", "--help"])
    assert answer.exit_code == 0
    for option in ("--port", "--service-id", "--redirect-uri", "--untrusted", "--token-life", "--rotate"):
        assert option in answer.output
    assert "flask hub dev" in answer.output


@pytest.mark.parametrize("words", [["--port", "none"], ["--colour", "blue"]])
def test_a_wrong_option_of_the_dev_hub_is_refused_in_words(words: list[str]) -> None:
    answer = CliRunner().invoke(hub, ["dev", *words])
    assert answer.exit_code == 2
    assert words[0] in answer.output
    assert "Traceback" not in answer.output


def test_the_commands_do_not_load_the_dev_hub_before_it_is_asked_for() -> None:
    code = "import sys, flask_hub_auth.cli; print(sorted(name for name in sys.modules if 'devhub' in name))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


# In this process


@pytest.fixture
def served() -> Iterator[DevHub]:
    """A Hub on a port."""
    with serve(DevHub()) as served:
        yield served.hub


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HUB_", "FLASK_"))]:
        monkeypatch.delenv(name)


def run(*words: str, say: str = "", app: Flask | None = None, **env: str) -> Result:
    """A command in this process; `say` is its standard input."""
    info = ScriptInfo(create_app=lambda: app) if app else None
    return CliRunner().invoke(hub, words, input=say, env=env, obj=info)


def register(served: DevHub, *words: str, say: str = "admin\n", user: str = "admin", **env: str) -> Result:
    about = ["--hub-url", served.url, "--home-url", HOME, "--user", user]
    return run("register", *about, *words, say=say, **env)


def token(served: DevHub, *words: str, say: str = "", secret: str | None = None, **env: str) -> Result:
    about = ["--hub-url", served.url, "--service-id", served.service_id, *words]
    return run("token", *about, say=say, FLASK_HUB_SERVICE_SECRET=secret or served.service_secret or "", **env)


def assert_refused(answer: Result, *words: str) -> None:
    """One sentence on standard error, nothing on standard output, exit status 1."""
    assert (answer.exit_code, answer.stdout) == (1, ""), answer.output
    assert isinstance(answer.exception, SystemExit)
    [line] = answer.stderr.removesuffix("\n").split("\n")
    assert line.endswith(".")
    assert "Traceback" not in line
    for word in words:
        assert word in line


def lines(text: str) -> dict[str, str]:
    """What a command printed for an environment."""
    found = [line.partition("=") for line in text.splitlines()]
    assert all(sign == "=" for _, sign, _ in found)
    return {name: value for name, _, value in found}


def me(served: DevHub, token: str) -> dict[str, Any]:
    """Whose token it is, as a plain HTTP client finds out."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{served.url}/api/rest/users/me?fields=login", headers=headers, timeout=5)
    return {"status": answer.status_code, **answer.json()}


# register


def test_a_registered_service_is_printed_as_an_environment(served: DevHub) -> None:
    answer = register(
        served, "--name", "My app", "--trusted", "--vendor", "me", "--version", "1", "--application-name", "x"
    )
    assert (answer.exit_code, answer.stderr) == (0, "")
    found = lines(answer.stdout)
    made = served.people.services[found["FLASK_HUB_SERVICE_ID"]]
    assert found == {
        "FLASK_HUB_URL": served.url,
        "FLASK_HUB_SERVICE_ID": made.id,
        "FLASK_HUB_SERVICE_SECRET": made.secret,
        "FLASK_HUB_SERVICE_URL": HOME,
    }
    assert (made.name, made.home_url, made.redirect_uris, made.trusted) == (
        "My app",
        HOME,
        [f"{HOME}/authorized"],
        True,
    )
    assert (made.application_name, made.vendor, made.version) == ("x", "me", "1")


def test_redirect_uris_may_be_given_and_slashes_at_the_end_are_dropped(served: DevHub) -> None:
    uris = [f"{HOME}/a", "http://localhost:5000/authorized"]
    options = [word for uri in uris for word in ("--redirect-uri", uri)]
    about = ["--hub-url", f"{served.url}/", "--home-url", f"{HOME}/", "--user", "admin", "--name", "x", *options]
    found = lines(run("register", *about, say="admin\n").stdout)
    assert (found["FLASK_HUB_URL"], found["FLASK_HUB_SERVICE_URL"]) == (served.url, HOME)
    assert served.people.services[found["FLASK_HUB_SERVICE_ID"]].redirect_uris == uris


@pytest.mark.parametrize(
    "uri",
    [
        "junk",
        "/authorized",
        "//x.example/cb",
        "localhost:5000/cb",
        "https:",
        "https:///cb",
        "https:x",
        "a b:/",
        "x:/#a",
    ],
)
def test_a_redirect_uri_that_leads_nowhere_is_wrong_usage(uri: str, served: DevHub) -> None:
    before = list(served.people.services)
    answer = register(served, "--name", "x", "--redirect-uri", uri)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert f"{uri!r} is no absolute URI" in answer.stderr
    assert list(served.people.services) == before


@pytest.mark.parametrize("uri", ["com.example:/cb", "com.example.app:/cb?a=b", "http://[::1]:8000/cb"])
def test_a_program_may_have_a_redirect_uri_of_its_own_scheme(uri: str, served: DevHub) -> None:
    """RFC 8252 section 7."""
    found = lines(register(served, "--name", "x", "--redirect-uri", uri).stdout)
    assert served.people.services[found["FLASK_HUB_SERVICE_ID"]].redirect_uris == [uri]


def test_an_administrators_token_registers_too(served: DevHub) -> None:
    about = ["--hub-url", served.url, "--home-url", HOME, "--name"]
    assert run("register", *about, "a", HUB_ADMIN_TOKEN=served.token_for("admin")).exit_code == 0
    assert run("register", *about, "b", say=f"{served.permanent_token('admin')}\n").exit_code == 0
    assert_refused(run("register", *about, "c", HUB_ADMIN_TOKEN="x" * 30), "does not take this token")
    assert_refused(run("register", *about, "c", HUB_ADMIN_TOKEN="no token"), "does not take this token")
    assert_refused(run("register", *about, "c", HUB_ADMIN_TOKEN=served.token_for("jane")), "administrator")


def test_what_is_printed_may_be_json(served: DevHub) -> None:
    answer = register(served, "--name", "x", "--json")
    assert list(json.loads(answer.stdout)) == [
        "FLASK_HUB_URL",
        "FLASK_HUB_SERVICE_ID",
        "FLASK_HUB_SERVICE_SECRET",
        "FLASK_HUB_SERVICE_URL",
    ]


def test_a_hub_that_gives_no_secret_makes_a_public_client(served: DevHub) -> None:
    served.gives_secrets = False
    answer = register(served, "--name", "x")
    assert answer.exit_code == 0
    assert list(lines(answer.stdout)) == ["FLASK_HUB_URL", "FLASK_HUB_SERVICE_ID", "FLASK_HUB_SERVICE_URL"]
    assert "public client" in answer.stderr
    assert "SECRET" not in register(served, "--name", "y", "--json").stdout


def test_a_missing_name_is_asked_for(served: DevHub) -> None:
    found = lines(register(served, say="My app\nadmin\n").stdout)
    assert served.people.services[found["FLASK_HUB_SERVICE_ID"]].name == "My app"


def test_a_name_that_is_taken_is_refused_and_changed_with_update(served: DevHub) -> None:
    first = lines(register(served, "--name", "x", "--trusted").stdout)
    assert_refused(register(served, "--name", "x"), "'x'", "--name", "--update")
    about = ["--home-url", "https://new.example/", "--redirect-uri", "https://new.example/back"]
    answer = register(served, "--name", "x", "--update", *about)
    assert lines(answer.stdout) == {
        "FLASK_HUB_URL": served.url,
        "FLASK_HUB_SERVICE_ID": first["FLASK_HUB_SERVICE_ID"],
        "FLASK_HUB_SERVICE_URL": "https://new.example",
    }
    made = served.people.services[first["FLASK_HUB_SERVICE_ID"]]
    assert (made.home_url, made.redirect_uris) == ("https://new.example", ["https://new.example/back"])
    assert (made.secret, made.trusted) == (first["FLASK_HUB_SERVICE_SECRET"], True)


def test_with_update_a_new_name_is_registered(served: DevHub) -> None:
    assert "FLASK_HUB_SERVICE_SECRET" in lines(register(served, "--name", "x", "--update").stdout)


@pytest.mark.parametrize(
    "name", ["demo", "Dem", "Demo ", "Demo2", 'De"mo', "Demo or name: Hub", "名前", "YouTrack,Hub"]
)
def test_only_exactly_the_same_name_is_taken(name: str, served: DevHub) -> None:
    """The name is data, not a part of the question that Hub is asked."""
    answer = register(served, "--name", name, "--update")
    assert served.people.services[served.service_id].home_url is None
    if answer.exit_code == 0:
        assert served.people.services[lines(answer.stdout)["FLASK_HUB_SERVICE_ID"]].name == name


@pytest.mark.parametrize(("user", "password"), [("jane", "jane"), ("john", "john")])
def test_who_is_no_administrator_is_told_so(user: str, password: str, served: DevHub) -> None:
    assert_refused(register(served, "--name", "x", user=user, say=f"{password}\n"), "administrator")
    assert [service for service in served.people.services.values() if service.name == "x"] == []


@pytest.mark.parametrize(
    ("user", "password"), [("admin", SECRET), ("nobody", SECRET), ("mallory", "mallory"), ("admin", "ä€\u2028")]
)
def test_a_wrong_password_is_told_and_not_shown(user: str, password: str, served: DevHub) -> None:
    answer = register(served, "--name", "x", user=user, say=f"{password}\n")
    assert_refused(answer, "user name and password")
    assert password not in answer.output


def test_a_password_that_is_no_text_is_told(served: DevHub) -> None:
    assert_refused(register(served, "--name", "x", HUB_PASSWORD="\udcff"), "UTF-8")


FAULTS: dict[str, dict[str, Any]] = {
    "away": {"transport": "refuse"},
    "broken off": {"transport": "reset"},
    "503": {"status": 503},
    "429": {"status": 429},
    "HTML": {"body": "<html>"},
    "a list": {"body": "[]"},
    "a redirect": {"status": 302, "headers": {"Location": "https://evil.example/"}},
    "404": {"status": 404, "body": "<html>"},
    "another error": {"status": 400, "body": '{"error": "bad_request", "error_description": "name is wrong"}'},
    "no text": {"body": '{"services": 1}'},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hub_that_cannot_be_asked_is_one_sentence(fault: str, served: DevHub) -> None:
    served.fail(REST, **FAULTS[fault])
    assert_refused(register(served, "--name", "x"))


def test_an_address_where_nobody_is_is_one_sentence(served: DevHub) -> None:
    about = ["--home-url", HOME, "--user", "admin", "--name", "x", "--hub-url"]
    for url in ("http://127.0.0.1:9/hub", "http://hub.example", "ftp://x", "nonsense", "https://"):
        assert_refused(run("register", *about, url, say="admin\n"))


def test_an_answer_without_an_id_is_one_sentence(served: DevHub) -> None:
    served.fail(REST, body='{"services": []}', times=1)
    served.fail(REST, body='{"secret": "x"}', times=1)
    assert_refused(register(served, "--name", "x"), "without id")


# token


def test_a_token_of_the_service_is_what_a_plain_client_uses(served: DevHub) -> None:
    answer = token(served, "--service")
    assert answer.exit_code == 0
    assert re.fullmatch(r"Good for 3[56]\d\d seconds\.\n", answer.stderr)
    value = answer.stdout.removesuffix("\n")
    headers = {"Authorization": f"Bearer {value}"}
    found = requests.get(f"{served.url}/api/rest/services/me", headers=headers, timeout=5)
    assert found.json()["id"] == served.service_id
    assert set(value.partition(";")[0].split(".")[3].split(" ")) == {HUB_ID, served.service_id}


def test_a_token_of_a_person_is_what_a_plain_client_uses(served: DevHub) -> None:
    answer = token(served, "--user", "jane", say="jane\n")
    assert me(served, answer.stdout.strip())["login"] == "jane"
    found = json.loads(token(served, "--user", "jane", "--json", HUB_PASSWORD="jane").stdout)
    assert found["expires_in"] > 3500
    assert me(served, found["access_token"])["login"] == "jane"


@pytest.mark.parametrize("scope", [["YouTrack"], [YOUTRACK], [HUB_ID, "YouTrack"]])
def test_a_token_is_for_the_services_that_are_named(scope: list[str], served: DevHub) -> None:
    options = [word for entry in scope for word in ("--scope", entry)]
    for words, say in ((["--service"], ""), (["--user", "jane"], "jane\n")):
        value = token(served, *words, *options, say=say).stdout.strip()
        asked = set(value.partition(";")[0].split(".")[3].split(" "))
        assert asked == {YOUTRACK} | ({HUB_ID} if HUB_ID in scope else set())


def application(served: DevHub, **settings: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY=KEY, HUB_CACHE="memory://", HUB_URL=served.url)
    app.config.update(HUB_SERVICE_ID=served.service_id, HUB_SERVICE_SECRET=served.service_secret, **settings)
    HubAuth(app)
    return app


def test_an_application_gives_its_settings(served: DevHub) -> None:
    services = {"youtrack": {"id": YOUTRACK, "url": "https://youtrack.example"}}
    app = application(served, HUB_SERVICES=services)
    own = run("token", "--service", app=app).stdout
    assert set(own.partition(";")[0].split(".")[3].split(" ")) == {HUB_ID, served.service_id}
    jane = run("token", "--user", "jane", app=app, say="jane\n").stdout
    assert set(jane.partition(";")[0].split(".")[3].split(" ")) == {HUB_ID, served.service_id, YOUTRACK}


def test_an_application_without_hubauth_is_one_sentence() -> None:
    assert_refused(run("token", "--service", app=Flask("bare")), "'bare'", "HubAuth(app)")


@pytest.mark.alone
def test_a_hub_that_hangs_is_given_up_after_the_time_of_the_settings(served: DevHub) -> None:
    app = application(served, HUB_TIMEOUT=1)
    served.fail(TOKEN_PATH, transport="hang")
    begun = time.monotonic()
    assert_refused(run("token", "--service", app=app), "no complete answer within 1 s")
    assert time.monotonic() - begun < 3


def trusts_no_more(served: DevHub) -> None:
    served.service.trusted = False


def forbids_services(served: DevHub) -> None:
    served.service.client_credentials_flow = False


def forbids_passwords(served: DevHub) -> None:
    served.service.resource_owner_flow = False


REFUSALS: list[tuple[list[str], Callable[[DevHub], object], str]] = [
    (["--service"], trusts_no_more, "make this service trusted"),
    (["--service"], forbids_services, "switch this flow on"),
    (["--service", "--scope", "nothing"], lambda served: None, "Compare the scope"),
    (["--user", "jane"], forbids_passwords, "switch this flow on"),
    (["--user", "jane"], lambda served: served.update_user("jane", banned=True), "user name and password"),
    (["--user", "nobody"], lambda served: None, "Google"),
    (["--user", "john"], lambda served: None, "user name and password"),
    (["--service"], lambda served: served.fail(TOKEN_PATH, status=503), "503"),
    (["--service"], lambda served: served.fail(TOKEN_PATH, body="<html>"), "no"),
    (["--service"], lambda served: served.fail(TOKEN_PATH, transport="refuse"), "could not be asked"),
]


@pytest.mark.parametrize(("words", "change", "sentence"), REFUSALS)
def test_what_hub_refuses_is_one_sentence(
    words: list[str], change: Callable[[DevHub], object], sentence: str, served: DevHub
) -> None:
    """R17."""
    change(served)
    answer = token(served, *words, say="jane\n")
    assert_refused(answer, sentence)


def test_a_wrong_secret_is_one_sentence_that_does_not_show_it(served: DevHub) -> None:
    """R17."""
    for words in (["--service"], ["--user", "jane"]):
        answer = token(served, *words, say="jane\n", secret=SECRET)
        assert_refused(answer, "Compare the service id and secret")
        assert SECRET not in answer.output


# Usage


@pytest.mark.parametrize(
    "words",
    [
        ["register"],
        ["register", "--hub-url", "http://127.0.0.1:9"],
        ["register", "--home-url", HOME],
        ["register", "--hub-url", "http://127.0.0.1:9", "--home-url", HOME, "--password", "x"],
        ["register", "--hub-url", "http://127.0.0.1:9", "--home-url", HOME, "--name", "x", "--user", "admin"],
        ["register", "--hub-url", "http://127.0.0.1:9", "--home-url", HOME],
        ["token"],
        ["token", "--service", "--user", "jane"],
        ["token", "--service", "--hub-url", "http://127.0.0.1:9"],
        ["token", "--service", "--service-id", "x"],
        ["token", "--service", "--service-secret", "x"],
        ["token", "--user", "jane", "--hub-url", "http://127.0.0.1:9", "--service-id", "x"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_is_exit_status_2(words: list[str]) -> None:
    """A secret that is not given is one, and there is no option for a secret."""
    answer = run(*words)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr


# As a process


@pytest.fixture
def environment(installed: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)]),
        "PYTHONWARNINGS": "error",
    }


FLASK = [sys.executable, "-m", "flask"]


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def hub_process(environment: dict[str, str]) -> Iterator[str]:
    """A Hub as a process of its own; its address."""
    command = [sys.executable, "-m", "flask_hub_auth.devhub", "--port", "0"]
    with running(command, env=environment) as process:
        assert process.stdout
        yield process.stdout.readline().split()[2].rstrip(",")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


APP = """
from flask import Flask
from flask_hub_auth import HubAuth, current_hub_user, hub_login_required

app = Flask(__name__)
app.config.from_prefixed_env()
HubAuth(app)

@app.get("/")
@hub_login_required
def index():
    return f"Hello {current_hub_user.name}"
"""


def test_what_register_prints_starts_an_application_that_signs_jane_in(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Word for word, with Hub, command and application as processes of their own."""
    port = free_port()
    (tmp_path / "app.py").write_text(APP)
    with hub_process(environment) as url:
        about = ["--hub-url", url, "--home-url", f"http://localhost:{port}", "--name", "My app", "--trusted"]
        answer = subprocess.run(
            [*FLASK, "hub", "register", *about, "--user", "admin"],
            env=environment,
            cwd=tmp_path,
            input="admin\n",
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (answer.returncode, answer.stderr) == (0, "")
        printed = lines(answer.stdout)
        assert len(printed) == 4
        settings = {**environment, **printed, "FLASK_SECRET_KEY": KEY, "FLASK_TESTING": "true", "PYTHONWARNINGS": ""}
        with running([*FLASK, "run", "--port", str(port)], env=settings, cwd=tmp_path):
            assert sign_in(f"http://localhost:{port}/", "jane") == "Hello Jane Doe"
            token = subprocess.run(
                [*FLASK, "hub", "token", "--service"],
                env=settings,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=30,
            )
        assert (token.returncode, printed["FLASK_HUB_SERVICE_ID"] in token.stdout) == (0, True)


def sign_in(address: str, login: str) -> str:
    """What a person sees at the end of the way from this page through Hub's login form."""
    browser = requests.Session()
    browser.headers.update(NAVIGATION)
    wait_for(address)
    form = browser.get(address, timeout=5)
    action = re.search(r'<form[^>]* action="([^"]+)"', form.text)
    assert action, form.text
    target = urljoin(form.url, action[1].replace("&amp;", "&"))
    answer = browser.post(target, data={"username": login, "password": login}, timeout=5)
    assert answer.url == address
    return answer.text


def wait_for(address: str) -> None:
    for _ in range(100):
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{address}nothing", timeout=5)
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody answers at {address}")


TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def test_on_a_terminal_name_and_password_are_asked_for_and_the_password_is_not_shown(
    served: DevHub, environment: dict[str, str], tmp_path: Path
) -> None:
    """And while Hub is asked, no list of processes has it."""
    served.user("admin").password = SECRET
    served.fail(REST, delay=1, times=1)
    command = [*FLASK, "hub", "register", "--hub-url", served.url, "--home-url", HOME, "--user", "admin"]
    options = {"env": environment, "cwd": tmp_path, "stdin": subprocess.PIPE}
    with running([sys.executable, "-c", TERMINAL, *command], **options) as process:
        assert process.stdin
        assert process.stdout
        seen = until(process.stdout, "Name of the service: ")
        process.stdin.write("My app\n")
        process.stdin.flush()
        seen += until(process.stdout, "Password of admin: ")
        process.stdin.write(f"{SECRET}\n")
        process.stdin.flush()
        while not served.calls:
            time.sleep(0.01)
        told = processes()
        seen += until(process.stdout, f"FLASK_HUB_SERVICE_URL={HOME}")
    assert "hub\0register" in told
    assert SECRET not in told
    assert SECRET not in seen
    made = next(service for service in served.people.services.values() if service.name == "My app")
    assert f"FLASK_HUB_SERVICE_SECRET={made.secret}" in seen


def until(output: IO[str], words: str) -> str:
    """What a process says up to these words."""
    seen = ""
    while words not in seen:
        letter = output.read(1)
        assert letter, seen
        seen += letter
    return seen


def processes() -> str:
    """The arguments of all processes of this machine, as ``ps`` shows them to everybody."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return "\n".join(found)


@pytest.mark.parametrize("way", ["standard input", "environment"])
def test_no_list_of_processes_has_a_password(
    way: str, served: DevHub, environment: dict[str, str], tmp_path: Path
) -> None:
    served.user("jane").password = SECRET
    served.fail(TOKEN_PATH, delay=1)
    about = ["--hub-url", served.url, "--service-id", served.service_id]
    secrets = {"FLASK_HUB_SERVICE_SECRET": served.service_secret or ""}
    secrets |= {"HUB_PASSWORD": SECRET} if way == "environment" else {}
    options = {"env": {**environment, **secrets}, "cwd": tmp_path, "stdin": subprocess.PIPE}
    with running([*FLASK, "hub", "token", "--user", "jane", *about], **options) as process:
        assert process.stdin
        if way == "standard input":
            process.stdin.write(f"{SECRET}\n")
            process.stdin.flush()
        while not served.calls:
            time.sleep(0.01)
        told = processes()
        out, err = process.communicate(timeout=20)
    assert "hub\0token" in told
    assert SECRET not in told + out + err
    assert served.service_secret not in told + out + err
    assert me(served, out.strip())["login"] == "jane"


def test_a_refusal_is_the_same_as_a_process(served: DevHub, environment: dict[str, str], tmp_path: Path) -> None:
    about = ["--hub-url", served.url, "--service-id", served.service_id]
    options = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 30}
    refused = subprocess.run([*FLASK, "hub", "token", "--user", "jane", *about], input="wrong\n", **options)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"[^\n]+\.\n", refused.stderr)
    wrong = subprocess.run([*FLASK, "hub", "token", *about], input="", **options)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_the_logins_of_a_person_are_listed_and_ended(
    dev_hub: DevHub, make_site: Callable[..., Flask], hub_login: Callable[..., None]
) -> None:
    """L17, S53: by their times alone, and at the next request."""
    app = make_site()
    clients = [app.test_client() for _ in range(2)]
    for client in clients:
        hub_login(client, "jane")
    jane = dev_hub.user("jane").id
    listed = run("sessions", "list", jane, "--json", app=app)
    assert [sorted(each) for each in json.loads(listed.stdout)] == [["last_seen", "since"]] * 2
    listed = run("sessions", "list", jane, app=app)
    assert len(listed.stdout.splitlines()) == 2
    assert listed.stderr.split() == ["since", "last", "seen", "(UTC)"]
    ended = run("sessions", "end", jane, app=app)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "Ended: 2.\n")
    assert [client.get("/private").status_code for client in clients] == [401, 401]
    assert run("sessions", "end", jane, app=app).exit_code == 0
    for words in (["list"], ["end"]):
        none = run("sessions", *words, "jane", app=app)
        assert (none.exit_code, none.stdout) == (0, "")
        assert "under this SECRET_KEY. The id is that of Hub" in none.stderr
    assert json.loads(run("sessions", "list", jane, "--json", app=app).stdout) == []


def test_what_hub_takes_only_at_the_beginning_is_not_dropped_in_silence(served: DevHub) -> None:
    assert register(served, "--name", "Reports", "--vendor", "We").exit_code == 0
    answer = register(served, "--name", "Reports", "--update", "--vendor", "They")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "--vendor" in answer.stderr


def test_a_refused_token_is_not_told_as_a_refused_registration(served: DevHub) -> None:
    served.fail(path="/api/rest/oauth2/token", status=403, body='{"error": "access_denied"}')
    assert_refused(token(served, "--service"), "access_denied")
