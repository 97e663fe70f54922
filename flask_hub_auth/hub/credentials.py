"""How a token, or an id and a secret, are presented: what they may look like, and the header that holds them."""

from __future__ import annotations

import base64
import re
import typing as t

from ..errors import TokenRejected
from ..model import Secret

LONGEST_TOKEN: t.Final = 8 * 1024

# The characters of a bearer token (RFC 6750 section 2.1), and ``;``, ``:`` and inner ``=`` of Hub's tokens.
_TOKEN = re.compile(r"(?!=)[A-Za-z0-9._~+/:;=-]+")
# A signed token as library 1.0.41 makes it: ``millis.client.user.scopes;key.signature``. Its scopes are URL-encoded
# one by one and joined with a space, the only one that a token may have.
_SIGNED = re.compile(
    r"[0-9]{1,16}\.[\w*+%-]+\.[\w*+%-]*\.[\w*+%-]+(?: [\w*+%-]+)*;[\w-]+\.[A-Za-z0-9+/]+={0,2}", re.ASCII
)


def is_token(text: str) -> bool:
    """Whether `text` has the form of an access token of Hub, so that it can stand in a header."""
    return len(text) <= LONGEST_TOKEN and bool(_TOKEN.fullmatch(text) or _SIGNED.fullmatch(text))


def authorization(bearer: Secret | None, auth: tuple[str, Secret] | None = None) -> dict[str, str]:
    """The header that presents a token, or an id and a secret; empty where there is neither."""
    if bearer is not None:
        if not is_token(bearer.reveal()):
            raise TokenRejected("invalid_token", "it has characters that no token of Hub has, and was not sent")
        return {"Authorization": f"Bearer {bearer.reveal()}"}
    if auth is not None:
        # The halves as they are, in UTF-8: Hub does not form-decode them (Hub documentation, "Authorization Code").
        halves = f"{auth[0]}:{auth[1].reveal()}"
        return {"Authorization": f"Basic {base64.b64encode(halves.encode()).decode()}"}
    return {}
