"""Every setting with its right and wrong values, as an application writes them and as the environment gives them."""

from __future__ import annotations

import dataclasses
import math
import pickle
import traceback
import typing as t
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import flask
import pytest

from flask_hub_auth.config import HUB_ID, SETTINGS, HubConfig, HubService
from flask_hub_auth.errors import HubConfigError

KEY = "k" * 32
CANARY = "canary-7f3a9"
GOOD: dict[str, t.Any] = {
    "SECRET_KEY": KEY,
    "HUB_URL": "https://hub.mycompany.com",
    "HUB_SERVICE_ID": "98071167",
    "HUB_SERVICE_URL": "https://myservice.mycompany.com",
}
YOUTRACK = {"id": "7c9b2a5e", "url": "https://youtrack.mycompany.com"}
FLASK_EXAMPLE = "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"

LONG = 10**1300  # Longer than any id. Python itself writes numbers of up to 4,300 digits.

LISTS = ("HUB_SCOPE", "HUB_LOGIN_GROUPS", "HUB_USER_FIELDS")
FLAGS = ("HUB_OPENID", "HUB_OFFLINE", "HUB_PROTECT_ALL")
CHOICES = ("HUB_REQUEST_CREDENTIALS", "HUB_LOGOUT_FROM_HUB", "HUB_BEARER")
ADDRESSES = ("HUB_URL", "HUB_SERVICE_URL")
PATHS = ("HUB_REDIRECT_PATH", "HUB_LOGIN_PATH", "HUB_LOGOUT_PATH")
PLACES = ("HUB_AFTER_LOGIN", "HUB_AFTER_LOGOUT")
LIVES = ("HUB_LOGIN_LIFETIME", "HUB_IDLE_LIFETIME", "HUB_USER_TTL", "HUB_TIMEOUT", "HUB_BEARER_TTL")
WAITS = ("HUB_REFRESH_LEEWAY", "HUB_OUTAGE_GRACE")


def read(*, debug: t.Any = False, **changes: t.Any) -> HubConfig:
    """The settings of a good application with `changes`."""
    return HubConfig.from_mapping(GOOD | changes, debug=debug)


def complaints(config: t.Mapping[str, t.Any], debug: bool = False) -> list[str]:
    """What is said about `config`, a sentence for each problem."""
    with pytest.raises(HubConfigError) as caught:
        HubConfig.from_mapping(config, debug=debug)
    return str(caught.value).split("\n")


def only_complaint(**changes: t.Any) -> str:
    """What is said about a good application with `changes`: exactly one sentence."""
    sentences = complaints(GOOD | changes)
    assert len(sentences) == 1, sentences
    return sentences[0]


def each(names: t.Sequence[str], *rows: tuple[t.Any, str]) -> list[t.Any]:
    """Each of `rows` for each of `names`."""
    return [pytest.param(name, *row, id=f"{name}-{row[0]!a:.40}") for name in names for row in rows]


WRONG = [
    *each(
        ADDRESSES,
        (5, "got 5"),
        (True, "got True"),
        (1.5, "got 1.5"),
        (["https://hub.mycompany.com"], "type list"),
        ({"x": 1}, "type dict"),
        (b"https://hub.mycompany.com", "type bytes"),
        ("", "got ''"),
        ("hub.mycompany.com", "got 'hub.mycompany.com'"),
        ("//hub.mycompany.com", "got '//hub.mycompany.com'"),
        ("ftp://hub.mycompany.com", "got 'ftp://"),
        ("javascript:alert(1)", "got 'javascript:alert(1)'"),
        ("https:hub.mycompany.com", "got 'https:hub"),
        ("https://", "got 'https://'"),
        ("https:///hub", "got 'https:///hub'"),
        ("https://hub.mycompany.com:", "com:'"),
        ("https://hub.mycompany.com:0", "com:0'"),
        ("https://hub.mycompany.com:65536", "com:65536'"),
        ("https://hub.mycompany.com:abc", "com:abc'"),
        ("https://hub.mycompany.com:٤٤٣", "com:٤٤٣'"),
        ("https://hub..mycompany.com", "hub..mycompany"),
        ("https://" + "a" * 64 + ".com", "got 'https://aaa"),
        ("https://[::1", "got 'https://[::1'"),
        ("https://[1:2]", "got 'https://[1:2]'"),
        ("https://hub my.com", "got 'https://hub my.com'"),
        (" https://hub.mycompany.com", "got ' https"),
        ("https://hub.mycompany.com\n", "com\\n'"),
        ("https://hub.mycompany.com\\hub", "com\\hub'"),
        ("https://hub.mycompany.com/hub//", "hub//'"),
        ("https://hub.mycompany.com/a//b", "a//b'"),
        ("https://hub.mycompany.com/a/../b", "a/../b'"),
        ("https://hub.mycompany.com/./", "/./'"),
        ("https://hub.mycompany.com/h%75b", "percent"),
        ("https://hub.mycompany.com/<x>", "<x>'"),
        ("https://hub.mycompany.com/hüb", "hüb'"),
        ("https://hub.mycompany.com?a=b", "without query"),
        ("https://hub.mycompany.com/hub#x", "without fragment"),
        ("https://jane@hub.mycompany.com", "without user name and password"),
        ("https://hub.mycompany.com/" + "a" * 300 + " ", "aaa…'"),
    ),
    *each(
        ("HUB_URL",),
        ("http://hub.mycompany.com", "got 'http://hub.mycompany.com'"),
        ("http://10.0.0.5/hub", "got 'http://10.0.0.5/hub'"),
        ("http://localhost.evil.com", "got 'http://localhost.evil.com'"),
        ("http://127.0.0.1.evil.com", "evil.com'"),
        ("http://128.0.0.1", "got 'http://128.0.0.1'"),
        ("http://[::2]", "got 'http://[::2]'"),
        ("HTTP://hub.mycompany.com", "got 'HTTP://hub.mycompany.com'"),
    ),
    *each(
        ("HUB_SERVICE_URL",),
        ("http://myservice.mycompany.com", "must begin with https://"),
        ("http://localhost:5000", "got 'http://localhost:5000'"),
    ),
    *each(
        ("HUB_SERVICE_ID",),
        ("", "got ''"),
        ("  ", "got '  '"),
        (1.5, "got 1.5; in the environment, put it in double quotes"),
        (True, "got True; in the environment"),
        (math.nan, "got nan"),
        (["a"], "type list"),
        (b"a", "type bytes"),
        ("two words", "got 'two words'"),
        (" id", "got ' id'"),
        ("id\n", "got 'id\\n'"),
        ("i\x00d", "got 'i\\x00d'"),
        ("i\udc80d", "got 'i\\udc80d'"),
        (LONG, "type int"),
    ),
    *each(
        ("HUB_SERVICE_SECRET",),
        ("", "must not be empty"),
        (1e5, "type float; in the environment, put it in double quotes"),
        (True, "type bool"),
        (["a"], "type list"),
        (b"a", "type bytes"),
        ("line\n", "must not contain control characters"),
        ("x\udc80", "must not contain control characters"),
        (LONG, "type int"),
    ),
    *each(
        ("HUB_SERVICE_SECRET_FILE",),
        ("", "can be read (Is a directory)"),
        ("/nowhere/secret", "No such file"),
        ("/", "Is a directory"),
        ("a\x00b", "path of a file"),
        (3, "path of a file"),
        (True, "path of a file"),
        (["/etc/hostname"], "path of a file"),
    ),
    *each(
        ("HUB_CA_BUNDLE",),
        ("", "got ''"),
        ("/nowhere/ca.pem", "(No such file or directory), got '/nowhere/ca.pem'"),
        (Path("/nowhere/ca.pem"), "got '/nowhere/ca.pem'"),
        ("/", "(Is a directory), got '/'"),
        ("a\x00b", "got 'a\\x00b'"),
        (3, "got 3"),
        (True, "got True"),
        (["/etc/hostname"], "type list"),
        (b"/etc/hostname", "type bytes"),
    ),
    *each(
        ("HUB_PROXY",),
        ("", "must be an http or https URL"),
        (3128, "must be"),
        (True, "must be"),
        (["http://proxy:3128"], "must be"),
        ("proxy:3128", "must be"),
        ("socks5://proxy:1080", "must be"),
        ("http://", "must be"),
        ("http://proxy:99999", "must be"),
        ("http://proxy:3128/path", "must be"),
        ("http://proxy:3128?x=y", "must be"),
        ("http://pro xy:3128", "must be"),
        ("http://proxy:3128\n", "must be"),
        ("http://a@b@proxy:3128", "must be"),
    ),
    *each(
        ("HUB_SERVICES",),
        (None, "got None"),
        (5, "got 5"),
        (True, "got True"),
        ([YOUTRACK], "type list"),
        ("youtrack", "got 'youtrack', which is not JSON"),
        ("[]", "must be a mapping"),
        ('{"a": {}, "b": {}, "a": {}}', "must have each name once, got 'a' 2 times"),
        ('{"a": {"id": "1", "id": "2", "url": "https://a.example"}}', "must have each name once, got 'id' 2 times"),
        ("[" * 100_000, "not JSON"),
        ({"youtrack": None}, "youtrack must be a mapping with 'id' and 'url', got None"),
        ({"youtrack": "https://youtrack.mycompany.com"}, "youtrack must be a mapping"),
        ({"youtrack": {"id": "a"}}, "youtrack url must be a URL, got None"),
        ({"youtrack": {"url": "https://youtrack.mycompany.com"}}, "youtrack id must be text"),
        ({"youtrack": YOUTRACK | {"id": 1.5}}, "youtrack id must be text, got 1.5"),
        ({"youtrack": YOUTRACK | {"id": "a b"}}, "youtrack id must be an id without spaces, got 'a b'"),
        ({"youtrack": YOUTRACK | {"url": 5}}, "youtrack url must be a URL, got 5"),
        ({"youtrack": YOUTRACK | {"url": "http://youtrack.mycompany.com"}}, "youtrack url must begin with https://"),
        ({"youtrack": YOUTRACK | {"url": "https://you:pass@track.com"}}, "url must be a URL without user name"),
        ({"youtrack": YOUTRACK | {"url": "https://youtrack.com/?a"}}, "youtrack url must be a URL without query"),
        ({"youtrack": YOUTRACK | {"permissions": "all"}}, "permissions must be one of hub, own, got 'all'"),
        ({"youtrack": YOUTRACK | {"permissions": None}}, "permissions must be one of hub, own, got None"),
        ({"youtrack": YOUTRACK | {"uri": "x"}}, "youtrack uri is unknown, the nearest known name is url"),
        ({"": YOUTRACK}, "must be text, got ''"),
        ({"you\ntrack": YOUTRACK}, "control characters"),
        ({True: YOUTRACK}, "must be text, got True"),
    ),
    *each(
        LISTS,
        (True, "got True"),
        (1.5, "got 1.5"),
        ({"a": 1}, "type dict"),
        (b"a", "type bytes"),
        ("", "must be a list, got ''"),
        ("   ", "must be a list, got '   '"),
        ("[a]", "got '[a]', which is not JSON"),
        ('["a"', "which is not JSON"),
        ("[" * 100_000, "not JSON"),
        ([""], "has an entry that must be text, got ''"),
        ([None], "has an entry that must be text, got None"),
        ([True], "has an entry that must be text, got True"),
        ([1.5], "has an entry that must be text, got 1.5"),
        ([["a"]], "has an entry that must be text, got a value of type list"),
        (["a", {"id": "b"}], "has an entry that must be text, got a value of type dict"),
        (["a\nb"], "has an entry that must not contain control characters, got 'a\\nb'"),
        ("a\tb", "must not contain control characters, got 'a\\tb'"),
        ("[NaN]", "has an entry that must be text, got nan"),
    ),
    *each(("HUB_LOGIN_GROUPS", "HUB_USER_FIELDS"), (None, "must be a list, got None")),
    *each(
        ("HUB_USER_FIELDS",),
        *(
            ([entry], f"has an entry that must be one field as Hub writes it, got '{entry}'")
            for entry in ("a(", "a)", "a()", "(a)", "a(b", "a(b))", "a(b)c", "a(b)(c)", "a(b)/c", "a,b", "a(b,)")
        ),
        (["jabber", "a//b"], "got 'a//b'"),
        (["/a"], "got '/a'"),
        (["a&b"], "got 'a&b'"),
        (["a;"], "got 'a;'"),
        ("jabber, locale", "got 'jabber,'"),
    ),
    *each(("HUB_SCOPE",), ([], "must have an entry"), ("[]", "must have an entry")),
    *each(
        FLAGS,
        (None, "got None"),
        (0, "got 0"),
        (1, "got 1"),
        (1.0, "got 1.0"),
        ("yes", "got 'yes'"),
        ("", "got ''"),
        ("1", "got '1'"),
        ([], "type list"),
        ([True], "type list"),
    ),
    *each(
        CHOICES,
        (None, "got None"),
        (True, "got True"),
        (1, "got 1"),
        ("", "got ''"),
        ("all", "got 'all'"),
        ("DEFAULT", "got 'DEFAULT'"),
        ([], "type list"),
        (["default"], "type list"),
    ),
    *each(
        PATHS,
        (None, "got None"),
        (5, "got 5"),
        (True, "got True"),
        (["/x"], "type list"),
        ("", "got ''"),
        ("x", "got 'x'"),
        ("//x", "got '//x'"),
        ("/x//y", "got '/x//y'"),
        ("/x/../y", "got '/x/../y'"),
        ("/.", "got '/.'"),
        ("\\x", "got '\\x'"),
        ("/x\\y", "got '/x\\y'"),
        ("/x?y=z", "got '/x?…'"),
        ("/x#y", "got '/x#…'"),
        ("/x y", "got '/x y'"),
        ("/x\n", "got '/x\\n'"),
        ("/x\ty", "got '/x\\ty'"),
        ("/<name>", "got '/<name>'"),
        ("/%6c", "got '/%6c'"),
        ("/ü", "got '/ü'"),
        ("https://myservice.mycompany.com/x", "got 'https://"),
    ),
    *each(
        PLACES,
        (None, "got None"),
        (5, "got 5"),
        (True, "got True"),
        (["/x"], "type list"),
        ("", "got ''"),
        ("home", "got 'home'"),
        ("//evil.com", "got '//evil.com'"),
        ("/\\evil.com", "got '/\\evil.com'"),
        ("/x\\y", "got '/x\\y'"),
        ("\\\\evil.com", "got '\\\\evil.com'"),
        ("https://evil.com", "got 'https://evil.com'"),
        ("javascript:alert(1)", "got 'javascript:alert(1)'"),
        ("/\t/evil.com", "got '/\\t/evil.com'"),
        ("/x\r\nSet-Cookie: a=b", "got '/x\\r\\n"),
        ("/a b", "got '/a b'"),
        ("/\x00", "got '/\\x00'"),
        ("/\x85", "got '/\\x85'"),
    ),
    *each(
        (*LIVES, *WAITS),
        (None, "got None"),
        (True, "got True"),
        (False, "got False"),
        ("5s", "must be a number of seconds, got '5s'"),
        ("", "got ''"),
        ("nan", "got 'nan'"),
        ("1e1", "got '1e1'"),
        ("٥", "got '٥'"),
        (math.nan, "got nan"),
        (math.inf, "got inf"),
        (-math.inf, "got -inf"),
        (-1, "got -1"),
        (-0.5, "got -0.5"),
        ("-3", "got -3.0"),
        (timedelta(seconds=-1), "got -1.0"),
        (10**10, "got 10000000000"),
        (LONG, "type int"),
        (1e300, "got 1e+300"),
        ([5], "type list"),
        ({"seconds": 5}, "type dict"),
        (5j, "type complex"),
        (Fraction(5), "type Fraction"),
    ),
    *each(LIVES, (0, "above 0, got 0"), (0.0, "above 0"), ("0", "above 0"), (timedelta(0), "above 0")),
    *each(
        ("HUB_TIMEOUT", "HUB_BEARER_TTL"),
        (61, "from 0 to 60, got 61"),
        (60.001, "from 0 to 60, got 60.001"),
        (timedelta(minutes=2), "got 120.0"),
    ),
    *each(
        ("HUB_CACHE",),
        (True, "got True"),
        (5, "got 5"),
        (["memory://"], "type list"),
        ({"url": "memory://"}, "type dict"),
        (b"memory://", "type bytes"),
        ("", "got ''"),
        ("memory", "got 'memory'"),
        ("memory://x", "got 'memory:…'"),
        ("file://relative", "got 'file:…'"),
        ("file:///", "got 'file:…'"),
        ("/var/lib/logins", "got '/var/lib/logins'"),
        ("memcached://localhost", "got 'memcached:…'"),
        ("redis:6379", "got 'redis:…'"),
        ("Redis://localhost", "got 'Redis:…'"),
        ("redis://", "got 'redis:…'"),
    ),
    *each(
        ("SECRET_KEY",),
        (None, "is missing"),
        ("", "at least 32 bytes, got 0"),
        ("dev", "at least 32 bytes, got 3"),
        ("k" * 31, "at least 32 bytes, got 31"),
        (b"k" * 31, "at least 32 bytes, got 31"),
        ("ü" * 15 + "k", "got 31"),
        (int("1" * 40), "type int"),
        (True, "type bool"),
        (["k" * 32], "type list"),
        (bytearray(32), "type bytearray"),
        ("\udc80" * 32, "UTF-8"),
        (FLASK_EXAMPLE, "example of Flask's documentation"),
        (FLASK_EXAMPLE.encode(), "example of Flask's documentation"),
    ),
    *each(
        ("SECRET_KEY_FALLBACKS",),
        (KEY, "must be a list of keys, got a value of type str"),
        (KEY.encode(), "must be a list of keys, got a value of type bytes"),
        ({KEY}, "type set"),
        ({"old": KEY}, "type dict"),
        (5, "type int"),
        (True, "type bool"),
        ([KEY, "short"], "entry 2 must have at least 32 bytes, got 5"),
        ([None], "entry 1 must be text or bytes, got None"),
        (["k" * 32, 7], "entry 2 must be text or bytes"),
        ([FLASK_EXAMPLE], "entry 1 must be secret"),
    ),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_value_gets_its_sentence(name: str, value: object, said: str) -> None:
    """S14 S93 S94: the sentence names the setting, what is wrong with the value, and what would be right."""
    sentence = only_complaint(**{name: value})
    assert sentence.startswith(f"{name} ")
    assert said in sentence
    assert f"Example: {SETTINGS[name].example}." in sentence
    assert sentence.isprintable()
    assert len(sentence) < 500


def test_the_table_of_wrong_values_has_rows_for_every_setting() -> None:
    assert {row.values[0] for row in WRONG} == set(SETTINGS)
    assert len(WRONG) >= 150


@pytest.mark.parametrize("name", [key for key in SETTINGS if key != "HUB_CACHE"])
def test_a_number_too_long_to_be_written_is_refused_like_any_other(name: str) -> None:
    assert only_complaint(**{name: 10**5000}).startswith(f"{name} must be ")


def test_a_key_of_digits_is_told_why_it_is_a_number() -> None:
    assert "reads digits as a number; in the environment, put it in double quotes" in only_complaint(SECRET_KEY=4**60)


def test_a_duration_is_refused_in_these_words() -> None:
    assert only_complaint(HUB_TIMEOUT="5s") == "HUB_TIMEOUT must be a number of seconds, got '5s'. Example: 5."


@pytest.mark.parametrize("name", ["SECRET_KEY", "HUB_URL", "HUB_SERVICE_ID", "HUB_SERVICE_URL"])
def test_what_is_required_is_missed(name: str) -> None:
    """S93: whether the configuration has no word about it, or None."""
    own = " Set it, or on your own machine export FLASK_DEBUG=1, in tests set TESTING to True."
    advice = own if name == "HUB_SERVICE_URL" else ""
    expected = f"{name} is missing.{advice} Example: {SETTINGS[name].example}."
    assert complaints({key: value for key, value in GOOD.items() if key != name}) == [expected]
    assert only_complaint(**{name: None}) == expected


def test_all_problems_are_reported_together() -> None:
    """S94: one start of the application shows everything that is to be done."""
    bad = {
        "HUB_URL": "http://hub.mycompany.com",
        "HUB_TIMEOUT": "5s",
        "HUB_LOGIN_PATH": "/logout",
        "HUB_URI": "https://hub.mycompany.com",
        "HUB_SERVICES": {"a": {"id": "a b", "url": "x"}, "b": None},
        "SECRET_KEY_FALLBACKS": ["short", "shorter"],
    }
    sentences = complaints(bad)
    assert [sentence.split()[0] for sentence in sentences] == [
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "SECRET_KEY_FALLBACKS",
        "HUB_URL",
        "HUB_SERVICE_ID",
        "HUB_SERVICES",
        "HUB_SERVICES",
        "HUB_SERVICES",
        "HUB_TIMEOUT",
        "HUB_SERVICE_URL",
        "HUB_LOGOUT_PATH",
        "HUB_URI",
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("HUB_URI", "HUB_URL"),
        ("HUB_SERVICE_SECRETS", "HUB_SERVICE_SECRET"),
        ("HUB_LOGIN_GROUP", "HUB_LOGIN_GROUPS"),
        ("HUB_SERVICE", "HUB_SERVICES"),
        ("HUB_TIME_OUT", "HUB_TIMEOUT"),
        ("HUB_SCOPES", "HUB_SCOPE"),
        ("HUB_BEARER_TTLS", "HUB_BEARER_TTL"),
        ("HUB_Url", "HUB_URL"),
    ],
)
def test_an_unknown_setting_names_the_nearest_known_one(name: str, nearest: str) -> None:
    assert only_complaint(**{name: CANARY}) == f"{name} is unknown, the nearest known name is {nearest}."


@pytest.mark.parametrize("name", ["HUB_", "HUB_QQQQ", "HUB_\n" + "x" * 500])
def test_a_setting_like_no_other_is_refused_on_one_short_line(name: str) -> None:
    sentence = only_complaint(**{name: 1})
    assert "is unknown, the nearest known name is HUB_" in sentence
    assert len(sentence) < 200


@pytest.mark.parametrize("name", ["hub_url", "GITHUB_URL", "MYHUB_TIMEOUT", "DEBUG", "HUBS", "SECRET"])
def test_settings_of_others_are_left_alone(name: str) -> None:
    assert read(**{name: object()}) == read()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.9.8.7", "[::1]", "[0:0:0:0:0:0:0:1]"])
def test_a_hub_on_this_machine_may_speak_plain_http(scheme: str, host: str) -> None:
    """S14 S94: loopback is the only place for http."""
    assert read(HUB_URL=f"{scheme}://{host}:8099/hub").url == f"{scheme}://{host}:8099/hub"


@pytest.mark.parametrize("debug", [False, True])
def test_plain_http_to_a_hub_elsewhere_is_refused_in_debug_too(debug: bool) -> None:
    """S94: what debug allows is for this service alone."""
    [sentence] = complaints(GOOD | {"HUB_URL": "http://hub.mycompany.com"}, debug=debug)
    assert "must begin with https://" in sentence


def test_the_service_needs_https_only_outside_debug() -> None:
    """S54: without https the session cookie would travel in the open."""
    assert "HUB_SERVICE_URL must begin with https://" in only_complaint(HUB_SERVICE_URL="http://localhost:5000")
    config = read(debug=True, HUB_SERVICE_URL="http://192.168.0.7:5000")
    assert (config.service_url, config.secure) == ("http://192.168.0.7:5000", False)
    assert read().secure
    assert read(HUB_SERVICE_URL="HTTPS://myservice.mycompany.com").secure


def test_in_debug_the_service_is_where_flask_run_serves_it() -> None:
    config = read(debug=True, HUB_SERVICE_URL=None)
    assert config.service_url == "http://localhost:5000"
    assert config.redirect_uri == "http://localhost:5000/authorized"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://hub.mycompany.com", "https://hub.mycompany.com"),
        ("https://hub.mycompany.com/", "https://hub.mycompany.com"),
        ("https://www.mycompany.com/hub", "https://www.mycompany.com/hub"),
        ("https://www.mycompany.com/hub/", "https://www.mycompany.com/hub"),
        ("https://www.mycompany.com:8443/tools/hub/", "https://www.mycompany.com:8443/tools/hub"),
        ("HTTPS://Hub.MyCompany.com/Hub", "https://Hub.MyCompany.com/Hub"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://10.0.0.5", "https://10.0.0.5"),
        ("https://hub_server", "https://hub_server"),
        ("https://xn--hb-xka.example", "https://xn--hb-xka.example"),
        ("https://name.youtrack.cloud/hub", "https://name.youtrack.cloud/hub"),
    ],
)
def test_a_url_keeps_its_place_and_loses_its_slash(given: str, kept: str) -> None:
    assert read(HUB_URL=given).url == kept
    assert read(HUB_SERVICE_URL=given).service_url == kept
    assert read(HUB_SERVICES={"x": {"id": "a", "url": given}}).services["x"].url == kept


def test_a_host_beyond_ascii_is_hub_s_or_is_written_as_browsers_send_it() -> None:
    assert read(HUB_URL="https://hüb.example").url == "https://hüb.example"
    sentence = only_complaint(HUB_SERVICE_URL="https://hüb.example/x")
    assert "must have its host in ASCII, as browsers send it (xn--…), got 'https://hüb.example/x'" in sentence


def test_the_redirect_uri_is_the_public_url_and_the_path() -> None:
    config = read(HUB_SERVICE_URL="https://www.mycompany.com/app/", HUB_REDIRECT_PATH="/hub/back")
    assert config.redirect_uri == "https://www.mycompany.com/app/hub/back"


@pytest.mark.parametrize(
    ("name", "value", "attribute", "read_as"),
    [
        ("HUB_SERVICE_ID", 123456, "service_id", "123456"),
        ("HUB_SERVICE_ID", "0-0", "service_id", "0-0"),
        ("HUB_SCOPE", "0-0-0-0-0 YouTrack", "scope", ("0-0-0-0-0", "YouTrack")),
        ("HUB_SCOPE", "a b a", "scope", ("a", "b")),
        ("HUB_SCOPE", '["My Service", "b"]', "scope", ("My Service", "b")),
        ("HUB_SCOPE", ' ["a"]', "scope", ("a",)),
        ("HUB_SCOPE", ["b", "a", "b", 5], "scope", ("b", "a", "5")),
        ("HUB_SCOPE", ("a",), "scope", ("a",)),
        ("HUB_SCOPE", 5, "scope", ("5",)),
        ("HUB_SCOPE", None, "scope", (HUB_ID, "98071167")),
        ("HUB_LOGIN_GROUPS", [], "login_groups", ()),
        ("HUB_LOGIN_GROUPS", "[]", "login_groups", ()),
        ("HUB_LOGIN_GROUPS", "All Users", "login_groups", ("All Users",)),
        ("HUB_LOGIN_GROUPS", '["All Users", "Ops"]', "login_groups", ("All Users", "Ops")),
        ("HUB_LOGIN_GROUPS", ["Grüppe 1"], "login_groups", ("Grüppe 1",)),
        ("HUB_LOGIN_GROUPS", {"Ops"}, "login_groups", ("Ops",)),
        ("HUB_LOGIN_GROUPS", 2024, "login_groups", ("2024",)),
        ("HUB_USER_FIELDS", "profile(avatar(url)) jabber", "user_fields", ("profile(avatar(url))", "jabber")),
        ("HUB_USER_FIELDS", [], "user_fields", ()),
        ("HUB_USER_FIELDS", "profile/email/email", "user_fields", ("profile/email/email",)),
        ("HUB_USER_FIELDS", ["a(b(c,d/e),f(g),$type)"], "user_fields", ("a(b(c,d/e),f(g),$type)",)),
        ("HUB_OFFLINE", "false", "offline", False),
        ("HUB_OFFLINE", "True", "offline", True),
        ("HUB_PROTECT_ALL", True, "protect_all", True),
        ("HUB_OPENID", False, "openid", False),
        ("HUB_REDIRECT_PATH", "/hub/back/", "redirect_path", "/hub/back/"),
        ("HUB_LOGIN_PATH", "/sign-in", "login_path", "/sign-in"),
        ("HUB_LOGOUT_PATH", "/sign.out~1", "logout_path", "/sign.out~1"),
        ("HUB_AFTER_LOGIN", "/home?tab=1#top", "after_login", "/home?tab=1#top"),
        ("HUB_AFTER_LOGOUT", "/tschüss", "after_logout", "/tschüss"),
        ("HUB_LOGIN_LIFETIME", timedelta(days=7), "login_lifetime", 604800),
        ("HUB_IDLE_LIFETIME", 0.5, "idle_lifetime", 0.5),
        ("HUB_REFRESH_LEEWAY", 0, "refresh_leeway", 0),
        ("HUB_OUTAGE_GRACE", timedelta(0), "outage_grace", 0),
        ("HUB_USER_TTL", "90", "user_ttl", 90),
        ("HUB_TIMEOUT", "2.5", "timeout", 2.5),
        ("HUB_TIMEOUT", 60, "timeout", 60),
        ("HUB_BEARER_TTL", timedelta(minutes=1), "bearer_ttl", 60),
        ("HUB_BEARER", "off", "bearer", "off"),
        ("HUB_CA_BUNDLE", __file__, "ca_bundle", __file__),
        ("HUB_CA_BUNDLE", Path(__file__), "ca_bundle", __file__),
        ("HUB_PROXY", "http://proxy:3128", "proxy", "http://proxy:3128"),
        ("HUB_PROXY", "https://me:p%40ss@proxy.mycompany.com/", "proxy", "https://me:p%40ss@proxy.mycompany.com/"),
        ("HUB_CACHE", "memory://", "cache", "memory://"),
        ("HUB_CACHE", "file:///var/lib/logins", "cache", "file:///var/lib/logins"),
        ("HUB_SERVICES", "{}", "services", {}),
        ("HUB_SERVICES", {"yt": YOUTRACK}, "services", {"yt": HubService(**YOUTRACK)}),
        ("HUB_SERVICES", {"yt": YOUTRACK | {"permissions": "hub"}}, "services", {"yt": HubService(**YOUTRACK)}),
        ("HUB_SERVICES", '{"y": {"id": 7, "url": "http://[::1]"}}', "services", {"y": HubService("7", "http://[::1]")}),
    ],
)
def test_a_right_value_is_taken(name: str, value: object, attribute: str, read_as: object) -> None:
    assert getattr(read(**{name: value}), attribute) == read_as


@pytest.mark.parametrize(
    ("variables", "attribute", "read_as"),
    [
        ({"SERVICE_ID": "123456"}, "service_id", "123456"),
        ({"SERVICE_ID": '"1e5"'}, "service_id", "1e5"),
        ({"SERVICE_URL": "https://myservice.mycompany.com/"}, "service_url", "https://myservice.mycompany.com"),
        ({"SERVICES": '{"yt": {"id": "a", "url": "https://x"}}'}, "services", {"yt": HubService("a", "https://x")}),
        ({"SERVICES__yt__id": "7", "SERVICES__yt__url": "https://x"}, "services", {"yt": HubService("7", "https://x")}),
        ({"SCOPE": "0-0-0-0-0 YouTrack"}, "scope", ("0-0-0-0-0", "YouTrack")),
        ({"SCOPE": '["0-0-0-0-0", "My Service"]'}, "scope", ("0-0-0-0-0", "My Service")),
        ({"SCOPE": "5"}, "scope", ("5",)),
        ({"LOGIN_GROUPS": "All Users"}, "login_groups", ("All Users",)),
        ({"LOGIN_GROUPS": '["All Users", "Ops"]'}, "login_groups", ("All Users", "Ops")),
        ({"LOGIN_GROUPS": "2024"}, "login_groups", ("2024",)),
        ({"OPENID": "false"}, "openid", False),
        ({"OFFLINE": "False"}, "offline", False),
        ({"PROTECT_ALL": "true"}, "protect_all", True),
        ({"REQUEST_CREDENTIALS": "default"}, "request_credentials", "default"),
        ({"REDIRECT_PATH": "/back"}, "redirect_path", "/back"),
        ({"AFTER_LOGIN": "/home?a=b"}, "after_login", "/home?a=b"),
        ({"LOGOUT_FROM_HUB": "none"}, "logout_from_hub", "none"),
        ({"CACHE": "memory://"}, "cache", "memory://"),
        ({"CACHE": "null"}, "cache", None),
        ({"LOGIN_LIFETIME": "3600"}, "login_lifetime", 3600),
        ({"LOGIN_LIFETIME": "1e3"}, "login_lifetime", 1000),
        ({"TIMEOUT": "2.5"}, "timeout", 2.5),
        ({"TIMEOUT": '"2.5"'}, "timeout", 2.5),
        ({"TIMEOUT": "05"}, "timeout", 5),
        ({"PROXY": "http://proxy:3128"}, "proxy", "http://proxy:3128"),
        ({"BEARER": "off"}, "bearer", "off"),
        ({"USER_FIELDS": "jabber locale"}, "user_fields", ("jabber", "locale")),
    ],
)
def test_the_environment_can_say_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], attribute: str, read_as: object
) -> None:
    assert getattr(from_environment(monkeypatch, variables), attribute) == read_as


def from_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> HubConfig:
    """The settings of a good application whose environment has `variables`."""
    for name, value in variables.items():
        monkeypatch.setenv(f"FLASK_HUB_{name}", value)
    app = flask.Flask(__name__)
    app.config.update(GOOD)
    app.config.from_prefixed_env()
    return HubConfig.from_mapping(app.config, debug=False)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SERVICE_ID", "1e5", "must be text, got 100000.0; in the environment, put it in double quotes"),
        ("SERVICE_ID", "true", "must be text, got True; in the environment, put it in double quotes"),
        ("SERVICE_SECRET", "1.5", "type float; in the environment, put it in double quotes"),
        ("SERVICE_SECRET", "", "must not be empty"),
        ("TIMEOUT", "NaN", "got nan"),
        ("TIMEOUT", "Infinity", "got inf"),
        ("TIMEOUT", "5s", "got '5s'"),
        ("TIMEOUT", "true", "got True"),
        ("PROTECT_ALL", "1", "must be true or false, got 1"),
        ("LOGIN_GROUPS", "", "got ''"),
        ("LOGIN_GROUPS", "true", "got True"),
        ("URL__host", "x", "must be a URL, got a value of type dict"),
    ],
)
def test_what_the_environment_says_wrongly_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    if "__" in name:
        monkeypatch.setitem(GOOD, "HUB_URL", {})
    with pytest.raises(HubConfigError) as caught:
        from_environment(monkeypatch, {name: value})
    assert str(caught.value).startswith(f"HUB_{name.split('__')[0]} ")
    assert said in str(caught.value)


def test_what_is_not_set_has_the_documented_value() -> None:
    config = read()
    assert (config.openid, config.offline, config.protect_all) == (False, True, False)
    assert (config.redirect_path, config.login_path, config.logout_path) == ("/authorized", "/login", "/logout")
    assert (config.after_login, config.after_logout) == ("/", "/")
    assert (config.login_lifetime, config.idle_lifetime) == (86400, 28800)
    assert (config.refresh_leeway, config.user_ttl, config.outage_grace) == (60, 300, 300)
    assert (config.timeout, config.bearer_ttl, config.bearer) == (5, 30, "signed")
    assert (config.request_credentials, config.logout_from_hub) == ("default", "none")
    assert (config.services, config.login_groups, config.user_fields) == ({}, (), ())
    assert (config.service_secret, config.cache, config.ca_bundle, config.proxy) == (None, None, None, None)


def test_the_table_and_the_fields_name_the_same_settings() -> None:
    ours = [key.removeprefix("HUB_").lower() for key in SETTINGS if key.startswith("HUB_")]
    assert [each.name for each in dataclasses.fields(HubConfig)] == [*ours, "secret_keys"]


def test_a_login_asks_for_hub_this_service_and_all_that_it_calls() -> None:
    services = {"yt": YOUTRACK, "again": YOUTRACK, "self": {"id": "98071167", "url": "https://x"}}
    assert read(HUB_SERVICES=services).scope == (HUB_ID, "98071167", "7c9b2a5e")
    assert read(HUB_SERVICES=services, HUB_SCOPE="other").scope == ("other",)


def test_settings_cannot_be_changed() -> None:
    config = read(HUB_SERVICES={"yt": YOUTRACK})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.timeout = 9  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.services["yt"].url = "https://evil.com"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.services["other"] = config.services["yt"]  # type: ignore[index]


def test_an_object_as_cache_is_left_for_the_store_to_judge() -> None:
    cache = object()
    assert read(HUB_CACHE=cache).cache is cache


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HUB_REDIRECT_PATH", "HUB_LOGIN_PATH"),
        ("HUB_REDIRECT_PATH", "HUB_LOGOUT_PATH"),
        ("HUB_LOGIN_PATH", "HUB_LOGOUT_PATH"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_our_paths_differ_from_each_other(one: str, other: str, slash: str) -> None:
    sentence = only_complaint(**{one: "/same", other: f"/same{slash}"})
    assert sentence == f"{other} must not be the path of {one}, got '/same{slash}'. Example: {SETTINGS[other].example}."


@pytest.mark.parametrize(
    ("settings", "key", "path"),
    [
        ({"HUB_AFTER_LOGIN": "/login"}, "HUB_LOGIN_PATH", "/login"),
        ({"HUB_AFTER_LOGIN": "/authorized"}, "HUB_REDIRECT_PATH", "/authorized"),
        ({"HUB_AFTER_LOGIN": "/login?next=/"}, "HUB_LOGIN_PATH", "/login"),
        ({"HUB_LOGIN_PATH": "/"}, "HUB_LOGIN_PATH", "/"),
    ],
)
def test_a_login_that_would_end_where_it_begins_is_refused(settings: dict[str, str], key: str, path: str) -> None:
    assert f"HUB_AFTER_LOGIN must not be {key}, got '{path}'" in only_complaint(**settings)


def test_a_text_a_number_and_a_callable_are_secrets() -> None:
    """S86: however it is given, it is asked for and never kept in a field that shows it."""
    answers = iter(["first", "second"])
    asked = [secret_of(given) for given in (" as it is ", 123456, lambda: next(answers))]
    assert [secret() for secret in asked] == [" as it is ", "123456", "first"]
    assert asked[-1]() == "second"


def secret_of(given: object) -> t.Callable[[], str]:
    """What answers the secret of a good application with `given`."""
    secret = read(HUB_SERVICE_SECRET=given).service_secret
    assert secret is not None
    return secret


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"eAUyKgVfhSbV", "eAUyKgVfhSbV"),
        (b"eAUyKgVfhSbV\n", "eAUyKgVfhSbV"),
        (b"eAUyKgVfhSbV\r\n", "eAUyKgVfhSbV"),
        (b"eAUyKgVfhSbV\n\n", "eAUyKgVfhSbV\n"),
        (b" eAUyKgVfhSbV \n", " eAUyKgVfhSbV "),
        ("schlüssel\n".encode(), "schlüssel"),
    ],
)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_secret_file_loses_one_end_of_a_line(
    tmp_path: Path, content: bytes, secret: str, kind: type[str] | type[Path]
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    found = read(HUB_SERVICE_SECRET_FILE=kind(file)).service_secret
    assert found is not None
    assert found() == secret


def test_a_secret_file_is_read_again_at_each_use(tmp_path: Path) -> None:
    """S86: a secret is changed without a restart."""
    file = tmp_path / "secret"
    file.write_text("old\n")
    secret = read(HUB_SERVICE_SECRET_FILE=str(file)).service_secret
    assert secret is not None
    file.write_text("new\n")
    assert secret() == "new"
    file.unlink()
    with pytest.raises(HubConfigError, match=r"^HUB_SERVICE_SECRET_FILE must be a file that can be read \(No such"):
        secret()


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"\xff\xfe" + CANARY.encode()])
def test_a_secret_file_without_a_secret_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert only_complaint(HUB_SERVICE_SECRET_FILE=str(file)).startswith("HUB_SERVICE_SECRET_FILE must be a file ")


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("secret")
    sentence = only_complaint(HUB_SERVICE_SECRET="secret", HUB_SERVICE_SECRET_FILE=str(file))
    assert sentence == "HUB_SERVICE_SECRET and HUB_SERVICE_SECRET_FILE are both given: leave one of them out."
    assert len(complaints(GOOD | {"HUB_SERVICE_SECRET": 1.5, "HUB_SERVICE_SECRET_FILE": "/nowhere"})) == 3


@pytest.mark.parametrize("secret", ["s3cret", lambda: "s3cret"])
def test_only_a_public_client_may_have_a_colon_in_its_id(secret: t.Any) -> None:
    """RFC 7617 section 2: Basic credentials end the user name at the first colon."""
    client = "https://myservice.mycompany.com/client.json"
    assert read(HUB_SERVICE_ID=client, HUB_SERVICE_SECRET=None).service_id == client
    said = only_complaint(HUB_SERVICE_ID=client, HUB_SERVICE_SECRET=secret)
    assert said.startswith("HUB_SERVICE_ID must have no colon beside a secret")
    assert f"got '{client}'" in said


def test_older_keys_follow_the_current_one_in_their_order() -> None:
    """C10 S93: the first key writes, all of them read."""
    keys = read(SECRET_KEY="ü" * 16, SECRET_KEY_FALLBACKS=["b" * 32, b"a" * 33]).secret_keys
    assert keys == ("ü".encode() * 16, b"b" * 32, b"a" * 33)
    assert read(SECRET_KEY=b"k" * 32, SECRET_KEY_FALLBACKS=()).secret_keys == (b"k" * 32,)
    assert read(SECRET_KEY_FALLBACKS=None).secret_keys == (KEY.encode(),)


SECRETIVE = {
    "SECRET_KEY": CANARY,
    "SECRET_KEY_FALLBACKS": [CANARY],
    "HUB_SERVICE_SECRET": CANARY + "\n",
    "HUB_SERVICE_SECRET_FILE": "/" + CANARY,
    "HUB_PROXY": f"socks5://jane:{CANARY}@proxy:1080",
    "HUB_CACHE": f"memcached://jane:{CANARY}@cache",
    "HUB_URL": f"https://jane:{CANARY}@hub.mycompany.com",
    "HUB_SERVICE_URL": f"https://myservice.mycompany.com/?token={CANARY}#{CANARY}",
    "HUB_SERVICES": {"yt": {"id": "a", "url": f"https://x:{CANARY}/@y", "secret": CANARY}},
    "HUB_SERVICE_ID": [CANARY],
    "HUB_SCOPE": {CANARY: CANARY},
    "HUB_SERVICE_PASSWORD": CANARY,
}


@pytest.mark.parametrize("name", SECRETIVE)
def test_no_sentence_shows_a_secret(name: str) -> None:
    """L7 S86: nor the user and password of a URL, nor what was put in the wrong place."""
    for sentence in complaints(GOOD | {name: SECRETIVE[name]}):
        assert CANARY not in sentence
        assert name in sentence


def test_a_report_of_a_failed_start_shows_no_secret() -> None:
    """L20 S86: error reports show what each name of a frame holds."""
    config = GOOD | {"HUB_SERVICE_SECRET": CANARY, "SECRET_KEY": CANARY * 3, "HUB_TIMEOUT": "5s"}
    try:
        HubConfig.from_mapping(config, debug=False)
    except HubConfigError as error:
        inner = error.__traceback__ and error.__traceback__.tb_next
        report = traceback.TracebackException(type(error), error, inner, capture_locals=True)
    assert "HUB_TIMEOUT must be" in "".join(report.format())
    assert CANARY not in "".join(report.format())


def test_the_settings_show_no_secret() -> None:
    """L20 S86: neither printed nor pickled."""
    config = read(
        SECRET_KEY=CANARY * 3,
        SECRET_KEY_FALLBACKS=[CANARY * 4],
        HUB_SERVICE_SECRET=CANARY,
        HUB_PROXY=f"http://jane:{CANARY}@proxy:3128",
        HUB_CACHE=f"file:///{CANARY}",
    )
    assert CANARY not in f"{config} {config!r} {config.service_secret!r}"
    assert "https://hub.mycompany.com" in repr(config)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(config)
