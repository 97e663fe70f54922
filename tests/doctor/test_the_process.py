"""What applications do when they are loaded and when their process ends: the command tells what it has to, in time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .clinic import EXIT, Clinic
from .command import Command

pytestmark = pytest.mark.slow

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
