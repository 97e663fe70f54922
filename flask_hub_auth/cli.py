"""``flask hub ...``"""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

hub = AppGroup("hub", help="Login with JetBrains Hub.")


@hub.command(
    "dev",
    with_appcontext=False,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def dev(options: tuple[str, ...]) -> None:
    """Serve a Hub for development on loopback. Its options: flask hub dev --help."""
    # Only this command needs the dev Hub; a production process never loads it.
    from .devhub.__main__ import main

    sys.exit(main(list(options), prog="flask hub dev"))
