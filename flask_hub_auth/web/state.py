"""What one application has: its settings and the parts made from them."""

from __future__ import annotations

import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask, current_app, has_request_context, request

from ..config import HubConfig
from ..errors import SetupProblem
from ..hub import HubOAuth
from ..hub.deadline import within
from ..hub.openid import Discovery, IdTokens
from ..hub.transport import Transport
from ..hub.wire import Wire
from ..sealing import Sealer
from ..tokens import TokenKeeper
from ..tokens.bearer import BearerTokens
from ..tokens.client import ServiceTokens
from ..tokens.permissions import PermissionKeeper
from .pending import PendingLogins

EXTENSION: t.Final = "hub_auth"
GUARD: t.Final = "__hub_guard__"
"""Attribute of a guarded view: what guards it, in words."""
OPTIONAL: t.Final = "optional login"


@dataclass(frozen=True, slots=True)
class HubState:
    """The one object in ``app.extensions["hub_auth"]``. Nothing in it belongs to a request or a person."""

    config: HubConfig
    transport: Transport
    oauth: HubOAuth
    discovery: Discovery
    id_tokens: IdTokens
    sealer: Sealer
    keeper: TokenKeeper
    permissions: PermissionKeeper
    bearer: BearerTokens
    services: ServiceTokens
    wire: Wire
    pending: PendingLogins


def state() -> HubState:
    """The state of the current application.

    :raises SetupProblem: the extension was never given this application: nothing guarded runs
    """
    found = current_app.extensions.get(EXTENSION)
    if not isinstance(found, HubState):
        raise SetupProblem(
            f"The application '{current_app.name}' has guarded views but no HubAuth. Call HubAuth(app) when it is made."
        )
    return found


_SPENT: t.Final = "flask_hub_auth.spent"


@contextmanager
def patience(timeout: float | None = None) -> t.Iterator[None]:
    """All that one request asks Hub in one go takes `timeout` (``HUB_TIMEOUT``) at most, however many calls it is."""
    timeout = timeout or state().config.timeout
    environ = request.environ if has_request_context() else {}
    spent, ended = environ.get(_SPENT, (0.0, 0.0))
    if time.monotonic() - ended > timeout:
        spent = 0.0  # A request may live for hours, as one that sends events does.
    with within(timeout - spent) as taken:
        try:
            yield
        finally:
            environ[_SPENT] = (spent + taken.spent, time.monotonic())


def application() -> Flask:
    """The current application itself, the sender of every signal."""
    return t.cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]


def has_optional_pages() -> bool:
    """Whether a view of the current application welcomes people without asking them to sign in."""
    return any(getattr(view, GUARD, None) == OPTIONAL for view in current_app.view_functions.values())
