"""The decorators, and the guards of whole blueprints and applications."""

from __future__ import annotations

import functools
import typing as t
from weakref import WeakSet

from flask import Flask, Response, current_app, request
from flask.views import View

from ..errors import AccessDenied, HubConfigError, InputNotSent, LoginRequired, SetupProblem
from ..model import HubUser, Identity
from ..pages import prefers_html
from .addresses import here, login_address, on_this_site
from .identity import ONLY_BEARER, current_hub_permissions, forget_identity, identity
from .login import begin_login, stop_loops
from .navigation import can_navigate, presented_token
from .signals import hub_access_denied
from .state import application, state

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

_PUBLIC: t.Final = "__hub_public__"
GUARD: t.Final = "__hub_guard__"
"""Attribute of a guarded view: what guards it, in words."""

BEARER: t.Final = "bearer"
_guards: WeakSet[t.Callable[..., t.Any]] = WeakSet()
_bare: WeakSet[t.Callable[..., t.Any]] = WeakSet()
"""Functions that have a guarded twin. Where one of them is registered itself, its guard guards nothing."""


@t.overload
def hub_login_required(view: F) -> F: ...
@t.overload
def hub_login_required(*, max_age: float | None = None) -> t.Callable[[F], F]: ...
def hub_login_required(view: F | None = None, *, max_age: float | None = None) -> t.Any:
    """Let only people through who are signed in.

    Use it below ``@app.route``, on a function, an async function, or a class-based view. A person who is not signed in
    and navigates here is sent to Hub and comes back; everything else gets 401 (problem details with a ``login_url``).
    """
    if max_age is not None:
        raise HubConfigError("hub_login_required(max_age=...) is not available in this version. Leave max_age out.")
    guard = functools.partial(_guarded, check=check_login, words="login")
    return guard if view is None else guard(view)


def hub_group_required(*names: str) -> t.Callable[[F], F]:
    """Let only people through who are signed in and in one of the groups `names`. Others get 403."""
    if not names or not all(isinstance(name, str) for name in t.cast(tuple[object, ...], names)):
        raise HubConfigError(
            f"hub_group_required needs names of groups, got {names!r}. Example: @hub_group_required('Developers')."
        )
    check = functools.partial(check_groups, names)
    return functools.partial(_guarded, check=check, words="group " + " or ".join(names))


def hub_public(view: F) -> F:
    """Exempt a view from ``HUB_PROTECT_ALL`` and :meth:`HubAuth.protect`."""
    setattr(view, _PUBLIC, True)
    return view


def hub_bearer_required(view: F) -> F:
    """Let only callers through who present a good token of Hub in ``Authorization: Bearer``.

    A browser's cookie does not count here, so the view needs no protection against forged forms. Others get 401 or 403
    with ``WWW-Authenticate`` (RFC 6750 section 3).
    """
    return _guarded(view, check=check_bearer, words=BEARER)


def hub_permission_required(key: str, project: str | None = None) -> t.Callable[[F], F]:
    """Let only people through who hold the permission `key` in `project` (an id), or anywhere. Others get 403."""
    if not isinstance(t.cast(object, key), str) or not key:
        raise HubConfigError(
            f"hub_permission_required needs a permission's key, got {key!r}. Example: 'JetBrains.YouTrack.READ_ISSUE'."
        )
    check = functools.partial(check_permission, key, project)
    return functools.partial(_guarded, check=check, words=f"permission {key}" + (f" in {project}" if project else ""))


def check_login() -> Response | None:
    """None if somebody is signed in; else the answer that begins a login, or :class:`LoginRequired`.

    :raises AccessDenied: the presented token is a service's own, or its person is not in ``HUB_LOGIN_GROUPS``
    """
    who = identity()
    if who.bearer is not None:
        _check_caller(who)
        return None
    return None if who.user else _ask_to_sign_in()


def check_bearer() -> Response | None:
    """None if a good token is presented."""
    state()  # An application without HubAuth has no way to know a good token, and says so.
    request.environ[ONLY_BEARER] = True
    who = identity() if presented_token(request) is not None else Identity()
    if who.bearer is None:
        raise LoginRequired("No token is presented.")
    _check_caller(who)
    return None


def check_groups(names: t.Sequence[str]) -> Response | None:
    """None if the person is in one of `names`; :class:`AccessDenied` if not.

    :raises HubUnavailable: what is known of the groups is too old to decide by, and Hub could not be asked
    """
    answer = check_login()
    if answer is not None:
        return answer
    who = identity()
    user: HubUser = who.user
    if who.login is not None and who.handle is not None:
        login = state().permissions.with_groups(who.handle, who.login)
        if login is None:
            forget_identity()
            return _ask_to_sign_in()
        user = login.user
    if user.groups.isdisjoint(names):
        _deny(who, tuple(names))
    return None


def check_permission(key: str, project: str | None) -> Response | None:
    """None if the person holds the permission; :class:`AccessDenied` if not.

    :raises HubUnavailable: as :func:`check_groups`
    """
    answer = check_login()
    if answer is not None:
        return answer
    if not current_hub_permissions.allows(key, project):
        _deny(identity(), (key,))
    return None


def _check_caller(who: Identity) -> None:
    """Whether a caller with a token may come in at all."""
    if not who.user:
        raise AccessDenied("The presented token is a service's own; no person is behind it.", bearer=True)
    groups = state().config.login_groups
    if groups and who.user.groups.isdisjoint(groups):
        raise AccessDenied(f"The user {who.user.id} may not sign in.", hub_code="HUB-113", bearer=True)


def _deny(who: Identity, needed: tuple[str, ...]) -> t.NoReturn:
    hub_access_denied.send(application(), user=who.user, needed=needed)
    message = f"The user {who.user.id} lacks what is needed: {', '.join(needed)}."
    raise AccessDenied(message, needed=needed, bearer=who.bearer is not None)


def check_everything() -> Response | None:
    """The guard of ``HUB_PROTECT_ALL``: a login for every endpoint that is not public, and where there is none."""
    view = current_app.view_functions.get(request.endpoint or "")
    # Where only a presented token counts, the view's own guard says so; a login would not help there.
    if is_public(request.endpoint) or (view in _guards and getattr(view, GUARD) == BEARER):
        return None
    return check_login()


def is_public(endpoint: str | None) -> bool:
    """Whether an endpoint needs no login under default-deny: marked so, ours, or static files."""
    if endpoint is None:
        return False
    if endpoint.startswith("hub_auth.") or _is_static(endpoint):
        return True
    view = current_app.view_functions.get(endpoint)
    return bool(getattr(view, _PUBLIC, False) or getattr(getattr(view, "view_class", None), _PUBLIC, False))


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


def _guarded(view: F, *, check: t.Callable[[], Response | None], words: str) -> F:
    if isinstance(view, type) and issubclass(view, View):
        # Of a view's decorators the last is the outermost: nothing of the view runs before it.
        view.decorators = [*view.decorators, functools.partial(_guarded, check=check, words=words)]
        return view
    if not callable(view):
        raise HubConfigError(f"A guard stands on a view function or a View class, got {view!r}.")

    @functools.wraps(view)
    def guarded(*args: t.Any, **kwargs: t.Any) -> t.Any:
        answer = check()
        return current_app.ensure_sync(view)(*args, **kwargs) if answer is None else answer

    setattr(guarded, GUARD, words)
    _guards.add(guarded)
    inner: t.Any = view
    while inner is not None:
        _bare.add(inner)
        inner = getattr(inner, "__wrapped__", None)
    return t.cast(F, guarded)


def _ask_to_sign_in() -> Response:
    config = state().config
    next = here(request, config)
    if can_navigate(request):
        stop_loops(next)
        return begin_login(next)
    if request.headers.get("HX-Request") == "true":
        return _ask_htmx()
    if request.method not in ("GET", "HEAD") and prefers_html(request.environ):
        raise InputNotSent("A form was sent, and nobody is signed in any more.")
    raise LoginRequired("Nobody is signed in.", return_to=next)


def _ask_htmx() -> Response:
    """401 with a header that makes htmx navigate the whole page to the login."""
    config = state().config
    page = on_this_site(request.headers.get("HX-Current-URL"), config) or here(request, config)
    response = t.cast(Response, LoginRequired("Nobody is signed in.", return_to=page).get_response(request.environ))
    response.headers["HX-Redirect"] = login_address(page, config)
    return response
