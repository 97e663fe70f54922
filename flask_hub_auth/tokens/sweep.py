"""Takes what is over out of a folder of cachelib's files."""

from __future__ import annotations

import logging
import os
import re
import struct
import typing as t
from pathlib import Path

from ..errors import StoreUnavailable
from .folder import UNFINISHED, age
from .locks import Locks

log = logging.getLogger("flask_hub_auth")

SWEEP_SECONDS: t.Final = 600


def sweep(folder: Path, locks: Locks, *, name_length: int, now: float) -> None:
    """Throw away what is over, at most every ten minutes and by one process.

    :param name_length: how many hexadecimal digits the name of a record has
    :param now: by the clock that made the ends of the records
    """
    try:
        with locks.hold("write", "sweep", wait=0) as held:
            mark = folder / "locks" / "swept"
            if not held or age(mark) < SWEEP_SECONDS:
                return
            mark.touch(mode=0o600)
            for entry in os.scandir(folder):
                if entry.is_file(follow_symlinks=False) and _is_over(entry, name_length, now):
                    Path(entry.path).unlink(missing_ok=True)
    except (OSError, StoreUnavailable) as error:
        # Tidying up is nobody's errand: the login during which it fails is good.
        log.warning("the folder of the store could not be swept: %s", error)


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
