"""The doctor's round: loads the application, looks at it, asks its Hub, its services and its store."""

from __future__ import annotations

import threading
import typing as t

from flask import Flask

from ..web.state import EXTENSION, HubState
from .clockwork import ASKING, LOADING, Budget, alarm
from .findings import Finding, each_once, found, unfinished
from .ground import Ground
from .own import look_at_application
from .start import hanging, no_start
from .stores import look_at_store_in_time
from .visit import look_at_hub


def examine(load: t.Callable[[], Flask], late: t.Callable[[list[Finding]], t.NoReturn]) -> list[Finding]:
    """What is wrong with the application that `load` gives; nothing where all is well. Ends in time, whatever hangs.

    :param late: told in another thread, which it has to end the process from, what is found where `load` hangs. An
        application is loaded in this one, since some can be loaded in the main thread only.
    """
    whole, thread = Budget.begun_now(), threading.get_ident()
    try:
        with alarm(LOADING, lambda: late(hanging(thread, LOADING))):
            app = load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return each_once(no_start(error))
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, HubState):
        return [found("hubauth-missing", f"The application '{app.name}' has no HubAuth.")]
    ground = Ground(app, state, whole.at_most(ASKING))
    asked: dict[str, t.Callable[[], list[Finding]]] = {
        "the application": lambda: look_at_application(app, ground.config),
        "Hub": lambda: look_at_hub(ground),
        "the store": lambda: look_at_store_in_time(ground.budget, state.keeper.logins.store),
    }
    parts = ground.budget.with_margin().together(asked)
    return each_once([*(finding for part in parts.values() for finding in part), *unfinished(asked.keys() - parts)])
