"""The issues service: another service of the same Hub, as it looks from inside.

A plain Flask application without HubAuth. Callers bring a token of Hub, and it looks at three things: Hub has signed
it, it is not over, and it is meant for this service. Whose it is stands in it. Hub itself is asked for its key alone.
"""

from __future__ import annotations

import base64
import itertools
import threading
import time
import typing as t
from collections import deque
from dataclasses import asdict, dataclass
from urllib.parse import unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_public_key
from flask import Flask, Response, g, json, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException

from flask_hub_auth.hub import Transport

ISSUES_ID: t.Final = "d2c5b7a4-0000-4000-8000-000000000002"
"""The service at the dev Hub, under the same id at each start."""

PROJECTS: t.Final = {"APOLLO": "Apollo", "HERMES": "Hermes"}
LONGEST_SUMMARY: t.Final = 200
KEPT_ISSUES: t.Final = 500
KEY_PAUSE: t.Final = 60
"""Seconds between two readings of Hub's key because a token names a version that is not known."""


class Refused(HTTPException):
    """A token that is not accepted. `error`: the word of RFC 6750 section 3.1, None where no token was sent."""

    def __init__(self, code: int, error: str | None, description: str) -> None:
        super().__init__(description)
        self.code, self.error = code, error

    def get_headers(self, *args: t.Any) -> list[tuple[str, str]]:
        """With the challenge that RFC 6750 asks for."""
        word = f', error="{self.error}"' if self.error else ""
        return [*super().get_headers(*args), ("WWW-Authenticate", f'Bearer realm="issues"{word}')]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: a person by way of a service, or with `user_id` None that service itself."""

    service_id: str
    user_id: str | None


class HubTokens:
    """Checks Hub's signed tokens, ``<end in ms>.<client>.<user>.<scope>;<version of the key>.<signature>``.

    May be used from all threads.
    """

    def __init__(self, hub: Transport, service_id: str) -> None:
        self._hub = hub
        self._service_id = service_id
        self._keys: dict[str, DSAPublicKey] = {}
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def caller(self, token: str) -> Caller:
        """Who is behind a token. Nothing in it is believed before the signature is."""
        data, _, signed = token.partition(";")
        version, _, signature = signed.partition(".")
        try:
            end, client, user, scope = data.split(".", 3)
            self._key(version).verify(base64.b64decode(signature, validate=True), data.encode(), SHA1())
        except (ValueError, InvalidSignature):
            raise Refused(401, "invalid_token", "Hub has not signed this token.") from None
        if time.time() * 1000 >= int(end):
            raise Refused(401, "invalid_token", "This token is over.")
        if self._service_id not in map(unquote_plus, scope.split(" ")):
            raise Refused(403, "insufficient_scope", "This token is for other services, not for the issues service.")
        return Caller(client, user or None)

    def _key(self, version: str) -> DSAPublicKey:
        with self._lock:
            # Anybody can name a version that is not there: Hub must not be asked each time.
            if version not in self._keys and time.monotonic() >= self._asked_at + KEY_PAUSE:
                answer = self._hub.request("GET", "/api/rest/oauth2/key")
                answer.raise_for_status()
                name, _, spki = answer.body.decode().partition(".")
                self._keys[name] = t.cast(DSAPublicKey, load_der_public_key(base64.b64decode(spki)))
                self._asked_at = time.monotonic()
            if version not in self._keys:
                raise InvalidSignature
            return self._keys[version]


@dataclass(frozen=True, slots=True)
class Issue:
    """`assignee` and `reporter` are ids of people at Hub: logins and names can change."""

    id: str
    project: str
    summary: str
    assignee: str
    reporter: str


def create_issues(hub_url: str, *, todo: t.Mapping[str, t.Sequence[str]], service_id: str = ISSUES_ID) -> Flask:
    """The service, for the Hub at `hub_url`. `todo`: summaries to begin with, by the id of who has to do them."""
    app = Flask("issues_service", static_folder=None)
    # A server for development, as the demo itself.
    app.debug, app.config["PROPAGATE_EXCEPTIONS"] = True, False
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    tokens = HubTokens(Transport(hub_url), service_id)
    issues: deque[Issue] = deque(maxlen=KEPT_ISSUES)
    numbers = itertools.count(1)

    def file(project: str, summary: str, user_id: str) -> Issue:
        issues.append(Issue(f"{project}-{next(numbers)}", project, summary, user_id, user_id))
        return issues[-1]

    for user_id, summaries in todo.items():
        for project, summary in zip(itertools.cycle(PROJECTS), summaries, strict=False):
            file(project, summary, user_id)

    @app.before_request
    def look_at_token() -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, None, "A token of Hub is needed, as 'Authorization: Bearer ...'.")
        g.caller = tokens.caller(token)

    @app.get("/api/projects")
    def list_projects() -> Response:
        """For everybody with a token, a service too."""
        count = {key: sum(issue.project == key for issue in list(issues)) for key in PROJECTS}
        return jsonify(projects=[{"key": key, "name": name, "issues": count[key]} for key, name in PROJECTS.items()])

    @app.get("/api/issues")
    def list_issues() -> Response:
        """What is assigned to the person who calls, the newest first."""
        mine = [asdict(issue) for issue in list(issues) if issue.assignee == person()]
        return jsonify(issues=mine[::-1])

    @app.post("/api/issues")
    def file_issue() -> tuple[Response, int]:
        """``{"project": "APOLLO", "summary": "..."}``, reported by the person who calls and assigned to them."""
        reporter, given = person(), request.get_json()
        fields = given if isinstance(given, dict) else {}
        project, summary = (" ".join(str(fields.get(name, "")).split()) for name in ("project", "summary"))
        if project not in PROJECTS or not 0 < len(summary) <= LONGEST_SUMMARY:
            raise BadRequest(f"An issue has a project ({', '.join(PROJECTS)}) and a summary of one line.")
        return jsonify(asdict(file(project, summary, reporter))), 201

    app.register_error_handler(HTTPException, problem)
    return app


def person() -> str:
    """The id of the person who calls."""
    caller: Caller = g.caller
    if caller.user_id is None:
        raise Refused(403, "insufficient_scope", "This is for people, and no person is behind a service's own token.")
    return caller.user_id


def problem(error: HTTPException) -> Response:
    """Problem details (RFC 9457)."""
    response = t.cast(Response, error.get_response())
    response.set_data(json.dumps({"title": error.name, "status": error.code, "detail": error.description}))
    response.content_type = "application/problem+json"
    return response
