"""One way to Hub: pooled connections, one deadline for all of a call, and every failure as an error of ours.

The only module that knows requests' and urllib3's exceptions. What leaves it is an :class:`Answer`, or `HubUnavailable`
(Hub could not be asked), or `HubProtocolError` (what came is not Hub's).
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
import typing as t
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3

from ..breaker import Breaker
from ..errors import HubConfigError, HubError, HubProtocolError, HubUnavailable
from ..model import Secret
from ..pages import clean
from .answer import Answer
from .credentials import authorization
from .deadline import Call, DeadlineAdapter, call_of, time_left

LIMIT: t.Final = 1024 * 1024
"""Bytes of an answer's body, decoded. Hub's own answers are some kilobytes."""

SPARED: t.Final = "spared"
"""The cause of a failure where nobody was asked."""

_FAILURES: t.Final = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)
_CUT: t.Final = (RemoteDisconnected, IncompleteRead)
_NOT_HTTP: t.Final = (HTTPException, urllib3.exceptions.DecodeError, urllib3.exceptions.InvalidHeader)
_WORDS: t.Final[dict[type[BaseException], tuple[str, str]]] = {
    requests.exceptions.ProxyError: ("proxy", "the proxy did not connect to it"),
    socket.gaierror: ("name", "its name cannot be resolved"),
    ssl.SSLError: ("tls", "the TLS connection failed"),
    ConnectionRefusedError: ("refused", "the connection was refused"),
    TimeoutError: ("silent", "the time was over"),
    ConnectionError: ("broken", "the connection was broken off"),
    **dict.fromkeys(_CUT, ("broken", "the connection was broken off")),
}
"""The cause of a failure, in a word and in plain words, by the first kind that is found in it."""


class Transport:
    """The way to one Hub. Several threads may use it, and so may processes forked after its first use.

    `hub_url` is Hub's base with its context path. `timeout` bounds a call as a whole, in seconds: name look-up,
    connecting, sending and the last byte of the answer. `ca_bundle` is a file of certificates, `proxy` an ``http://``
    or ``https://`` URL; nothing is read from environment variables or ``~/.netrc``. Of a session given as `http` only
    the adapters and the client certificate are used: it waits as long as they do (requests' own: `timeout` for every
    read), and it is not renewed after a fork.
    """

    def __init__(
        self,
        hub_url: str,
        *,
        timeout: float = 5.0,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        http: requests.Session | None = None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        hub = urlsplit(hub_url)
        if not hub.hostname or hub.username or hub.query or hub.fragment or not _is_private(hub.scheme, hub.hostname):
            raise HubConfigError("Hub's URL must be like https://hub.mycompany.com/hub (http only on this machine).")
        if proxy and urlsplit(proxy).scheme not in ("http", "https"):
            raise HubConfigError("A proxy must be an http:// or https:// URL, like http://proxy.mycompany.com:3128.")
        self.hub_url = hub_url.rstrip("/")
        self._host = hub.netloc
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self.timeout = timeout
        self._ca_bundle, self._proxy = ca_bundle, proxy
        self._verify = ca_bundle or True
        self._http = http
        self._sessions: dict[int, requests.Session] = {}
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}

    def to(self, url: str, *, timeout: float | None = None) -> Transport:
        """The same way to another service, or to the same in another time."""
        seconds = timeout or self.timeout
        return Transport(url, timeout=seconds, ca_bundle=self._ca_bundle, proxy=self._proxy, http=self._http)

    def look(self, path: str) -> Answer:
        """What a browser without a login would be shown; a redirect is an answer too. Asks whatever was before."""
        return self._answered(self._prepared("GET", path, {"Accept": "text/html"}, None, None))

    def request(
        self,
        method: str,
        path: str,
        *,
        params: t.Mapping[str, str] | None = None,
        data: t.Mapping[str, str] | None = None,
        json: t.Any = None,
        headers: t.Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        auth: tuple[str, Secret] | None = None,
    ) -> Answer:
        """Hub's answer, whatever its status but 3xx. `path` is below Hub's URL, `auth` is for Basic.

        `HubUnavailable` at once, without a call, where Hub has failed several times in a row, or has asked for a pause
        (``Retry-After``). A call that fails on the way is made once more if it is a GET, or if no byte of it was sent:
        an authorization code and a refresh token must not be sent twice.
        """
        prepared = self._prepared(method, path, headers, bearer, auth, params=params, data=data, json=json)
        breaker, left = self.breaker(path), time_left()
        if left <= 0:
            raise HubUnavailable(f"There is no time left to ask Hub at {self._host}.", cause=SPARED)
        if not breaker.ask():
            message = f"Hub at {self._host} failed or wants to be left alone, and was not asked again yet."
            raise HubUnavailable(message, retry_after=breaker.pause(), cause=SPARED)
        try:
            answer = self._answered(prepared)
        except HubUnavailable:
            # In less time it might have answered.
            if left >= self.timeout / 2:
                breaker.failed()
            raise
        if answer.is_away:
            breaker.failed(pause=answer.retry_after)
        elif answer.is_foreign:
            breaker.failed()
        else:
            breaker.succeeded()
        if 300 <= answer.status < 400:
            raise HubProtocolError(f"HTTP {answer.status} is an unexpected redirect{_to(answer)}.")
        return answer

    def breaker(self, path: str) -> Breaker:
        """The breaker of one of Hub's addresses: one can fail while the others are well."""
        path = path.partition("?")[0]
        return self._breakers.setdefault(
            path, Breaker(f"Hub at {self._host}{path}", lambda: self._answers(path), self._clock)
        )

    def try_again(self) -> None:
        """Let everybody ask once more, since there is a sign that Hub is there."""
        for breaker in list(self._breakers.values()):
            breaker.try_again()

    def _answered(self, prepared: requests.PreparedRequest) -> Answer:
        with call_of(self.timeout) as call:
            try:
                return self._sent(prepared, call)
            except _FAILURES as error:
                failure = self._translated(error, call)
        # Raised out here, so that it does not lead to the library's error, which holds the request.
        raise failure

    def _answers(self, path: str) -> bool:
        """Whether Hub answers at this address; asked without a word about anybody."""
        try:
            answer = self._answered(self._prepared("GET", path, None, None, None))
        except HubProtocolError:
            return True
        except HubError:
            return False
        if answer.is_away:
            self.breaker(path).rest(answer.retry_after)
        return not answer.is_away

    def _prepared(
        self,
        method: str,
        path: str,
        headers: t.Mapping[str, str] | None,
        bearer: Secret | None,
        auth: tuple[str, Secret] | None,
        **content: t.Any,
    ) -> requests.PreparedRequest:
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"A path below Hub's URL begins with one '/', got {clean(path.partition('?')[0])!r}.")
        own = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "flask_hub_auth"}
        own |= {**(headers or {}), **authorization(bearer, auth)}
        # Prepared without the session, which would add its cookies and what it finds in ~/.netrc.
        return requests.Request(method, self.hub_url + path, own, **content).prepare()

    def _sent(self, prepared: requests.PreparedRequest, call: Call) -> Answer:
        try:
            return self._sent_once(prepared, call)
        except _FAILURES:
            if call.sent and prepared.method != "GET":
                raise
        return self._sent_once(prepared, call)

    def _sent_once(self, prepared: requests.PreparedRequest, call: Call) -> Answer:
        session = self._session()
        # The adapter is asked, not the session: no redirects, no cookies, no environment.
        response = session.get_adapter(prepared.url or "").send(
            prepared,
            stream=True,
            timeout=call.left(),
            verify=self._verify,
            cert=session.cert,
            proxies=self._proxies,
        )
        try:
            return Answer(response.status_code, response.headers, _body(response, call))
        finally:
            # Gives the connection back where the body was read to its end, and closes it otherwise.
            response.close()

    def _session(self) -> requests.Session:
        if self._http is not None:
            return self._http
        process = os.getpid()
        if process not in self._sessions:
            # No lock, since one that is held while the process forks stays locked in the child. Of two threads
            # that come here at once each opens a session, and one of them stays.
            self._sessions = {process: open_session(self.hub_url)}
        return self._sessions[process]

    def _translated(self, error: Exception, call: Call) -> HubError:
        if time.monotonic() >= call.until:
            message = f"Hub at {self._host} gave no complete answer within {self.timeout:g} s."
            return HubUnavailable(message, cause="silent")
        causes = list(_causes(error))
        if any(isinstance(cause, _NOT_HTTP) and not isinstance(cause, _CUT) for cause in causes):
            return HubProtocolError(f"What {self._host} answered cannot be read as HTTP.")
        cause, words = _plainly(causes)
        return HubUnavailable(f"Hub at {self._host} could not be asked: {words}.", cause=cause)


def open_session(hub_url: str) -> requests.Session:
    """A session for `hub_url` whose connections keep to the deadline of the call that uses them."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for prefix in ("https://", "http://"):
        session.mount(prefix, DeadlineAdapter(pool_connections=4, pool_maxsize=32))
    return session


def translated(url: str, send: t.Callable[[], requests.Response]) -> requests.Response:
    """What `send` gives; failures of the library as `HubUnavailable`, without the address's path and query."""
    try:
        return send()
    except _FAILURES as error:
        cause, words = _plainly(list(_causes(error)))
        failure = HubUnavailable(f"{urlsplit(url).hostname} could not be asked: {words}.", cause=cause)
    # Raised out here, so that it does not lead to the library's error, which holds the request.
    raise failure


def _is_private(scheme: str, host: str) -> bool:
    """Whether nobody on the way can read what is sent: https, or http that does not leave this machine."""
    return scheme == "https" or (scheme == "http" and bool(re.fullmatch(r"localhost|127(\.[0-9]{1,3}){3}|::1", host)))


def _body(response: requests.Response, call: Call) -> bytes:
    """The body, decoded; `HubProtocolError` as soon as it is too long."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise HubProtocolError(f"Hub answered in the coding {clean(coding, 40)!r}, which it was not asked for.")
    body = bytearray()
    for chunk in response.iter_content(16 * 1024):
        call.left()
        body += chunk
        if len(body) > LIMIT:
            raise HubProtocolError(f"Hub answered HTTP {response.status_code} with more than {LIMIT} bytes.")
    return bytes(body)


def _to(answer: Answer) -> str:
    """Where a redirect points to, without its query, which may hold a code or a token."""
    try:
        target = urlsplit(answer.headers.get("Location", ""))
        return f" to {clean(f'{target.scheme}://{target.hostname}{target.path}')}" if target.hostname else ""
    except ValueError:
        return ""


def _causes(error: object) -> t.Iterator[BaseException]:
    """`error` and everything that it was made of, as the libraries have wrapped it."""
    if isinstance(error, BaseException):
        yield error
        for cause in (*error.args, getattr(error, "reason", None), error.__cause__):
            yield from _causes(cause)


def _plainly(causes: t.Sequence[BaseException]) -> tuple[str, str]:
    """What went wrong, in a word and in words that hold no address, header or body."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate", f"its certificate is not accepted ({clean(cause.verify_message)})"
    for kind, words in _WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "other", type(causes[0]).__name__
