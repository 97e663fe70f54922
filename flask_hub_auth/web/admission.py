"""Whether a request may come in: None if so, else the answer that says what is missing, or a problem."""

from __future__ import annotations

import typing as t

from flask import Response, request

from ..errors import AccessDenied, HubUnavailable, InputNotSent, LoginRequired, StepUpRequired, TokenRequired
from ..model import HubUser, Identity
from ..pages import PAGES, prefers_html
from ..tokens import times
from .addresses import MARK, here, on_this_site
from .identity import AS_NOBODY, ONLY_BEARER, current_hub_permissions, forget_identity, identity
from .login import begin_login, may_be_silent, redirect_to, stop_loops
from .navigation import arguments, can_navigate, presented_token
from .pending import AS_USUAL, LONGEST_CARRIED, Asked
from .signals import hub_access_denied
from .state import application, patience, state


def check_login() -> Response | None:
    """None if somebody is signed in; else the answer that begins a login, or :class:`LoginRequired`.

    :raises AccessDenied: the presented token is a service's own, or its person is not in ``HUB_LOGIN_GROUPS``
    """
    who = identity()
    if who.bearer is not None:
        _check_caller(who)
        return None
    return None if who.user else _ask_to_sign_in()


def check_password(max_age: int) -> Response | None:
    """None if somebody is signed in who entered a password within `max_age` seconds; else as :func:`check_login`.

    :raises StepUpRequired: what sent this request cannot go to Hub
    """
    who, hub = identity(), state()
    if who.bearer is not None:
        _check_caller(who)
        request.environ[ONLY_BEARER] = True
        raise StepUpRequired(max_age)
    if who.login is not None and times.is_recent(who.login, hub.keeper.now(), max_age):
        return None
    asked = Asked("required", user_id=who.user.id or None, max_age=max_age)
    problem = StepUpRequired(max_age) if who.user else LoginRequired("Nobody is signed in.")
    return _ask_to_sign_in(asked, problem)


def check_optional() -> Response | None:
    """None, unless it is time to ask Hub in silence who this is, which is not worth losing the page's address for.

    Who has a login of which nobody can tell now whether it lives reads the page as nobody, and is signed in afterwards.

    :raises AccessDenied: as :func:`check_login`
    """
    try:
        who = identity()
    except HubUnavailable:
        if request.method not in ("GET", "HEAD") or presented_token(request) is not None:
            raise
        request.environ[AS_NOBODY] = True
        return None
    if who.bearer is not None:
        _check_caller(who)
    next, pending = here(request, state().config), state().pending
    if next is None or len(next) > LONGEST_CARRIED or not can_navigate(request):
        return None
    mark = arguments(request).get(MARK, "")
    if mark and (who.user or pending.tried(request.cookies).refused):
        return redirect_to(next)  # The cookies say it, so the address need not.
    if who.user or pending.is_mark(mark) or not may_be_silent():
        return None
    return begin_login(next, Asked("silent", optional=True))


def check_bearer() -> Response | None:
    """None if a good token is presented."""
    state()  # An application without HubAuth has no way to know a good token, and says so.
    request.environ[ONLY_BEARER] = True
    who = identity() if presented_token(request) is not None else Identity()
    if who.bearer is None:
        raise TokenRequired("No token is presented in Authorization: Bearer, and nothing else counts here.")
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
        with patience():
            login = state().permissions.with_groups(who.handle, who.login)
        if login is None:
            forget_identity()
            return _ask_to_sign_in()
        user = login.user
    if user.groups.isdisjoint(names):
        _deny(who, tuple(names), "group")
    return None


def check_permission(key: str, project: str | None) -> Response | None:
    """None if the person holds the permission; :class:`AccessDenied` if not.

    :raises HubUnavailable: as :func:`check_groups`
    """
    answer = check_login()
    if answer is not None:
        return answer
    if not current_hub_permissions.allows(key, project):
        _deny(identity(), (key,), "permission")
    return None


def _check_caller(who: Identity) -> None:
    """Whether a caller with a token may come in at all."""
    if not who.user:
        raise AccessDenied("The presented token is a service's own; no person is behind it.", bearer=True)
    groups = state().config.login_groups
    if groups and who.user.groups.isdisjoint(groups):
        raise AccessDenied(f"The user {who.user.id} may not sign in.", hub_code="HUB-113", bearer=True)


def _deny(who: Identity, needed: tuple[str, ...], kind: str) -> t.NoReturn:
    hub_access_denied.send(application(), user=who.user, needed=needed)
    message = f"The user {who.user.id} lacks what is needed, the {kind} {' or '.join(needed)}."
    raise AccessDenied(message, needed=needed, kind=kind, bearer=who.bearer is not None)


def _ask_to_sign_in(asked: Asked = AS_USUAL, problem: LoginRequired | None = None) -> Response:
    """The answer that begins a login; to what cannot go to Hub `problem`, which says what is missing."""
    problem = problem or LoginRequired("Nobody is signed in.")
    next = problem.return_to = here(request, state().config)
    if can_navigate(request):
        stop_loops(next)
        return begin_login(next, asked)
    if request.headers.get("HX-Request") == "true":
        return _ask_htmx(problem)
    if request.method not in ("GET", "HEAD") and prefers_html(request.environ) and not asked.user_id:
        raise InputNotSent("A form was sent, and nobody is signed in any more.")
    raise problem


def _ask_htmx(problem: LoginRequired) -> Response:
    """401 with a header that makes htmx navigate the whole page to the login."""
    config = state().config
    problem.return_to = on_this_site(request.headers.get("HX-Current-URL"), config) or problem.return_to
    response = t.cast(Response, problem.get_response(request.environ))
    response.headers["HX-Redirect"] = request.environ[PAGES].login_url(problem)
    return response
