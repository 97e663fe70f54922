"""What applications do when they are loaded and when their process ends: the command tells what it has to, in time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .clinic import EXIT, Clinic
from .command import Command

pytestmark = pytest.mark.slow

SERVING = [
    "import json, os; from flask_hub_auth import HubAuth",
    "app = Flask(__name__)",
    "app.config.update(TESTING=True, SECRET_KEY='4f1c9a7be2d80563d0e6b53c7a2184f9', HUB_CACHE='memory://')",
    "app.config.update(json.loads(os.environ['PATIENT']))",
    "hub = HubAuth(app)",
]
MADE = "from tests.doctor.patient import create_app; app = create_app()"


@pytest.fixture
def command(installed: Path, clinic: Clinic) -> Command:
    return Command(installed, clinic)


def written(folder: Path, *lines: str, name: str = "myservice.py") -> str:
    """An application with these lines, for ``flask --app``."""
    path = folder / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("hang", ["time.sleep(60)", "threading.Event().wait()", "socket.create_server(A).accept()"])
def test_an_application_that_hangs_when_it_is_loaded_is_a_finding(hang: str, command: Command, tmp_path: Path) -> None:
    """R70"""
    app = written(tmp_path, "import socket, threading, time; A = ('127.0.0.1', 0)", hang, MADE)
    done = command.run("--json", app=app)
    [finding] = json.loads(done.stdout)
    assert (done.returncode, finding["code"]) == (EXIT["error"], "app-hangs")
    assert finding["seen"].endswith(f" at {app}:2.")


@pytest.mark.parametrize(
    "line",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
        "import atexit, time; atexit.register(time.sleep, 60)",
    ],
)
def test_an_application_that_does_not_end_does_not_keep_the_command(
    line: str, command: Command, tmp_path: Path
) -> None:
    """R70"""
    app = written(tmp_path, line, MADE)
    assert command.codes(app=app) == (0, [])
    assert command.codes(app=app, SECRET_KEY="dev") == (EXIT["error"], ["secret-key-weak"])


def test_an_application_is_loaded_in_the_main_thread(command: Command, tmp_path: Path) -> None:
    """Elsewhere Python refuses signal handlers, and some libraries their event loop."""
    app = written(tmp_path, "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)", "import time", MADE)
    assert command.codes(app=app) == (0, [])


AS_SERVICE = {
    "a module beside it": ("", "def users(hub):\n    return hub.as_service().get('/users')"),
    "a class within a class": ("class A:\n    class B:\n        def c(self, hub):\n            hub.as_service()", ""),
    "a part of a call": ("import functools\nF = functools.partial(lambda hub: hub.as_service())", ""),
}


@pytest.mark.parametrize("place", AS_SERVICE)
def test_the_use_of_as_service_is_seen(place: str, command: Command, tmp_path: Path) -> None:
    own, beside = AS_SERVICE[place]
    written(tmp_path, beside, name="beside.py")
    app = written(tmp_path, "import beside", "from flask import Flask", own, *SERVING)
    assert command.codes(app=app) == (0, [])
    command.clinic.service(trusted=False)
    assert command.codes(app=app) == (EXIT["error"], ["service-not-trusted"])


def test_an_import_of_everything_uses_no_permissions(command: Command, tmp_path: Path) -> None:
    command.clinic.change(serves_permissions=False)
    everything = ["from flask import Flask", "from flask_hub_auth import *"]
    assert command.codes(app=written(tmp_path, *everything, *SERVING)) == (0, [])
    view = "@app.get('/a')\n@hub_permission_required('a')\ndef a(): return ''"
    app = written(tmp_path, *everything, *SERVING, view)
    assert command.codes(app=app) == (EXIT["error"], ["permissions-elsewhere"])


NOISE = {
    "print": "print('NOISE')",
    "the descriptor": "import os; os.write(1, b'NOISE')",
    "a process": "import subprocess; subprocess.run(['echo', 'NOISE'])",
    "an exit function": "import atexit; atexit.register(print, 'NOISE')",
    "a process at the exit": "import atexit, subprocess; atexit.register(subprocess.run, ['echo', 'NOISE'])",
    "standard output as it was": "import sys; sys.__stdout__.write('NOISE')",
}


@pytest.mark.parametrize("kind", NOISE)
def test_what_an_application_says_is_no_data(kind: str, command: Command, tmp_path: Path) -> None:
    app = written(tmp_path, NOISE[kind], MADE)
    for name in ("check", "routes"):
        done = command.run("--json", app=app, name=name)
        assert (done.returncode, "NOISE" in done.stderr) == (0, True)
        assert isinstance(json.loads(done.stdout), list)


STARTS = {
    "a module that is missing": (["import no_such_module"], ": there is no module no_such_module at {}:1."),
    "a name that is missing": (["", "from os import nothing"], " at {}:2."),
    "no Python": (["", "", "key = 'TopSecret"], "SyntaxError at {}:3."),
    "an error in a library": (["import json", "json.loads('TopSecret')"], "JSONDecodeError at {}:2."),
    "an error of no kind": (["raise BaseException('TopSecret')"], "BaseException at {}:1."),
    "an import that says a secret": (["raise ImportError('TopSecret', name='Top Secret')"], " at {}:1."),
}


@pytest.mark.parametrize("name", STARTS)
def test_an_error_at_the_start_is_told_with_its_place_and_without_its_text(
    name: str, command: Command, tmp_path: Path
) -> None:
    lines, told = STARTS[name]
    app = written(tmp_path, *lines)
    [finding] = command.findings(app=app)
    assert finding["code"] == "app-does-not-start"
    assert finding["seen"].endswith(told.format(app))
