"""``flask hub ...``

Data goes to standard output, words to standard error. A secret is never an argument, which every user of the machine
could read in the list of processes: it is asked for on the terminal, read as one line from standard input, or taken
from the environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import typing as t
from datetime import UTC, datetime

import click
from flask import Flask
from flask.cli import AppGroup, ScriptInfo

from .asking import absolute, asked_for, secret_of
from .config import HUB_ID
from .doctor.examination import examine
from .doctor.findings import Finding
from .errors import HubConfigError, HubError, HubProtocolError, HubRefused, TokenRejected
from .hub import HubOAuth, HubRest
from .model import HubToken, Secret
from .printing import data_alone
from .tokens.sessions import end_sessions, sessions_of
from .web.routes import Route, routes_of
from .web.state import EXTENSION, HubState

hub = AppGroup("hub", help="Login with JetBrains Hub.")

ADMIN_TOKEN: t.Final = "HUB_ADMIN_TOKEN"
PASSWORD: t.Final = "HUB_PASSWORD"
FORBIDDEN: t.Final = "Hub does not let this account register services. Use an administrator's."
SERVICE_SECRET: t.Final = "FLASK_HUB_SERVICE_SECRET"
NO_HUBAUTH: t.Final = "The application '{}' has no HubAuth. Call HubAuth(app) where it is made."
WHOSE_ID: t.Final = "The id is that of Hub, current_hub_user.id, and not the login."


@hub.command("dev", with_appcontext=False, add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def dev(options: tuple[str, ...]) -> None:
    """Serve a Hub for development on loopback. Its options: flask hub dev --help."""
    # Only this command needs the dev Hub; a production process never loads it.
    from .devhub.__main__ import main

    sys.exit(main(list(options), prog="flask hub dev"))


@hub.command("register", with_appcontext=False)
@click.option("--hub-url", required=True, help="Hub's base, such as https://hub.mycompany.com")
@click.option("--home-url", required=True, help="Public base of the service, such as https://myservice.mycompany.com")
@click.option("--name", help="What the service is called in Hub; asked for when missing.")
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    callback=absolute,
    help="Repeatable; default: HOME_URL/authorized",
)
@click.option("--application-name", default="", help="What kind of application it is.")
@click.option("--vendor", default="")
@click.option("--version", default="")
@click.option("--trusted", is_flag=True, help="Nobody is asked for consent; needed for as_service().")
@click.option("--update", is_flag=True, help="Change the service if the name exists.")
@click.option("--user", help=f"An administrator's login; the password is asked for. Otherwise {ADMIN_TOKEN} counts.")
@click.option("--json", "as_json", is_flag=True)
def register(
    hub_url: str,
    home_url: str,
    name: str | None,
    redirect_uris: tuple[str, ...],
    trusted: bool,
    update: bool,
    user: str | None,
    as_json: bool,
    **about: str,
) -> None:
    """Register a service at Hub and print its settings as environment variables."""
    name = name or asked_for("Name of the service: ")
    base = home_url.rstrip("/")
    uris = redirect_uris or (f"{base}/authorized",)
    with _one_sentence(FORBIDDEN):
        rest = HubRest(hub_url.rstrip("/"), _administrator(user))
        known = rest.service_named(name)
        if known is not None and not update:
            raise HubConfigError(f"Hub has a service named '{name}'. Give another --name, or change it with --update.")
        secret = None
        if known is not None:
            if any(about.values()):
                raise click.UsageError(
                    "Hub takes --application-name, --vendor and --version only when a service is registered."
                )
            rest.update(known, base, uris, trusted=trusted)
        else:
            known, secret = rest.register(name, base, uris, trusted=trusted, **about)
            if secret is None:
                click.echo("Hub gave no secret: this is a public client, which uses PKCE alone.", err=True)
    settings = {"FLASK_HUB_URL": hub_url.rstrip("/"), "FLASK_HUB_SERVICE_ID": known}
    settings |= {SERVICE_SECRET: secret.reveal()} if secret else {}
    settings |= {"FLASK_HUB_SERVICE_URL": base}
    click.echo(json.dumps(settings) if as_json else "\n".join(f"{key}={value}" for key, value in settings.items()))


@hub.command("token", with_appcontext=False)
@click.option("--service", is_flag=True, help="A token of the service itself.")
@click.option("--user", help="A token of this person; the password is asked for. For scripts.")
@click.option("--scope", "scope", multiple=True, help="Id or name of a service that the token is for; repeatable.")
@click.option("--hub-url", help=f"Hub's base, instead of an application; with --service-id and {SERVICE_SECRET}.")
@click.option("--service-id")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def token(
    context: click.Context,
    service: bool,
    user: str | None,
    scope: tuple[str, ...],
    hub_url: str | None,
    service_id: str | None,
    as_json: bool,
) -> None:
    """Print an access token."""
    if service == bool(user):
        raise click.UsageError("Give either --service or --user NAME.")
    if bool(hub_url) != bool(service_id):
        raise click.UsageError("--hub-url and --service-id belong together.")
    with _one_sentence():
        if hub_url and service_id:
            oauth = HubOAuth(hub_url.rstrip("/"), service_id, os.environ.get(SERVICE_SECRET))
            asked: tuple[str, ...] = (HUB_ID, service_id)
        else:
            state = _state(context)
            oauth, own = state.oauth, (HUB_ID, state.config.service_id)
            asked = state.config.scope if user else own
        found = _token(oauth, user, scope or asked)
    life = found.expires_at - int(oauth.now())
    click.echo(f"Good for {life} seconds.", err=True)
    value = found.access_token.reveal()
    click.echo(json.dumps({"access_token": value, "expires_in": life}) if as_json else value)


@hub.command("check", with_appcontext=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Say what is wrong with the set-up; exits 1 for warnings, 2 for errors. Asks Hub, HUB_SERVICES and the store."""

    def tell(findings: list[Finding]) -> int:
        if as_json:
            output.tell(_json(findings))
        elif findings:
            told = (f"{each.level} {each.code}\n{each.seen}\n{each.do}".replace("\n", "\n  ") for each in findings)
            output.tell("\n\n".join(told))
        if not findings:
            click.echo("All is well.", err=True)
        return max([{"warning": 1, "error": 2}[each.level] for each in findings], default=0)

    with data_alone() as output:
        output.end(tell(examine(lambda: _application(context), lambda late: output.end_at_once(tell(late)))))


@hub.command("routes", with_appcontext=False)
@click.option("--check", "strict", is_flag=True, help="Exit 1 where an endpoint has neither a guard nor @hub_public.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def routes(context: click.Context, strict: bool, as_json: bool) -> None:
    """Print what guards each endpoint."""
    with data_alone() as output:
        with _one_sentence():
            app = _application(context)
            found = routes_of(app)
        if found or as_json:
            output.tell(_json(found) if as_json else _table(found))
    if EXTENSION not in app.extensions:
        click.echo(NO_HUBAUTH.format(app.name), err=True)
    if strict and any(each.is_open for each in found):
        names = ", ".join(dict.fromkeys(each.endpoint for each in found if each.is_open))
        click.echo(f"Nobody has said who may come to: {names}. Guard it, or mark it @hub_public.", err=True)
        sys.exit(1)


def _json(values: t.Sequence[t.Any]) -> str:
    return json.dumps([dataclasses.asdict(each) for each in values], indent=2)


def _table(found: t.Sequence[Route]) -> str:
    widths = [max(map(len, column)) for column in zip(*((each.endpoint, each.rule) for each in found), strict=True)]
    return "\n".join(f"{each.endpoint:{widths[0]}}  {each.rule:{widths[1]}}  {each.guard}" for each in found)


@hub.group("sessions")
def sessions() -> None:
    """The logins of a person at an application, by their id in Hub: current_hub_user.id, not the login."""


@sessions.command("list", with_appcontext=False)
@click.argument("user_id")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def sessions_list(context: click.Context, user_id: str, as_json: bool) -> None:
    """Print the logins of the person with this Hub id: since when, and when last seen (UTC)."""
    with _one_sentence():
        found = sessions_of(_state(context).keeper, user_id)
    if as_json:
        click.echo(json.dumps([{"since": each.since, "last_seen": each.last_seen} for each in found]))
        return
    if not found:
        click.echo(f"There is none, under this SECRET_KEY. {WHOSE_ID}", err=True)
        return
    click.echo(f"{'since':20}  last seen (UTC)", err=True)
    for each in found:
        click.echo(f"{_moment(each.since)}  {_moment(each.last_seen)}")


@sessions.command("end", with_appcontext=False)
@click.argument("user_id")
@click.pass_context
def sessions_end(context: click.Context, user_id: str) -> None:
    """Sign the person with this Hub id out everywhere at this application."""
    with _one_sentence():
        ended = end_sessions(_state(context).keeper, user_id)
    click.echo(f"Ended: {ended}." if ended else f"Ended: 0, under this SECRET_KEY. {WHOSE_ID}", err=True)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _token(oauth: HubOAuth, user: str | None, scope: t.Sequence[str]) -> HubToken:
    if user is None:
        return oauth.for_service(scope)
    password = secret_of(PASSWORD, f"Password of {user}: ")
    try:
        return oauth.for_password(user, password, scope=scope)
    except TokenRejected as refusal:
        raise HubConfigError(
            f"Hub does not take this user name and password ({refusal.description}). Who signs in through Google, SAML"
            " or the like needs a password of Hub's own."
        ) from None


def _administrator(user: str | None) -> Secret | tuple[str, Secret]:
    if user:
        return user, secret_of(PASSWORD, f"Password of {user}: ")
    return secret_of(ADMIN_TOKEN, "Administrator's token: ")


def _application(context: click.Context) -> Flask:
    with contextlib.redirect_stdout(sys.stderr):  # What an application says when it is loaded is no data.
        return context.ensure_object(ScriptInfo).load_app()


def _state(context: click.Context) -> HubState:
    app = _application(context)
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, HubState):
        raise HubConfigError(NO_HUBAUTH.format(app.name))
    return state


@contextlib.contextmanager
def _one_sentence(forbidden: str | None = None) -> t.Iterator[None]:
    """What Hub or the settings refuse ends the command: one sentence on standard error, and exit status 1."""
    try:
        yield
    except HubError as error:
        click.echo(_words(error, forbidden), err=True)
        sys.exit(1)
    except UnicodeError:
        click.echo("What was given is no text in UTF-8.", err=True)
        sys.exit(1)


def _words(error: HubError, forbidden: str | None) -> str:
    if isinstance(error, TokenRejected):
        return "Hub does not take this token, or this user name and password."
    if forbidden and isinstance(error, HubRefused) and error.error.lower() in ("forbidden", "access_denied"):
        return forbidden
    if isinstance(error, HubProtocolError):
        return f"{error} Compare the address with Hub's base, which may have a path, such as /hub."
    return str(error)
