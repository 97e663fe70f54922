"""How a login is completed when it comes back from Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from flask import Response, after_this_request, request, session

from ..errors import AccessDenied, HubProblem, HubUnavailable, LoginFailed, log
from ..model import HubUser
from ..pages import clean
from ..sealing import logged, store_key
from .addresses import marked, on_this_site, safe_address, site_path
from .checks import SILENT_REFUSALS, WORDS, Found, answer_given, check_issuer, found, refusal
from .identity import forget_identity, identity, keep_handle, presented_handle
from .login import begin_login, redirect_to
from .navigation import arguments
from .pending import GOOD_SECONDS, Pending
from .signals import hub_logged_in, hub_logged_out, hub_login_failed
from .state import application, state


def complete_login() -> Response:
    """The answer to a callback: somebody is signed in, or a problem is raised that says why not.

    State first: signed, young, and this browser's; then used once, over all processes; only then what Hub says. A login
    that asked nothing never ends with a problem, since its page is for everybody.
    """
    left = _left()
    if left is not None:
        return left
    hub, states = state(), arguments(request).getlist("state")
    state_given = states[0] if len(states) == 1 else ""
    pending = hub.pending.find(request.cookies, state_given)
    try:
        answer = answer_given()
        if pending and not pending.is_old and hub.keeper.logins.claim_state(pending.state, GOOD_SECONDS):
            after_this_request(lambda response: _forget(response, pending.state))
            return _completed(answer, pending)
    except HubProblem as problem:
        back = _as_nobody(state_given, pending)
        if back is None:
            if pending:
                _tell_failed(problem, pending)
            raise
        _tell_silent(problem)
        return back
    return _as_nobody(state_given, pending) or _stale(state_given, pending)


def _completed(answer: dict[str, str], pending: Pending) -> Response:
    hub = state()
    check_issuer(answer["iss"])
    asked = pending.asked
    is_silent = not asked.optional and (asked.credentials or hub.config.request_credentials) == "silent"
    if is_silent and answer["error"] in SILENT_REFUSALS:
        # Somebody is needed here, so now Hub may ask.
        return begin_login(pending.next, replace(asked, credentials="default"))
    if answer["error"]:
        raise refusal(answer["error"], answer["error_description"])
    _sign_in(found(answer["code"], pending))
    response = redirect_to(pending.next)
    tried = hub.pending.tried(request.cookies)
    hub.pending.note(response, replace(tried, trips=tried.trips + 1))
    return response


def _left() -> Response | None:
    """Where a browser goes that comes back from Hub's logout, perhaps without the state that it took there."""
    hub, given = state(), arguments(request)
    if hub.config.logout_from_hub != "rp" or "code" in given:
        return None
    next = hub.pending.left(given.get("state", ""))
    if next is None and not any(word in given for word in WORDS):
        next = site_path(hub.config.after_logout, hub.config)
    return redirect_to(next) if next else None


def _as_nobody(state_given: str, pending: Pending | None) -> Response | None:
    """Back to a page that is for everybody, None if none began this. For a while Hub is not asked again."""
    hub = state()
    if pending:
        next = pending.next if pending.asked.optional else None
    else:
        # The cookie of the login did not come back, and perhaps none does: the address has to say it.
        carried = safe_address(hub.pending.carried(state_given), hub.config)
        next = marked(carried, hub.pending.mark()) if carried else None
    if next is None:
        return None
    response = redirect_to(next)
    hub.pending.note(response, replace(hub.pending.tried(request.cookies), refused=True))
    return response


def _stale(state_given: str, pending: Pending | None) -> Response:
    """The answer to a callback whose login is not there any more, or never was."""
    hub = state()
    started_at_hub = None if pending else on_this_site(state_given, hub.config)
    if started_at_hub:
        # Hub can begin a login itself; its state is then a page of ours. Its code is dropped: we begin one of our own.
        return begin_login(started_at_hub)
    if identity().user:
        return redirect_to(site_path(hub.config.after_login, hub.config))
    problem = LoginFailed(
        "The callback belongs to no pending login of this browser.",
        hub_code=_stale_code(state_given, pending),
    )
    _tell_failed(problem, pending)
    raise problem


def _stale_code(state_given: str, pending: Pending | None) -> str:
    if pending and pending.is_old:
        return "HUB-101"
    if pending or state().keeper.logins.was_claimed(state_given):
        return "HUB-103"
    return "HUB-102" if request.cookies else "HUB-104"


def _sign_in(who: Found) -> None:
    """Keep the login under a new handle, in place of whatever login was there."""
    hub, old = state(), presented_handle()
    with _session_of(who.user, old):
        hub_logged_in.send(application(), user=who.user)
        handle = hub.keeper.begin(who.user, who.token, authenticated_at=who.authenticated_at)
        try:
            over = _dropped(old, who.user) if old is not None else None
        except BaseException:
            # The old login may still be there, and its browser goes on with it.
            with suppress(HubProblem):
                hub.keeper.logins.remove(handle)
            raise
    keep_handle(handle)
    forget_identity()
    log.info("login ok: %s", logged(who.user.id, store_key(handle)))
    if over:
        hub_logged_out.send(application(), user_id=over[0], reason=over[1])


@contextmanager
def _session_of(user: HubUser, old: bytes | None) -> Iterator[None]:
    """Empties the session that was another person's, before anybody writes into it.

    Where nobody comes in it is what it was.
    """
    held = dict(session)
    if old is not None and not state().keeper.logins.was_of(old, user.id):
        session.clear()
    try:
        yield
    except BaseException:
        if dict(session) != held:
            session.clear()
            session.update(held)
        # A receiver may have asked who is there.
        forget_identity()
        raise


def _dropped(old: bytes, user: HubUser) -> tuple[str, str] | None:
    """Forget the login that was there; the user id and the reason of its end, if nobody was told of it yet."""
    logins = state().keeper.logins
    former = logins.remove(old)
    if former is not None:
        return None if former.ended else (former.user.id, "ended")
    return (user.id, "expired") if logins.forget_outlived(old, user.id) else None


def _forget(response: Response, pending_state: str) -> Response:
    state().pending.forget(response, pending_state)
    return response


def _tell_silent(problem: HubProblem) -> None:
    """Nobody sees the page of this problem, so the log alone says what is to be mended."""
    log.log(problem.log_level(), "silent sign-in gave nobody: %s: %s", problem.hub_code, clean(problem.message))
    if not isinstance(problem, AccessDenied | HubUnavailable):
        hub_login_failed.send(application(), code=problem.hub_code)


def _tell_failed(problem: HubProblem, pending: Pending | None) -> None:
    if pending and not problem.return_to:
        problem.return_to = pending.next
    hub_login_failed.send(application(), code=problem.hub_code)
