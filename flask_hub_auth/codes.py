"""The codes of what can go wrong, in words for people; and what a developer can do about Hub's refusals."""

from __future__ import annotations

import typing as t

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
