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

from .pages import PAGE_HEADERS, PAGES, Pages, challenge, clean, page, prefers_html

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("flask_hub_auth")

CODES: t.Final[dict[str, tuple[str, str]]] = {
    "HUB-101": ("This sign-in took too long", "It was begun a while ago and is no longer valid."),
    "HUB-102": ("This sign-in cannot be completed here", "It was begun in another browser, or long ago."),
    "HUB-103": ("This sign-in was already used", "Each sign-in works once. You can begin a new one."),
    "HUB-104": ("A cookie did not come back", "Signing in needs cookies, and your browser sent none."),
    "HUB-105": (
        "Signing in goes round in circles",
        "Hub signed you in several times, but your browser did not keep the result. The usual causes: cookies are"
        " blocked, this site is open under another address than the one it is set up for, or a clock is wrong.",
    ),
    "HUB-110": ("Access was refused at Hub", "Access was not granted there: it was refused, or the account is banned."),
    "HUB-111": ("This account is banned", "Hub says that this account is banned. An administrator of Hub can help."),
    "HUB-112": ("Guests cannot sign in", "Hub answered with its guest account. Please sign in with an account."),
    "HUB-113": (
        "Your account is not admitted here",
        "Only members of certain groups may sign in. An administrator of Hub can add you.",
    ),
    "HUB-201": ("Hub does not answer", "Hub, or a service beside it, cannot be reached. Please try again soon."),
    "HUB-202": ("Hub gave an unusable answer", "The server that knows your account answered something unexpected."),
    "HUB-203": ("Hub refuses this service", "This site is not set up correctly at Hub. Its administrators can help."),
    "HUB-301": ("Sign-ins cannot be looked up", "The place where sign-ins are kept does not answer. Try again soon."),
    "HUB-400": ("This request cannot be accepted", "Something in it is missing or does not belong there."),
    "HUB-401": ("Please sign in", "You are not signed in, or your sign-in has ended."),
    "HUB-403": ("You may not do this", "You are signed in, but your account lacks the right for this."),
    "HUB-500": ("This site is not set up correctly", "Its developers find the reason in the text and in the log."),
}
"""Code → title and plain sentence: the same on the page, in the log, in JSON and in the documentation."""


ADVICE: t.Final = {
    "invalid_client": "Compare the service id and secret with those in Hub.",
    "unauthorized_client": "In Hub, make this service trusted, or switch this flow on for it.",
    "response_type_not_allowed": "In Hub, switch this flow on for this service.",
    "invalid_scope": "Compare the scope with the services that Hub knows; Hub's own id is 0-0-0-0-0.",
}
"""What a developer can do about Hub's refusals."""


class HubError(Exception):
    """Base of everything that the package raises on purpose."""


class HubConfigError(HubError):
    """The set-up is wrong. The text names every problem, each with the setting and what to do."""


class HubProblem(HubError, HTTPException):
    """Base of the errors that have a status: how they look to people and to scripts.

    `message` is for developers and the log; visitors read the fixed sentence of `hub_code`.
    """

    hub_code = "HUB-500"
    again = False

    def __init__(self, message: str = "", *, hub_code: str | None = None, return_to: str | None = None) -> None:
        if hub_code:
            self.hub_code = hub_code
        self.message = message or self.sentence
        super().__init__(description=self.message)
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
        return [*headers.items(), *self.more_headers((environ or {}).get(PAGES)).items()]

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        """Headers that only this kind of problem has."""
        return {}

    def more_fields(self) -> dict[str, t.Any]:
        """Fields of the problem details that only this kind of problem has."""
        return {}

    def get_response(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """The answer; logged when it is made."""
        # What only the site's own people can mend must be seen without turning the log up.
        level = logging.WARNING if (self.code or 0) >= 500 else logging.INFO
        log.log(level, "%s %s reference=%s: %s", self.hub_code, self.code, self.reference, clean(self.message))
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
    """Hub could not be asked. `retry_after`: seconds after which it is worth asking again."""

    hub_code = "HUB-201"

    def __init__(self, message: str = "", *, retry_after: int = 5, **more: t.Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class StoreUnavailable(HubUnavailable):
    """The store of logins could not be asked."""

    hub_code = "HUB-301"


class HubProtocolError(HubProblem, BadGateway):
    """Hub answered something that is not Hub's protocol: HTML, a redirect, broken JSON, missing fields."""

    hub_code = "HUB-202"


class HubRefused(HubProblem, BadGateway):
    """Hub refuses this service.

    `error` and `description` are Hub's own words (RFC 6749 section 5.2), made printable and shortened.
    """

    hub_code = "HUB-203"

    def __init__(self, error: str, description: str = "", **more: t.Any) -> None:
        self.error = clean(error, 100)
        said = f"Hub says {self.error}: {clean(description)}".rstrip(": .") + "."
        super().__init__(" ".join(filter(None, [said, ADVICE.get(error)])), **more)
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
    """Somebody is signed in, but entered their password longer ago than `max_age` seconds, or nobody knows when.

    Scripts are told in the words of RFC 9470 section 3.
    """

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


class InputNotSent(LoginRequired):
    """A person sent a form after their login had ended. Nothing of it is kept; the browser still has it."""

    title = "You were signed out"
    sentence = (
        "Your input was not sent. Sign in again in a new tab, then come back here and use your browser's Back button:"
        " what you wrote is still there."
    )


class AccessDenied(HubProblem, Forbidden):
    """Somebody is known, but may not.

    `needed`: the groups or the permission that would open, if that is the reason. `bearer`: whether they are known by a
    presented token, and so are told in its terms (RFC 6750 section 3.1).
    """

    hub_code = "HUB-403"

    def __init__(self, message: str = "", *, needed: t.Sequence[str] = (), bearer: bool = False, **more: t.Any) -> None:
        super().__init__(message, **more)
        self.needed = tuple(needed)
        self.bearer = bearer

    def more_headers(self, pages: Pages | None) -> dict[str, str]:
        scope = {"scope": pages.realm} if pages else {}
        return challenge(pages, error="insufficient_scope", **scope) if self.bearer else {}


class AnotherPerson(AccessDenied):
    """Somebody else than who is signed in came back from Hub where that person's password was asked for."""

    title = "Somebody else has signed in at Hub"
    sentence = (
        "The password of whoever is signed in here was asked for, and somebody else answered. Nothing has changed here:"
        " whoever was signed in still is."
    )
