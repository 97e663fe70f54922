"""What Hub knows of this service: its id, secret, redirect URI, trust and scopes."""

from __future__ import annotations

import re
import typing as t
from functools import partial
from urllib.parse import urljoin, urlsplit

from ..config import HUB_ID, SETTINGS
from ..errors import HubError, HubRefused
from ..hub import HubOAuth
from ..hub.openid import KEYS_PATH, read_keys
from ..model import Secret
from .clockwork import ONE_CALL
from .findings import Finding, found
from .ground import VERIFIER, Ground, Word, failure

OPENID: t.Final = {"openid", "profile", "email", "groups", "offline_access"}
"""Words of a scope that are no service (OpenID Connect)."""
REDIRECT_ERRORS: t.Final = ("invalid_redirect_uri", "unauthorized_client")
"""The second is what Hubs up to 2020 say."""
_FLOW_ERRORS: t.Final = ("response_type_not_allowed", "unsupported_response_type")
_LOOPBACK: t.Final = ("localhost", "127.0.0.1")


def own_token(ground: Ground, *, as_service: bool) -> tuple[Secret | None, list[Finding]]:
    """The service's own token, if Hub gives it one; asking for it shows whether the secret is good, or missing.

    :param as_service: whether the application calls others as itself, for which Hub must trust it
    """
    config = ground.config
    if config.service_secret is None:
        return None, _without_secret(ground)
    secret = _secret(ground, config.service_secret)
    if isinstance(secret, Finding):
        return None, [secret]
    oauth = HubOAuth(config.url, config.service_id, secret, transport=ground.way())
    try:
        return oauth.for_service((HUB_ID, config.service_id)).access_token, []
    except HubRefused as refusal:
        return None, list(_refused(refusal, config.service_id, as_service=as_service))
    except HubError as error:
        return None, [failure(error)]


def _secret(ground: Ground, source: t.Callable[[], str]) -> t.Callable[[], str] | Finding:
    """The secret, asked for once: what is asked is the application's, and may hang, or raise anything."""

    def asked() -> t.Callable[[], str] | Finding:
        try:
            secret = source()
        except BaseException as error:
            return found("secret-unreadable", f"The service secret could not be read ({type(error).__name__}).")
        return lambda: secret

    late = found("secret-unreadable", "What is asked for the service secret gave none in time.")
    return ground.budget.at_most(ONE_CALL).together({"secret": asked}).get("secret", late)


def _without_secret(ground: Ground) -> list[Finding]:
    """Whether Hub takes this service for a public client, as it takes itself.

    Who exchanges a code that nobody has is told so by Hub, if it may exchange one at all (RFC 6749 section 5.2).
    """
    try:
        ground.oauth().exchange("hub-check", redirect_uri=ground.config.redirect_uri, verifier=VERIFIER)
    except HubRefused as refusal:
        if refusal.error != "invalid_client":
            return []
        return [found("secret-missing", "Hub has a secret for this service, and HUB_SERVICE_SECRET is not set.")]
    except HubError as error:
        return [failure(error)]
    return []


def _refused(refusal: HubRefused, service_id: str, *, as_service: bool) -> t.Iterator[Finding]:
    if refusal.error == "invalid_client":
        yield found("secret-wrong", f"Hub knows the service {service_id}, but not with this secret.")
    elif refusal.error != "unauthorized_client":
        yield found("service-refused", f"Hub gives the service {service_id} no token ({refusal.error}).")
    elif as_service:
        seen = f"The application uses as_service(), but Hub gives the service {service_id} no token of its own."
        yield found("service-not-trusted", seen)


def refusals(ground: Ground, word: Word, token: Secret | None) -> list[Finding]:
    """What Hub's first word says against a login of this service."""
    config = ground.config
    if word.kind == "page" and word.error in REDIRECT_ERRORS:
        return [_redirect_uri(ground, token)]
    if word.kind == "page":
        return [found("service-unknown", f"Hub knows no service {_shown(config.service_id)} ({word.error}).")]
    if word.error in _FLOW_ERRORS:
        return [found("flow-off", f"Hub does not let the service {config.service_id} sign people in ({word.error}).")]
    if word.error in ("server_error", "temporarily_unavailable"):
        return [found("hub-failing", f"Hub says {word.error}.")]
    if word.error == "invalid_request" and ground.ask(verifier=None).kind == "login":
        return [found("pkce-refused", "Hub refuses a login with PKCE, and takes one without.")]
    if word.kind == "back" and word.error != "invalid_scope":
        return [found("service-refused", f"Hub does not let the service {config.service_id} sign people in.")]
    return []


def _shown(service_id: str) -> str:
    """An id that looks like one; what looks otherwise may be the secret, in the wrong place."""
    return service_id if re.fullmatch(r"[0-9a-f]+(-[0-9a-f]+){4}", service_id, re.I) else "with this HUB_SERVICE_ID"


def pkce(ground: Ground) -> list[Finding]:
    """A Hub that knows PKCE minds a challenge that is made by nothing that exists (RFC 7636 section 4.4.1)."""
    if ground.ask(method="none").kind != "login":
        return []
    return [found("pkce-unsupported", "Hub does not look at the challenge of PKCE, as Hubs before 2021.1.")]


def openid(ground: Ground) -> list[Finding]:
    """Whether Hub has keys for id tokens, where sign-ins use them."""
    if not ground.config.openid:
        return []
    answer = ground.way().request("GET", KEYS_PATH)
    if answer.status == 404:
        return [found("openid-unsupported", "HUB_OPENID is on, and Hub has no keys for id tokens.")]
    if read_keys(answer):
        return []
    return [found("hub-nonsense", f"{KEYS_PATH} has no RSA key for id tokens.")]


def logout(ground: Ground) -> list[Finding]:
    """Whether Hub signs people out when an application asks for it, where this one does."""
    if ground.config.logout_from_hub != "rp":
        return []
    way = ground.way()
    url = HubOAuth(way.hub_url, ground.config.service_id, transport=way).logout_url(state="hub-check")
    if way.look(url.removeprefix(way.hub_url)).status != 404:
        return []
    return [found("logout-unsupported", "HUB_LOGOUT_FROM_HUB is 'rp', and Hub has no address for that.")]


def unknown_scopes(ground: Ground) -> list[str]:
    """The entries of a scope that Hub does not know, of all that logins and calls to services ask for.

    Hub may overlook one beside others that it knows, so each is asked about alone.
    """
    services = [service.id for service in ground.config.services.values()]
    names = [name for name in dict.fromkeys([*ground.config.scope, *services]) if name not in OPENID]
    words = ground.budget.all_of({name: partial(ground.ask, scope=(name,)) for name in names})
    return [name for name, word in words.items() if word.error == "invalid_scope"]


def _redirect_uri(ground: Ground, token: Secret | None) -> Finding:
    ours = ground.config.redirect_uri
    registered = _registered(ground, token) if token else None
    near = registered if registered is not None else _probed(ground, _variants(ours))
    for theirs in near:
        if kind := difference(ours, theirs):
            seen = f"Hub does not know {ours}; what it knows is {theirs}, which differs in its {kind}."
            return found(f"redirect-uri-{kind}", seen, uri=ours, other=_elsewhere(ground, kind))
    service_url, path = ground.config.service_url, ground.config.redirect_path
    if service_url.endswith(path):
        seen = f"Hub does not know {ours}, in which {path} stands twice: HUB_SERVICE_URL ends with it already."
        return found("redirect-uri-doubled", seen, url=service_url.removesuffix(path))
    known = f" It knows: {', '.join(near[:5])}." if near else ""
    seen = f"Hub does not know {ours} as an address of this service.{known}"
    return found("redirect-uri-unknown", seen, uri=ours, other=_elsewhere(ground, "unknown"))


def _elsewhere(ground: Ground, kind: str) -> str:
    """The settings that could be changed instead; the path only where it is not the usual one."""
    names = ["HUB_SERVICE_URL"] if kind != "slash" else []
    if ground.config.redirect_path != SETTINGS["HUB_REDIRECT_PATH"].default:
        names.append("HUB_REDIRECT_PATH")
    return f", or change {' or '.join(names)}" if names else ""


def _registered(ground: Ground, token: Secret) -> list[str] | None:
    """What is registered, as Hub tells the service itself; None where it does not."""
    path = "/api/rest/services/me?fields=redirectUris,homeUrl,baseUrls"
    try:
        answer = ground.way().request("GET", path, bearer=token)
        answer.raise_for_status()
        fields = answer.json()
    except HubError:
        return None
    uris, bases = fields.get("redirectUris"), [fields.get("homeUrl"), *(fields.get("baseUrls") or [])]
    if not isinstance(uris, list):
        return None
    # A relative one is good at the home URL and at each base URL (Hub documentation, "Authentication endpoints").
    absolute = [urljoin(base, uri) for uri in map(str, uris) for base in bases if isinstance(base, str)]
    return [uri for uri in dict.fromkeys([*map(str, uris), *absolute]) if "://" in uri]


def difference(ours: str, theirs: str) -> str:
    """The one part in which two addresses differ: slash, scheme, port or host; nothing where it is more."""
    try:
        a, b = urlsplit(ours), urlsplit(theirs)
        parts = {
            "scheme": a.scheme != b.scheme,
            "host": a.hostname != b.hostname,
            "port": a.port != b.port,
            "slash": a.path != b.path,
            "": a.path.rstrip("/") != b.path.rstrip("/") or a.query != b.query,
        }
    except ValueError:
        return ""
    differs = [name for name, is_so in parts.items() if is_so]
    return differs[0] if len(differs) == 1 else ""


def _variants(uri: str) -> list[str]:
    """Addresses of which one may have been meant. Hub notes each on the service as asked for, so they are few."""
    parts = urlsplit(uri)
    host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    slash = parts.path.rstrip("/") if parts.path.endswith("/") else f"{parts.path}/"
    other = _LOOPBACK[host == _LOOPBACK[0]] if host in _LOOPBACK else ""
    www = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
    ports = (":5000", ":8000", ":8080") if host in _LOOPBACK else (":443", "")
    changed = [
        parts._replace(path=slash),
        parts._replace(scheme="http" if parts.scheme == "https" else "https"),
        parts._replace(netloc=(other or www) + port),
        *(parts._replace(netloc=host + each) for each in ports if each != port),
    ]
    return [each.geturl() for each in changed]


def _probed(ground: Ground, variants: t.Sequence[str]) -> list[str]:
    """Those that Hub knows."""
    asked = {uri: partial(_takes, ground, uri) for uri in variants}
    return [uri for uri, is_known in ground.budget.together(asked).items() if is_known]


def _takes(ground: Ground, uri: str) -> bool:
    try:
        return ground.ask(redirect_uri=uri).kind in ("login", "back")
    except HubError:
        return False
