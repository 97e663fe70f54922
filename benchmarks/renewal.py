"""What the renewal of a token and a guarded request cost, as tables: README.md says how to read them.

``python -m benchmarks.renewal`` takes a few minutes, with ``--quick`` seconds. It exits with 1 where a storm made more
or less than one call to Hub's token endpoint, or an answer was no 200.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.redis_servers import RedisServer

from . import guarded, storms


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    requests: Sequence[int]
    processes: Sequence[int]
    storms: int
    guarded: int


FULL = Sizes(requests=(1, 10, 100, 1000), processes=(1, 2, 4), storms=3, guarded=5000)
QUICK = Sizes(requests=(1, 20), processes=(1, 2), storms=1, guarded=500)
FILES = 10_000

STORM_COLUMNS = [
    "store ",
    "processes",
    "requests",
    "most at once",
    "token calls",
    "    answers",
    "median wait",
    "worst wait",
    "worst beyond Hub",
    "median without",
    "worst without",
    "worst : worst without",
]
GUARDED_COLUMNS = ["store ", "bare view", "guarded view", "guarded : bare", "on top", "may be on top", "kept"]


def main() -> int:
    """Measures and prints; 1 where something is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.renewal", description="The cost of renewals as tables.")
    parser.add_argument("--quick", action="store_true", help="small sizes, less than half a minute")
    sizes = QUICK if parser.parse_args().quick else FULL
    allow_many_files()
    say(f"Python {platform.python_version()} on {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    with redis_address() as redis:
        caches = {"memory": "memory://", "files": None, "Redis": redis}
        good = show_storms(caches, sizes)
        show_guarded(caches, sizes.guarded)
    if not good:
        say("\nNOT GOOD: a storm has to make one token call, and every answer has to be 200.")
    return 0 if good else 1


def show_storms(caches: dict[str, str | None], sizes: Sizes) -> bool:
    """The first table, row by row as it comes; whether all of it is good."""
    wait = f"{1000 * storms.HUB_SECONDS:.0f} ms"
    say(f"\nRequests at the same moment on one login whose token is over. Hub answers a renewal after {wait}.")
    say(f"Storms of each kind in a row: {sizes.storms}. Without: the same requests while the token is good.\n")
    say(row(STORM_COLUMNS, STORM_COLUMNS))
    good = True
    for store, cache in caches.items():
        # The memory of a process is its own: others would not know the login.
        for processes in (1,) if store == "memory" else sizes.processes:
            with storms.site(cache, processes, max(sizes.requests)) as site:
                for count in sizes.requests:
                    calm, renewing = site.storms(count, sizes.storms)
                    good &= renewing.good and set(calm.statuses) == {200}
                    say(row(STORM_COLUMNS, [store, str(processes), str(count), *storm_cells(calm, renewing)]))
    return good


def storm_cells(calm: storms.Storms, renewing: storms.Storms) -> list[str]:
    """What a row says of the storms themselves."""
    waits = (renewing.median, renewing.worst, renewing.worst - storms.HUB_SECONDS, calm.median, calm.worst)
    return [
        str(renewing.most),
        storms.calls_told(renewing.token_calls),
        storms.told(renewing),
        *(f"{1000 * seconds:.1f} ms" for seconds in waits),
        f"{renewing.worst / calm.worst:.1f}",
    ]


def show_guarded(caches: dict[str, str | None], rounds: int) -> None:
    """The second table."""
    say(
        f"\nA guarded request of a fresh login beside a bare view that reads the signed session: medians of {rounds}.\n"
    )
    say(row(GUARDED_COLUMNS, GUARDED_COLUMNS))
    for cost in guarded.costs(caches, rounds):
        times = [f"{micro:.0f} µs" for micro in (cost.bare, cost.guarded, cost.on_top, cost.target)]
        kept = "yes" if cost.on_top <= cost.target else "NO"
        say(row(GUARDED_COLUMNS, [cost.store, *times[:2], f"{cost.ratio:.2f}", *times[2:], kept]))


def row(columns: Sequence[str], cells: Sequence[str]) -> str:
    """A line of a table: each cell as wide as the name of its column, the first to the left."""
    first, *others = (len(name) for name in columns)
    return "   ".join([cells[0].ljust(first), *map(str.rjust, cells[1:], others)])


def say(line: str) -> None:
    """Prints at once, also into a pipe."""
    print(line, flush=True)


@contextlib.contextmanager
def redis_address() -> Iterator[str]:
    """The address of a Redis of our own."""
    with tempfile.TemporaryDirectory(prefix="renewal") as folder, RedisServer(Path(folder)) as server:
        yield server.url


def allow_many_files() -> None:
    """A thousand connections are a thousand open files, here and in every process that is started from here."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, wanted), most))


if __name__ == "__main__":
    sys.exit(main())
