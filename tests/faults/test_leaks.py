"""Many logins and logouts leave nothing behind: in the workers, and in the store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from .house import PEOPLE, House, memory_of, size
from .load import Say

THREADS = 4
HOUSE = {"threads": THREADS}
WARM, COUNT = size((80, 120), (400, 1000))
MARKER = 600
"""Seconds for which a login leaves a marker behind, that it has been used."""
MEMORY = size(0.03, 0.01)
"""By which share of it a worker may grow."""


def held(pid: int) -> tuple[int, int]:
    """How many files and how many threads a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def ends(house: House) -> Iterator[float]:
    """In how many seconds each record of the store is over."""
    if house.redis:
        yield from (house.redis.control.ttl(key) for key in house.redis.control.scan_iter("*"))
    else:
        yield from (int.from_bytes(path.read_bytes()[:4], "little") - time.time() for path in house.records())


def test_many_logins_and_logouts_leave_only_what_is_soon_over(house: House, say: Say) -> None:
    """R62"""

    def once(login: str) -> None:
        browser = house.workers.sign_in(login)
        assert house.get(browser, "/who").status_code == 200
        assert house.sign_out(browser).status_code == 302

    def many(count: int) -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(once, [PEOPLE[number % len(PEOPLE)] for number in range(count)]))

    many(WARM)
    pids = house.workers.until_all_answer()
    before = {pid: (held(pid), memory_of(pid, "VmRSS")) for pid in pids}
    records = house.count_records()
    many(COUNT)
    assert house.workers.until_all_answer() == pids
    for pid, ((files, threads), memory) in before.items():
        (files_now, threads_now), memory_now = held(pid), memory_of(pid, "VmRSS")
        say(f"files {files} → {files_now}, threads {threads} → {threads_now}, memory {memory} → {memory_now}")
        assert files_now <= files + 2 * THREADS, "a connection to Hub and one to Redis for each thread"
        assert threads_now <= threads + THREADS
        assert memory_now <= memory * (1 + MEMORY)
    assert house.count_records() - records == COUNT, "a marker for each login"
    assert max(ends(house)) <= MARKER
