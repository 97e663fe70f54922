"""One contract for every store; and what only files can suffer."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pickle
import resource
import shutil
import stat
import subprocess
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from cachelib import FileSystemCache, MemcachedCache, NullCache, RedisCache, SimpleCache

from flask_hub_auth.errors import HubConfigError, StoreUnavailable
from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.locks import stripe
from flask_hub_auth.tokens.redis_store import RedisStore
from flask_hub_auth.tokens.store import RECORD_LIMIT, Store, cache_problem

from .conftest import PLACES, Place, Time, at_once, sweep, with_one_redis
from .processes import together

ROOT = hasattr(os, "getuid") and os.getuid() == 0
NOBODY = 65534


class Bomb:
    """Whoever unpickles this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class TestEveryStore:
    @pytest.mark.parametrize(
        "data",
        [b"", b"x", bytes(range(256)), b"\n\r\0", b"x" * RECORD_LIMIT],
        ids=["empty", "x", "all", "ends", "1 MiB"],
    )
    def test_bytes_come_back_as_they_were(self, store: Store, data: bytes) -> None:
        store.put("key", data, 100)
        # Redis says the same of a key that is not there and of one that holds nothing; no record is as short as that.
        assert store.get("key") == (None if isinstance(store, RedisStore) and not data else data)

    def test_the_last_put_counts(self, store: Store, place: Place) -> None:
        for data in (b"one", b"two", b"three" * 1000, b"4"):
            store.put("key", data, 100)
            assert store.get("key") == data
        assert place.entries() == 1

    def test_what_is_not_there_is_none(self, store: Store) -> None:
        assert store.get("key") is None
        store.delete("key")
        store.put("key", b"data", 100)
        assert store.get("key2") is store.get("ke") is store.get("KEY") is store.get("") is None

    def test_what_was_deleted_is_gone(self, store: Store, place: Place) -> None:
        """S49"""
        store.put("key", b"data", 100)
        store.put("other", b"other", 100)
        store.delete("key")
        assert store.get("key") is None
        assert store.get("other") == b"other"
        assert place.entries() == 1

    def test_an_entry_ends(self, store: Store, clock: Time) -> None:
        store.put("short", b"short", 10)
        store.put("long", b"long", 100)
        store.put("over", b"over", -5)
        clock.advance(8)
        assert store.get("short") == b"short"
        clock.advance(4)
        assert store.get("short") is store.get("over") is None
        assert store.get("long") == b"long"

    @pytest.mark.parametrize("years", [50, 100, 100_000])
    def test_an_entry_can_last_longer_than_anybody(self, store: Store, years: int) -> None:
        store.put("key", b"data", years * 365 * 86400)
        assert store.get("key") == b"data"

    def test_a_record_that_is_too_large_is_refused_and_leaves_the_one_before(self, store: Store) -> None:
        """S62"""
        store.put("key", b"before", 100)
        with pytest.raises(StoreUnavailable, match=f"{RECORD_LIMIT + 1} bytes"):
            store.put("key", b"x" * (RECORD_LIMIT + 1), 100)
        assert store.get("key") == b"before"

    @with_one_redis
    def test_one_of_a_hundred_threads_claims(self, store: Store) -> None:
        """S27"""
        for number in range(5):
            claims = at_once([partial(store.claim, f"used:{number}", 100)] * 100)
            assert sum(claims) == 1

    def test_a_claim_holds_until_its_end(self, store: Store, clock: Time) -> None:
        assert store.claim("used", 10)
        assert not store.claim("used", 10)
        assert store.claim("other", 10)
        clock.advance(8)
        assert not store.claim("used", 10)
        clock.advance(4)
        assert store.claim("used", 10)

    def test_what_one_writes_another_sees(self, place: Place) -> None:
        if place.open is None:
            pytest.skip("nobody else gets at the memory of a process")
        other = place.open()
        place.store.put("key", b"data", 100)
        assert other.get("key") == b"data"
        assert not (other.claim("used", 9) and place.store.claim("used", 9))
        other.delete("key")
        assert place.store.get("key") is None

    def test_nobody_reads_half_of_a_record(self, store: Store) -> None:
        """R43"""
        records = [bytes([letter]) * 20_000 for letter in range(8)]
        store.put("key", records[0], 100)
        seen: set[bytes] = set()

        def write(record: bytes) -> None:
            for _ in range(30):
                store.put("key", record, 100)

        def read() -> None:
            for _ in range(200):
                seen.add(store.get("key") or b"nothing")

        at_once([*(partial(write, record) for record in records), *[read] * 4])
        assert seen <= set(records)

    @with_one_redis
    def test_ten_thousand_records_are_all_still_there(self, store: Store, place: Place) -> None:
        """R41"""
        for number in range(10_000):
            store.put(f"hub_{number}", b"%d" % number, 1000)
        sweep(store)
        missing = [number for number in range(10_000) if store.get(f"hub_{number}") != b"%d" % number]
        assert missing == []
        assert place.entries() == 10_000

    def test_the_sweep_throws_away_what_is_over_and_nothing_else(self, store: Store, place: Place, clock: Time) -> None:
        """R62"""
        for number in range(20):
            store.put(f"short{number}", b"x", 10)
            store.put(f"long{number}", b"x", 1000)
        clock.advance(12)
        assert place.entries() == (20 if place.is_redis else 40)
        sweep(store)
        assert place.entries() == 20
        assert all(store.get(f"long{number}") == b"x" for number in range(20))

    @pytest.mark.parametrize("place", PLACES, indirect=True)
    def test_the_sweep_runs_once_in_ten_minutes(self, place: Place, clock: Time) -> None:
        """Redis does without, and throws away by itself what is over."""
        stores = [place.store, *([place.open()] if place.open and place.folder else [])]
        sweep(stores[0])
        stores[0].put("short", b"x", 10)
        clock.advance(580)
        for store in stores:
            sweep(store)
            assert place.entries() == 1
        clock.advance(1210)
        sweep(stores[-1])
        assert place.entries() == 0

    def test_nothing_is_ever_unpickled(self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """S46, R38"""
        planted = {
            "bomb": Bomb(tmp_path / "exploded"),
            "raw bomb": pickle.dumps(Bomb(tmp_path / "exploded")),
            "integer": 7,
            "list": [b"x"],
            "text": "x",
            "none": None,
        }
        for key, value in planted.items():
            place.plant(key, value)

        def refuse(*args: object, **kwargs: object) -> None:
            raise AssertionError("something was unpickled")

        for name in ("loads", "load", "Unpickler"):
            monkeypatch.setattr(pickle, name, refuse)
        for key in planted:
            found = place.store.get(key)
            assert found is None or isinstance(found, bytes), key
            assert isinstance(found, bytes) or not place.store.claim(key, 10) or place.store.get(key) == b"used"
            place.store.put(key, b"own", 100)
            assert place.store.get(key) == b"own"
        sweep(place.store)
        assert not (tmp_path / "exploded").exists()

    def test_ten_megabytes_under_a_key_do_not_fill_the_memory(self, place: Place) -> None:
        """S46"""
        place.plant("key", b"n" * 10_000_000)
        tracemalloc.start()
        try:
            found = place.store.get("key")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert found is None or not (place.folder or place.is_redis)
        # Files are looked at first; of Redis it takes as much as a record may have, and one byte more.
        assert peak < (4_000_000 if place.is_redis else 1_000_000)


def test_an_object_that_was_given_stays_as_it_was(tmp_path: Path) -> None:
    """The application goes on with its own values, next to ours."""
    for cache in (SimpleCache(threshold=77), FileSystemCache(str(tmp_path / "cache"), threshold=77)):
        before = dict(vars(cache))
        serializer = cache.serializer
        store = open_store(cache, "/nowhere")
        cache.set("mine", {"a": [1]}, timeout=0)
        store.put("ours", b"data", 100)
        sweep(store)
        assert cache.get("mine") == {"a": [1]}
        assert store.get("ours") == b"data"
        assert cache.serializer is serializer
        assert vars(cache) == before


@pytest.mark.parametrize(
    ("cache", "words"),
    [
        (NullCache(), "got a NullCache"),
        (object(), "got a object"),
        (7, "got a int"),
        (MemcachedCache.__new__(MemcachedCache), "got a MemcachedCache"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_another_cache_is_refused_with_the_reason(cache: object, words: str, tmp_path: Path) -> None:
    assert words in (cache_problem(cache) or "")
    assert "unpickling" in (cache_problem(cache) or "")
    with pytest.raises(HubConfigError, match=words):
        open_store(cache, str(tmp_path))


def test_a_cache_that_can_be_used_has_no_problem(tmp_path: Path) -> None:
    """Nothing is asked for that, and what is away today need not be away when somebody comes."""
    addresses = [
        "redis://redis",
        "redis://redis:6379/15?socket_timeout=0.2&health_check_interval=30",
        "redis://jane:p%40ss@redis:6379/0",
        "redis://[::1]:6379/",
        "redis://redis/0?client_name=shop&max_connections=50&socket_connect_timeout=1e-1&socket_keepalive=True&protocol=3",
        "rediss://redis/0?username=jane&password=p%40ss&ssl_cert_reqs=none&ssl_check_hostname=false",
        "rediss://redis:6380/0?ssl_ca_certs=/etc/ssl/certs/mycompany.pem",
        "unix:///run/redis/redis.sock?db=1",
    ]
    caches = (None, "memory://", SimpleCache(), FileSystemCache(str(tmp_path / "c")), RedisCache("redis"), *addresses)
    assert [problem for cache in caches if (problem := cache_problem(cache))] == []


BAD_SECONDS = ("", "soon", "0", "-1", "nan", "inf", "61", "1000000", "None")
FOR_OBJECTS = (
    "retry",
    "encoding",
    "redis_connect_func",
    "credential_provider",
    "parser_class",
    "connection_class",
    "host",
)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis://jane:canary@redis:abc/0", "must have a port"),
        ("redis://jane:canary@redis:99999999/0", "must have a port"),
        ("redis://jane:canary@redis/logins", "the number of a database"),
        ("redis://jane:canary@redis/0/1", "the number of a database"),
        ("redis://jane:canary@redis/0?db=logins", "(db)"),
        ("redis://jane:canary@redis/0?socket_timeout=soon", "(socket_timeout)"),
        ("redis://jane:canary@redis/0?max_connections=many", "(max_connections)"),
        ("redis://redis/0?password=canary&nonsense=1", "(nonsense)"),
        ("redis://jane:canary@redis/0?decode_responses=true", "(decode_responses)"),
        (
            "rediss://jane:canary@redis/0?ssl_cert_reqs=sometimes",
            "one of required, optional, none as its option (ssl_cert_reqs)",
        ),
        ("unix:///run/redis.sock?password=canary&db=x", "(db)"),
        ("unix:///run/redis.sock?socket_keepalive=true", "(socket_keepalive)"),
        ("redis://redis/0?ssl_ca_certs=canary.pem", "(ssl_ca_certs)"),
        ("redis://:can?ary@redis/0", "must have a port"),
        ("redis://jane:6379?canary=1@redis/0", "must have no unknown option; known are client_name, db,"),
        ("redis://:canary@redis/0#1", "write %23"),
        ("redis://[::1/0", "must have a port"),
        ("redis://redis/0?socket_timeout=0.5&socket_timeout=9", "once (socket_timeout)"),
        *[
            (f"redis://redis/0?socket_timeout={value}", "at most 60 as its option (socket_timeout)")
            for value in BAD_SECONDS
        ],
        *[
            (f"redis://redis/0?socket_connect_timeout={value}", "at most 60 as its option (socket_connect_timeout)")
            for value in BAD_SECONDS
        ],
        *[(f"redis://redis/0?{name}=x", f"unknown option ({name}); known are client_name") for name in FOR_OBJECTS],
        *[
            (f"redis://redis/0?max_connections={value}", "1 to 1000000 as its option (max_connections)")
            for value in ("0", "-5", "1e3")
        ],
        ("redis://redis/0?health_check_interval=0.5", "(health_check_interval)"),
        ("redis://redis/0?protocol=9", "one of 2, 3 as its option (protocol)"),
        ("redis://redis/0?client_name=a%20b", "(client_name)"),
        ("redis://redis/0?username=", "(username)"),
    ],
)
def test_an_address_that_redis_py_cannot_use_is_refused_at_the_start(address: str, words: str) -> None:
    """S86, S94"""
    problem = cache_problem(address) or ""
    assert problem.startswith("HUB_CACHE must ")
    assert words in problem
    assert "canary" not in problem
    with pytest.raises(HubConfigError, match="HUB_CACHE must"):
        open_store(address, "/nowhere")


def test_a_redis_cache_around_something_else_is_refused_with_the_reason() -> None:
    assert "around a dict" in (cache_problem(RedisCache({})) or "")
    for client, words in {
        redis.Redis(decode_responses=True): "decode_responses",
        redis.Redis().pipeline(): "pipeline",
        redis.asyncio.Redis(): "redis.asyncio",
    }.items():
        assert words in (cache_problem(RedisCache(client)) or "")


@pytest.mark.parametrize(("name", "words"), [("a%00b", "%00"), ("x?threshold=5", "%3F"), ("x#y", "%23"), ("x?", "%3F")])
def test_an_address_of_a_folder_that_would_be_cut_is_refused(name: str, words: str, tmp_path: Path) -> None:
    """S94"""
    address = f"file://{tmp_path}/{name}"
    assert words in (cache_problem(address) or "")
    with pytest.raises(HubConfigError, match="HUB_CACHE must be a folder"):
        open_store(address, "/nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"), [({"socket_timeout": 5}, "waits 5 s"), ({"socket_timeout": None}, "waits for ever")]
)
def test_a_client_that_would_keep_requests_waiting_is_named(
    options: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """R31"""
    open_store(RedisCache(redis.Redis(**options)), "/nowhere")
    assert words in caplog.text
    caplog.clear()
    open_store(RedisCache(redis.Redis(socket_timeout=0.5)), "/nowhere")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("FileSystemCache", {}, "past 500 entries what else uses this FileSystemCache"),
        ("FileSystemCache", {"threshold": 7}, "Make it with threshold=0,"),
        ("FileSystemCache", {"threshold": -1}, "past -1 entries"),
        ("FileSystemCache", {"threshold": 0}, ""),
        ("FileSystemCache", {"threshold": 1_000_000}, ""),
        ("SimpleCache", {}, "past 500 entries what else uses this SimpleCache"),
        ("SimpleCache", {"threshold": 0}, "Make it with threshold=1000000,"),
        ("SimpleCache", {"threshold": 1_000_000}, ""),
    ],
)
def test_a_cache_whose_other_use_would_drop_logins_is_named(
    kind: str, given: dict[str, Any], words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """R41"""
    cache = SimpleCache(**given) if kind == "SimpleCache" else FileSystemCache(str(tmp_path / "cache"), **given)
    open_store(cache, "/nowhere")
    assert [(record.levelname, words in record.message) for record in caplog.records] == [("WARNING", True)] * bool(
        words
    )
    caplog.clear()
    open_store("memory://", "/nowhere")
    open_store((tmp_path / "logins").as_uri(), "/nowhere")
    assert caplog.records == []


class TestMemory:
    def test_entries_of_the_application_that_never_end_outlive_the_sweep(self) -> None:
        cache = SimpleCache()
        cache.set("for ever", 1, timeout=0)
        sweep(open_store(cache, "/nowhere"))
        assert cache.get("for ever") == 1


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "above" / "logins"

    @pytest.fixture
    def store(self, folder: Path) -> Store:
        return open_store(folder.as_uri(), "/nowhere")

    def test_the_default_is_a_folder_of_the_instance(self, tmp_path: Path) -> None:
        open_store(None, str(tmp_path)).put("key", b"data", 100)
        assert open_store(None, str(tmp_path)).get("key") == b"data"
        assert (tmp_path / "hub-logins").is_dir()

    def test_an_address_may_have_any_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "ä b%20?#;c"
        open_store(folder.as_uri(), "/nowhere").put("key", b"data", 100)
        assert folder.is_dir()

    def test_one_of_four_processes_claims(self, folder: Path, store: Store) -> None:
        """S27"""
        won = together(
            """
            from flask_hub_auth.tokens import open_store
            store = open_store(sys.argv[1], "/nowhere")
            began = go()

            def claims(number):
                wait_until(began + number * 0.004)
                return store.claim(f"used:{number}", 100)

            print(*[number for number in range(100) if claims(number)])
            """,
            folder.as_uri(),
        )
        assert sorted(int(number) for lines in won for number in lines[0].split()) == list(range(100))
        assert sum(bool(lines[0]) for lines in won) > 1, "one process was through before the others began"

    def test_nobody_else_may_read_or_write(self, folder: Path) -> None:
        """C20"""
        folder.parent.mkdir()
        before = os.umask(0)
        try:
            store = open_store(folder.as_uri(), "/nowhere")
            store.put("key", b"data", 100)
            store.claim("used", 100)
            sweep(store)
        finally:
            os.umask(before)
        modes = {path.relative_to(folder): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert modes.pop(Path("locks")) == 0o700
        assert len(modes) >= 4
        assert set(modes.values()) == {0o600}

    def test_the_files_of_a_cache_for_everybody_are_closed_too(self, tmp_path: Path) -> None:
        """C20"""
        folder = tmp_path / "cache"
        store = open_store(FileSystemCache(str(folder), mode=0o666, threshold=0), "/nowhere")
        store.put("key", b"data", 100)
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()} == {0o600}

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o704, 0o702, 0o777])
    def test_a_folder_that_others_may_enter_is_refused(self, folder: Path, mode: int) -> None:
        """C20, S94"""
        folder.mkdir(parents=True)
        if mode == 0o755:
            (folder / "record").touch()
        folder.chmod(mode)
        with pytest.raises(HubConfigError, match="chmod 700"):
            open_store(folder.as_uri(), "/nowhere")
        folder.chmod(0o700)
        open_store(folder.as_uri(), "/nowhere")

    @pytest.mark.parametrize("threshold", [0, 500])
    def test_the_empty_folder_of_a_cache_is_closed_instead(self, folder: Path, threshold: int) -> None:
        """C20"""
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        cache = FileSystemCache(str(folder), threshold=threshold)
        open_store(cache, "/nowhere").put("key", b"data", 100)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        open_store(cache, "/nowhere")

    def test_a_symbolic_link_is_refused(self, folder: Path, tmp_path: Path) -> None:
        """C20"""
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.parent.mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(HubConfigError, match="symbolic link"):
            open_store(folder.as_uri(), "/nowhere")

    @pytest.mark.skipif(not ROOT, reason="only root gives a folder away")
    def test_a_folder_of_another_user_is_refused(self, folder: Path) -> None:
        """C20"""
        folder.mkdir(parents=True, mode=0o700)
        os.chown(folder, NOBODY, NOBODY)
        with pytest.raises(HubConfigError, match="another user"):
            open_store(folder.as_uri(), "/nowhere")

    def test_a_folder_that_everybody_could_replace_is_refused(self, folder: Path) -> None:
        """C20"""
        folder.parent.mkdir()
        folder.parent.chmod(0o777)
        with pytest.raises(HubConfigError, match="everybody may write"):
            open_store(folder.as_uri(), "/nowhere")
        folder.parent.chmod(0o1777)
        open_store(folder.as_uri(), "/nowhere")

    def test_a_folder_that_cannot_be_made_is_refused(self, folder: Path) -> None:
        folder.parent.write_text("a file")
        with pytest.raises(HubConfigError, match="cannot be made"):
            open_store(folder.as_uri(), "/nowhere")

    def test_a_vanished_folder_is_no_answer_and_is_never_made_anew(self, folder: Path, store: Store) -> None:
        """R40"""
        store.put("key", b"data", 100)
        for gone in (folder, folder.parent):
            shutil.rmtree(gone)
            for ask in (
                lambda: store.get("key"),
                lambda: store.put("key", b"data", 100),
                lambda: store.claim("used", 100),
                lambda: store.get("key"),
            ):
                with pytest.raises(StoreUnavailable):
                    ask()
            sweep(store)
            assert not folder.exists()

    def test_a_folder_that_comes_back_is_used_without_a_restart(self, folder: Path, store: Store) -> None:
        """R40"""
        store.put("key", b"data", 100)
        folder.rename(folder.parent / "away")
        with pytest.raises(StoreUnavailable):
            store.get("key")
        (folder.parent / "away").rename(folder)
        assert store.get("key") == b"data"
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        assert store.get("key") is None
        assert store.claim("used", 100)
        assert stat.S_IMODE((folder / "locks").stat().st_mode) == 0o700

    def test_a_file_in_place_of_the_folder_is_no_answer(self, folder: Path, store: Store) -> None:
        """R40"""
        shutil.rmtree(folder)
        folder.write_text("a file")
        for ask in (lambda: store.get("key"), lambda: store.put("key", b"x", 9), lambda: store.claim("key", 9)):
            with pytest.raises(StoreUnavailable):
                ask()

    @pytest.fixture
    def folder_of_nobody(self) -> Iterator[Path]:
        """A folder of somebody who is not root, whom no permissions stop; not below pytest's, which are root's."""
        with tempfile.TemporaryDirectory() as folder:
            if ROOT:
                os.chown(folder, NOBODY, NOBODY)
            yield Path(folder)

    def test_what_may_not_be_read_or_written_is_no_answer_and_nobody_waits_for_it(self, folder_of_nobody: Path) -> None:
        """R40"""
        [lines] = together(
            """
            import os, time
            from pathlib import Path
            from flask_hub_auth.tokens import open_store
            from flask_hub_auth.errors import StoreUnavailable
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            folder = Path(sys.argv[1]) / "logins"
            store = open_store(folder.as_uri(), "/nowhere")
            store.put("key", b"data", 100)
            [record] = [path for path in folder.iterdir() if path.is_file()]
            asks = [lambda: store.get("key"), lambda: store.get("nothing"), lambda: store.put("key", b"new", 100)]
            asks += [lambda: store.claim("used", 100), lambda: store.delete("key")]
            go()

            def answers():
                for ask in asks:
                    began = time.monotonic()
                    try:
                        answer = repr(ask())
                    except StoreUnavailable:
                        answer = "StoreUnavailable"
                    yield answer if time.monotonic() - began < 1 else "too late"

            folder.chmod(0)
            print(*answers())
            folder.chmod(0o500)
            print(*answers())
            folder.chmod(0o700)
            record.chmod(0)
            print(next(answers()))
            record.chmod(0o600)
            folder.chmod(0o700)
            print(*answers())
            """,
            folder_of_nobody,
            count=1,
        )
        unavailable = "StoreUnavailable"
        assert lines[0].split() == [unavailable] * 5
        assert lines[1].split() == ["b'data'", "None", unavailable, unavailable, unavailable]
        assert lines[2].split() == [unavailable]
        assert lines[3].split()[:3] == ["b'data'", "None", "None"]
        assert unavailable not in lines[3]

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        """A file system with room for a few records."""
        disk = tmp_path / "disk"
        disk.mkdir()
        if not ROOT or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]).returncode:
            pytest.skip("only root, and not in every container, mounts a file system")
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    def test_a_full_disk_is_no_answer_and_what_was_there_stays(
        self, small_disk: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """R40, R43"""
        store = open_store((small_disk / "logins").as_uri(), "/nowhere")
        store.put("key", b"data", 10_000)
        with contextlib.suppress(OSError), open(small_disk / "ballast", "wb") as ballast:
            while True:
                ballast.write(b"x" * 4096)
                ballast.flush()
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                store.put("key", b"new" * 5000, 10_000)
            with pytest.raises(StoreUnavailable):
                store.put("other", b"new" * 5000, 10_000)
            assert store.get("key") == b"data"
            assert store.get("other") is None
        files = [path for path in (small_disk / "logins").iterdir() if path.is_file()]
        assert len(files) == 1, "the writes that failed left something behind"
        assert [(record.name, record.exc_info) for record in caplog.records] == [("flask_hub_auth", None)]
        assert caplog.messages == [f"nothing can be written into {small_disk}/logins: No space left on device"]
        (small_disk / "ballast").unlink()
        store.put("key", b"new", 10_000)
        assert store.get("key") == b"new"

    def test_a_folder_that_takes_nothing_is_told_once_in_ten_seconds(
        self, folder: Path, store: Store, clock: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        """R40"""
        os.mkdir(_name(store, "key"))  # which no file replaces, and nobody deletes as one
        for _ in range(2):
            for ask in (lambda: store.put("key", b"data", 100), lambda: store.delete("key")):
                with pytest.raises(StoreUnavailable):
                    ask()
            clock.advance(11)
        assert caplog.messages == [f"nothing can be written into {folder}: Is a directory"] * 2
        assert list(folder.glob("*.__wz_cache")) == []

    def test_a_write_that_fails_takes_nothing_from_one_that_is_under_way(self, folder: Path, store: Store) -> None:
        """R40: of another thread or process."""
        under_way = folder / "tmpabc.__wz_cache"
        under_way.write_bytes(b"half")
        os.mkdir(_name(store, "key"))
        with pytest.raises(StoreUnavailable):
            store.put("key", b"data", 100)
        assert [path.name for path in folder.glob("*.__wz_cache")] == [under_way.name]

    def test_a_file_size_limit_is_like_a_full_disk(self, tmp_path: Path) -> None:
        """R40"""
        [lines] = together(
            """
            import resource, signal
            from pathlib import Path
            from flask_hub_auth.tokens import open_store
            from flask_hub_auth.errors import StoreUnavailable
            store = open_store(Path(sys.argv[1]).as_uri(), "/nowhere")
            store.put("key", b"data", 100)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            go()
            try:
                (Path(sys.argv[1]) / "probe").write_bytes(b"x" * 5000)
                print("no limits here")
            except OSError:
                try:
                    store.put("key", b"x" * 5000, 100)
                    print("kept")
                except StoreUnavailable:
                    print("refused", store.get("key"))
                    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                    store.put("key", b"new", 100)
                    print("then", store.get("key"))
            """,
            tmp_path / "logins",
            count=1,
        )
        if lines == ["no limits here"]:
            pytest.skip("this system has no limits to the size of files")
        assert lines == ["refused b'data'", "then b'new'"]

    def test_no_free_file_descriptor_is_no_answer(self, store: Store) -> None:
        """R40: a person is not signed out because the process has too many files open."""
        store.put("key", b"data", 100)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            with pytest.raises(OSError) as enough:
                os.open(os.devnull, os.O_RDONLY)
            assert enough.value.errno == errno.EMFILE
            for ask in (lambda: store.get("key"), lambda: store.put("key", b"x", 9), lambda: store.claim("used", 9)):
                with pytest.raises(StoreUnavailable):
                    ask()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert store.get("key") == b"data"

    @pytest.mark.parametrize("content", [b"", b"x", bytes(3), b"\xff" * 4, b"\xff" * 7, bytes(10)], ids=repr)
    def test_a_file_of_any_content_is_bytes_or_none(self, folder: Path, store: Store, content: bytes) -> None:
        """R38"""
        store.put("key", b"data", 100)
        [record] = [path for path in folder.iterdir() if path.is_file()]
        record.write_bytes(content)
        assert store.get("key") in (None, content[4:])
        store.put("key", b"data", 100)
        assert store.get("key") == b"data"

    def test_a_folder_or_pipe_in_place_of_a_record_is_none(self, folder: Path, store: Store) -> None:
        """R38"""
        for make in (Path.mkdir, os.mkfifo):
            store.put("key", b"data", 100)
            [record] = [path for path in folder.iterdir() if path.is_file()]
            record.unlink()
            make(record)
            assert store.get("key") is None
            record.rmdir() if record.is_dir() else record.unlink()

    def test_the_sweep_leaves_what_is_not_ours(self, folder: Path, store: Store, clock: Time) -> None:
        """Also a file whose first bytes read like a time long past."""
        strangers = {"README": b"READ me", ".gitignore": b"*", "0" * 63: bytes([1] * 9), "g" * 64: bytes([1] * 9)}
        for name, content in strangers.items():
            (folder / name).write_bytes(content)
        (folder / ("a" * 64)).symlink_to(folder / "README")
        (folder / ("b" * 64)).mkdir()
        for name in ("c", "d"):
            (folder / (name * 64)).write_bytes(b"\0\0\0\0never ends" if name == "c" else b"1")
        store.put("key", b"data", 10)
        before = {path.name for path in folder.iterdir()}
        clock.advance(20)
        sweep(store)
        assert before - {path.name for path in folder.iterdir()} == {Path(_name(store, "key")).name}

    def test_the_sweep_throws_away_writes_that_never_finished(self, folder: Path, store: Store, clock: Time) -> None:
        left = folder / "tmpabc.__wz_cache"
        left.write_bytes(b"half")
        sweep(store)
        assert left.exists(), "somebody may be writing it just now"
        clock.advance(700)
        sweep(store)
        assert not left.exists()

    def test_a_sweep_of_very_many_makes_nobody_wait(self, folder: Path, store: Store, clock: Time) -> None:
        """R41"""
        store.put("key", b"data", 10)
        for number in range(20_000):
            os.link(_name(store, "key"), _name(store, f"key{number}"))
        store.put("good", b"data", 1000)
        clock.advance(20)
        same = next(name for name in map(str, count()) if stripe("write", name) == stripe("write", "sweep"))
        store.sweep()
        with store.locks.hold("write", same, wait=0) as held:
            assert held
            assert store.get("good") == b"data"
            assert any(thread.name == "hub-sweep" for thread in threading.enumerate()), "it was waited for"
        sweep(store)
        assert [path.name for path in folder.iterdir() if path.is_file()] == [Path(_name(store, "good")).name]

    def test_a_sweep_that_fails_is_logged_and_nobodys_problem(
        self, folder: Path, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folder / "locks" / "swept").mkdir()
        os.utime(folder / "locks" / "swept", (0, 0))
        (folder / "locks" / "swept").rmdir()
        (folder / "locks" / "swept").symlink_to(folder / "nowhere" / "at" / "all")
        with caplog.at_level(logging.WARNING, "flask_hub_auth"):
            sweep(store)
        assert "could not be swept" in caplog.text

    def test_a_restart_finds_everything(self, folder: Path, store: Store) -> None:
        store.put("key", b"data", 100)
        [lines] = together(
            """
            from flask_hub_auth.tokens import open_store
            go()
            print(open_store(sys.argv[1], "/nowhere").get("key"))
            """,
            folder.as_uri(),
            count=1,
        )
        assert lines == ["b'data'"]


def _name(store: Any, key: str) -> str:
    name: Callable[[str], str] = store._cache._get_filename
    return name(key)
