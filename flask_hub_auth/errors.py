"""What can go wrong.

::

    HubError
    ├── HubConfigError                 the set-up is wrong; nothing a visitor can do
    ├── HubUnavailable       503       Hub could not be asked; try again later
    │   └── StoreUnavailable 503       the store of logins could not be asked
    ├── HubProtocolError     502       Hub answered something that is not Hub's protocol
    ├── HubRefused           502       Hub refuses this service
    │   └── TokenRejected    502       Hub says ``invalid_grant``: the code or token is over
    ├── LoginFailed          400       a login that came back cannot be completed
    ├── LoginRequired        401       nobody is signed in
    │   └── StepUpRequired   401       somebody is, but entered their password too long ago
    └── AccessDenied         403       somebody is signed in, but may not

Those with a status are Werkzeug HTTP exceptions too, so that ``app.errorhandler`` finds them by class
and by number. Without a handler they answer HTML to people and problem details (RFC 9457) to scripts.
"""

from __future__ import annotations

import json
import logging
import secrets
import typing as t

from werkzeug.exceptions import (
    BadGateway,
    BadRequest,
    Forbidden,
    HTTPException,
    InternalServerError,
    ServiceUnavailable,
    Unauthorized,
)

from .codes import ADVICE
from .codes import CODES as CODES
from .pages import PAGE_HEADERS, PAGES, Pages, challenge, clean, page, pages_of, prefers_html
from .seldom import Seldom

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("flask_hub_auth")


class HubError(Exception):
    """Base of everything that the package raises on purpose."""


class HubConfigError(HubError):
    """The set-up is wrong. The text names every problem, each with the setting and what to do.

    `settings`: the names of those that are wrong, where that is what is wrong.
    """

    settings: tuple[str, ...] = ()

    def about(self, *settings: str) -> t.Self:
        """This error, which is about these settings."""
        self.settings = settings
        return self


class HubProblem(HubError, HTTPException):
    """Base of the errors that have a status: how they look to people and to scripts.

    `message` is for developers and the log; visitors read the fixed sentence of `hub_code`, Werkzeug's `description`.
    """

    hub_code = "HUB-500"
    again = False

    def __init__(self, message: str = "", *, hub_code: str | None = None, return_to: str | None = None) -> None:
        if hub_code:
            self.hub_code = hub_code
        self.message = message or self.sentence
        # Werkzeug's `description` is for visitors, and handlers of the application's own show it to them.
        super().__init__(description=self.sentence)
        self.return_to = return_to
        self.reference = secrets.token_hex(4)

    def __str__(self) -> str:
        return self.message

    @property
    def title(self) -> str:
        """What happened, in a few words."""
        return CODES[self.hub_code][0]

    @property
    def sentence(self) -> str:
        """What happened, for a person."""
        return CODES[self.hub_code][1]

    def get_body(self, environ: WSGIEnvironment | None = None, scope: object = None) -> str:
        """The page or the problem details (RFC 9457), whichever `environ` asks for."""
        pages: Pages | None = (environ or {}).get(PAGES)
        if environ is None or prefers_html(environ):
            return page(self, pages)
        document = {
            "type": f"urn:flask-hub-auth:{self.hub_code}",
            "title": self.title,
            "detail": self.sentence,
            "status": self.code,
            "code": self.hub_code,
            "reference": self.reference,
        }
        login_url = pages.login_url(self) if pages and self.code == 401 else None
        return json.dumps(document | self.more_fields() | ({"login_url": login_url} if login_url else {}))

    def get_headers(self, environ: WSGIEnvironment | None = None, scope: object = None) -> list[tuple[str, str]]:
        """Headers of the answer; never cached, never framed."""
        html = environ is None or prefers_html(environ)
        content = "text/html; charset=utf-8" if html else "application/problem+json"
        headers = {"Content-Type": content, **PAGE_HEADERS, "Vary": "Accept, Cookie, Sec-Fetch-Mode"}
        return [*headers.items(), *self.more_headers(pages_of(environ)).items()]

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        """Headers that only this kind of problem has."""
        return {}

    def log_level(self) -> int:
        """What only the site's own people can mend must be seen without turning the log up."""
        return logging.WARNING if (self.code or 0) >= 500 else logging.INFO

    def more_fields(self) -> dict[str, t.Any]:
        """Fields of the problem details that only this kind of problem has."""
        return {}

    def get_response(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """The answer; logged when it is made."""
        words = clean(self.message)
        log.log(self.log_level(), "%s %s reference=%s: %s", self.hub_code, self.code, self.reference, words)
        return super().get_response(*args, **kwargs)


class SetupProblem(HubProblem, HubConfigError, InternalServerError):
    """A mistake in the application that is only seen when a request arrives: 500, and no view runs."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def sentence(self) -> str:
        """The developer's text: there is nothing that a visitor could do."""
        return self.message


class HubUnavailable(HubProblem, ServiceUnavailable):
    """Hub could not be asked.

    `retry_after`: seconds after which it is worth asking again. `cause`: what came between, in one word of whoever
    raises it; empty where Hub itself said so.
    """

    hub_code = "HUB-201"
    may_warn: t.ClassVar = Seldom()

    def __init__(self, message: str = "", *, retry_after: int = 5, cause: str = "", **more: t.Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after
        self.cause = cause

    def log_level(self) -> int:
        """In an outage every request fails alike; the references of them all are there with the log turned up."""
        return logging.WARNING if self.may_warn() else logging.INFO

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class StoreUnavailable(HubUnavailable):
    """The store of logins could not be asked."""

    hub_code = "HUB-301"
    may_warn = Seldom()


class HubProtocolError(HubProblem, BadGateway):
    """Hub answered something that is not Hub's protocol: HTML, a redirect, broken JSON, missing fields."""

    hub_code = "HUB-202"


class HubRefused(HubProblem, BadGateway):
    """Hub refuses this service.

    `error` and `description` are Hub's own words (RFC 6749 section 5.2), made printable and shortened. `advice`: what
    to do, where that is known better than from `error` alone.
    """

    hub_code = "HUB-203"

    def __init__(self, error: str, description: str = "", *, advice: str | None = None, **more: t.Any) -> None:
        self.error = clean(error, 100)
        said = f"Hub says {self.error}: {clean(description)}".rstrip(": .") + "."
        super().__init__(" ".join(filter(None, [said, advice or ADVICE.get(error)])), **more)
        self.description: str = clean(description)


class TokenRejected(HubRefused):
    """Hub says ``invalid_grant``: the authorization code, refresh token or access token is over."""


class LoginFailed(HubProblem, BadRequest):
    """A login that came back from Hub, or a request to one of our own addresses, cannot be accepted."""

    hub_code = "HUB-400"


class BearerMalformed(LoginFailed):
    """A token is presented in two ways at once, so that nobody can say which one counts (RFC 6750 section 3.1)."""

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        return challenge(pages, error="invalid_request")


class LoginRequired(HubProblem, Unauthorized):
    """Nobody is signed in. `error`: the error of a presented bearer token (RFC 6750 section 3.1)."""

    hub_code = "HUB-401"

    def __init__(self, message: str = "", *, error: str | None = None, **more: t.Any) -> None:
        super().__init__(message, **more)
        self.error = error

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        return challenge(pages, **({"error": self.error} if self.error else {}))


class StepUpRequired(LoginRequired):
    """Somebody is signed in, but it is over `max_age` seconds since their password, or nobody knows (RFC 9470)."""

    again = True
    title = "Please enter your password again"
    sentence = (
        "This needs a password that was entered a short while ago. If you sent a form, your input was not sent: sign in"
        " again in a new tab, then come back here and use your browser's Back button."
    )

    def __init__(self, max_age: int, **more: t.Any) -> None:
        super().__init__("The password is too old.", error="insufficient_user_authentication", **more)
        self.max_age = max_age

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        return challenge(pages, error="insufficient_user_authentication", max_age=str(self.max_age))

    def more_fields(self) -> dict[str, t.Any]:
        return {"error": self.error, "max_age": self.max_age}


class TokenRequired(LoginRequired):
    """No token is presented, where nothing else counts."""

    title = "This address is for programs"
    sentence = "This address takes a token in Authorization: Bearer, not a browser's sign-in."


class InputNotSent(LoginRequired):
    """A person sent a form after their login had ended. Nothing of it is kept; the browser still has it."""

    title = "You were signed out"
    sentence = (
        "Your input was not sent. Sign in again in a new tab, then come back here and use your browser's Back button:"
        " what you wrote is still there."
    )


class AccessDenied(HubProblem, Forbidden):
    """Somebody is known, but may not.

    `needed`: the groups or the permission (`kind`) that would open, if that is the reason. `bearer`: whether they are
    known by a presented token, and so are told in its terms (RFC 6750 section 3.1).
    """

    hub_code = "HUB-403"

    def __init__(
        self, message: str = "", *, needed: t.Sequence[str] = (), kind: str = "", bearer: bool = False, **more: t.Any
    ) -> None:
        super().__init__(message, **more)
        self.needed = tuple(needed)
        self.kind = kind
        self.bearer = bearer

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        scope = {"scope": pages.realm} if pages else {}
        return challenge(pages, error="insufficient_scope", **scope) if self.bearer else {}


class AnotherPerson(AccessDenied):
    """Somebody else than who is signed in came back from Hub where that person's password was asked for."""

    again = True
    title = "Somebody else has signed in at Hub"
    sentence = "The password of whoever is signed in was asked for, and somebody else answered. Nothing has changed."
