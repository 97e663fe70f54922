"""The pages of Hub's other flows: calls at another service, as the person or as this application itself."""

from __future__ import annotations

import typing as t

from flask import Blueprint, redirect, render_template, request, url_for

from flask_hub_auth import HubRefused, hub_login_required, hub_public

from .issues import LONGEST_SUMMARY
from .pages import hub, hub_config, stay_signed_out

if t.TYPE_CHECKING:
    from requests import Response

    from flask_hub_auth.tokens.client import ServiceClient

    from .pages import Answer

flows = Blueprint("flows", __name__)
acting = Blueprint("acting", __name__)
acting.before_request(stay_signed_out)

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
    mine, problem = listed(client, "issues")
    projects = listed(client, "projects")[0]
    return render_template("issues.html", issues=mine, projects=projects, problem=problem, longest=LONGEST_SUMMARY)


@acting.post("/issues")
@hub_login_required
def file_issue() -> Answer:
    """File one: its reporter is whose token it is, whatever a form could say."""
    given = {name: request.form.get(name, "") for name in ("project", "summary")}
    answer = hub.as_user(ISSUES).post("/api/issues", json=given)
    if not answer.ok:
        return render_template("issues.html", problem=refusal_of(answer))
    return redirect(url_for(".issues"), 303)


# As this application itself: nobody needs to be signed in.


@flows.get("/projects")
@hub_public
def projects() -> str:
    """What the issues service shows to other services."""
    if not has_issues():
        return render_template("projects.html")
    try:
        found, problem = listed(hub.as_service(ISSUES), "projects")
    except HubRefused as refusal:
        # Hub gives a service a token of its own only where an administrator has made it trusted.
        return render_template("projects.html", refusal=refusal)
    return render_template("projects.html", projects=found, problem=problem)


def has_issues() -> bool:
    """Whether there is an issues service: beside a real Hub there is none, unless ``HUB_SERVICES`` names it."""
    return ISSUES in hub_config().services


def listed(client: ServiceClient, name: str) -> tuple[list[dict[str, t.Any]], str | None]:
    """What the service lists under `name`, and its own words where it refuses."""
    answer = client.get(f"/api/{name}")
    return (answer.json()[name], None) if answer.ok else ([], refusal_of(answer))


def refusal_of(answer: Response) -> str:
    """What a service says about a request that it refuses (RFC 9457)."""
    if answer.headers.get("Content-Type") != "application/problem+json":
        return f"HTTP status {answer.status_code}."
    return str(answer.json()["detail"])
