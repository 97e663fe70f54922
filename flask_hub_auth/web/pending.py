"""Logins that have begun and not come back: one signed cookie each, nothing on the server.

The cookie holds the state, the return address and what was asked for. The PKCE verifier is in no cookie and no URL: it
is derived from the state and the key that signed the cookie, and so is the nonce. A second cookie counts round trips,
for the breaker of loops, and remembers that Hub knew nobody.

A login that asks nothing must end well in a browser without cookies too: its state carries the return address, sealed,
since it is none of Hub's business. Nobody is signed in by that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import typing as t
from dataclasses import astuple, dataclass, field, replace

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from ..config import HubConfig
from ..sealing import Sealer, decode, encode

if t.TYPE_CHECKING:
    from flask import Response

    Cookies = t.Mapping[str, str]

GOOD_SECONDS: t.Final = 600
"""So long a login may take. The cookie stays longer, so that a late one still knows its return address."""
KEPT_SECONDS: t.Final = 3600
TRIED_SECONDS: t.Final = 300
MOST: t.Final = 5
BUDGET: t.Final = 3600
"""Bytes of all our cookies together. Servers and proxies stop at 4 to 8 KiB of headers, and the application has
cookies too."""
LONGEST_CARRIED: t.Final = 800
"""Letters of an address that fits into a state: it stands in the same header lines as the cookie."""
_SWEPT: t.Final = 12  # cookies that one answer takes away; each costs a header line


@dataclass(frozen=True, slots=True)
class Asked:
    """What a login asks of Hub beside an account.

    `credentials`: None stands for ``HUB_REQUEST_CREDENTIALS``. `optional`: where Hub gives nobody, the browser comes
    back as nobody. `user_id`: only this person may come back. `max_age`: seconds for which a password is new enough.
    """

    credentials: str | None = None
    optional: bool = False
    user_id: str | None = None
    max_age: int | None = None

    @property
    def is_step_up(self) -> bool:
        """Whether a password is asked for, however well Hub knows the browser."""
        return self.user_id is not None or self.max_age is not None


AS_USUAL: t.Final = Asked()


@dataclass(frozen=True, slots=True)
class Tried:
    """Round trips in a row that ended with nobody signed in, and whether Hub was asked in silence and gave nobody."""

    trips: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A login on its way: `age` in seconds since it began. `nonce` is for the id token.

    `carried`: what travels behind the state, for a browser that brings no cookie back.
    """

    state: str
    next: str
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    asked: Asked = AS_USUAL
    age: float = 0.0
    carried: str = ""

    @property
    def sent(self) -> str:
        """The state as Hub gets it."""
        return f"{self.state}.{self.carried}" if self.carried else self.state

    @property
    def is_old(self) -> bool:
        """Whether it has taken too long."""
        return self.age > GOOD_SECONDS


class PendingLogins:
    """Writes and reads the cookies of pending logins. Holds no state; safe to share between threads."""

    def __init__(self, config: HubConfig, clock: t.Callable[[], float]) -> None:
        self._clock = clock
        self._secure = config.secure
        self._prefix = "__Host-" if config.secure else ""
        self._keys = config.secret_keys
        # A cookie of another service, Hub or callback is not ours, even under the same SECRET_KEY.
        self._salt = json.dumps(["flask-hub-auth/v1", config.url, config.service_id, config.redirect_uri]).encode()
        self._sealer = Sealer(config.secret_keys, (config.url, config.service_id, config.redirect_uri))

    def begin(self, next: str, asked: Asked) -> Pending:
        """A login that comes back to `next`. The state has 256 bits from the system's generator."""
        pending = self._made(self._keys[0], secrets.token_urlsafe(32), next, asked)
        return replace(pending, carried=self._carry(next)) if asked.optional else pending

    def remember(self, response: Response, cookies: Cookies, pending: Pending) -> None:
        """Give the browser the cookie of `pending`; beyond five, or too many bytes, the oldest go."""
        name, value = self._name(pending.state), self._dump("login", _written(pending))
        others = {name: cookie for name, cookie in cookies.items() if name.startswith(f"{self._prefix}hub_login_")}
        count, size = 1, len(name) + len(value)
        gone = []
        # Signatures count seconds. Of one second, what browsers send last is newest (RFC 6265 section 5.4).
        for other in sorted(others, key=lambda other: self._began(others[other]))[::-1]:
            count, size = count + 1, size + len(other) + len(others[other])
            if count > MOST or size > BUDGET:
                gone.append(other)
        for other in gone[-_SWEPT:]:
            self._delete(response, other)
        self._set(response, name, value, KEPT_SECONDS)

    def find(self, cookies: Cookies, state: str) -> Pending | None:
        """The pending login of this browser that belongs to `state`; None if it has none."""
        found = self._load("login", cookies.get(self._name(state), ""))
        if found is None:
            return None
        key, data, began = found
        state = _own(state)
        if not isinstance(data, dict) or not hmac.compare_digest(str(data.get("s")).encode(), state.encode()):
            return None
        asked = Asked(**{name: data[letter] for name, letter in _LETTERS.items() if letter in data})
        return self._made(key, state, str(data.get("n")), asked, self._clock() - began)

    def carried(self, state: str) -> str | None:
        """Where a login goes back to that asked nothing, by what its state carries; None if it carries nothing."""
        opened = self._sealer.open(decode(state.partition(".")[2]) or b"", purpose="carried")
        if opened is None:
            return None
        began, next = json.loads(opened)
        return str(next) if self._clock() - began <= KEPT_SECONDS else None

    def mark(self) -> str:
        """What an address says where no cookie can: that Hub was asked a moment ago."""
        return self._dump("mark", 1)

    def is_mark(self, text: str) -> bool:
        """Whether `text` is a mark of the last five minutes."""
        found = self._load("mark", text)
        return found is not None and self._clock() - found[2] <= TRIED_SECONDS

    def forget(self, response: Response, state: str) -> None:
        """Take the cookie of `state` away."""
        self._delete(response, self._name(state))

    def tried(self, cookies: Cookies) -> Tried:
        """What this browser has tried in the last five minutes."""
        found = self._load("tried", cookies.get(f"{self._prefix}hub_tried", ""))
        if found is None or self._clock() - found[2] > TRIED_SECONDS or not isinstance(found[1], list):
            return Tried()
        return Tried(*found[1])

    def note(self, response: Response, tried: Tried) -> None:
        """Write down what was tried; nothing takes the cookie away."""
        if tried == Tried():
            self._delete(response, f"{self._prefix}hub_tried")
        else:
            self._set(response, f"{self._prefix}hub_tried", self._dump("tried", astuple(tried)), TRIED_SECONDS)

    def leave(self, next: str) -> str:
        """A state for the way to Hub's logout and back to `next`."""
        return self._dump("logout", next)

    def left(self, state: str) -> str | None:
        """Where somebody who comes back from Hub's logout goes to; None if `state` is of something else."""
        found = self._load("logout", state)
        return str(found[1]) if found and self._clock() - found[2] <= KEPT_SECONDS else None

    def _carry(self, next: str) -> str:
        return encode(self._sealer.seal(json.dumps([int(self._clock()), next]).encode(), purpose="carried"))

    def _name(self, state: str) -> str:
        digest = hashlib.sha256(_own(state).encode("utf-8", "replace")).hexdigest()
        return f"{self._prefix}hub_login_{digest[:8]}"

    def _made(self, key: bytes, state: str, next: str, asked: Asked, age: float = 0.0) -> Pending:
        """The login with `state`: two more of its values come from what only this site knows."""
        verifier, nonce = (
            encode(hmac.digest(key, self._salt + purpose + state.encode(), "sha256"))
            for purpose in (b"\0pkce\0", b"\0nonce\0")
        )
        return Pending(state, next, verifier, nonce, asked, age)

    def _began(self, cookie: str) -> float:
        found = self._load("login", cookie)
        return found[2] if found else 0.0

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="Lax")

    def _delete(self, response: Response, name: str) -> None:
        # Browsers keep a __Host- cookie unless the deletion repeats every attribute.
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="Lax")

    def _serializer(self, kind: str, key: bytes) -> URLSafeTimedSerializer:
        clock = self._clock

        class Signer(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(clock())

        return URLSafeTimedSerializer(key, salt=self._salt + kind.encode(), signer=Signer)

    def _dump(self, kind: str, data: object) -> str:
        return self._serializer(kind, self._keys[0]).dumps(data)

    def _load(self, kind: str, cookie: str) -> tuple[bytes, t.Any, float] | None:
        """The key that signed `cookie`, what it says, and when it was signed."""
        if not cookie or len(cookie) > 4096:
            return None
        for key in self._keys:
            try:
                data, signed = self._serializer(kind, key).loads(cookie, return_timestamp=True)
            except BadData:
                continue
            return key, data, signed.timestamp()
        return None


def _own(state: str) -> str:
    """A state without what it carries."""
    return state.partition(".")[0]


_LETTERS: t.Final = {"credentials": "c", "optional": "o", "user_id": "u", "max_age": "m"}
"""How a cookie names what was asked for; what is as usual is left out."""


def _written(pending: Pending) -> dict[str, object]:
    unusual = {letter: getattr(pending.asked, name) for name, letter in _LETTERS.items()}
    return {"s": pending.state, "n": pending.next} | {letter: value for letter, value in unusual.items() if value}
