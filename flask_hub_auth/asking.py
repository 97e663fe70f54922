"""What a command has to be told: asked for on the terminal, or a line of standard input."""

from __future__ import annotations

import getpass
import os
import sys

import click

from .model import Secret


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
