"""Real processes beside the one of the tests: scripts that begin at the same moment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What every script has: `go` is called when it is prepared, and comes back at the same moment in all of them.
GO = """
import sys, time

def wait_until(moment):
    time.sleep(max(0, moment - time.monotonic()))

def go():
    print("ready", flush=True)
    moment = float(sys.stdin.readline())
    wait_until(moment)
    return moment
"""
SECONDS = 30


@contextlib.contextmanager
def started(script: str, *arguments: object, count: int = 1) -> Iterator[list[subprocess.Popen[str]]]:
    """`count` processes that run `script` with `sys.argv[1:]` as given, and none of them at the end."""
    code = GO + textwrap.dedent(script)
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    running: list[subprocess.Popen[str]] = []
    try:
        for _ in range(count):
            running.append(
                subprocess.Popen(
                    command,
                    env=environ,
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    """The next line of a process; where there is none, what went wrong."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, errors = process.communicate(timeout=SECONDS)
        raise AssertionError(f"a process ended with {process.returncode}:\n{errors}")
    return line.strip()


def release(*processes: subprocess.Popen[str]) -> None:
    """Lets processes go on that wait in `go`: together, as soon as all of them can have read this."""
    # The clock counts from the start of the machine, for all processes alike.
    moment = time.monotonic() + 0.02 * len(processes)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{moment}\n")
        process.stdin.flush()


def together(script: str, *arguments: object, count: int = 4) -> list[list[str]]:
    """What each of `count` processes printed after `go`, which all leave at the same moment."""
    with started(script, *arguments, count=count) as running:
        for process in running:
            assert said(process) == "ready"
        release(*running)
        printed = []
        for process in running:
            output, errors = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, errors
            printed.append(output.splitlines())
        return printed
