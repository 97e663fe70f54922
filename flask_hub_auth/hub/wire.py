"""Calls to the services of a Hub: pooled connections without cookies and without the environment's settings.

Unlike :mod:`.transport` it hands over `requests.Response` as it is, since the application reads it.
"""

from __future__ import annotations

import os
import typing as t

import requests
from requests.adapters import HTTPAdapter

from ..model import Secret
from . import transport
from .credentials import authorization


class Wire:
    """Sends calls. May be used by several threads, and by processes forked after its first use.

    :param timeout: seconds, where a call gives none
    :param http: the session to send with; for tests
    """

    def __init__(
        self,
        *,
        timeout: float = 5,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        http: requests.Session | None = None,
    ) -> None:
        self._timeout = timeout
        self._verify = ca_bundle or True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._http = http
        self._sessions: dict[int, requests.Session] = {}

    def send(self, method: str, url: str, token: Secret | None, **how: t.Any) -> requests.Response:
        """The answer of one call, no redirect followed. `HubUnavailable` where there is none."""
        given = dict(how.pop("headers", None) or {})
        headers = {name: value for name, value in given.items() if name.lower() != "authorization"}
        headers |= authorization(token)
        how = {"timeout": self._timeout, "verify": self._verify, "proxies": self._proxies, **how}
        session = self._session(url)
        return transport.translated(
            url, lambda: session.request(method, url, headers=headers, allow_redirects=False, **how)
        )

    def _session(self, url: str) -> requests.Session:
        if self._http is not None:
            return self._http
        process = os.getpid()
        if process not in self._sessions:
            session = transport.open_session(url)
            # Even where it follows none it prepares the next call, and stumbles over an address that is none.
            session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
            for prefix in ("https://", "http://"):
                # These calls keep to requests' own timeouts, which the application may set.
                session.mount(prefix, HTTPAdapter(pool_connections=8, pool_maxsize=32))
            self._sessions = {process: session}
        return self._sessions[process]
