"""Takes what is over out of a folder of cachelib's files, beside those who use it: of very many that takes seconds."""

from __future__ import annotations

import logging
import os
import re
import struct
import threading
import typing as t
from pathlib import Path

from ..errors import StoreUnavailable
from .folder import UNFINISHED, age
from .locks import Locks

log = logging.getLogger("flask_hub_auth")

SWEEP_SECONDS: t.Final = 600
GLANCE: t.Final = 0.05


def start_sweep(folder: Path, locks: Locks, *, name_length: int, now: float) -> None:
    """Throw away what is over, at most every ten minutes and by one process, in a thread of its own.

    Whoever starts it waits for :data:`GLANCE` seconds at most: a folder of few files is tidy then.

    :param name_length: how many hexadecimal digits the name of a record has
    :param now: by the clock that made the ends of the records
    """
    swept = threading.Event()

    def work() -> None:
        try:
            if _is_ours(folder / "locks" / "swept", locks):
                _sweep(folder, name_length, now)
        except (OSError, StoreUnavailable) as error:
            _complain(error)
        finally:
            swept.set()

    try:
        threading.Thread(target=work, name="hub-sweep", daemon=True).start()
    except RuntimeError as error:
        return _complain(error)
    swept.wait(GLANCE)


def _complain(error: Exception) -> None:
    # Tidying up is nobody's errand: the login during which it fails is good.
    log.warning("the folder of the store could not be swept: %s", error)


def _is_ours(mark: Path, locks: Locks) -> bool:
    """Whether it is time, and no other process does it. The lock, which strangers share, is free again at once."""
    with locks.hold("write", "sweep", wait=1) as held:
        due = held and age(mark) >= SWEEP_SECONDS
        if due:
            mark.touch(mode=0o600)
        return due


def _sweep(folder: Path, name_length: int, now: float) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and _is_over(entry, name_length, now):
                Path(entry.path).unlink(missing_ok=True)


def _is_over(entry: os.DirEntry[str], name_length: int, now: float) -> bool:
    """Whether a file has passed its end, or was left behind by a write that did not finish."""
    if entry.name.endswith(UNFINISHED):
        return age(Path(entry.path)) > SWEEP_SECONDS
    if not re.fullmatch(f"[0-9a-f]{{{name_length}}}", entry.name):
        return False
    try:
        with open(entry.path, "rb") as file:
            end = struct.unpack("I", file.read(4))[0]
    except (OSError, struct.error):
        return False
    return bool(0 < end < now)
