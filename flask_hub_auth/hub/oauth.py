"""How a token is obtained: Hub's authorization address and the grants of its token endpoint.

The only module that knows Authlib. Its client makes the address with the PKCE challenge and the forms of the grants. It
does not see the service secret, since its Basic is Latin-1 and Hub's UTF-8, and it gets an answer of Hub only after
that was read here: it takes a text of ``expires_in`` for a crash, an answer without a token for one, and a list for an
error.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
import typing as t
from urllib.parse import quote, urlencode

from authlib.oauth2.client import OAuth2Client

from ..errors import HubError, HubProtocolError, HubRefused, HubUnavailable, TokenRejected
from ..model import HubToken, Secret
from .answer import Answer
from .credentials import LONGEST_TOKEN, is_token
from .transport import Transport

SecretSource = str | Secret | t.Callable[[], str | Secret] | None

AUTHORIZATION_PATH: t.Final = "/api/rest/oauth2/auth"
TOKEN_PATH: t.Final = "/api/rest/oauth2/token"
LOGOUT_PATH: t.Final = "/api/rest/oauth2/logout"

DEFAULT_LIFE: t.Final = 600
LONGEST_LIFE: t.Final = 30 * 86400


class HubOAuth:
    """The grants of one service at one Hub. May be used by several threads.

    `service_secret` may be a callable: it is asked at the first use, and again when Hub has refused the secret. Without
    a secret the service is a public client, which sends its id alone. The grants raise `TokenRejected` (the code or
    token is over), `HubRefused` (this service, or what it asks for, is refused), `HubUnavailable` or
    `HubProtocolError`.
    """

    def __init__(
        self,
        hub_url: str,
        service_id: str,
        service_secret: SecretSource = None,
        *,
        timeout: float = 5,
        transport: Transport | None = None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport or Transport(hub_url, timeout=timeout)
        self.service_id = service_id
        self._source = service_secret if callable(service_secret) else None
        self._secret = None if callable(service_secret) else _secret(service_secret)
        self._clock = clock
        self.rotates = False
        """Whether the last renewal has used its refresh token up, which Hub may do."""

    def now(self) -> float:
        """Epoch seconds, by the clock that the ends of tokens are counted by."""
        return self._clock()

    def may_ask(self, path: str = TOKEN_PATH) -> bool:
        """Whether Hub is worth asking there; see :class:`~flask_hub_auth.breaker.Breaker`."""
        return self._transport.breaker(path).may_ask()

    def pause(self) -> int:
        """Seconds after which it is worth asking Hub for a token again."""
        return self._transport.breaker(TOKEN_PATH).pause()

    def authorization_url(
        self,
        *,
        redirect_uri: str,
        state: str,
        verifier: str | None,
        scope: t.Sequence[str],
        offline: bool = True,
        request_credentials: str = "default",
        nonce: str | None = None,
        max_age: int | None = None,
        prompt: str | None = None,
    ) -> str:
        """Where a browser goes to sign in (Hub documentation, "Authorization Code" and "Implicit Flow").

        The last three are for OpenID Connect (Core 1.0 section 3.1.2.1).
        """
        client = OAuth2Client(None, self.service_id, redirect_uri=redirect_uri, code_challenge_method="S256")
        url, _ = client.create_authorization_url(
            self._transport.hub_url + AUTHORIZATION_PATH,
            state=state,
            code_verifier=verifier,
            scope=_joined(scope),
            request_credentials=request_credentials,
            access_type="offline" if offline else None,
            nonce=nonce,
            max_age=max_age,
            prompt=prompt,
        )
        return str(url)

    def logout_url(self, state: str) -> str:
        """Where a browser goes to sign out at Hub, and comes back from with `state` (seen in ring-ui 7)."""
        return f"{self._transport.hub_url}{LOGOUT_PATH}?{urlencode({'client_id': self.service_id, 'state': state})}"

    def exchange(self, code: str, *, redirect_uri: str, verifier: str | None) -> HubToken:
        """The token for an authorization code. Makes one request: a code is good once."""
        self._transport.try_again()  # the browser comes from Hub, which is there then
        return self._token(
            "authorization_code", code=Secret(code), redirect_uri=redirect_uri, code_verifier=_secret(verifier)
        )

    def refresh(self, refresh_token: Secret | str) -> HubToken:
        """A new token. Its refresh token is the old one where Hub sends none.

        No ``scope`` is sent: that of a login with OpenID Connect is refused as ``invalid_grant`` when it is repeated
        (seen at a Hub of August 2026); without one it stays what it was (RFC 6749 section 6).
        """
        spent = _secret(refresh_token)
        token = self._token("refresh_token", refresh_token=spent)
        self.rotates = token.refresh_token not in (None, spent)
        return token if token.refresh_token else dataclasses.replace(token, refresh_token=spent)

    def for_service(self, scope: t.Sequence[str]) -> HubToken:
        """A token of the service itself (client credentials)."""
        return self._token("client_credentials", scope=_joined(scope))

    def for_password(
        self, username: str, password: str | Secret, *, scope: t.Sequence[str], offline: bool = False
    ) -> HubToken:
        """A token of a person whose Hub password is at hand: for scripts, never for a web form."""
        access_type = "offline" if offline else None
        return self._token(
            "password", username=username, password=_secret(password), scope=_joined(scope), access_type=access_type
        )

    def _token(self, grant_type: str, **fields: str | Secret | None) -> HubToken:
        secret = self._current_secret()
        try:
            return self._asked(grant_type, fields, secret)
        except HubRefused as refusal:
            changed = self._changed_secret(secret) if refusal.error == "invalid_client" else None
            if not changed:
                raise
        return self._asked(grant_type, fields, changed)

    def _asked(self, grant_type: str, fields: t.Mapping[str, str | Secret | None], secret: Secret | None) -> HubToken:
        now = int(self._clock())
        try:
            answer = self._fetched(grant_type, fields, secret)
        except HubError as error:
            # Frames below this one hold the form with its code or token, and error trackers show what frames hold.
            raise error.with_traceback(None) from None
        return HubToken(
            access_token=Secret(answer["access_token"]),
            refresh_token=_secret(answer.get("refresh_token")),
            scope=answer.get("scope", ""),
            expires_at=now + answer["expires_in"],
            id_token=_secret(answer.get("id_token")),
        )

    def _fetched(
        self, grant_type: str, fields: t.Mapping[str, str | Secret | None], secret: Secret | None
    ) -> dict[str, t.Any]:
        form = {name: value.reveal() if isinstance(value, Secret) else value for name, value in fields.items()}
        if not secret:
            form["client_id"] = self.service_id
        client = OAuth2Client(_Session(self._transport), self.service_id)
        auth = (self.service_id, secret) if secret else False
        try:
            token: dict[str, t.Any] = client.fetch_token(TOKEN_PATH, grant_type=grant_type, auth=auth, **form)
        except UnicodeError:
            raise HubRefused("invalid_request", "a value holds half a character; it was not sent") from None
        return token

    def _current_secret(self) -> Secret | None:
        if self._source and not self._secret:
            self._secret = self._read_secret()
        return self._secret

    def _changed_secret(self, refused: Secret | None) -> Secret | None:
        """The secret of the source, if it is another than the refused one."""
        if not self._source:
            return None
        try:
            secret = self._read_secret()
        except HubUnavailable:
            return None
        self._secret = secret
        return secret if secret != refused else None

    def _read_secret(self) -> Secret:
        try:
            secret = _secret(self._source() if self._source else None)
        except Exception as error:
            # Whatever keeps the secrets is away; its error may tell more than is good.
            message = f"The service secret could not be read ({type(error).__name__})."
            raise HubUnavailable(message, cause="secret") from None
        if not secret:
            raise HubUnavailable("The service secret could not be read (it is empty, or no text).", cause="secret")
        return secret


class _Session:
    """The session of Authlib's client: hands over an answer of which it can be sure."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def post(
        self, url: str, *, data: dict[str, str], headers: dict[str, str], auth: tuple[str, Secret] | None
    ) -> Answer:
        answer = self._transport.request("POST", url, data=data, headers=headers, auth=auth or None)
        try:
            answer.raise_for_status()
        except TokenRejected as rejected:
            # Library 1.0.41 says this about the secret of the service, not about the code or token of a person.
            if rejected.description != "Invalid service secret":
                raise
            raise HubRefused("invalid_client", rejected.description) from None
        return dataclasses.replace(answer, body=json.dumps(_read(answer)).encode())


def _read(answer: Answer) -> dict[str, t.Any]:
    """The fields of a token answer (RFC 6749 section 5.1) that are there, each as it must be."""
    fields = answer.json()
    if fields.get("error") is not None:
        raise HubProtocolError(f"{answer} and an error in it.")
    for name, is_good in _FIELDS.items():
        if not is_good(fields.get(name, "" if name in _OPTIONAL else None)):
            raise HubProtocolError(f"{answer} that is no token answer: {name} is missing or not as it must be.")
    return {name: fields[name] for name in _FIELDS if fields.get(name)} | {
        "expires_in": _life(fields.get("expires_in"))
    }


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value.encode()) <= LONGEST_TOKEN


_OPTIONAL: t.Final = ("refresh_token", "id_token", "scope")
_FIELDS: t.Final[dict[str, t.Callable[[t.Any], bool]]] = {
    "access_token": lambda value: isinstance(value, str) and is_token(value),
    "token_type": lambda value: isinstance(value, str) and value.lower() == "bearer",
    "refresh_token": lambda value: value is None or _is_text(value),
    "id_token": lambda value: value is None or _is_text(value),
    "scope": lambda value: _is_text(value) and bool(re.fullmatch("[ -~]*", value)),
}


def _life(value: object) -> int:
    """Seconds that a token lives: 0 to 30 days, and 600 where Hub does not say it."""
    if isinstance(value, str) and re.fullmatch("[0-9]+", value):
        value = int(value.lstrip("0")[:20] or 0)
    if isinstance(value, float) and not math.isfinite(value):
        return DEFAULT_LIFE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return DEFAULT_LIFE
    return int(min(max(value, 0), LONGEST_LIFE))


def _joined(scope: t.Iterable[str]) -> str:
    """Ids and names as Hub reads them: URL-encoded one by one, joined with a space.

    One entry may be given as a text of its own. A name may hold a space, so JetBrains' own clients encode every entry
    before the whole (seen in library 1.0.41).
    """
    scope = [scope] if isinstance(scope, str) else scope
    return " ".join(dict.fromkeys(quote(entry, safe="") for entry in scope if entry))


def _secret(value: str | Secret | None) -> Secret | None:
    """`value` as a secret; None for nothing and for an empty text."""
    if not value or not isinstance(value, str | Secret):
        return None
    return value if isinstance(value, Secret) else Secret(value)
