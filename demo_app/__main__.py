"""``python -m demo_app``: serves until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

TOKEN_LIFE = 60

ENVIRONMENT = """\
environment:
  DEMO_TOKEN_LIFE=SECONDS  how long tokens of the dev Hub live (default: 60)
  DEMO_UNTRUSTED=true      the dev Hub asks people for their consent
  FLASK_HUB_LOGOUT_FROM_HUB=rp|required  signing out ends the login at Hub too
  FLASK_HUB_OPENID=true    sign in with OpenID Connect
  FLASK_HUB_URL, FLASK_HUB_SERVICE_ID, FLASK_HUB_SERVICE_SECRET, FLASK_HUB_SERVICE_URL
                           a real Hub instead; "flask hub register" prints them
"""


def main(argv: list[str] | None = None) -> int:
    """0 after Ctrl-C or SIGTERM, 1 where nothing can be served, 2 for wrong settings or usage."""
    # Before anything else, and so before the slow imports: Ctrl-C is no traceback at any time.
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())

    parser = argparse.ArgumentParser(
        "python -m demo_app",
        description="Sign in with Hub, on this machine.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="log on standard error")
    verbose = parser.parse_args(argv).verbose
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")
    # Werkzeug gives itself a level where it has none, and then tells about every request.
    logging.getLogger("werkzeug").setLevel(logging.INFO if verbose else logging.ERROR)

    from flask_hub_auth import HubConfigError

    from .serving import CannotServe, WrongValue, given, start

    try:
        running, line = start(os.environ, token_life=token_life(os.environ.get("DEMO_TOKEN_LIFE", "")))
    except (WrongLife, WrongValue) as error:
        print(error, file=sys.stderr)
        return 2
    except HubConfigError as error:
        print("\n".join(filter(None, [str(error), given(os.environ)])), file=sys.stderr)
        return 2
    except CannotServe as error:
        print(error, file=sys.stderr)
        return 1
    with running:
        print(line, flush=True)
        ended.wait()
    return 0


class WrongLife(ValueError):
    """``DEMO_TOKEN_LIFE`` makes no sense; the text is a sentence."""


def token_life(text: str) -> int:
    """The seconds in ``DEMO_TOKEN_LIFE``."""
    if not text:
        return TOKEN_LIFE
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise WrongLife(f"DEMO_TOKEN_LIFE must be a whole number of seconds, at least 1, got {text!r}. Example: 60.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
