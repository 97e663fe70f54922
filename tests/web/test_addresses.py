"""Return addresses, judged by where a browser would go: the Location of a whole login, read by a WHATWG URL parser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

import pytest
from ada_url import URL
from werkzeug.test import TestResponse

from flask_hub_auth import HubAuth
from flask_hub_auth.testing.hub import HubInMemory

from ..visiting import Visitor, plain_app

SITE = "http://localhost:5000"
CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
ASCII = "".join(map(chr, range(0x21, 0x7F)))

PREFIXES = (
    *("//", "///", "////", "/////", "\\\\", "/\\", "\\/", "/\\/", "//\\", "\\//", "/\\\\", "///\\", "\\\\\\"),
    *("/\t/", "/\n/", "/\r/", "/\r\n/", "\t//", " //", "\n//", "/\t\\", "\x00//", "\x1f//", "/\t\t/", "//\t", "/\n\\"),
    *("http://", "https://", "https:///", "https:\\\\", "HTTPS://", "hTTp:\\/", "http:\t//", "ht\ntp://", " http://"),
    *("ftp://", "ws://", "file://", "//user@", "//localhost:5000@", "https://localhost:5000@", "\\\t\\"),
)
HOSTS = ("evil.example", "evil.example/private", "evil.example:5000", "[2001:db8::1]", "%65vil.example")
DANGEROUS = [
    *(prefix + host for prefix, host in product(PREFIXES, HOSTS)),
    *(
        "https:evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
    ),
    *("\x01javascript:alert(1)", "javascript://localhost:5000/%0aalert(1)", "data:text/html,<script>1</script>"),
    *("vbscript:msgbox(1)", "blob:https://evil.example/1", "mailto:a@evil.example", "about:blank", "view-source:x"),
    *("http://evil.example%2f@localhost:5000", "//evil.example#@localhost:5000/", "//0x7f.1/"),
    *(
        "//evil.example?localhost:5000",
        "//evil.example\\@localhost:5000",
        "//localhost:5000.evil.example/",
        "//localhost",
    ),
    *(
        "http://localhost:5000.evil.example/",
        "http://localhost:50000/",
        "https://localhost:5000/",
        "http://127.0.0.1:5000/",
    ),
    *("//evil\u3002example", "//\uff45vil.example", "https:/evil.example", "https:?evil.example"),
]
# The parser finds these at home, but nobody meant them: what is not plainly a path of ours leads to the usual page.
ODD = [
    *("private", "./private", "../private", "?x=1", "#x", "http://localhost:5000/private", "//localhost:5000/private"),
    *(
        "/a b",
        " /private",
        "/private ",
        "/a\tb",
        "/a\nb",
        "/a\r\nSet-Cookie: a=b",
        "/a\x00b",
        "/a\x7fb",
        "/\\",
        "/a\\b",
    ),
    *(
        "/a\u2028b",
        "/a\u2029b",
        "/a\ufeffb",
        "/a\xa0b",
        "/a\x85b",
        "/" + "a" * 2048,
        "/" + "ä" * 400,
        "",
        "\ufeff/private",
    ),
    *("/login", "/login?next=/private", "/login/", "/authorized", "/authorized?code=c&state=s", "/logout", "/logout#x"),
    *(
        "/a/../login",
        "/./logout",
        "/%6cogin",
        "/%61uthorized?code=c&state=s",
        "/%2e/logout",
        "/login/.",
        "/x/%2E%2E/login",
    ),
    *("/.//evil.example", "/..//evil.example", "/a/..//evil.example", "/a/../..//evil.example", "/%2e//evil.example"),
    *(
        "/%2E%2e//evil.example",
        "/a/%2e%2e//evil.example",
        "/.\t//evil.example",
        "/././/evil.example",
        "/.%2e//evil.example",
    ),
    *("/a/b/../../..//evil.example", "/./\\evil.example", "/..\\/evil.example", "/a\\..\\..\\\\evil.example"),
    *("/\u2028/evil.example", "/./\t/evil.example", "http:/evil.example"),
    *("/private?access_token=t", "/private?a=1&access_token=t", "/private?%61ccess_token=t", "/private?access_token"),
]
LEGITIMATE = [
    *("/", "/private", "/private/", "/private?x=1", "/private?", "/private#part", "/private?x=1#part", "/?x=1", "/#x"),
    *(
        "/private?next=/other",
        "/private?next=//evil.example",
        "/private?url=https://evil.example/",
        "/a//b",
        "/a///b//",
    ),
    *("/private?next=%2F%2Fevil.example", "/a@b", "/@localhost", "/a:b", "/:80", "/a;b=c", "/a,b", "/a!b", "/~jane"),
    *("/a'b", "/a(b)", "/a*b", "/a$b", "/a&b", "/a=b", "/a+b", "/a%20b", "/a%2Fb", "/a%2fb", "/%2F%2Fevil.example"),
    *("/a%5Cb", "/%5Cevil.example", "/a%00b", "/a%0D%0Ab", "/%09/evil.example", "/%C3%A4", "/%c3%a4", "/%E2%9C%93"),
    *(
        "/%",
        "/100%",
        "/a%zz",
        "/%25",
        "/%252e%252e",
        "/.well-known/x",
        "/...",
        "/a.b",
        "/..a",
        "/a..",
        "/a/./b",
        "/a/../b",
    ),
    *(
        "/logins",
        "/login.html",
        "/login/help",
        "/logout-all",
        "/authorized-people",
        "/private?login",
        "/private#/login",
    ),
    *(
        "/private?x=1&x=2&y=",
        "/private?&&",
        "/private?a[]=1",
        "/private?q={a|b}^`c",
        '/private?q="a"',
        "/private?q=<a>",
    ),
    *("/private?token=t", "/private?my_access_token=t", "/private#access_token", "/private??", "/private?x#y?z#w"),
    *("/" + "a" * 2047, "/private?q=" + "%C3%A4" * 300, "/private?x=%E2%80%A8", "/private?x=" + "&" * 100),
    *(
        "/ä",
        "/ä?ö=ü#ß",
        "/日本/語",
        "/private?q=日本",
        "/🦊",
        "/a\u202eb",
        "/é",
        "/e\u0301",
        "/\u3000x",
        "/\uff0f\uff0fevil.example",
    ),
]


@pytest.fixture
def visitor(dev_hub: HubInMemory) -> Visitor:
    """A browser for an application of which every page needs a login."""
    app = plain_app(dev_hub, HUB_AFTER_LOGIN="/start", HUB_AFTER_LOGOUT="/bye", HUB_PROTECT_ALL=True)
    HubAuth(app)
    return Visitor(app, dev_hub)


def is_home(location: str) -> bool:
    """Whether a browser that is at the callback stays on this site."""
    try:
        return str(URL(location, base=f"{SITE}/authorized?code=c&state=s").origin) == SITE
    except ValueError:
        return False


def is_dangerous(address: str) -> bool:
    """Whether an address would lead away if it were used as it is, or decoded once."""
    return not is_home(address) or not is_home(unquote(address))


def completed(visitor: Visitor, answer: TestResponse) -> str:
    """The Location at the end of the login that `answer` begins."""
    assert answer.status_code == 302, answer.text
    assert answer.location.startswith(visitor.hub.url), answer.location
    back = visitor.come_back(visitor.answer(answer.location))
    assert back.status_code == 302, back.text
    return back.location


def open_raw(visitor: Visitor, path: str = "/login", query: str = "", **options: Any) -> TestResponse:
    """A request whose path and query are these very bytes."""
    environ = {"PATH_INFO": path.encode("utf-8", "surrogatepass").decode("latin-1")}
    environ["QUERY_STRING"] = query.encode("utf-8", "surrogatepass").decode("latin-1")
    return visitor.open("/", environ_overrides=environ, **options)


def by_encoded_query(visitor: Visitor, address: str) -> str:
    return completed(visitor, open_raw(visitor, query="next=" + quote(address, safe="")))


def by_raw_query(visitor: Visitor, address: str) -> str:
    return completed(visitor, open_raw(visitor, query="next=" + address))


def by_its_own_address(visitor: Visitor, address: str) -> str:
    for cookie in ("session", "hub_tried"):
        visitor.client.delete_cookie(cookie)
    path, _, query = address.partition("#")[0].partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1").encode("latin-1").decode("utf-8", "replace")
    answer = open_raw(visitor, "/" + decoded.removeprefix("/"), query)
    # The addresses of the login itself begin none, or refuse.
    return "/start" if answer.status_code in (200, 400) else completed(visitor, answer)


def by_login_begun_at_hub(visitor: Visitor, address: str) -> str:
    answer = open_raw(visitor, "/authorized", f"code=c&state={quote(SITE + address, safe='')}")
    if answer.status_code == 400:
        return "/start"
    # Somebody who is signed in is sent home from a callback that means nothing.
    return completed(visitor, answer) if answer.location.startswith(visitor.hub.url) else answer.location


def by_logout(visitor: Visitor, address: str) -> str:
    answer = visitor.open("/logout", "POST", data={"next": address}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 302
    return answer.location


WAYS = [by_encoded_query, by_raw_query, by_its_own_address, by_login_begun_at_hub, by_logout]


def corpus(name: str) -> Iterator[dict[str, Any]]:
    """A public list, where it is at hand."""
    file = CORPORA / name
    if file.is_file():
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


def test_the_table_is_long_enough_and_its_addresses_are_what_they_are_said_to_be() -> None:
    assert len(set(DANGEROUS)) >= 150
    assert [address for address in DANGEROUS if not is_dangerous(address)] == []
    assert len(set(LEGITIMATE)) >= 60
    assert [address for address in LEGITIMATE if not is_home(address)] == []


@pytest.mark.parametrize("way", WAYS)
def test_no_address_leads_off_this_site(visitor: Visitor, way: Any) -> None:
    """S16, S19, S21."""
    escaped = [(address, location) for address in DANGEROUS + ODD if not is_home(location := way(visitor, address))]
    assert escaped == []


@pytest.mark.parametrize("way", WAYS)
def test_no_address_of_public_lists_leads_off_this_site(visitor: Visitor, way: Any) -> None:
    """S16: the lists are not part of this project; where they are missing, the table above stands alone."""
    addresses = [case["payload"] for case in corpus("redirect-public-lists-labelled.jsonl")]
    escaped = [(address, location) for address in addresses if not is_home(location := way(visitor, address))]
    assert escaped == []


@pytest.mark.parametrize("way", [by_encoded_query, by_login_begun_at_hub, by_logout])
def test_what_is_not_plainly_a_path_of_this_site_is_replaced_by_the_usual_page(visitor: Visitor, way: Any) -> None:
    """S18, S22."""
    usual = "/bye" if way is by_logout else "/start"
    if way is by_login_begun_at_hub:
        addresses = [address for address in ODD if address[:1] not in ("?", "#", "")]
    else:
        addresses = ODD + [address for address in DANGEROUS if not is_home(address)]
    kept = [(address, location) for address in addresses if (location := way(visitor, address)) != usual]
    assert kept == []


@pytest.mark.parametrize("way", [by_encoded_query, by_login_begun_at_hub, by_logout])
def test_a_legitimate_address_is_kept_byte_for_byte_and_encoded_where_it_is_not_ascii(
    visitor: Visitor, way: Any
) -> None:
    """S17."""
    changed = [
        (address, location)
        for address in LEGITIMATE
        if (location := way(visitor, address)) != quote(address, safe=ASCII)
    ]
    assert changed == []


def test_a_guarded_page_is_returned_to_with_its_query(visitor: Visitor) -> None:
    """S17: the path may be spelt otherwise, as long as it is the same."""
    changed = []
    for address in LEGITIMATE:
        wanted, got = urlsplit(address), urlsplit(by_its_own_address(visitor, address))
        # Werkzeug takes slashes at the start together before anybody sees them.
        path = "/" + unquote(wanted.path).lstrip("/")
        if (unquote(got.path), got.query) != (path, quote(wanted.query, safe=ASCII)):
            changed.append((address, got))
    assert changed == []


def test_a_query_with_a_backslash_is_returned_to(visitor: Visitor) -> None:
    r"""Browsers send one as it is, so C:\\temp may be what somebody searches for."""
    answer = open_raw(visitor, "/search", r"q=C:\temp")
    assert completed(visitor, answer) == "/search?q=C:%5Ctemp"


def test_an_address_given_twice_counts_as_none(visitor: Visitor) -> None:
    assert completed(visitor, visitor.open("/login?next=/a&next=/b")) == "/start"


def test_an_address_of_bytes_that_are_no_text_counts_as_none(visitor: Visitor) -> None:
    for query in ("next=/\xff", "next=/%ff%fe", "next=/%ed%a0%80"):
        answer = visitor.open("/login", environ_overrides={"QUERY_STRING": query})
        location = completed(visitor, answer)
        assert is_home(location)
        assert location.isascii()


@pytest.mark.parametrize("referer", ["https://evil.example/", f"{SITE}/private"])
def test_the_referer_is_no_return_address(visitor: Visitor, referer: str) -> None:
    """S21."""
    assert completed(visitor, visitor.open("/login", headers={"Accept": "text/html", "Referer": referer})) == "/start"


def test_line_ends_of_public_lists_add_no_header_and_no_log_line(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """S19, L9."""
    caplog.set_level("DEBUG")
    for case in corpus("crlf-header-injection.jsonl"):
        encoded = case["query_value"]
        value = case.get("value") or unquote(encoded)
        answers = [
            open_raw(visitor, "/login", f"next={encoded}"),
            open_raw(visitor, "/authorized", f"code=c&state={encoded}"),
            open_raw(visitor, "/authorized", f"state={state_of(visitor)}&error={encoded}&error_description={encoded}"),
            visitor.open("/logout", "POST", data={"next": value}, headers={"Sec-Fetch-Site": "same-origin"}),
            visitor.open("/login", environ_overrides=raw_headers(value)),
        ]
        for answer in answers:
            assert answer.status_code in (302, 400, 403, 502), (value, answer.status_code)
            assert not any(name.lower().startswith("x-injected") for name, _ in answer.headers)
            assert not any("\n" in text or "\r" in text for _, text in answer.headers)
        assert "injected" not in visitor.cookies()
    assert [record.getMessage() for record in caplog.records if set("\r\n") & set(record.getMessage())] == []


def state_of(visitor: Visitor) -> str:
    return visitor.begin("/login").partition("state=")[2].partition("&")[0]


def raw_headers(value: str) -> dict[str, str]:
    names = ("REFERER", "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "X_FORWARDED_PREFIX", "X_REQUEST_ID", "USER_AGENT")
    return {f"HTTP_{name}": value.encode("utf-8", "replace").decode("latin-1") for name in names}
