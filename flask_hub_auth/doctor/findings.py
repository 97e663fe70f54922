"""What the doctor can find: every cause under a code of its own."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..pages import clean

LONGEST: t.Final = 1000
"""Letters of a line; a hostile server must not fill the screen."""

Level = t.Literal["warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause: what was seen, and what to do. Never a secret."""

    code: str
    level: Level
    seen: str
    do: str


def found(code: str, seen: str, **values: str) -> Finding:
    """The finding of a code; `values` fill in what there is to do. Both may hold what a server said."""
    level, do = CODES[code]
    seen = "\n".join(clean(line, LONGEST) for line in seen.split("\n"))
    return Finding(code, level, seen, do.format_map({name: clean(each, LONGEST) for name, each in values.items()}))


def unfinished(late: t.Collection[str]) -> list[Finding]:
    """A finding, where somebody has not answered in time."""
    return [found("check-unfinished", f"There was no time to hear of: {', '.join(sorted(late))}.")] if late else []


def each_once(findings: t.Iterable[Finding]) -> list[Finding]:
    """One finding for each code, in the order of the table."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.code, finding)
    ordered = [first[code] for code in CODES if code in first]
    # Where something else is wrong, that is why the time was short.
    errors = [finding for finding in ordered if finding.level == "error" and finding.code != "check-unfinished"]
    return [finding for finding in ordered if not errors or finding.code != "check-unfinished"]


# fmt: off
CODES: t.Final[dict[str, tuple[Level, str]]] = {
    # The application
    "app-does-not-start": ("error", "Mend what its own error says; flask --app names another application."),
    "app-hangs": ("error", "See what it waits for there while it is loaded, such as a database that does not answer."),
    "hubauth-missing": ("error", "Call HubAuth(app) where the application is made."),
    "setting-wrong": ("error", "Set each as its line says, in app.config, or in the environment:"
        " {setting} as FLASK_{setting}."),
    "secret-key-weak": ("error", "Make SECRET_KEY what this prints, and keep it to yourself:"
        " python -c 'import secrets; print(secrets.token_hex())'"),
    "guard-guards-nothing": ("error", "Put @app.route on top, and the guard below it."),
    "path-taken": ("error", "Move that view, or give {setting} another path."),
    "login-groups-joined": ("warning", "If these are several groups, write HUB_LOGIN_GROUPS as JSON: {groups}"),
    "server-name-differs": ("error", "Give HUB_SERVICE_URL and SERVER_NAME the same host, or leave SERVER_NAME out."),
    "cookie-not-secure": ("error", "Set SESSION_COOKIE_SECURE = True."),
    "cookie-secure-on-http": ("warning", "Leave SESSION_COOKIE_SECURE out: on https it is set by itself."),
    "cookie-not-httponly": ("error", "Leave SESSION_COOKIE_HTTPONLY at True."),
    "cookie-samesite": ("error", "Set SESSION_COOKIE_SAMESITE = 'Lax', or leave it out."),
    "cookie-domain": ("error", "Leave SESSION_COOKIE_DOMAIN out."),
    "cookie-path": ("error", "Leave SESSION_COOKIE_PATH out, or make it the path of HUB_SERVICE_URL."),
    # The way to Hub
    "hub-name-unknown": ("error", "Compare the host in HUB_URL with Hub's; ask this machine for it: getent hosts HOST"),
    "hub-port-closed": ("error", "Compare the port in HUB_URL with Hub's; see whether Hub runs."),
    "hub-proxy": ("error", "Compare HUB_PROXY with the proxy's address, user and password, or leave it out."),
    "hub-plain-http": ("error", "Set HUB_URL to {url}"),
    "hub-certificate": ("error", "Give whoever signed Hub's certificate in HUB_CA_BUNDLE, or mend the certificate."),
    "hub-tls": ("error", "See which versions of TLS Hub's server takes."),
    "hub-silent": ("error", "See whether Hub hangs or is overloaded, and whether a firewall swallows what is sent."),
    "hub-broken-off": ("error", "See in the log of Hub, and of what stands before it, why it ends connections."),
    "hub-unreachable": ("error", "See whether this machine has a way to Hub's."),
    "hub-failing": ("error", "See in the log of Hub, and of what stands before it, what is wrong there."),
    "hub-is-youtrack": ("error", "Set HUB_URL to {url}"),
    "hub-path-wrong": ("error", "Set HUB_URL to {url}"),
    "hub-moved": ("error", "Set HUB_URL to {url}"),
    "hub-something-else": ("error", "Set HUB_URL to Hub's base, as an administrator sees it in Hub's own settings."),
    "hub-nonsense": ("error", "See what stands between this machine and Hub, and which version Hub has."),
    # What Hub knows of this service
    "service-unknown": ("error", "Compare HUB_SERVICE_ID with the id in Hub, or register one: flask hub register"),
    "secret-missing": ("error", "Set HUB_SERVICE_SECRET to the one in Hub; flask hub register printed it."),
    "secret-unreadable": ("error", "See what keeps the service secret: HUB_SERVICE_SECRET or HUB_SERVICE_SECRET_FILE."),
    "secret-wrong": ("error", "Set HUB_SERVICE_SECRET to the one in Hub, or give the service a new one there."),
    "service-not-trusted": ("error", "In Hub, make the service trusted and switch client credentials on for it."),
    "service-refused": ("error", "See in Hub what is switched on for this service."),
    "flow-off": ("error", "In Hub, switch the authorization code flow on for this service."),
    "redirect-uri-slash": ("error", "In Hub, register {uri} to the letter{other}."),
    "redirect-uri-scheme": ("error", "In Hub, register {uri} to the letter{other}."),
    "redirect-uri-port": ("error", "In Hub, register {uri} to the letter{other}."),
    "redirect-uri-host": ("error", "In Hub, register {uri} to the letter{other}."),
    "redirect-uri-doubled": ("error", "Set HUB_SERVICE_URL to {url}"),
    "redirect-uri-unknown": ("error", "In Hub, register {uri} to the letter{other}."),
    "scope-unknown": ("error", "Compare HUB_SCOPE and the ids in HUB_SERVICES with the services that Hub knows."),
    "scope-without-hub": ("error", "Add '0-0-0-0-0' to HUB_SCOPE, or leave the setting out."),
    "pkce-unsupported": ("warning", "Update Hub to 2021.1 or newer: before that a stolen code can be used by others."),
    "pkce-refused": ("error", "Update Hub to 2021.1 or newer: every login uses PKCE."),
    "openid-unsupported": ("error", "Leave HUB_OPENID out, or update Hub to 2017.2 or newer."),
    "logout-unsupported": ("error", "Set HUB_LOGOUT_FROM_HUB to 'required', or update Hub."),
    "clock-apart": ("warning", "Set the clock of both machines by a time server."),
    "tokens-opaque": ("warning", "Set HUB_BEARER to 'off'. 'any' would take them, with those for other services."),
    "tokens-of-others": ("warning", "Set HUB_BEARER to 'signed', if this Hub signs its tokens, or to 'off'."),
    # Other services
    "service-away": ("warning", "Compare its url in HUB_SERVICES with its address, and see whether it runs."),
    "permissions-elsewhere": ("error", "In HUB_SERVICES, give who keeps them itself 'permissions': 'own'."),
    # The store
    "store-in-memory": ("warning", "Leave HUB_CACHE out, or name a folder or a Redis: memory ends with its process."),
    "store-refused": ("error", "Give a HUB_CACHE that can be used, as it says."),
    "store-not-writable": ("error", "Let the user who serves write there."),
    "store-full": ("error", "Make room there, or give it more."),
    "redis-away": ("error", "See whether Redis runs, and compare HUB_CACHE with its address."),
    "redis-refuses": ("error", "Compare user, password and database of HUB_CACHE; see what this user may do in Redis."),
    "redis-forgets": ("warning", "Set appendonly yes: else a restart of Redis signs everybody out."),
    "redis-evicts": ("warning", "Set maxmemory-policy noeviction: else people are signed out when Redis is full."),
    # The doctor's own time
    "check-unfinished": ("error", "Mend what else is found, then look again."),
}
"""Code → how bad, and what to do; in the order in which they are told."""
# fmt: on
