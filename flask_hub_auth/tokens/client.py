"""An HTTP client for one Hub service: the right token goes to that service's origin, and nowhere else."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from urllib.parse import urljoin, urlsplit

from ..errors import HubUnavailable, LoginRequired
from ..hub import HubOAuth
from ..hub.wire import Wire
from ..model import HubToken, Secret
from .calls import SharedCalls
from .keeper import TokenKeeper

if t.TYPE_CHECKING:
    from requests import Response

MOST_REDIRECTS: t.Final = 5
SETTLED: t.Final = {"auth", "proxies", "verify"}
"""What a call cannot say: the token, the proxy and whom to trust are settled by the client and the settings."""
EARLY: t.Final = 10
"""Seconds before its end from which on a token of the service's own is replaced."""
_ALWAYS_GET: t.Final = {301: ("POST",), 302: ("POST",), 303: ("POST", "PUT", "PATCH", "DELETE")}

_OF_A_BODY: t.Final = ("data", "json", "files")
_FOR_THE_SERVICE: t.Final = ("auth", "cookies", "cert")
"""What a caller gives to identify itself: no redirect carries it to another place, as none carries the token."""


class TokenSource(t.Protocol):
    """Where a client has its token from."""

    def token(self) -> Secret:
        """A token that is good as far as we know."""

    def renewed(self, refused: Secret) -> Secret | None:
        """Another token after a service refused this one; None if there is no other to be had from this source."""


class UserTokens:
    """The token of the person whose login `handle` opens. It ends when the login ends.

    :param patience: a block in which Hub is asked, which bounds how long that may take
    """

    def __init__(
        self, keeper: TokenKeeper, handle: bytes, patience: t.Callable[[], t.ContextManager[None]] = nullcontext
    ) -> None:
        self._keeper = keeper
        self._handle = handle
        self._patience = patience

    def token(self) -> Secret:
        with self._patience():
            return self._alive(self._keeper.token(self._handle)).access_token

    def renewed(self, refused: Secret) -> Secret | None:
        with self._patience():
            return self._alive(self._keeper.renew(self._handle, refused)).access_token

    def _alive(self, token: HubToken | None) -> HubToken:
        if token is None:
            raise LoginRequired("The login is over.")
        return token


class PresentedToken:
    """The token that a caller has presented; there is no other."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def token(self) -> Secret:
        return self._token

    def renewed(self, refused: Secret) -> Secret | None:
        return None


class ServiceTokens:
    """The application's own tokens, one per scope, in memory; renewed by one thread (client credentials)."""

    def __init__(self, oauth: HubOAuth, clock: t.Callable[[], float] = time.time) -> None:
        self._oauth = oauth
        self._clock = clock
        self._tokens: dict[tuple[str, ...], HubToken] = {}
        self._calls = SharedCalls[HubToken]()

    def of(self, scope: tuple[str, ...]) -> TokenSource:
        """The tokens for one scope."""
        return _ServiceToken(self, scope)

    def get(self, scope: tuple[str, ...], refused: Secret | None = None) -> Secret:
        """A token for `scope` that is good, and not the refused one.

        :raises HubRefused: Hub gives this service no token, for example because it is not trusted
        """
        known = self._good(scope, refused)
        # Not together with those who would take the refused one.
        return (known or self._calls.call((scope, refused), lambda: self._asked(scope, refused))).access_token

    def _good(self, scope: tuple[str, ...], refused: Secret | None) -> HubToken | None:
        known = self._tokens.get(scope)
        if known is None or known.access_token == refused or self._clock() >= known.expires_at - EARLY:
            return None
        return known

    def _asked(self, scope: tuple[str, ...], refused: Secret | None) -> HubToken:
        # Somebody else may have asked between our look and our turn.
        known = self._good(scope, refused)
        if known is None:
            known = self._tokens[scope] = self._oauth.for_service(scope)
        return known


class _ServiceToken:
    def __init__(self, tokens: ServiceTokens, scope: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._scope = scope

    def token(self) -> Secret:
        return self._tokens.get(self._scope)

    def renewed(self, refused: Secret) -> Secret | None:
        return self._tokens.get(self._scope, refused)


class ServiceClient:
    """Calls one service as somebody. May be used by several threads, and after the request that made it.

    Paths begin with one ``/`` and are below the service's URL, or are an absolute URL of its own origin; anything else
    raises `ValueError` before something is sent. Answers are `requests.Response`; `HubUnavailable` is raised where
    there is none. After a 401 the token is renewed once and the call made once more, unless its body is gone: a
    generator or a pipe can be sent only once. Files go back to where they stood.
    """

    def __init__(self, url: str, source: TokenSource, wire: Wire) -> None:
        self._url = url
        self._source = source
        self._wire = wire

    def request(self, method: str, path: str, **how: t.Any) -> Response:
        """Send `method` to `path`. `how`: what `requests.request` takes; `timeout` defaults to ``HUB_TIMEOUT``."""
        if settled := how.keys() & SETTLED:
            raise TypeError(f"A call to a service takes no {', '.join(sorted(settled))}: the settings say that.")
        method, url = method.upper(), self._address(path)
        if isinstance(how.get("params"), Iterator):
            how["params"] = list(how["params"])
        token, body = self._source.token(), _Body(how)
        answer = self._followed(method, url, token, how, body)
        # What another place says, where a redirect led to, says nothing about the token.
        if answer.status_code != 401 or not self._is_own(answer.url):
            return answer
        # Also where this call cannot be repeated: the next one needs a token that is good.
        other = self._source.renewed(token)
        if other is None or other == token or not body.rewind():
            return answer
        answer.close()
        return self._followed(method, url, other, how, body)

    def get(self, path: str, **how: t.Any) -> Response:
        """GET `path`."""
        return self.request("GET", path, **how)

    def post(self, path: str, **how: t.Any) -> Response:
        """POST to `path`."""
        return self.request("POST", path, **how)

    def put(self, path: str, **how: t.Any) -> Response:
        """PUT to `path`."""
        return self.request("PUT", path, **how)

    def patch(self, path: str, **how: t.Any) -> Response:
        """PATCH `path`."""
        return self.request("PATCH", path, **how)

    def delete(self, path: str, **how: t.Any) -> Response:
        """DELETE `path`."""
        return self.request("DELETE", path, **how)

    def _followed(self, method: str, url: str, token: Secret, how: dict[str, t.Any], body: _Body) -> Response:
        """The answer after redirects; the token goes along only to the service's own origin."""
        follow = how.get("allow_redirects", method != "HEAD")
        how = {name: value for name, value in how.items() if name != "allow_redirects"}
        for _ in range(MOST_REDIRECTS):
            own = self._is_own(url)
            sent = how if own else {name: value for name, value in how.items() if name not in _FOR_THE_SERVICE}
            answer = self._wire.send(method, url, token if own else None, **sent)
            target = answer.headers.get("Location")
            if not follow or answer.status_code not in (301, 302, 303, 307, 308) or not target:
                return answer
            becomes_get = method in _ALWAYS_GET.get(answer.status_code, ())
            if not becomes_get and not body.rewind():
                return answer
            answer.close()
            url = self._joined(url, target)
            if becomes_get:
                method, how = "GET", {name: value for name, value in how.items() if name not in _OF_A_BODY}
                body = _Body(how)
            how = {name: value for name, value in how.items() if name != "params"}
        raise HubUnavailable(f"The service {self._url} sends every call to another place.")

    def _joined(self, url: str, target: str) -> str:
        try:
            return urljoin(url, target)
        except ValueError:
            raise HubUnavailable(f"The service {self._url} sends the call to what is no address.") from None

    def _address(self, path: t.Any) -> str:
        if not isinstance(path, str):
            raise ValueError(f"A path is text, got {repr(path).partition('?')[0][:80]}.")
        if any(ord(char) <= 0x20 or char == "\\" or ord(char) == 0x7F for char in path):
            raise ValueError(f"A path has no spaces, control characters or backslashes, got {path[:80]!r}.")
        if path.startswith("/") and not path.startswith("//"):
            return self._url + path
        if self._is_own(path):
            return path
        raise ValueError(
            f"A path begins with one '/', or is a URL of {self._url}, got {path.partition('?')[0][:80]!r}."
        )

    def _is_own(self, url: str) -> bool:
        try:
            asked, own = urlsplit(url), urlsplit(self._url)
            ports = {"http": 80, "https": 443}
            return (asked.scheme, asked.hostname, asked.port or ports.get(asked.scheme), asked.username) == (
                own.scheme,
                own.hostname,
                own.port or ports[own.scheme],
                None,
            )
        except ValueError:
            return False


class _Body:
    """The body of a call, and where its files stand before it is sent."""

    def __init__(self, how: Mapping[str, t.Any]) -> None:
        parts = [*_of_data(how.get("data")), *_of_files(how.get("files"))]
        streams = [part for part in parts if not isinstance(part, str | bytes | bytearray | None)]
        self._places = [(stream, _place(stream)) for stream in streams]

    def rewind(self) -> bool:
        """Make ready to send it again; False where it can be sent only once."""
        if any(place is None for _, place in self._places):
            return False
        try:
            for stream, place in self._places:
                stream.seek(place)
        except (OSError, ValueError):
            return False
        return True


def _of_data(data: t.Any) -> list[t.Any]:
    """What is read when `data` is sent. Of a form those are the values that are no texts, numbers or lists."""
    if not isinstance(data, Mapping | list | tuple):
        return [data]
    values = data.values() if isinstance(data, Mapping) else [value for _, value in data]
    return [value for value in values if isinstance(value, Iterator)]


def _of_files(files: t.Any) -> list[t.Any]:
    """The contents in `files`, in the shapes that requests takes: alone, or after a name."""
    if files and not isinstance(files, Mapping | list | tuple):
        return [files]
    values = files.values() if isinstance(files, Mapping) else [value for _, value in files or ()]
    return [content for value in values for content in (value[1:2] if isinstance(value, tuple | list) else [value])]


def _place(stream: t.Any) -> int | None:
    """Where a file stands, if it can be sent back there."""
    try:
        place = int(stream.tell())
        stream.seek(place)
    except (AttributeError, TypeError, OSError, ValueError):
        return None
    return place
