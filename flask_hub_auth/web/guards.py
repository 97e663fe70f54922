"""The decorators, and the guards of whole blueprints and applications."""

from __future__ import annotations

import functools
import typing as t
from datetime import timedelta
from weakref import WeakSet

from flask import Flask, Response, current_app, request
from flask.views import View

from .. import readers
from ..errors import HubConfigError, SetupProblem
from .admission import check_bearer, check_groups, check_login, check_optional, check_password, check_permission
from .state import GUARD, OPTIONAL

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

_PUBLIC: t.Final = "__hub_public__"
_FIRST: t.Final = "__hub_first__"
"""Attribute of a guarded view: what ``HUB_PROTECT_ALL`` asks before anything of the application runs."""

BEARER: t.Final = "bearer"
_guards: WeakSet[t.Callable[..., t.Any]] = WeakSet()
_bare: WeakSet[t.Callable[..., t.Any]] = WeakSet()
"""Functions that have a guarded twin. Where one of them is registered itself, its guard guards nothing."""


@t.overload
def hub_login_required(view: F) -> F: ...
@t.overload
def hub_login_required(*, max_age: float | timedelta | None = None) -> t.Callable[[F], F]: ...
def hub_login_required(view: F | None = None, *, max_age: float | timedelta | None = None) -> t.Any:
    """Let only people through who are signed in.

    Use it below ``@app.route``, on a function, an async function, or a class-based view. A person who is not signed in
    and navigates here is sent to Hub and comes back; everything else gets 401 (problem details with a ``login_url``).

    :param max_age: seconds; who entered no password within them is asked for it again at Hub, and has to be the same
        person. What counts is a password that we have asked for, and with ``HUB_OPENID`` what Hub says about it. A
        caller with a token gets 401, since it says nothing about passwords.
    """
    guard = functools.partial(_guarded, check=check_login, words="login")
    if max_age is not None:
        check = functools.partial(check_password, _whole_seconds(max_age))
        guard = functools.partial(_guarded, check=check, words="login with a new password", first=check)
    return guard if view is None else guard(view)


def _whole_seconds(max_age: object) -> int:
    try:
        return max(1, int(readers.life(max_age)))
    except readers.Wrong as wrong:
        raise HubConfigError(f"hub_login_required: max_age {wrong}. Example: max_age=300.") from None


def hub_login_optional(view: F) -> F:
    """Let everybody through, and know those whom Hub knows: ``current_hub_user`` is falsy for the others.

    A stranger who navigates here is sent through Hub once, which asks nothing (``request_credentials=silent``). Where
    Hub knows nobody they come back as such, and for five minutes Hub is not asked again.
    """
    return _guarded(view, check=check_optional, words=OPTIONAL, first=_pass)


def hub_group_required(*names: str) -> t.Callable[[F], F]:
    """Let only people through who are signed in and in one of the groups `names`. Others get 403."""
    if not names or not all(isinstance(name, str) and name.strip() for name in t.cast(tuple[object, ...], names)):
        raise HubConfigError(
            f"hub_group_required needs names of groups, got {names!r}. Example: @hub_group_required('Developers')."
        )
    check = functools.partial(check_groups, names)
    return functools.partial(_guarded, check=check, words="group " + " or ".join(names))


def hub_public(view: F) -> F:
    """Exempt a view from ``HUB_PROTECT_ALL`` and :meth:`HubAuth.protect`; a class without those derived from it."""
    _check_view(view)
    setattr(view, _PUBLIC, True)
    return view


def hub_bearer_required(view: F) -> F:
    """Let only callers through who present a good token of Hub in ``Authorization: Bearer``.

    A browser's cookie does not count here, so the view needs no protection against forged forms. Others get 401 or 403
    with ``WWW-Authenticate`` (RFC 6750 section 3).
    """
    return _guarded(view, check=check_bearer, words=BEARER, first=check_bearer)


def hub_permission_required(key: str, project: str | None = None) -> t.Callable[[F], F]:
    """Let only people through who hold the permission `key` in `project` (an id), or anywhere. Others get 403."""
    if not isinstance(t.cast(object, key), str) or not key:
        raise HubConfigError(
            f"hub_permission_required needs a permission's key, got {key!r}. Example: 'JetBrains.YouTrack.READ_ISSUE'."
        )
    check = functools.partial(check_permission, key, project)
    return functools.partial(_guarded, check=check, words=f"permission {key}" + (f" in {project}" if project else ""))


def _pass() -> None:
    """Nothing to ask before the view's own guard does."""


def check_everything() -> Response | None:
    """The guard of ``HUB_PROTECT_ALL``: a login for every endpoint that is not public, and where there is none."""
    if is_public(request.endpoint):
        return None
    view = current_app.view_functions.get(request.endpoint or "")
    # Where only a presented token counts, or nobody need be signed in, the view's own guard says so. Others may have
    # copied its attributes; who has it inside is believed to call it.
    guard = next((layer for layer in layers(view) if layer in _guards), None)
    first: t.Callable[[], Response | None] = getattr(guard, _FIRST, check_login)
    return None if first is check_bearer and _is_answered_by_flask() else first()


def _is_answered_by_flask() -> bool:
    """Whether this is an OPTIONS of which the view learns nothing. A browser asks so before it sends a token along."""
    return request.method == "OPTIONS" and bool(getattr(request.url_rule, "provide_automatic_options", False))


def layers(view: t.Any) -> t.Iterator[t.Any]:
    """A view, and what decorators made with ``functools.wraps`` have inside of it, the outermost first."""
    seen: set[int] = set()
    while view is not None and id(view) not in seen:
        seen.add(id(view))
        yield view
        view = getattr(view, "__wrapped__", None)


def is_public(endpoint: str | None) -> bool:
    """Whether an endpoint needs no login under default-deny: marked so, ours, or static files."""
    if endpoint is None:
        return False
    if endpoint.startswith("hub_auth.") or _is_static(endpoint):
        return True
    view = current_app.view_functions.get(endpoint)
    # A class that is derived from a public one has views of its own, of which nobody has said that.
    return bool(getattr(view, _PUBLIC, False)) or _PUBLIC in vars(getattr(view, "view_class", object))


def _is_static(endpoint: str) -> bool:
    """Whether this is Flask's own endpoint for a static folder, and no view that is called alike."""
    owner, _, name = endpoint.rpartition(".")
    folder = current_app.blueprints.get(owner) if owner else current_app
    return name == "static" and folder is not None and folder.has_static_folder


def find_bare_views(app: Flask) -> None:
    """Raise :class:`SetupProblem` if a guard stands above ``@app.route``, where it guards nothing."""
    for endpoint in bare_views(app):
        raise SetupProblem(
            f"The view '{endpoint}' is not guarded: its guard stands above @app.route, which registered the bare"
            f" function. Put @app.route on top and the guard below it."
        )


def bare_views(app: Flask) -> list[str]:
    """The endpoints whose guard guards nothing."""
    return [name for name, view in app.view_functions.items() if view in _bare and not getattr(view, _PUBLIC, False)]


def _check_view(view: object) -> None:
    if not callable(view):
        raise HubConfigError(
            f"A guard stands on a view function or a View class, got {view!r}. An age has a name, max_age."
        )


def _guarded(
    view: F,
    *,
    check: t.Callable[[], Response | None],
    words: str,
    first: t.Callable[[], Response | None] = check_login,
) -> F:
    if isinstance(view, type) and issubclass(view, View):
        # Of a view's decorators the last is the outermost: nothing of the view runs before it.
        view.decorators = [*view.decorators, functools.partial(_guarded, check=check, words=words, first=first)]
        return view
    _check_view(view)

    @functools.wraps(view)
    def guarded(*args: t.Any, **kwargs: t.Any) -> t.Any:
        answer = check()
        return current_app.ensure_sync(view)(*args, **kwargs) if answer is None else answer

    setattr(guarded, GUARD, words)
    setattr(guarded, _FIRST, first)
    _guards.add(guarded)
    for inner in layers(view):
        _bare.add(inner)
    return t.cast(F, guarded)
