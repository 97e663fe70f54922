"""The settings: read once from a mapping, checked, frozen. :data:`SETTINGS` shows all of them."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from . import readers as read
from . import urls
from .errors import HubConfigError
from .pages import clean
from .readers import Setting, Wrong, collect

HUB_ID: t.Final = "0-0-0-0-0"
"""The id of Hub itself, the same in every Hub."""

PREFIX: t.Final = "HUB_"
DEVELOPMENT_URL: t.Final = "http://localhost:5000"


@dataclass(frozen=True, slots=True)
class HubService:
    """A service that this one calls. `permissions`: who knows them, ``hub`` or the service's ``own`` REST."""

    id: str
    url: str
    permissions: str = "hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """All settings, named as in the application's configuration, in lower case and without ``HUB_``.

    Durations are seconds. `service_secret` is a callable also where the setting is a text or a file; None stands for a
    public client. `secret_keys` are ``SECRET_KEY`` and its fallbacks, the newest first.
    """

    url: str
    service_id: str
    service_secret: Callable[[], str] | None = field(repr=False)
    service_secret_file: Path | None
    service_url: str
    services: Mapping[str, HubService]
    scope: tuple[str, ...]
    login_groups: tuple[str, ...]
    openid: bool
    offline: bool
    request_credentials: str
    redirect_path: str
    login_path: str
    logout_path: str
    after_login: str
    after_logout: str
    logout_from_hub: str
    protect_all: bool
    cache: t.Any = field(repr=False)
    login_lifetime: float
    idle_lifetime: float
    refresh_leeway: float
    user_ttl: float
    outage_grace: float
    timeout: float
    ca_bundle: str | None
    proxy: str | None = field(repr=False)
    bearer: str
    bearer_ttl: float
    user_fields: tuple[str, ...]
    secret_keys: tuple[bytes, ...] = field(repr=False)

    @property
    def redirect_uri(self) -> str:
        """Where Hub sends people back to, as it is registered there."""
        return self.service_url + self.redirect_path

    @property
    def login_scope(self) -> tuple[str, ...]:
        """What a login asks for; ``openid`` stands first (Hub documentation, "OpenID Connect")."""
        return ("openid", *self.scope) if self.openid else self.scope

    @property
    def secure(self) -> bool:
        """Whether this service is reached by https, so that its cookies can be bound to that."""
        return self.service_url.startswith("https:")

    @classmethod
    def from_mapping(cls, config: Mapping[str, t.Any], *, debug: bool) -> HubConfig:
        """The settings in `config`, which are ``app.config`` or the like.

        :param debug: whether the application is in debug mode or being tested
        :raises HubConfigError: with one line for each problem
        """
        given = {key: config.get(key, setting.default) for key, setting in SETTINGS.items()}
        values, problems = collect({key: partial(SETTINGS[key].take, value) for key, value in given.items()})
        problems += [*_together(config, values, debug=debug), *_strangers(config)]
        if problems:
            del config, given, values  # Error reports show what the names of a frame hold.
            # Each problem begins with the name of its setting.
            wrong = dict.fromkeys(problem.partition(" ")[0] for problem in problems)
            raise HubConfigError("\n".join(problems)).about(*wrong)
        named = {key.removeprefix(PREFIX).lower(): value for key, value in values.items() if key.startswith(PREFIX)}
        return cls(**named | _completed(values))


def _services(value: object) -> Mapping[str, HubService]:
    given = read.parsed(value, "a mapping") if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise Wrong(f"must be a mapping of names to 'id' and 'url', got {read.shown(value)}")
    values, wrong = collect({str(name): partial(_service, name, entry) for name, entry in given.items()})
    if wrong:
        raise Wrong(*(f"is wrong: {clean(sentence.strip(), 300)}" for sentence in wrong))
    return MappingProxyType(values)


def _service(name: object, entry: object) -> HubService:
    read.text(name)
    known = {"id": read.ident, "url": urls.safe_address, "permissions": read.choice("hub", "own")}
    if not isinstance(entry, Mapping):
        raise Wrong(f"must be a mapping with 'id' and 'url', got {read.shown(entry)}")
    given = {"id": None, "url": None, "permissions": "hub", **entry}
    values, wrong = collect({key: partial(reader, given[key]) for key, reader in known.items()})
    if wrong := [*wrong, *_unknown(entry, known)]:
        raise Wrong(*wrong)
    return HubService(**values)


_MINUTE = partial(read.life, most=60)
_CREDENTIALS = read.choice("default", "skip", "silent", "required")
_LOGOUTS = read.choice("none", "required", "rp")
_BEARERS = read.choice("signed", "any", "off")
_EXAMPLE_SERVICES = '{"youtrack": {"id": "7c9b2a5e", "url": "https://youtrack.mycompany.com"}}'
_EXAMPLE_KEY = "what this prints: python -c 'import secrets; print(secrets.token_hex())'"

# fmt: off
SETTINGS: t.Final[Mapping[str, Setting]] = {
    "SECRET_KEY": Setting(MISSING, read.key, _EXAMPLE_KEY, "Flask's: signs cookies and seals logins"),
    "SECRET_KEY_FALLBACKS": Setting(None, read.keys, '["the key before"]', "Flask's: older keys, still accepted"),
    "HUB_URL": Setting(MISSING, urls.safe_address, "https://hub.mycompany.com", "Hub's base, context path included"),
    "HUB_SERVICE_ID": Setting(MISSING, read.ident, "98071167-004c-4ddf-ba37-5d4599fdf319", "this service in Hub"),
    "HUB_SERVICE_SECRET": Setting(None, read.secret, "the text that Hub shows once", "a text or a callable"),
    "HUB_SERVICE_SECRET_FILE": Setting(None, read.secret_file, "/run/secrets/hub", "the secret, in a file"),
    "HUB_SERVICE_URL": Setting(None, urls.own_address, "https://myservice.mycompany.com", "this service's base"),
    "HUB_SERVICES": Setting({}, _services, _EXAMPLE_SERVICES, "services that this one calls"),
    "HUB_SCOPE": Setting(None, read.scope, '["0-0-0-0-0", "YouTrack"]', "None: Hub, this service, all of HUB_SERVICES"),
    "HUB_LOGIN_GROUPS": Setting([], read.names, '["Developers"]', "who may sign in; none: everybody"),
    "HUB_OPENID": Setting(False, read.flag, "false", "sign in with OpenID Connect"),
    "HUB_OFFLINE": Setting(True, read.flag, "true", "ask for a refresh token"),
    "HUB_REQUEST_CREDENTIALS": Setting("default", _CREDENTIALS, "default", "when Hub asks for a password"),
    "HUB_REDIRECT_PATH": Setting("/authorized", urls.path, "/authorized", "where Hub sends people back to"),
    "HUB_LOGIN_PATH": Setting("/login", urls.path, "/login", "begins a login"),
    "HUB_LOGOUT_PATH": Setting("/logout", urls.path, "/logout", "ends a login"),
    "HUB_AFTER_LOGIN": Setting("/", urls.place, "/", "where a login without return address ends"),
    "HUB_AFTER_LOGOUT": Setting("/", urls.place, "/", "where a logout ends"),
    "HUB_LOGOUT_FROM_HUB": Setting("none", _LOGOUTS, "none", "whether a logout ends the login at Hub too"),
    "HUB_PROTECT_ALL": Setting(False, read.flag, "true", "every endpoint needs a login"),
    "HUB_CACHE": Setting(None, urls.cache, "file:///var/lib/myservice/logins", "None: files in the instance folder"),
    "HUB_LOGIN_LIFETIME": Setting(24 * 3600, read.life, "86400", "a login's end, however busy"),
    "HUB_IDLE_LIFETIME": Setting(8 * 3600, read.life, "28800", "a login's end when it is not used"),
    "HUB_REFRESH_LEEWAY": Setting(60, read.seconds, "60", "how long before its end a token is renewed"),
    "HUB_USER_TTL": Setting(300, read.life, "300", "how long user and groups are taken for true"),
    "HUB_OUTAGE_GRACE": Setting(300, read.seconds, "300", "how long a login outlives its token while Hub is away"),
    "HUB_TIMEOUT": Setting(5, _MINUTE, "5", "the deadline of one call to Hub"),
    "HUB_CA_BUNDLE": Setting(None, read.file, "/etc/ssl/certs/mycompany.pem", "whom to trust about Hub's certificate"),
    "HUB_PROXY": Setting(None, urls.proxy, "http://proxy.mycompany.com:3128", "the proxy on the way to Hub"),
    "HUB_BEARER": Setting("signed", _BEARERS, "signed", "which presented tokens are accepted"),
    "HUB_BEARER_TTL": Setting(30, _MINUTE, "30", "how long Hub's word about a presented token is good"),
    "HUB_USER_FIELDS": Setting([], read.fields, '["profile(avatar(url))"]', "more fields of users/me"),
}
"""All settings. Durations are in seconds."""
# fmt: on


def _completed(values: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The fields that depend on several settings."""
    path, services = values["HUB_SERVICE_SECRET_FILE"], values["HUB_SERVICES"].values()
    everything = (HUB_ID, values["HUB_SERVICE_ID"], *(service.id for service in services))
    return {
        "service_secret": partial(_secret_from, path) if path else values["HUB_SERVICE_SECRET"],
        "service_url": values["HUB_SERVICE_URL"] or DEVELOPMENT_URL,
        "scope": values["HUB_SCOPE"] or tuple(dict.fromkeys(everything)),
        "secret_keys": (values["SECRET_KEY"], *(values["SECRET_KEY_FALLBACKS"] or ())),
    }


def _secret_from(path: Path) -> str:
    """The secret in `path` as it is now: the file may have been replaced since the start."""
    try:
        return read.secret_in(path)
    except Wrong as wrong:
        raise HubConfigError(f"HUB_SERVICE_SECRET_FILE {wrong}.") from None


def _together(config: Mapping[str, t.Any], values: Mapping[str, t.Any], *, debug: bool) -> Iterator[str]:
    """What is wrong only beside something else. Settings that are wrong on their own are not in `values`."""
    url = values.get("HUB_SERVICE_URL", "https:")
    if not debug and not str(url).startswith("https:"):
        own = "on your own machine export FLASK_DEBUG=1, in tests set TESTING to True"
        where = f"where neither DEBUG nor TESTING is on, got {read.shown(url)}. Or {own}"
        seen = f"is missing. Set it, or {own}" if url is None else f"must begin with https:// {where}"
        yield f"HUB_SERVICE_URL {SETTINGS['HUB_SERVICE_URL'].explained(seen)}"
    if None not in (config.get("HUB_SERVICE_SECRET"), config.get("HUB_SERVICE_SECRET_FILE")):
        yield "HUB_SERVICE_SECRET and HUB_SERVICE_SECRET_FILE are both given: leave one of them out."
    ident = values.get("HUB_SERVICE_ID", "")
    if ":" in ident and (values.get("HUB_SERVICE_SECRET") or values.get("HUB_SERVICE_SECRET_FILE")):
        # RFC 7617 section 2. A public client may have a URL as its id.
        seen = f"must have no colon beside a secret, since Basic ends the id there, got {read.shown(ident)}"
        yield f"HUB_SERVICE_ID {SETTINGS['HUB_SERVICE_ID'].explained(seen)}"
    home = values.get("HUB_AFTER_LOGIN", "").partition("?")[0]
    for key in ("HUB_LOGIN_PATH", "HUB_REDIRECT_PATH"):
        if home == values.get(key):
            yield f"HUB_AFTER_LOGIN must not be {key}, got {read.shown(home)}: logins would go round in circles."
    taken: dict[str, str] = {}
    for key in ("HUB_REDIRECT_PATH", "HUB_LOGIN_PATH", "HUB_LOGOUT_PATH"):
        path = values.get(key, key)
        first = taken.setdefault(path.rstrip("/"), key)
        if first != key:
            yield f"{key} {SETTINGS[key].explained(f'must not be the path of {first}, got {read.shown(path)}')}"


def _strangers(config: Mapping[str, t.Any]) -> Iterator[str]:
    known = [key for key in SETTINGS if key.startswith(PREFIX)]
    given = (key for key in config if str(key).startswith(PREFIX))
    return (f"{sentence}." for sentence in _unknown(given, known))


def _unknown(given: Iterable[object], known: Iterable[str]) -> Iterator[str]:
    """A sentence for each name in `given` that is not `known`, with the nearest one that is."""
    for name in map(str, given):
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)
            yield f"{clean(name, 80)} is unknown, the nearest known name is {nearest[0]}"
