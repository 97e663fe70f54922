"""The doctor's round: loads the application, looks at it, asks its Hub, its services and its store."""

from __future__ import annotations

import traceback
import typing as t

import click
from flask import Flask

from ..errors import HubConfigError
from ..web.state import EXTENSION, HubState
from .clockwork import Budget
from .findings import Finding, each_once, found, unfinished
from .ground import Ground
from .own import look_at_application
from .stores import look_at_store
from .visit import look_at_hub

KEYS: t.Final = "SECRET_KEY"
"""What the names of all keys begin with."""


def examine(load: t.Callable[[], Flask]) -> list[Finding]:
    """What is wrong with the application that `load` gives; nothing where all is well. Ends in time, whatever hangs."""
    try:
        app = load()
    except (Exception, SystemExit) as error:
        return each_once(_no_start(error))
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, HubState):
        return [found("hubauth-missing", f"The application '{app.name}' has no HubAuth.")]
    ground = Ground(app, state, Budget.begun_now())
    asked: dict[str, t.Callable[[], list[Finding]]] = {
        "the application": lambda: look_at_application(app, ground.config),
        "Hub": lambda: look_at_hub(ground),
        "the store": lambda: look_at_store(state.keeper.logins.store),
    }
    parts = ground.budget.with_margin().together(asked)
    return each_once([*(finding for part in parts.values() for finding in part), *unfinished(asked.keys() - parts)])


def _no_start(error: BaseException) -> t.Iterator[Finding]:
    if isinstance(error, HubConfigError) and error.settings:
        yield from _settings(error)
    elif isinstance(error, HubConfigError):
        yield found("app-does-not-start", str(error))
    elif isinstance(error, click.ClickException):
        # Below its first line there may be a whole traceback, with lines of code.
        yield found("app-does-not-start", error.format_message().partition("\n")[0])
    else:
        # What another library says may hold a secret, such as a database's password.
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        yield found("app-does-not-start", f"{type(error).__name__}{where}.")


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
        yield found("setting-wrong", "\n".join(others))
