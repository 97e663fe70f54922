"""The visit at Hub: what depends on nothing is asked at once, and nothing whose ground is missing."""

from __future__ import annotations

import typing as t
from email.utils import parsedate_to_datetime
from functools import partial

from ..config import HUB_ID
from ..errors import HubError
from ..hub.answer import Answer
from ..hub.rest import ME_PATH
from ..hub.signed import HubKeys, SignedToken
from ..model import Secret
from . import address, client, services
from .findings import Finding, found, unfinished
from .ground import Ground, failure
from .own import uses

APART: t.Final = 30
"""Seconds by which clocks may differ: half of the leeway with which tokens are renewed."""
ME: t.Final = f"{ME_PATH}?fields=id"
_PERMISSIONS: t.Final = ("hub_permission_required", "current_hub_permissions")

Task = t.Callable[[], list[Finding]]


def look_at_hub(ground: Ground) -> list[Finding]:
    """What is wrong at Hub, or between Hub and this service."""
    word, findings = address.find_hub(ground)
    if word is None:
        return findings
    findings += _clock(ground, word.answer)
    if word.kind == "page" and word.error not in client.REDIRECT_ERRORS:
        return findings + client.refusals(ground, word, None)
    tokens: list[Secret] = []
    unknown: list[str] = []
    first: dict[str, Task] = {
        "token": lambda: _token(ground, tokens),
        "people": lambda: _people(ground),
        "id tokens": lambda: client.openid(ground),
        "logout": lambda: client.logout(ground),
    }
    if word.kind != "page":
        first["scopes"] = lambda: _scopes(ground, unknown)
    if word.kind == "login":
        first["pkce"] = lambda: client.pkce(ground)
    findings += _gathered(ground, first)
    token = tokens[0] if tokens else None
    then: dict[str, Task] = {"services": lambda: _services(ground, token, unknown)}
    if word.kind != "login":
        then["refusal"] = lambda: client.refusals(ground, word, token)
    return findings + _gathered(ground, then)


def _gathered(ground: Ground, tasks: t.Mapping[str, Task]) -> list[Finding]:
    """What all tasks find; what keeps one from asking is a finding too."""

    def asked(task: Task) -> list[Finding]:
        try:
            return task()
        except HubError as error:
            return [failure(error)]

    parts = ground.budget.together({name: partial(asked, task) for name, task in tasks.items()})
    return [finding for part in parts.values() for finding in part] + unfinished(tasks.keys() - parts)


def _clock(ground: Ground, answer: Answer) -> list[Finding]:
    """Compares by the ``Date`` of an answer that has just come (RFC 9110 section 6.6.1)."""
    try:
        apart = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp() - ground.state.oauth.now()
    except (ValueError, OverflowError):
        return []
    if abs(apart) <= APART:
        return []
    side = "ahead of" if apart > 0 else "behind"
    return [found("clock-apart", f"Hub's clock is {abs(apart):.0f} s {side} this one.")]


def _token(ground: Ground, tokens: list[Secret]) -> list[Finding]:
    token, findings = client.own_token(ground, as_service=uses(ground.app, "as_service"))
    if token is None:
        return findings
    tokens.append(token)
    return findings + (_presented(ground, token) if ground.config.bearer == "signed" else [])


def _presented(ground: Ground, token: Secret) -> list[Finding]:
    """Whether a token of this Hub, presented here, could be checked."""
    signed = SignedToken.parse(token.reveal())
    if signed is None:
        seen = "Hub issues opaque tokens, and HUB_BEARER is 'signed': tokens in Authorization: Bearer are all refused."
        return [found("tokens-opaque", seen)]
    if HubKeys(ground.way(), ground.state.oauth.now).verify(signed):
        return []
    return [found("hub-nonsense", "Hub's public key does not fit the token that Hub has just signed.")]


def _people(ground: Ground) -> list[Finding]:
    """Whether Hub's REST answers; without a token it shows the guest, or 401 where guests are banned."""
    answer = ground.way().request("GET", ME)
    if answer.status not in (401, 403):
        answer.raise_for_status()
        if not isinstance(answer.json().get("id"), str):
            return [found("hub-nonsense", f"{answer} that is nobody, where people are ({ME_PATH}).")]
    answer.json()
    return []


def _scopes(ground: Ground, unknown: list[str]) -> list[Finding]:
    unknown += client.unknown_scopes(ground)
    if unknown:
        return [found("scope-unknown", f"Hub knows no service {', '.join(unknown)}.")]
    if not {HUB_ID, "hub"} & {entry.casefold() for entry in ground.config.scope}:
        return [found("scope-without-hub", "HUB_SCOPE names no Hub, and so Hub tells nobody who has signed in.")]
    return []


def _services(ground: Ground, token: Secret | None, unknown: list[str]) -> list[Finding]:
    needed = uses(ground.app, *_PERMISSIONS)
    by_hub = services.served_by_hub(ground, token, needed=needed)
    return services.look_at_services(ground, unknown, by_hub=by_hub, needed=needed)
