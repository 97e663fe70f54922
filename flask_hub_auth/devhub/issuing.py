"""What the token endpoint answers when all is well, and the implicit flow in its fragment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .id_tokens import WrongIdToken
from .scopes import Scope
from .tokens import Grant

if TYPE_CHECKING:
    from .hub import DevHub

# Hub's own time for an id token is not written down, only that it is not the access token's.
ID_TOKEN_LIFE = 3600


def token_answer(
    hub: DevHub, grant: Grant, *, refresh_token: bool = True, scope: Scope | None = None, id_token: bool = True
) -> dict[str, Any]:
    """``grant`` as tokens; ``scope`` where it is less than the grant's. What does not apply is absent, as in Hub's."""
    token = hub.store.access_for(grant, life=hub.token_life, scope=scope)
    answer: dict[str, Any] = {"access_token": token.value, "token_type": "Bearer", "expires_in": token.life}
    answer["scope"] = token.scope.text
    if grant.offline and refresh_token:
        answer["refresh_token"] = hub.store.refresh_for(grant)
    if id_token and "openid" in grant.scope and grant.user_id is not None:
        answer["id_token"] = id_token_for(hub, grant)
    return {name: value for name, value in answer.items() if value is not None}


def id_token_for(hub: DevHub, grant: Grant, wrong: WrongIdToken | None = None) -> str | None:
    """Who the person is, for the service (OpenID Connect Core section 2); None where they are gone meanwhile.

    ``auth_time``, the moment of the password, is always there; what Hub does is not written down. E-mail and groups
    are at ``userinfo`` only: clients had to be told to ask there.
    """
    user, now = hub.people.user_by_id(grant.user_id or ""), int(hub.clock())
    if user is None:
        return None
    claims = {
        "iss": hub.url,
        "sub": user.id,
        "aud": grant.service_id,
        "iat": now,
        "exp": now + ID_TOKEN_LIFE,
        "auth_time": grant.auth_time,
        "nonce": grant.nonce,
    }
    if "profile" in grant.scope:
        claims |= {"name": user.name, "preferred_username": user.login}
    return hub.id_tokens.make({name: value for name, value in claims.items() if value is not None}, wrong)
