"""``python -m tests.faults.standing_hub``: a dev Hub whose memory outlives its port, as that of a Hub with a database.

Takes orders on standard input, one a line: a number, then ``close`` or ``open`` (the port), ``secret WORD`` (from then
on that of its service), ``rotate`` or ``keep`` (refresh tokens), ``url ADDRESS`` (under which everybody knows it). Says
``done NUMBER`` when it is so. The options are those of the dev Hub.
"""

from __future__ import annotations

import argparse
import sys

from flask_hub_auth.devhub import serve
from flask_hub_auth.devhub.__main__ import add_options, from_options


def main() -> None:
    """Serves until its standard input ends."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = parser.parse_args()
    hub = from_options(options)
    served = serve(hub, port=options.port)
    print(f"Hub at {hub.url}, with {hub.service_id}.", flush=True)
    for line in sys.stdin:
        number, order, *words = line.split()
        if order == "close":
            served.stop()
        elif order == "open":
            served = serve(hub, port=options.port)
        elif order == "secret":
            with hub.lock:
                hub.service.secret = words[0]
        elif order in ("rotate", "keep"):
            hub.rotate = order == "rotate"
        elif order == "url":
            hub.url = words[0]
        print(f"done {number}", flush=True)
    served.stop()


if __name__ == "__main__":
    main()
