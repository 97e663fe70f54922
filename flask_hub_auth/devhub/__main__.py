"""``python -m flask_hub_auth.devhub``: a Hub on loopback, until Ctrl-C."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading

from .hub import REDIRECT_URIS, SERVICE_ID, SERVICE_SECRET, DevHub
from .serving import PortTaken, serve

PORT = 8099

ABOUT = """What is registered or changed there is lost at its end.

People (the password is the name), and their groups; Developers and Administrators are in the group Staff:
  admin    All Users, Administrators; a system administrator
  jane     All Users, Developers
  john     All Users
  mallory  All Users; banned
  guest    none"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a dev Hub, for any command that starts one."""
    flag = argparse.BooleanOptionalAction
    parser.add_argument("--port", type=int, default=PORT, help=f"port on loopback (default: {PORT}; 0: a free one)")
    parser.add_argument("--hub-path", default="/hub", metavar="PATH", help="where Hub is on its host (default: /hub)")
    parser.add_argument("--service-id", default=SERVICE_ID, metavar="ID", help="id of the service")
    parser.add_argument("--service-secret", default=SERVICE_SECRET, metavar="SECRET", help="empty: a public client")
    parser.add_argument(
        "--redirect-uri", action="append", metavar="URI", help=f"repeatable; default: {' and '.join(REDIRECT_URIS)}"
    )
    parser.add_argument("--trusted", action="store_true", default=True, help="ask nobody for consent (default)")
    parser.add_argument(
        "--untrusted", "--no-trusted", dest="trusted", action="store_false", help="ask people for their consent"
    )
    parser.add_argument("--token-life", type=_seconds, default=3600, metavar="SECONDS", help="default: 3600")
    parser.add_argument("--rotate", action="store_true", help="a new refresh token at each renewal")
    parser.add_argument("--guest", action=flag, default=True, help="whether the guest may come in")
    parser.add_argument("--secrets", action=flag, default=True, help="whether a new service gets a secret")
    parser.add_argument("--permissions", action=flag, default=True, help="whether Hub itself serves permissions")
    tokens = "classic: signed, which HUB_BEARER 'signed' can check (default); opaque: as of recent Hubs"
    parser.add_argument("--tokens", choices=("classic", "opaque"), default="classic", help=tokens)


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"a token lives at least a second, got {text}")
    return seconds


def from_options(options: argparse.Namespace) -> DevHub:
    """The Hub that these options describe; not served yet."""
    return DevHub(
        url=f"http://localhost:{options.port}/{options.hub_path.strip('/')}",
        service_id=options.service_id,
        service_secret=options.service_secret,
        redirect_uris=options.redirect_uri or REDIRECT_URIS,
        trusted=options.trusted,
        token_life=options.token_life,
        rotate=options.rotate,
        guest=options.guest,
        tokens=options.tokens,
        gives_secrets=options.secrets,
        serves_permissions=options.permissions,
    )


def exports(hub: DevHub) -> list[str]:
    """The settings of an application for this Hub, as a shell reads them."""
    address = hub.service.redirect_uris[0].removesuffix("/authorized")
    settings = {"URL": hub.url, "SERVICE_ID": hub.service_id, "SERVICE_SECRET": hub.service_secret}
    settings |= {"SERVICE_URL": address} if address != hub.service.redirect_uris[0] else {}
    return [f"export FLASK_HUB_{name}={shlex.quote(value)}" for name, value in settings.items() if value]


def main(argv: list[str] | None = None, prog: str | None = None) -> int:
    """Serves until Ctrl-C or SIGTERM; 1 where the port is taken, 2 for wrong usage (from argparse)."""
    parser = argparse.ArgumentParser(
        prog or "python -m flask_hub_auth.devhub",
        description=f"A Hub for development. {ABOUT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    options = parser.parse_args(argv)
    try:
        served = serve(from_options(options), port=options.port)
    except (PortTaken, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    hub = served.hub
    users = ", ".join(hub.people.users)
    line = f"Hub at {hub.url}, service {hub.service_id}, users (the password is the name): {users}. Ctrl-C ends it."
    print("\n".join([line, *exports(hub)]), flush=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    # The system may give the signal to another thread, which does not wake this one.
    while not ended.wait(0.5):
        pass
    served.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
