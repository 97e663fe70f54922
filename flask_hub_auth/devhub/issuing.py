"""What the token endpoint answers when all is well, and the implicit flow in its fragment."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from .id_tokens import WrongIdToken
from .scopes import Scope
from .tokens import Grant

if TYPE_CHECKING:
    from .hub import DevHub


def token_answer(
    hub: DevHub, grant: Grant, *, refresh_token: bool = True, scope: Scope | None = None, id_token: bool = True
) -> dict[str, Any]:
    """``grant`` as tokens; ``scope`` where it is less than the grant's. What does not apply is absent, as in Hub's."""
    token = hub.store.access_for(grant, life=hub.token_life, scope=scope)
    answer: dict[str, Any] = {"access_token": token.value, "token_type": "Bearer", "expires_in": token.life}
    texts = {"asked": token.scope.text, "ids": " ".join(token.scope.services), "absent": None}
    answer["scope"] = texts[hub.options.scope_in_answer]
    if grant.offline and refresh_token:
        answer["refresh_token"] = hub.store.refresh_for(grant)
    if id_token and "openid" in grant.scope and grant.user_id is not None:
        answer["id_token"] = id_token_for(hub, grant, access_token=token.value)
    return {name: value for name, value in answer.items() if value is not None}


def id_token_for(hub: DevHub, grant: Grant, *, access_token: str = "", wrong: WrongIdToken | None = None) -> str | None:
    """Who the person is, for the service (OpenID Connect Core section 2); None where they are gone meanwhile.

    E-mail and groups are at ``userinfo`` only: clients had to be told to ask there.
    """
    user, now = hub.people.user_by_id(grant.user_id or ""), int(hub.clock())
    if user is None:
        return None
    always: dict[str, Any] = {"iss": hub.issuer, "sub": user.id, "aud": grant.service_id}
    always |= {"iat": now, "exp": now + hub.options.id_token_life}
    optional = {
        "nonce": grant.nonce,
        "auth_time": grant.auth_time,
        "groups": [group.name for group in hub.people.all_groups_of(user)],
        "email": user.email,
        "at_hash": _half_hash(access_token),
    }
    said = {name: optional.get(name) for name in hub.options.id_token_says}
    if "profile" in grant.scope:
        said |= {"name": user.name, "preferred_username": user.login}
    return hub.id_tokens.make(always | {name: value for name, value in said.items() if value is not None}, wrong)


def _half_hash(access_token: str) -> str:
    """OpenID Connect Core section 3.1.3.6."""
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    return urlsafe_b64encode(half).decode().rstrip("=")
