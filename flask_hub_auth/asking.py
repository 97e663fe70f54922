"""What a command has to be told: asked for on the terminal, or a line of standard input."""

from __future__ import annotations

import getpass
import os
import re
import sys

import click

from .model import Secret
from .pages import clean


def absolute(context: click.Context, option: click.Parameter, uris: tuple[str, ...]) -> tuple[str, ...]:
    """URIs that Hub can send somebody to: with a scheme, of any kind, and without a fragment (RFC 6749 section 3.1.2).

    A host with a port would be one too, by its letters.
    """
    for uri in uris:
        found = re.fullmatch(r"(?i)(?!https?:(?!//[^/?]))[a-z][a-z0-9+.-]*:(?![0-9]+(/|$))[!-~]+", uri)
        if not found or "#" in uri:
            raise click.BadParameter(
                f"{clean(uri)!r} is no absolute URI, like https://myservice.mycompany.com/authorized."
            )
    return uris


def secret_of(variable: str, question: str) -> Secret:
    """A secret from the environment, the terminal, or a line of standard input."""
    return Secret(os.environ.get(variable) or asked_for(question, hidden=True))


def asked_for(question: str, *, hidden: bool = False) -> str:
    """An answer from the terminal, or a line of standard input; :class:`click.UsageError` where there is none."""
    if not sys.stdin.isatty():
        answer = sys.stdin.readline().rstrip("\r\n")
    elif hidden:
        answer = getpass.getpass(question, stream=sys.stderr)
    else:
        click.echo(question, nl=False, err=True)
        answer = sys.stdin.readline().strip()
    if not answer:
        raise click.UsageError(f"Nothing was given for: {question.rstrip(': ')}.")
    return answer
