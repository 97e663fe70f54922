"""What a command prints apart from what the application prints that it has loaded; and an end that nothing holds up."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import typing as t
from dataclasses import dataclass

import click

GRACE: t.Final = 1.0
"""Seconds for what the application does when its process ends."""


@dataclass(frozen=True, slots=True)
class Output:
    """The standard output of a command, for its data alone.

    `is_own`: whether the process is the command's own, and not one that runs it as a function, such as click's runner.
    """

    stream: t.TextIO
    is_own: bool

    def tell(self, text: str) -> None:
        """Prints a line."""
        click.echo(text, file=self.stream)

    def end(self, status: int) -> t.NoReturn:
        """Ends the process as usual; without ceremony where a thread or an exit function keeps it from ending."""
        self.stream.flush()
        if self.is_own:
            timer = threading.Timer(GRACE, os._exit, [status])
            timer.daemon = True
            timer.start()
        sys.exit(status)

    def end_at_once(self, status: int) -> t.NoReturn:
        """Ends the process out of any of its threads."""
        self.stream.flush()
        os._exit(status)


@contextlib.contextmanager
def data_alone() -> t.Iterator[Output]:
    """Standard output for data; what anybody else writes there goes to standard error.

    Where the process is the command's own this holds down to the descriptor, to which child processes and libraries
    in C write, and to its end, when an application may write too.
    """
    stream, is_own = sys.stdout, sys.stdout is not None and sys.stdout is sys.__stdout__
    with contextlib.ExitStack() as stack:
        if is_own:
            stream = stack.enter_context(os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace"))
            os.dup2(2, 1)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield Output(stream, is_own)
