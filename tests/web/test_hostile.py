"""Hostile requests to ``/login``, ``/authorized`` and ``/logout``, by kind.

In every row the browser has two logins under way: that of this tab, which the row does something bad with, and that of
another tab. Every row says the status, how often Hub is asked for a token, and who is signed in afterwards; and the
other tab always gets where it wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from werkzeug.test import TestResponse

from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import NAVIGATION, OTHER_KEY, SCRIPT, TOKEN_PATH, Visitor, query, site

EVIL = "https://evil.example"
ME = "/api/rest/users/me"
GET, POST = "GET", "POST"


@dataclass
class Scene:
    """Two tabs of one browser, both of which have been sent to Hub."""

    visitor: Visitor
    hub: HubInMemory
    asked: str
    other_calls: int = 0  # token calls of the logins of others

    @property
    def state(self) -> str:
        return query(self.asked)["state"]

    @property
    def cookie(self) -> str:
        """The name of the cookie of this tab's login."""
        return f"hub_login_{hashlib.sha256(self.state.encode()).hexdigest()[:8]}"

    def answer(self, **changes: str | None) -> dict[str, str]:
        """What Hub says to this tab, with changes; None leaves a word out."""
        words = {**query(self.visitor.answer(self.asked)), **changes}
        return {name: value for name, value in words.items() if value is not None}

    def send(self, words: Any = "", path: str = "/authorized", method: str = GET, **options: Any) -> TestResponse:
        """A request to the callback. `words`: its query, as pairs to encode or as it is."""
        raw = words if isinstance(words, str) else urlencode(words)
        return self.visitor.open(path, method, environ_overrides={"QUERY_STRING": raw}, **options)

    def come_back(self, **changes: str | None) -> TestResponse:
        return self.send(self.answer(**changes))

    def put(self, name: str, value: str) -> None:
        self.visitor.client.set_cookie(name, value)

    def session(self, content: object) -> str:
        """A session cookie that the application itself could have written."""
        signer = self.visitor.app.session_interface.get_signing_serializer(self.visitor.app)  # type: ignore[attr-defined]
        return str(signer.dumps(content))

    def elsewhere(self, **settings: Any) -> Visitor:
        """A visitor of another application."""
        return Visitor(site(self.hub, **settings), self.hub)

    def sign_in(self, other: Visitor, as_: str) -> None:
        """The whole login of somebody else in another browser."""
        calls = other.token_calls()
        other.sign_in(as_=as_)
        self.other_calls += other.token_calls() - calls


Act = Callable[[Scene], TestResponse]


@dataclass(frozen=True)
class Row:
    """`before`: who is signed in already. `wait`: seconds from the begin of this tab's login to that of the other's."""

    act: Act
    status: int
    calls: int = 0
    who: str = "nobody"
    before: str | None = None
    wait: float = 0
    location: str | None = None
    still_good: bool = False  # this tab's login too


def rows(status: int, acts: dict[str, Act], **more: Any) -> dict[str, Row]:
    return {name: Row(act, status, **more) for name, act in acts.items()}


def say(**changes: str | None) -> Act:
    """Hub's answer with changes."""
    return lambda scene: scene.come_back(**changes)


def raw(words: str, **options: Any) -> Act:
    """A callback with this query, in which STATE and CODE stand for what belongs there."""

    def act(scene: Scene) -> TestResponse:
        answer = scene.answer()
        return scene.send(words.replace("STATE", answer["state"]).replace("CODE", answer["code"]), **options)

    return act


def with_cookie(name: str, value: Callable[[Scene], str], then: Act) -> Act:
    """`then`, after a cookie was put into the browser. The name PENDING is that of this tab's login."""

    def act(scene: Scene) -> TestResponse:
        scene.put(name.replace("PENDING", scene.cookie), value(scene))
        return then(scene)

    return act


def pending(value: Callable[[Scene], str]) -> Act:
    return with_cookie("PENDING", value, say())


def session(value: Callable[[Scene], str]) -> Act:
    """A callback that is nobody's. Somebody who is signed in would be sent home from there."""
    return with_cookie("session", value, lambda scene: scene.send({"code": "c", "state": "s"}))


def tried(value: Callable[[Scene], str]) -> Act:
    return with_cookie("hub_tried", value, say())


def own_cookie(scene: Scene) -> str:
    return scene.visitor.cookies()[scene.cookie]


def flipped(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def cookie_of_other_tab(scene: Scene) -> str:
    cookies = scene.visitor.cookies()
    return next(value for name, value in cookies.items() if name.startswith("hub_login_") and name != scene.cookie)


def from_elsewhere(**settings: Any) -> Act:
    """State and cookie of a login that was begun at another application, with a good code."""

    def act(scene: Scene) -> TestResponse:
        other = scene.elsewhere(**settings)
        state = query(other.open("/login").location)["state"]
        for name, value in other.cookies().items():
            scene.put(name, value)
        return scene.come_back(state=state)

    return act


def cookie_of(kind: str, **settings: Any) -> Callable[[Scene], str]:
    """A cookie of somebody who is signed in at another application (or, without settings, of this one's twin)."""

    def value(scene: Scene) -> str:
        other = scene.elsewhere(**settings)
        scene.sign_in(other, "jane")
        return other.cookies()[kind]

    return value


def broken(then: Act | None = None, **fault: Any) -> Act:
    """A good callback while Hub fails."""

    def act(scene: Scene) -> TestResponse:
        answer = scene.answer()
        scene.hub.fail(**fault)
        try:
            return scene.send(answer)
        finally:
            scene.hub.mend()

    return act


def somebody(login: str, **changes: Any) -> Act:
    """A good callback of a person who has changed at Hub meanwhile."""

    def act(scene: Scene) -> TestResponse:
        callback = scene.visitor.answer(scene.asked, login)
        scene.hub.update_user(login, **changes)
        return scene.visitor.come_back(callback)

    return act


def at_login(words: str = "", *, headers: dict[str, str] | None = None, method: str = GET, **options: Any) -> Act:
    return lambda scene: scene.send(words, "/login", method, headers={**NAVIGATION, **(headers or {})}, **options)


def at_logout(form: dict[str, str] | None = None, method: str = POST, query: str = "", **headers: str) -> Act:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda scene: scene.send(query, "/logout", method, data=form or {}, headers={**NAVIGATION, **sent})


def csrf_token_of(visitor: Visitor) -> str:
    page = visitor.open("/logout").text
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def with_token_of(person: str | None) -> Act:
    """A sign-out with the token from somebody else's page."""

    def act(scene: Scene) -> TestResponse:
        other = Visitor(scene.visitor.app, scene.hub)
        if person:
            scene.sign_in(other, person)
        return at_logout({"csrf_token": csrf_token_of(other)})(scene)

    return act


def twice(first: Act, then: Act) -> Act:
    def act(scene: Scene) -> TestResponse:
        first(scene)
        return then(scene)

    return act


def same_twice(between: Callable[[Scene], object], **changes: str | None) -> Act:
    """The very same callback twice."""

    def act(scene: Scene) -> TestResponse:
        answer = scene.answer(**changes)
        kept = scene.visitor.cookies()
        scene.send(answer)
        between(scene)
        scene.put(scene.cookie, kept[scene.cookie])
        return scene.send(answer)

    return act


def sign_out(scene: Scene) -> TestResponse:
    return scene.send("", "/logout", POST, headers={"Sec-Fetch-Site": "same-origin"})


def drop(name: str) -> Callable[[Scene], object]:
    return lambda scene: scene.visitor.client.delete_cookie(name)


def without_cookie(scene: Scene) -> TestResponse:
    scene.visitor.client.delete_cookie(scene.cookie)
    return scene.come_back()


def without_cookies(scene: Scene) -> TestResponse:
    answer = scene.answer()
    kept = scene.visitor.cookies()
    for name in kept:
        scene.visitor.client.delete_cookie(name)
    try:
        return scene.send(answer)
    finally:
        for name, value in kept.items():
            scene.put(name, value)


def of_other_browser(scene: Scene) -> TestResponse:
    other = Visitor(scene.visitor.app, scene.hub)
    return scene.visitor.come_back(other.answer(other.begin(), "john"))


def in_other_browser(scene: Scene) -> TestResponse:
    """The victim opens the callback of this browser."""
    callback = scene.visitor.answer(scene.asked)
    return Visitor(scene.visitor.app, scene.hub).come_back(callback)


def at_hub_begun(state: str) -> Act:
    return lambda scene: scene.send({"code": "c", "state": state})


CRLF = "\r\nSet-Cookie: injected=1\r\nX-Injected: 1"

CLASSES: dict[str, dict[str, Row]] = {
    "missing": rows(
        400,
        {
            "everything": raw(""),
            "code": say(code=None),
            "state": say(state=None),
            "value of the code": say(code=""),
            "value of the state": say(state=""),
            "both values": say(code="", state=""),
            "value and sign": raw("state=STATE&code"),
            "name": raw("=STATE&=CODE"),
            "state of an error": raw("error=access_denied"),
            "everything, and spaces instead": raw("state=%20&code=%20"),
        },
    ),
    "doubled": rows(
        400,
        {
            "the same code": raw("state=STATE&code=CODE&code=CODE"),
            "another code after": raw("state=STATE&code=CODE&code=other"),
            "another code before": raw("state=STATE&code=other&code=CODE"),
            "the same state": raw("state=STATE&state=STATE&code=CODE"),
            "another state after": raw("state=STATE&state=other&code=CODE"),
            "another state before": raw("state=other&state=STATE&code=CODE"),
            "issuer": raw("state=STATE&code=CODE&iss=https://hub.test/hub&iss=https://hub.test/hub"),
            "error": raw("state=STATE&error=access_denied&error=server_error"),
            "description": raw("state=STATE&error=server_error&error_description=a&error_description=b"),
            "code and error": raw("state=STATE&code=CODE&error=access_denied"),
            "code that is empty": raw("state=STATE&code=CODE&code="),
            "name that is encoded": raw("state=STATE&code=CODE&c%6Fde=other"),
        },
        still_good=True,
    ),
    "foreign": {
        **rows(
            400,
            {
                "made up": say(state="A" * 43),
                "one letter changed": lambda scene: scene.come_back(state=flipped(scene.state, 7)),
                "one letter more": lambda scene: scene.come_back(state=scene.state + "A"),
                "one letter less": lambda scene: scene.come_back(state=scene.state[:-1]),
                "other case": lambda scene: scene.come_back(state=scene.state.swapcase()),
                "of another browser": of_other_browser,
                "in another browser": in_other_browser,
                "name of the cookie": lambda scene: scene.come_back(state=scene.cookie),
                "value of the cookie": lambda scene: scene.come_back(state=own_cookie(scene)),
            },
            still_good=True,
        ),
        **{
            f"{name}, and somebody is signed in": Row(act, 302, who="john", before="john", location="/")
            for name, act in {"made up": say(state="A" * 43), "of another browser": of_other_browser}.items()
        },
    },
    "old": {
        **rows(400, {"eleven minutes": say()}, wait=661),
        **rows(400, {"one second too much": say()}, wait=601),
        **rows(400, {"an hour": say()}, wait=3601),
        **rows(400, {"a week": say()}, wait=7 * 86400),
        **rows(400, {"an error of Hub": say(code=None, error="access_denied")}, wait=700),
        **rows(400, {"twice": twice(say(), say())}, wait=700),
        "of somebody signed in": Row(say(), 302, who="john", before="john", wait=661, location="/"),
        "in the last seconds": Row(say(), 302, calls=1, who="jane", wait=585),
    },
    "replayed": {
        "at once": Row(same_twice(lambda scene: None), 302, calls=1, who="jane", location="/"),
        "after a sign-out": Row(same_twice(sign_out), 400, calls=1),
        "without the session": Row(same_twice(drop("session")), 400, calls=1),
        "by a double click": Row(twice(say(), lambda scene: scene.come_back()), 302, calls=1, who="jane", location="/"),
        "with another code": Row(
            twice(twice(say(), sign_out), lambda scene: scene.come_back(code="other")), 400, calls=1
        ),
        "after a refusal": Row(same_twice(lambda scene: None, code=None, error="access_denied"), 400),
        "after a failure of Hub": Row(
            twice(broken(path=TOKEN_PATH, status=503), lambda scene: scene.come_back()), 400, calls=1
        ),
        "in a browser with a copy of the cookies": Row(
            lambda scene: with_copied_cookies(scene), 400, calls=1, who="jane"
        ),
    },
    "oversized": {
        **rows(
            400,
            {
                "state": say(state="A" * 200_000),
                "error without a state": raw("error=" + "e" * 200_000),
                "state in two-byte letters": say(state="ä" * 50_000),
                "many states": raw("&".join(["state=STATE"] * 5_000)),
                "many words": raw("&".join(f"w{number}=1" for number in range(5_000))),
            },
            still_good=True,
        ),
        "code": Row(say(code="c" * 100_000), 400, calls=1),
        "code for Hub's limit": Row(say(code="c" * 1_500_000), 502, calls=0),
        "error": Row(say(code=None, error="e" * 200_000), 502),
        "description": Row(say(code=None, error="server_error", error_description="d" * 200_000), 503),
        "cookie of a login": Row(pending(lambda scene: "A" * 4_000), 400),
        "return address": Row(at_login("next=/" + "a" * 100_000), 302),
    },
    "not ASCII": {
        **rows(
            400,
            {
                "state of Latin-1": raw("state=%ff%fe&code=CODE"),
                "state of emoji": say(state="🦊" * 10),
                "state with a NUL": raw("state=STATE%00&code=CODE"),
                "state of half a character": raw("state=%ed%a0%80&code=CODE"),
                "state written too long": raw("state=%c0%ae%c0%ae&code=CODE"),
                "state with a byte that is not encoded": raw("state=\xff&code=CODE"),
                "state with a direction mark": raw("state=STATE%e2%80%ae&code=CODE"),
                "state cut in a character": raw("state=STATE%e2%82&code=CODE"),
                "name of the state": raw("st%c3%a4te=STATE&code=CODE"),
                "percent sign": raw("state=%&code=%"),
            },
            still_good=True,
        ),
        "code of emoji": Row(say(code="🦊"), 400, calls=1),
        "code of Latin-1": Row(raw("state=STATE&code=%ff"), 400, calls=1),
        "code with line ends": Row(raw("state=STATE&code=a%0d%0ab"), 400, calls=1),
        "error of Latin-1": Row(raw("state=STATE&error=%ff"), 502),
        "error with a direction mark": Row(say(code=None, error="\u202eaccess_denied"), 502),
    },
    "error of Hub": {
        error: Row(say(code=None, error=error, error_description="because"), status)
        for error, status in {
            "access_denied": 403,
            "server_error": 503,
            "temporarily_unavailable": 503,
            "invalid_scope": 502,
            "unauthorized_client": 502,
            "response_type_not_allowed": 502,
            "invalid_request": 502,
            "unsupported_response_type": 502,
            "never_heard_of": 502,
            "{{1337*1337}}": 502,
            "<script>alert(1)</script>": 502,
            "ACCESS_DENIED": 502,
        }.items()
    },
    "error that is nobody's": rows(
        400,
        {
            error: say(code=None, error=error, state="A" * 43, error_description="{{1337*1337}}<script>")
            for error in ("access_denied", "server_error", "invalid_scope", "{{1337*1337}}", "<script>", "")
        },
        still_good=True,
    ),
    "other method of the callback": rows(
        405,
        {
            method: lambda scene, method=method: scene.send(scene.answer(), method=method)
            for method in ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "GETT")
        }
        | {
            "form": lambda scene: scene.send("", method=POST, data=scene.answer()),
            "override of a header": lambda scene: scene.send(
                "", method=POST, data=scene.answer(), headers={**NAVIGATION, "X-HTTP-Method-Override": "GET"}
            ),
        },
        still_good=True,
    ),
    "other method of the login": rows(
        405,
        {
            method: at_login("next=/private", method=method)
            for method in ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")
        },
        still_good=True,
    ),
    "other method of the logout": rows(
        405,
        {
            method: at_logout(method=method, Sec_Fetch_Site="same-origin")
            for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")
        },
        before="john",
        who="john",
        still_good=True,
    ),
    "wrong cookie of a login": rows(
        400,
        {
            "none": without_cookie,
            "no cookie at all": without_cookies,
            "empty": pending(lambda scene: ""),
            "noise": pending(lambda scene: "AAAA.BBBB.CCCC"),
            "three dots": pending(lambda scene: "..."),
            "not ASCII": pending(lambda scene: "ä🦊"),
            "a session of Flask": pending(lambda scene: scene.session({"s": scene.state, "n": "/"})),
            "the session of somebody": pending(cookie_of("session")),
            "a count of round trips": pending(cookie_of("hub_tried")),
            "that of the other tab": pending(cookie_of_other_tab),
            "its first half": pending(lambda scene: own_cookie(scene)[: len(own_cookie(scene)) // 2]),
            "without its last letter": pending(lambda scene: own_cookie(scene)[:-1]),
            "without its signature": pending(lambda scene: own_cookie(scene).rpartition(".")[0]),
            "first bit": pending(lambda scene: flipped(own_cookie(scene), 0)),
            "a bit of its time": pending(lambda scene: flipped(own_cookie(scene), own_cookie(scene).find(".") + 2)),
            "a bit of its signature": pending(lambda scene: flipped(own_cookie(scene), -20)),
            "twice in one": pending(lambda scene: own_cookie(scene) * 2),
            "of another service with the same key": from_elsewhere(HUB_SERVICE_ID="another-service"),
            "of another Hub with the same key": from_elsewhere(HUB_URL="https://hub.test/other"),
            "of another callback with the same key": from_elsewhere(HUB_REDIRECT_PATH="/back"),
            "of another key": from_elsewhere(SECRET_KEY=OTHER_KEY),
        },
    ),
    "wrong session": rows(
        400,
        {
            "noise": session(lambda scene: "AAAA.BBBB.CCCC"),
            "empty": session(lambda scene: ""),
            "cookie of a login": session(lambda scene: own_cookie(scene)),
            "cookie of a login as handle": session(lambda scene: scene.session({"hub_login": own_cookie(scene)})),
            "state as handle": session(lambda scene: scene.session({"hub_login": scene.state})),
            "handle that never was": session(lambda scene: scene.session({"hub_login": "A" * 43})),
            "handle spelt otherwise": session(lambda scene: scene.session({"hub_login": "A" * 42 + "B"})),
            "handle too long": session(lambda scene: scene.session({"hub_login": "A" * 100_000})),
            "number": session(lambda scene: scene.session({"hub_login": 1})),
            "list": session(lambda scene: scene.session({"hub_login": ["A" * 43]})),
            "true": session(lambda scene: scene.session({"hub_login": True})),
            "bytes": session(lambda scene: scene.session({"hub_login": b"A" * 43})),
            "a user": session(lambda scene: scene.session({"hub_login": {"id": "1", "login": "jane"}})),
            "of another key": session(cookie_of("session", SECRET_KEY=OTHER_KEY)),
            "of another service with the same key": session(cookie_of("session")),
            "not ASCII": session(lambda scene: scene.session({"hub_login": "ä" * 43})),
        },
        still_good=True,
    ),
    "wrong count of round trips": rows(
        302,
        {
            "noise": tried(lambda scene: "AAAA.BBBB.CCCC"),
            "empty": tried(lambda scene: ""),
            "number": tried(lambda scene: "99"),
            "cookie of a login": tried(own_cookie),
            "a session of Flask": tried(lambda scene: scene.session(99)),
            "too long": tried(lambda scene: "9" * 4_000),
            "of another key": tried(cookie_of("hub_tried", SECRET_KEY=OTHER_KEY)),
        },
        calls=1,
        who="jane",
    ),
    "wrong issuer": rows(
        400,
        {
            name: say(iss=issuer)
            for name, issuer in {
                "another": EVIL,
                "a slash more": "https://hub.test/hub/",
                "a letter less": "https://hub.test/hu",
                "host in capitals": "https://HUB.test/hub",
                "http": "http://hub.test/hub",
                "host behind a name": "https://hub.test@evil.example/hub",
                "port": "https://hub.test:443/hub",
                "space after": "https://hub.test/hub ",
                "NUL after": "https://hub.test/hub\0",
                "not ASCII": "https://hub.tëst/hub",
            }.items()
        }
        | {"another, beside an error": say(iss=EVIL, code=None, error="access_denied")},
    ),
    "Hub fails": {
        name: Row(broken(**fault), status, calls=1)
        for name, (status, fault) in {
            "server error at the token": (503, {"path": TOKEN_PATH, "status": 500}),
            "away at the token": (503, {"path": TOKEN_PATH, "status": 503}),
            "too many requests at the token": (503, {"path": TOKEN_PATH, "status": 429}),
            "connection refused at the token": (503, {"path": TOKEN_PATH, "transport": "refuse"}),
            "redirect at the token": (502, {"path": TOKEN_PATH, "status": 302, "headers": {"Location": EVIL}}),
            "page at the token": (502, {"path": TOKEN_PATH, "status": 200, "body": "<html>invalid_grant</html>"}),
            "nothing at the token": (502, {"path": TOKEN_PATH, "status": 200, "body": ""}),
            "no token": (502, {"path": TOKEN_PATH, "body": '{"token_type": "bearer"}'}),
            "wrong secret": (502, {"path": TOKEN_PATH, "status": 400, "body": '{"error": "invalid_client"}'}),
            "code is over": (400, {"path": TOKEN_PATH, "status": 403, "body": '{"error": "invalid_grant"}'}),
            "code is over, in a list": (
                502,
                {"path": TOKEN_PATH, "status": 400, "body": '{"error": ["invalid_grant"]}'},
            ),
            "scope": (502, {"path": TOKEN_PATH, "status": 400, "body": '{"error": "invalid_scope"}'}),
            "server error at the person": (503, {"path": ME, "status": 500}),
            "connection reset at the person": (503, {"path": ME, "transport": "reset"}),
            "token not taken at the person": (502, {"path": ME, "status": 401}),
            "page at the person": (502, {"path": ME, "status": 200, "body": "<html>"}),
            "person without an id": (502, {"path": ME, "body": '{"login": "jane"}'}),
            "person without a login": (502, {"path": ME, "body": '{"id": "1"}'}),
            "person who may be banned": (502, {"path": ME, "body": '{"id": "1", "login": "jane", "banned": "no"}'}),
            "banned person": (403, {"path": ME, "body": '{"id": "1", "login": "jane", "banned": true}'}),
            "guest": (403, {"path": ME, "body": '{"id": "1", "login": "guest", "guest": true}'}),
        }.items()
    }
    | {
        "code made up": Row(say(code="made-up"), 400, calls=1),
        "code of another login": Row(lambda scene: with_code_of_another(scene), 400, calls=1),
        "banned meanwhile": Row(somebody("john", banned=True), 403, calls=1),
    },
    "prefetch": rows(
        401,
        {
            f"{name}: {value}": at_login("next=/private", headers={name: value})
            for name, value in (
                ("Sec-Purpose", "prefetch"),
                ("Sec-Purpose", "prefetch;prerender"),
                ("Sec-Purpose", "prefetch;anonymous-client-ip"),
                ("Purpose", "prefetch"),
                ("Purpose", "Preview"),
                ("X-Purpose", "preview"),
                ("X-Moz", "prefetch"),
            )
        },
        still_good=True,
    ),
    "other host": rows(
        302,
        {
            name: at_login("next=/private", headers=headers)
            for name, headers in {
                "Host": {"Host": "evil.example"},
                "Host with a port": {"Host": "evil.example:5000"},
                "Host with a name": {"Host": "localhost@evil.example"},
                "Host that is none": {"Host": "a b\\c"},
                "empty Host": {"Host": ""},
                "Host with half an address": {"Host": "[::1"},
                "Host not ASCII": {"Host": "ëvil.example"},
                "forwarded host": {"X-Forwarded-Host": "evil.example"},
                "forwarded scheme": {"X-Forwarded-Proto": "javascript"},
                "forwarded port": {"X-Forwarded-Port": "99999"},
                "forwarded prefix": {"X-Forwarded-Prefix": "//evil.example"},
                "Forwarded": {"Forwarded": "host=evil.example;proto=https"},
                "original URL": {"X-Original-URL": "//evil.example/", "X-Rewrite-URL": "//evil.example/"},
                "Referer and Origin": {"Referer": EVIL, "Origin": EVIL},
            }.items()
        },
    ),
    "line ends": {
        **rows(
            302,
            {
                "in the return address": at_login("next=" + quote("/ok" + CRLF)),
                "in the return address, encoded twice": at_login("next=" + quote(quote("/ok" + CRLF))),
                "in the return address, alone": at_login("next=" + quote("/ok\nX-Injected: 1")),
                "in letters that become them": at_login("next=" + quote("/ok嘊嘍X-Injected: 1")),
                "in a name": at_login(quote(CRLF) + "=1"),
            },
        ),
        "in the state": Row(say(state="s" + CRLF), 400, still_good=True),
        "in the error": Row(say(code=None, error="e" + CRLF), 502),
        "in the description": Row(say(code=None, error="access_denied", error_description="d" + CRLF), 403),
        "in the address of the error": Row(say(code=None, error="access_denied", error_uri=EVIL + CRLF), 403),
        "in the issuer": Row(say(iss="https://hub.test/hub" + CRLF), 400),
        "where the logout goes": Row(
            at_logout({"next": "/ok" + CRLF}, Sec_Fetch_Site="same-origin"), 302, before="john", location="/"
        ),
    },
    "forged logout": {
        **rows(
            400,
            {
                "nothing": at_logout(),
                "empty token": at_logout({"csrf_token": ""}),
                "made-up token": at_logout({"csrf_token": "A" * 43}),
                "token that is not ASCII": at_logout({"csrf_token": "ä" * 43}),
                "token of nobody": with_token_of(None),
                "token of somebody else": with_token_of("jane"),
                "token of another login of the same person": with_token_of("john"),
                "token in the query": lambda scene: at_logout(
                    query=urlencode({"csrf_token": csrf_token_of(scene.visitor)})
                )(scene),
                "Origin of another site": at_logout(Origin=EVIL),
                "Origin null": at_logout(Origin="null"),
                "Origin that begins alike": at_logout(Origin="http://localhost:5000.evil.example"),
                "Origin of another port": at_logout(Origin="http://localhost:5001"),
                "Origin of another scheme": at_logout(Origin="https://localhost:5000"),
                "from another site": at_logout(Sec_Fetch_Site="cross-site"),
                "from a sister site": at_logout(Sec_Fetch_Site="same-site"),
                "from nowhere": at_logout(Sec_Fetch_Site="none"),
                "Referer alone": at_logout(Referer="http://localhost:5000/logout"),
                "from a script": at_logout(X_Requested_With="XMLHttpRequest", Origin=EVIL),
            },
            before="john",
            who="john",
            still_good=True,
        ),
        "by GET": Row(
            at_logout(method=GET, query="next=/", Sec_Fetch_Site="cross-site"), 200, before="john", who="john"
        ),
        "by GET with a token": Row(
            lambda scene: at_logout(method=GET, query=urlencode({"csrf_token": csrf_token_of(scene.visitor)}))(scene),
            200,
            before="john",
            who="john",
        ),
    },
    "protocol in the login's address": rows(
        302,
        {
            words: at_login(words)
            for words in (
                "state=" + "A" * 43,
                "redirect_uri=" + EVIL,
                "client_id=evil",
                "response_type=token",
                "scope=admin",
                "code_challenge=A&code_challenge_method=plain",
                "prompt=none&request_credentials=silent",
                "access_type=online&nonce=1",
                "next=" + EVIL + "&next=/private",
                "request_credentials=skip&canonical=1",
            )
        },
    ),
    "login begun at Hub for another place": rows(
        400,
        {
            state: at_hub_begun(state)
            for state in (
                EVIL,
                "//localhost:5000/",
                "http://localhost:5000@evil.example/",
                "http://localhost:5000.evil.example/",
                "http://localhost:50000/",
                "http://localhost:5000:80/",
                "http://localhost:5000//evil.example",
                "http://localhost:5000/\\evil.example",
                "http://localhost:5000/\t/evil.example",
                "http://localhost:5000/..//evil.example",
                "https://localhost:5000/",
                "http://localhost/",
                "http://localhost:5000/authorized?code=c&state=s",
                "http://localhost:5000/login?next=/",
                "javascript://localhost:5000/%0aalert(1)",
                "/private",
            )
        },
        still_good=True,
    ),
}


def with_copied_cookies(scene: Scene) -> TestResponse:
    """A thief has the callback and the cookies of the browser, but comes second."""
    thief = Visitor(scene.visitor.app, scene.hub)
    for name, value in scene.visitor.cookies().items():
        thief.client.set_cookie(name, value)
    answer = scene.answer()
    scene.send(answer)
    stolen = thief.open("/authorized", query_string=urlencode(answer))
    assert thief.who() == "nobody"
    return stolen


def with_code_of_another(scene: Scene) -> TestResponse:
    """An attacker's code in the victim's login."""
    attacker = Visitor(scene.visitor.app, scene.hub)
    return scene.come_back(code=query(attacker.answer(attacker.begin(), "john"))["code"])


ROWS = [pytest.param(row, id=f"{kind}: {name[:60]}") for kind, table in CLASSES.items() for name, row in table.items()]


def test_there_are_enough_kinds_of_hostile_requests_and_cases_of_each() -> None:
    assert len(CLASSES) >= 14
    assert min(len(table) for table in CLASSES.values()) >= 5


@pytest.mark.parametrize("row", ROWS)
def test_a_hostile_request_gains_nothing_and_disturbs_no_other_tab(
    hub_clock: Clock, visitor: Visitor, dev_hub: HubInMemory, row: Row
) -> None:
    """S19, S24, S25, S28, S29, S30, S31, S32, S33, S35, S38, S40, S41, S51, S57, R47, R48, R56, R57."""
    if row.before:
        visitor.sign_in(as_=row.before)
    scene = Scene(visitor, dev_hub, visitor.begin("/login?next=/private"))
    hub_clock.advance(row.wait)
    other = visitor.begin("/login?next=/private/other?tab=2")
    mine = visitor.begin("/login?next=/private/mine")
    calls = visitor.token_calls()

    answer = row.act(scene)

    assert answer.status_code == row.status, answer.text
    assert visitor.token_calls() - calls - scene.other_calls == row.calls
    assert visitor.who() == row.who
    if row.location:
        assert answer.location == row.location
    assert_gives_nothing_away(answer, visitor)
    if row.still_good:
        assert visitor.come_back(visitor.answer(mine)).location == "/private/mine"
    assert visitor.come_back(visitor.answer(other)).location == "/private/other?tab=2"
    assert visitor.who() == "jane"


def assert_gives_nothing_away(answer: TestResponse, visitor: Visitor) -> None:
    """What is said to a hostile request: nothing of what it sent, no other site, nothing that may be kept."""
    for name, value in answer.headers:
        assert f"{name}: {value}".encode("latin-1").isascii()
        assert "\n" not in value
        assert "\r" not in value
    assert "X-Injected" not in answer.headers
    assert "injected" not in visitor.cookies()
    if answer.status_code == 302:
        target = answer.location
        if target.startswith(visitor.hub.url):
            asked = query(target)
            assert asked["redirect_uri"] == "http://localhost:5000/authorized"
            assert asked["response_type"] == "code"
            assert asked["client_id"] == visitor.hub.service_id
            assert asked["code_challenge_method"] == "S256"
            assert asked["scope"] == f"0-0-0-0-0 {visitor.hub.service_id}"
        else:
            assert target.startswith(("/", "http://localhost:5000/"))
            assert not target.startswith("//")
            assert "code=" not in target
            assert "state=" not in target
    if answer.status_code not in (302, 405):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    for word in ("1787569", "<script", "evil.example", "Traceback", "invalid_grant", visitor.hub.service_secret or ""):
        assert word not in answer.text


@pytest.mark.parametrize("headers", [NAVIGATION, SCRIPT], ids=["a person", "a script"])
def test_a_refusal_is_a_page_for_people_and_problem_details_for_scripts(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    answer = visitor.open("/authorized", headers=headers)
    assert answer.status_code == 400
    kind = "text/html" if headers is NAVIGATION else "application/problem+json"
    assert answer.mimetype == kind
