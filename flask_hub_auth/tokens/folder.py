"""The folder in which logins are kept: whom it must not be open to."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
import typing as t
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import HubConfigError

UNFINISHED: t.Final = ".__wz_cache"
"""How the names of files end that are being written: cachelib takes none of these for a record."""


def folder_problem(address: str) -> str | None:
    """What is wrong with an address of a folder; None if nothing is. Nothing is looked at yet."""
    for mark, code in {"?": "%3F", "#": "%23"}.items():
        if mark in address:
            return f"must be a folder without options: in its name write {code} for {mark}"
    if "\0" in unquote(urlsplit(address).path):
        return "must be a folder whose name has no null character (%00)"
    return None


def close_empty(folder: Path, *, besides: Path) -> None:
    """Close a folder of our own to others if it holds nothing, or nothing `besides` one file."""
    if _is_ours(folder) and not folder.is_symlink() and all(path == besides for path in folder.iterdir()):
        folder.chmod(0o700)


def _is_ours(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


def check_folder(folder: Path) -> None:
    """Refuse a folder that others may read or write."""
    if folder.is_symlink():
        raise HubConfigError(f"HUB_CACHE: {folder} is a symbolic link. Give the folder itself.")
    if not _is_ours(folder):
        raise HubConfigError(f"HUB_CACHE: {folder} belongs to another user. Give a folder of the user who serves.")
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        raise HubConfigError(f"HUB_CACHE: others may read or write {folder}. Close it: chmod 700 {folder}")
    above = folder.parent.stat()
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        raise HubConfigError(f"HUB_CACHE: everybody may write in {folder.parent}, and so replace {folder.name} there.")


def age(path: Path) -> float:
    """Seconds since `path` was last written; infinite if it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def write(path: Path, data: bytes) -> None:
    """Put a file of our own in place of `path`, whole or not at all; raises ``OSError``, and leaves nothing then."""
    descriptor, unfinished = tempfile.mkstemp(suffix=UNFINISHED, dir=path.parent)  # closed to others
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
