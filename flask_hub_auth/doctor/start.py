"""Why an application does not start, told without the texts of errors that are not ours: they may hold secrets."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import traceback
import typing as t
from pathlib import Path

import click

from ..config import SETTINGS
from ..errors import HubConfigError
from .findings import Finding, found

KEYS: t.Final = "SECRET_KEY"
"""What the names of all keys begin with."""
PACKAGE: t.Final = f"{Path(__file__).parents[1]}{os.sep}"
_KINDS = ("stdlib", "platstdlib", "purelib", "platlib")
LIBRARIES: t.Final = tuple(f"{sysconfig.get_path(kind)}{os.sep}" for kind in _KINDS)
"""Where code is that is not the application's."""


def no_start(error: BaseException) -> t.Iterator[Finding]:
    """What is wrong where the application raises `error`."""
    if isinstance(error, HubConfigError) and error.settings:
        yield from _settings(error)
    elif isinstance(error, HubConfigError):
        yield found("app-does-not-start", str(error))
    elif isinstance(error, click.ClickException):
        # Below its first line there may be a whole traceback, with lines of code.
        words = error.format_message().partition("\n")[0].rstrip(":.")
        yield found("app-does-not-start", f"{words}{_cause(error.__context__)}.")
    else:
        yield found("app-does-not-start", f"{type(error).__name__}{_cause(error)}.")


def hanging(thread: int, seconds: float) -> list[Finding]:
    """That the application is still being loaded, and where its thread is."""
    frames = traceback.StackSummary.extract(traceback.walk_stack(sys._current_frames()[thread]), lookup_lines=False)
    return [found("app-hangs", f"The application is still being loaded after {seconds:.0f} s{_place(frames[::-1])}.")]


def _cause(error: BaseException | None) -> str:
    """The module that is missing, and the line of the application where things went wrong."""
    if error is None:
        return ""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    module = f": there is no module {missing}" if missing and re.fullmatch(r"[\w.]{1,100}", missing) else ""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {error.filename}:{error.lineno}"
    return module + _place(traceback.extract_tb(error.__traceback__))


def _place(frames: t.Sequence[traceback.FrameSummary]) -> str:
    """The innermost line that is the application's; where none is, the innermost of all."""
    own = [frame for frame in frames if not frame.filename.startswith((*LIBRARIES, PACKAGE, "<"))]
    return "".join(f" at {frame.filename}:{frame.lineno}" for frame in (own or frames)[-1:])


def _settings(error: HubConfigError) -> t.Iterator[Finding]:
    """The settings that keep the application from starting; each sentence begins with the name of its setting."""
    if error.settings == ("HUB_CACHE",):
        code = "store-not-writable" if isinstance(error.__cause__, OSError) else "store-refused"
        yield found(code, str(error))
        return
    # What a key may look like is what there is to do.
    keys = [line.partition(" Example: ")[0] for line in str(error).splitlines() if line.startswith(KEYS)]
    others = [line for line in str(error).splitlines() if not line.startswith(KEYS)]
    if keys:
        yield found("secret-key-weak", "\n".join(keys))
    if others:
        # Flask reads a setting from the environment behind its prefix alone.
        known = [name for name in error.settings if name in SETTINGS and not name.startswith(KEYS)]
        absent = [name for name in known if f"{name} is missing" in str(error)]
        bare = [name for name in absent if name in os.environ and f"FLASK_{name}" not in os.environ]
        words = [f"The environment has {name}, which Flask reads as FLASK_{name}." for name in bare]
        example = next(iter([*bare, *absent, *known, "HUB_URL"]))
        yield found("setting-wrong", "\n".join(others + words), setting=example)
