"""The pages of Hub's other flows: calls at another service, as the person or as this application itself."""

from __future__ import annotations

import typing as t

from flask import Blueprint, current_app, redirect, render_template, request, url_for

from flask_hub_auth import (
    HubRefused,
    current_hub_user,
    hub_bearer_required,
    hub_login_required,
    hub_permission_required,
    hub_public,
)

from .issues import LONGEST_SUMMARY
from .pages import demo, hub, hub_config, stay_signed_out

if t.TYPE_CHECKING:
    from requests import Response

    from flask_hub_auth.tokens.client import ServiceClient

    from .pages import Answer

flows = Blueprint("flows", __name__)
acting = Blueprint("acting", __name__)
acting.before_request(stay_signed_out)

HUB_ID: t.Final = "0-0-0-0-0"
"""Every Hub has this id for itself. A token that is for Hub too lets the application ask who is behind it."""

ISSUES: t.Final = "issues"
"""The name in ``HUB_SERVICES`` of the service that is called."""


# As the person: the service sees whose token it is, and gives what is theirs.


@acting.get("/issues")
@hub_login_required
def issues() -> str:
    """What the person has to do, and a form for more."""
    if not has_issues():
        return render_template("issues.html")
    client = hub.as_user(ISSUES)
    mine, problem = listed(client, "/api/issues", "issues")
    projects = listed(client, "/api/projects", "projects")[0]
    return render_template("issues.html", issues=mine, projects=projects, problem=problem, longest=LONGEST_SUMMARY)


@acting.post("/issues")
@hub_login_required
def file_issue() -> Answer:
    """File one: its reporter is whose token it is, whatever a form could say."""
    if not has_issues():
        return redirect(url_for(".issues"), 303)
    given = {name: request.form.get(name, "") for name in ("project", "summary")}
    answer = hub.as_user(ISSUES).post("/api/issues", json=given)
    if not answer.ok:
        return render_template("issues.html", problem=refusal_of(answer))
    return redirect(url_for(".issues"), 303)


@acting.post("/summary")
@hub_login_required
def summary() -> Answer:
    """Begin a job that acts as the person after this request, until they sign out."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if has_issues():
        demo().jobs.start(app, current_hub_user.id, hub.ticket(max_age=600))
    return redirect(url_for("inside.panel", _anchor="job"), 303)


def count_issues(ticket: str) -> str:
    """What the job does, in a thread of its own and without a request."""
    mine, problem = listed(hub.as_user(ISSUES, ticket=ticket), "/api/issues", "issues")
    return problem or f"{len(mine)} {'issue is' if len(mine) == 1 else 'issues are'} assigned to you."


@acting.get("/people")
@hub_permission_required("jetbrains.jetpass.user-read")
def people() -> str:
    """Who there is, read at Hub itself. Hub would refuse others too; the guard tells them so first."""
    found, problem = listed(hub.as_user(), "/users?fields=login,name,banned&$top=50", "users")
    return render_template("people.html", people=found, problem=problem)


# As this application itself: nobody needs to be signed in.


@flows.get("/projects")
@hub_public
def projects() -> str:
    """What the issues service shows to other services."""
    if not has_issues():
        return render_template("projects.html")
    try:
        found, problem = listed(hub.as_service(ISSUES), "/api/projects", "projects")
    except HubRefused as refusal:
        # Hub gives a service a token of its own only where an administrator has made it trusted.
        return render_template("projects.html", refusal=refusal)
    return render_template("projects.html", projects=found, problem=problem)


# From a browser that has the token itself (implicit flow), or from a script.


@flows.get("/api")
@hub_public
def api() -> str:
    """A page that obtains a token with its own script and calls the API below."""
    config = hub_config()
    return render_template("api.html", hub=config, scope=f"{HUB_ID} {config.service_id}")


@flows.get("/api/me")
@hub_bearer_required
def api_me() -> dict[str, t.Any]:
    """Whose token it is. No cookie counts here."""
    user = current_hub_user
    return {"id": user.id, "login": user.login, "name": user.name, "groups": sorted(user.groups)}


@flows.get("/scripts")
@hub_public
def scripts() -> str:
    """Commands for the flows that have no page. A password belongs on a terminal, never into a form of ours."""
    return render_template("scripts.html", hub=hub_config(), hub_id=HUB_ID, admin="admin" if demo().dev_hub else "NAME")


# Whether Hub asks people before it lets this application act as them.


@acting.get("/consent")
@hub_login_required
def consent() -> str:
    """What Hub remembers of the person's answers, and a way to be asked."""
    dev_hub = demo().dev_hub
    if dev_hub is None:
        return render_template("consent.html")
    known = dev_hub.people.services
    answers = dev_hub.user(current_hub_user.login).approved.get(dev_hub.service_id, {})
    allowed = {known[service_id].name: yes for service_id, yes in answers.items() if service_id in known}
    return render_template("consent.html", trusted=dev_hub.service.trusted, allowed=allowed)


@acting.post("/consent")
@hub_login_required
def change_trust() -> Answer:
    """What an administrator of a real Hub does there; and let Hub forget all answers, so that it asks again."""
    dev_hub = demo().dev_hub
    if dev_hub is not None:
        with dev_hub.lock:
            dev_hub.service.trusted = request.form.get("trusted") == "yes"
            for user in dev_hub.people.users.values():
                user.approved.pop(dev_hub.service_id, None)
    return redirect(url_for(".consent"), 303)


def has_issues() -> bool:
    """Whether there is an issues service: beside a real Hub there is none, unless ``HUB_SERVICES`` names it."""
    return ISSUES in hub_config().services


def listed(client: ServiceClient, path: str, name: str) -> tuple[list[dict[str, t.Any]], str | None]:
    """The list called `name` that a service has at `path`, and the service's own words where it refuses."""
    answer = client.get(path)
    return (answer.json()[name], None) if answer.ok else ([], refusal_of(answer))


def refusal_of(answer: Response) -> str:
    """What a service says about a request that it refuses (RFC 9457)."""
    if answer.headers.get("Content-Type") != "application/problem+json":
        return f"HTTP status {answer.status_code}."
    return str(answer.json()["detail"])
