"""What Hub's REST tells and takes: who a token belongs to, what they may do, and the registration of a service."""

from __future__ import annotations

import contextlib
import re
import typing as t
from urllib.parse import quote, urlsplit

from ..errors import HubProtocolError, HubRefused, TokenRejected
from ..model import HubPermissions, HubToken, HubUser, Secret
from ..pages import clean
from .answer import Answer
from .transport import Transport

ME_PATH: t.Final = "/api/rest/users/me"
USER_FIELDS: t.Final = (
    "id,login,name,guest,banned,profile(email(email,verified),avatar(url)),groups(id,name),transitiveGroups(id,name)"
)


class HubRest:
    """Hub's REST with one token, or as ``(login, password)`` with Basic. May be used by several threads."""

    def __init__(
        self,
        hub_url: str,
        token: HubToken | Secret | str | tuple[str, Secret],
        *,
        timeout: float = 5,
        transport: Transport | None = None,
    ) -> None:
        self._transport = transport or Transport(hub_url, timeout=timeout)
        secret = token.access_token if isinstance(token, HubToken) else token
        self._auth = secret if isinstance(secret, tuple) else None
        self._token = None if isinstance(secret, tuple) else secret if isinstance(secret, Secret) else Secret(secret)

    def me(self, fields: t.Sequence[str] = ()) -> HubUser:
        """Whose token this is; guests and banned people too, which the caller has to look at.

        `fields` are further fields of ``users/me`` as Hub writes them (``VCSUserNames``, ``profile(locale)``); what
        comes of each is in `HubUser.extra` under its outer name. `TokenRejected` where Hub does not take the token,
        which includes a token that is not for Hub itself.
        """
        answer = self._get(ME_PATH, {"fields": ",".join((USER_FIELDS, *fields))})
        return _user(answer, fields, self._transport.hub_url)

    def permissions(self, service_ids: t.Iterable[str]) -> HubPermissions:
        """What the person may do in these services, as Hub's permission cache says (Hub documentation)."""
        service_ids = [service_ids] if isinstance(service_ids, str) else list(service_ids)
        if not service_ids:
            return HubPermissions()  # A query that names none would answer those of all.
        if strange := [service_id for service_id in service_ids if not re.fullmatch(r"[\w.:-]+", service_id)]:
            raise ValueError(
                f"Not the id of a service: {clean(strange[0])!r}. It would say something else in the query."
            )
        query = " or ".join(f"service:{{{service_id}}}" for service_id in service_ids)
        fields = "permission/key,global,projects(id)"
        return read_permissions(self._get("/api/rest/permissions/cache", {"fields": fields, "query": query}))

    def own_permissions(self) -> HubPermissions:
        """The same of a service that keeps them itself, where this is its REST (YouTrack since 2026.1)."""
        return read_permissions(self._get("/api/permissions/cache", {"fields": "id,global,projects(id)"}))

    def register(
        self, name: str, home_url: str, redirect_uris: t.Sequence[str], *, trusted: bool = False, **about: str
    ) -> tuple[str, Secret | None]:
        """Register a service; its id, and its secret if Hub gives one (a public client has none).

        `about`: ``application_name``, ``vendor``, ``version``. Raises `TokenRejected` for a token or password that Hub
        does not take, and `HubRefused` with Hub's own word: ``must-be-unique`` where the name is taken.
        """
        answer = self._post("/api/rest/services", _service(name, home_url, redirect_uris, trusted, about))
        secret = _Reader(answer).text(answer.json(), "secret")
        return _Reader(answer).needed(answer.json(), "id"), Secret(secret) if secret else None

    def update(self, service_id: str, home_url: str, redirect_uris: t.Sequence[str], *, trusted: bool = False) -> None:
        """Change a registered service. Its name, secret and what it said about itself stay, and so does its trust."""
        fields = _service(None, home_url, redirect_uris, trusted, {})
        if not trusted:
            del fields["trusted"]
        self._post(f"/api/rest/services/{quote(service_id, safe='')}", fields)

    def service_named(self, name: str) -> str | None:
        """The id of the service that has exactly this name."""
        params = {"fields": "id,name", "$top": "-1"}
        if not re.search(r'["\\{}]', name):
            # Hub's query language says nothing of quotes within quotes; then all services are looked through.
            params["query"] = f'name: "{name}"'
        answer = self._get("/api/rest/services", params)
        found = _Reader(answer).parts(answer.json(), "services")
        return next((str(service["id"]) for service in found if service.get("name") == name), None)

    def _get(self, path: str, params: t.Mapping[str, str]) -> Answer:
        return self._good(self._transport.request("GET", path, params=params, bearer=self._token, auth=self._auth))

    def _post(self, path: str, fields: t.Mapping[str, t.Any]) -> Answer:
        params = {"fields": "id,secret"}
        return self._good(
            self._transport.request("POST", path, params=params, json=fields, bearer=self._token, auth=self._auth)
        )

    def _good(self, answer: Answer) -> Answer:
        if answer.status == 401:
            raise TokenRejected("invalid_token", "HTTP 401")
        if answer.status == 403:
            _raise_refusal(answer)
        answer.raise_for_status()
        return answer


def _service(
    name: str | None, home_url: str, redirect_uris: t.Sequence[str], trusted: bool, about: t.Mapping[str, str]
) -> dict[str, t.Any]:
    """A service as Hub's REST takes it, in the names of its documentation."""
    words = {"application_name": "applicationName", "vendor": "vendor", "version": "version"}
    fields = {"homeUrl": home_url, "redirectUris": list(redirect_uris), "trusted": trusted}
    return ({"name": name} if name else {}) | fields | {words[key]: value for key, value in about.items() if value}


def read_permissions(answer: Answer) -> HubPermissions:
    """A permission cache. Hub names a key ``permission(key)``; a service of its own kind says ``id``."""
    read, held = _Reader(answer), HubPermissions()
    for entry in answer.items():
        key = read.text(read.part(entry, "permission"), "key") or read.needed(entry, "id")
        # The projects of a global permission are null, missing or empty; all three were seen.
        projects = frozenset(read.needed(project, "id") for project in read.parts(entry, "projects"))
        held |= HubPermissions({key: None if read.flag(entry, "global") else projects})
    return held


def _raise_refusal(answer: Answer) -> t.NoReturn:
    """Raises Hub's own error where it gives one."""
    with contextlib.suppress(HubProtocolError):
        answer.raise_for_status()
    raise HubRefused("access_denied", "HTTP 403")


def _user(answer: Answer, extra: t.Sequence[str], hub_url: str) -> HubUser:
    fields = answer.json()
    read = _Reader(answer)
    profile = read.part(fields, "profile")
    email = read.part(profile, "email")
    address = read.text(email, "email")
    groups = [*read.parts(fields, "groups"), *read.parts(fields, "transitiveGroups")]
    names = [re.split(r"[(/]", name)[0] for name in extra]
    return HubUser(
        id=read.needed(fields, "id"),
        login=read.needed(fields, "login"),
        name=read.text(fields, "name"),
        email=address or None,
        email_verified=bool(address) and email.get("verified") is True,
        groups=frozenset(name for group in groups if (name := read.text(group, "name"))),
        guest=read.flag(fields, "guest"),
        banned=read.flag(fields, "banned"),
        avatar_url=_avatar(read.text(read.part(profile, "avatar"), "url"), hub_url),
        extra={name: fields[name] for name in names if name in fields},
    )


class _Reader:
    """Reads fields by their type. What is missing or null is empty; what has another type is not Hub's protocol."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def _typed(self, fields: t.Mapping[str, t.Any], name: str, kind: type, default: t.Any) -> t.Any:
        value = fields.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise HubProtocolError(f"{self._answer} whose {name} is not as Hub writes it.")
        return value

    def text(self, fields: t.Mapping[str, t.Any], name: str) -> str:
        return str(self._typed(fields, name, str, ""))

    def needed(self, fields: t.Mapping[str, t.Any], name: str) -> str:
        value = self.text(fields, name)
        if not value:
            raise HubProtocolError(f"{self._answer} without {name}.")
        return value

    def flag(self, fields: t.Mapping[str, t.Any], name: str) -> bool:
        # A null here could be anything, and "not banned" must not be guessed.
        value = fields.get(name, False)
        if not isinstance(value, bool):
            raise HubProtocolError(f"{self._answer} whose {name} is neither true nor false.")
        return value

    def part(self, fields: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
        return dict(self._typed(fields, name, dict, {}))

    def parts(self, fields: t.Mapping[str, t.Any], name: str) -> list[dict[str, t.Any]]:
        found = list(self._typed(fields, name, list, []))
        if not all(isinstance(each, dict) for each in found):
            raise HubProtocolError(f"{self._answer} whose {name} are not as Hub writes them.")
        return found


def _avatar(url: str, hub_url: str) -> str | None:
    """An address that a page can show: http or https; one without a host is on Hub's."""
    if re.search(r"[\x00-\x20\x7f\\\"'<>]", url):
        return None
    try:
        hub, parts = urlsplit(hub_url), urlsplit(url)
    except ValueError:
        return None
    if url.startswith("/") and not parts.netloc:
        return f"{hub.scheme}://{hub.netloc}{url}"
    return url if parts.scheme in ("http", "https") and parts.hostname else None
