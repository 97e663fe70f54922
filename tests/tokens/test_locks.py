"""One contract for the locks among threads; for those of files also among processes, and when a holder is killed."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import stat
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_hub_auth.errors import StoreUnavailable
from flask_hub_auth.tokens.locks import STRIPES, FileLocks, Kind, Locks, ThreadLocks, stripe, writing

from .conftest import Place, at_once
from .processes import release, said, started, together

KINDS: tuple[Kind, ...] = ("renew", "write")
# What a busy machine may add to a time that is bounded.
PATIENCE = 1.0


# The client of a Cluster has scripts of its own for locks; all other ways to Redis have the same ones.
@pytest.fixture(params=["threads", "files", "Redis", "RedisCache of a Cluster"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    if request.param == "threads":
        return ThreadLocks()
    if request.param == "files":
        return FileLocks(tmp_path / "locks")
    place: Place = request.getfixturevalue("open_place")(request.param)
    return place.store.locks


def two_names(kind: Kind, *, same: bool) -> tuple[str, str]:
    """Two names that are guarded by the same file, or by two."""
    names = (f"name{number}" for number in itertools.count())
    first = next(names)
    return first, next(name for name in names if (stripe(kind, name) == stripe(kind, first)) is same)


@contextlib.contextmanager
def held_elsewhere(locks: Locks, kind: Kind, name: str) -> Iterator[Callable[[], None]]:
    """The lock, held by another thread until the block ends or the function that it gives is called."""
    holding, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.hold(kind, name, wait=5) as held:
            assert held
            holding.set()
            ended.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(5)
    try:
        yield ended.set
    finally:
        ended.set()
        thread.join()


def waited(
    locks: Locks, kind: Kind, name: str, wait: float, done: Callable[[], bool] | None = None
) -> tuple[bool, float]:
    """Whether the lock was to be had, and after how many seconds that was known."""
    began = time.monotonic()
    with locks.hold(kind, name, wait=wait, done=done) as held:
        return held, time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS)
class TestEveryLock:
    @pytest.mark.alone
    def test_a_free_lock_is_had_at_once(self, locks: Locks, kind: Kind) -> None:
        for wait in (0, 5):
            held, seconds = waited(locks, kind, "name", wait)
            assert held
            assert seconds < PATIENCE

    def test_one_thread_at_a_time_holds_it(self, locks: Locks, kind: Kind) -> None:
        inside, most, total = 0, 0, 0

        def work() -> None:
            nonlocal inside, most, total
            for _ in range(5):
                with locks.hold(kind, "name", wait=20) as held:
                    assert held
                    inside += 1
                    most = max(most, inside)
                    before = total
                    time.sleep(0.0005)
                    total = before + 1
                    inside -= 1

        at_once([work] * 20)
        assert most == 1
        assert total == 100

    @pytest.mark.alone
    def test_without_waiting_one_of_many_has_it_and_nobody_else_waits(self, locks: Locks, kind: Kind) -> None:
        """R6"""
        finished = threading.Barrier(50)

        def try_it() -> tuple[bool, float]:
            began = time.monotonic()
            with locks.hold(kind, "name", wait=0) as held:
                seconds = time.monotonic() - began
                finished.wait(20)
                return held, seconds

        tries = at_once([try_it] * 50)
        assert sum(held for held, _ in tries) == 1
        assert max(seconds for _, seconds in tries) < PATIENCE

    @pytest.mark.alone
    @pytest.mark.parametrize("wait", [0.0, 0.05, 0.3])
    def test_nobody_waits_longer_than_they_said(self, locks: Locks, kind: Kind, wait: float) -> None:
        with held_elsewhere(locks, kind, "name"):
            held, seconds = waited(locks, kind, "name", wait)
        assert not held
        assert wait - 0.01 <= seconds < wait + PATIENCE

    @pytest.mark.alone
    def test_who_waits_has_it_as_soon_as_it_is_free(self, locks: Locks, kind: Kind) -> None:
        with held_elsewhere(locks, kind, "name") as end:
            threading.Timer(0.2, end).start()
            held, seconds = waited(locks, kind, "name", 10)
        assert held
        assert 0.1 < seconds < 0.2 + PATIENCE

    def test_it_is_free_again_after_an_error(self, locks: Locks, kind: Kind) -> None:
        with contextlib.suppress(ZeroDivisionError), locks.hold(kind, "name", wait=5):
            raise ZeroDivisionError
        assert waited(locks, kind, "name", 0)[0]

    @pytest.mark.alone
    def test_who_waits_leaves_without_it_when_the_result_is_there(self, locks: Locks, kind: Kind) -> None:
        """R3"""
        there = threading.Event()
        with held_elsewhere(locks, kind, "name") as end:

            def finish() -> None:
                there.set()
                end()

            threading.Timer(0.1, finish).start()
            answers = at_once([lambda: waited(locks, kind, "name", 10, there.is_set)] * 20)
        assert [held for held, _ in answers] == [False] * 20
        assert max(seconds for _, seconds in answers) < 0.1 + PATIENCE
        assert waited(locks, kind, "name", 0)[0]

    def test_a_result_that_is_not_there_does_not_disturb(self, locks: Locks, kind: Kind) -> None:
        assert waited(locks, kind, "name", 5, lambda: False)[0]

    def test_an_error_while_looking_for_the_result_frees_the_lock(self, locks: Locks, kind: Kind) -> None:
        def fail() -> bool:
            raise StoreUnavailable("the store cannot be asked")

        with pytest.raises(StoreUnavailable, match="cannot be asked"):
            waited(locks, kind, "name", 5, fail)
        assert waited(locks, kind, "name", 0)[0]

    def test_different_names_do_not_wait_for_each_other(self, locks: Locks, kind: Kind) -> None:
        """R4: but for the few that share a file."""
        for same in (False, True):
            one, other = two_names(kind, same=same)
            with held_elsewhere(locks, kind, one):
                assert waited(locks, kind, other, 0)[0] is not (same and isinstance(locks, FileLocks))

    def test_the_other_kind_is_another_lock(self, locks: Locks, kind: Kind) -> None:
        """S52: so a logout never waits for a renewal."""
        [other] = set(KINDS) - {kind}
        with held_elsewhere(locks, kind, "name"):
            assert waited(locks, other, "name", 0)[0]

    def test_both_can_be_held_by_one(self, locks: Locks, kind: Kind) -> None:
        with locks.hold("renew", "name", wait=0) as renew, locks.hold("write", "name", wait=0) as write:
            assert renew
            assert write


def test_the_stripes_are_as_many_as_were_promised_and_all_in_use() -> None:
    assert (STRIPES["renew"], STRIPES["write"]) == (65536, 256)
    for kind, count in STRIPES.items():
        assert {stripe(kind, f"hub_{number}") for number in range(20 * count)} == set(range(count))


def test_threads_leave_no_locks_behind() -> None:
    """R62"""
    locks = ThreadLocks()
    for number in range(1000):
        assert waited(locks, "renew", f"name{number}", 0)[0]
    assert len(locks._named()) == 0


# What a thread holds, and the locks that a child wants afterwards.
HELD = {
    "lock of threads": """
        locks = ThreadLocks()
        held = locks.hold("renew", "name", wait=0)
        """,
    "lock of files": """
        locks = FileLocks(Path(sys.argv[1]))
        held = locks.hold("renew", "name", wait=0)
        """,
    "choice of a lock": """
        locks = ThreadLocks()
        held = locks._named()._choosing
        """,
    "what is remembered": """
        sealer = Sealer([b"k" * 32], ("https://hub.test/hub", "service"))
        logins = LoginStore(MemoryStore(), sealer, clock=time.time, lifetime=100)
        locks, held = logins.store.locks, logins._guard()
        """,
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_what_a_thread_holds_while_its_process_forks_is_free_in_the_child(tmp_path: Path, held: str) -> None:
    """R65"""
    script = """
        import os, signal, threading, warnings
        from pathlib import Path
        from flask_hub_auth.sealing import Sealer
        from flask_hub_auth.tokens import LoginStore
        from flask_hub_auth.tokens.locks import FileLocks, ThreadLocks
        from flask_hub_auth.tokens.store import MemoryStore
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what this is about
        logins = None
        {held}
        begun, end = threading.Event(), threading.Event()

        def hold():
            with held:
                begun.set()
                end.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        begun.wait()
        told = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(5)  # where it would wait for ever
            os.read(told[0], 1)
            if logins:
                logins.owe(b"x" * 32, None)
            with locks.hold("renew", "name", wait=2) as mine:
                os._exit(0 if mine else 1)
        if isinstance(locks, FileLocks):  # it is for all processes, so that the child waits until the parent frees it
            end.set()
            thread.join()
        os.write(told[1], b"x")
        status = os.waitpid(child, 0)[1]
        end.set()
        go()
        print(status)
    """
    code = textwrap.dedent(script).replace("{held}", textwrap.dedent(held).strip())
    [lines] = together(code, tmp_path / "locks", count=1)
    assert lines == ["0"]


def test_the_write_lock_that_is_not_to_be_had_in_time_is_no_answer(
    locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_hub_auth.tokens.locks._WRITE_WAIT", 0.1)
    with held_elsewhere(locks, "write", "name"), pytest.raises(StoreUnavailable), writing(locks, "name"):
        raise AssertionError("the lock is held by somebody else")
    with writing(locks, "name"):
        assert not waited(locks, "write", "name", 0)[0]


class TestFileLocks:
    HOLDER = """
    import os
    from pathlib import Path
    from flask_hub_auth.tokens.locks import FileLocks
    with FileLocks(Path(sys.argv[1])).hold(sys.argv[2], "name", wait=5) as held:
        print(held, flush=True)
        sys.stdin.readline()
    """

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "locks"

    @pytest.fixture
    def locks(self, folder: Path) -> FileLocks:
        return FileLocks(folder)

    @pytest.fixture
    def kind(self) -> Kind:
        return "renew"

    @pytest.fixture
    def holder(self, folder: Path, kind: Kind) -> Iterator[subprocess.Popen[str]]:
        """Another process that holds the lock."""
        with started(self.HOLDER, folder, kind) as [process]:
            assert said(process) == "True"
            yield process

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_of_four_processes_at_a_time_holds_it(self, folder: Path, tmp_path: Path, kind: Kind) -> None:
        """R2"""
        counter = tmp_path / "counter"
        counter.write_text("0")
        together(
            """
            import threading
            from pathlib import Path
            from flask_hub_auth.tokens.locks import FileLocks
            locks, counter = FileLocks(Path(sys.argv[1])), Path(sys.argv[3])
            go()

            def count():
                for _ in range(10):
                    with locks.hold(sys.argv[2], "name", wait=20) as held:
                        assert held
                        before = int(counter.read_text())
                        time.sleep(0.001)
                        counter.write_text(str(before + 1))

            threads = [threading.Thread(target=count) for _ in range(3)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            """,
            folder,
            kind,
            counter,
        )
        assert counter.read_text() == "120"

    def test_without_waiting_one_of_four_processes_has_it(self, folder: Path, kind: Kind) -> None:
        tries = together(
            """
            from pathlib import Path
            from flask_hub_auth.tokens.locks import FileLocks
            locks = FileLocks(Path(sys.argv[1]))
            began = go()
            with locks.hold(sys.argv[2], "name", wait=0) as held:
                print(held, time.monotonic() - began < 0.5)
                wait_until(began + 0.5)
            """,
            folder,
            kind,
        )
        assert sorted(lines[0] for lines in tries) == ["False True"] * 3 + ["True True"]

    @pytest.mark.alone
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_killed_holder_frees_it_at_once(
        self, locks: FileLocks, kind: Kind, holder: subprocess.Popen[str]
    ) -> None:
        """R9"""
        assert not waited(locks, kind, "name", 0.05)[0]
        killed = threading.Timer(0.1, os.kill, (holder.pid, signal.SIGKILL))
        killed.start()
        held, seconds = waited(locks, kind, "name", 10)
        assert held
        assert seconds < 0.1 + 0.2 + PATIENCE / 2

    @pytest.mark.alone
    def test_a_stopped_holder_keeps_it(self, locks: FileLocks, kind: Kind, holder: subprocess.Popen[str]) -> None:
        os.kill(holder.pid, signal.SIGSTOP)
        try:
            held, seconds = waited(locks, kind, "name", 0.3)
            assert not held
            assert seconds < 0.3 + PATIENCE
        finally:
            os.kill(holder.pid, signal.SIGCONT)

    @pytest.mark.alone
    def test_who_waits_for_another_process_leaves_when_the_result_is_there(
        self, locks: FileLocks, kind: Kind, holder: subprocess.Popen[str]
    ) -> None:
        """R2: although that process still holds the lock."""
        there = threading.Event()
        threading.Timer(0.2, there.set).start()
        answers = at_once([lambda: waited(locks, kind, "name", 10, there.is_set)] * 20)
        assert [held for held, _ in answers] == [False] * 20
        assert max(seconds for _, seconds in answers) < 0.2 + PATIENCE

    def test_the_threads_of_a_process_look_at_the_file_one_at_a_time(
        self, locks: FileLocks, kind: Kind, holder: subprocess.Popen[str]
    ) -> None:
        looks = itertools.count()
        at_once([lambda: waited(locks, kind, "name", 0.3, lambda: next(looks) < 0)] * 20)
        # One thread that looks every 10 ms, and each of them once at its end; not 20 of them all the time.
        assert 5 <= next(looks) <= 60

    def test_a_lock_file_is_never_deleted(self, folder: Path, locks: FileLocks, kind: Kind) -> None:
        """Whoever deletes one that others wait for splits them over two."""
        with locks.hold(kind, "name", wait=0):
            before = {path.name: path.stat().st_ino for path in folder.iterdir()}
        assert len(before) == 2
        for _ in range(3):
            waited(FileLocks(folder), kind, "name", 0)
        assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before

    def test_there_are_never_more_files_than_stripes(self, folder: Path, locks: FileLocks) -> None:
        """R62"""
        for number in range(1500):
            waited(locks, "write", f"name{number}", 0)
        assert len(list(folder.glob("write-*"))) <= STRIPES["write"]

    def test_nobody_else_may_open_the_lock_files(self, folder: Path, kind: Kind) -> None:
        """C20"""
        before = os.umask(0)
        try:
            waited(FileLocks(folder), kind, "name", 0)
        finally:
            os.umask(before)
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_a_process_that_was_forked_off_shares_the_lock_and_not_the_hold(
        self, folder: Path, kind: Kind, tmp_path: Path
    ) -> None:
        """R65"""
        [lines] = together(
            """
            import os
            from pathlib import Path
            from flask_hub_auth.tokens.locks import FileLocks
            locks = FileLocks(Path(sys.argv[1]))
            with locks.hold(sys.argv[2], "before", wait=0):
                pass
            go()
            parent_told, child_told = os.pipe(), os.pipe()
            child = os.fork()
            if child == 0:
                with locks.hold(sys.argv[2], "name", wait=5) as held:
                    os.write(child_told[1], b"T" if held else b"F")
                    os.read(parent_told[0], 1)
                os._exit(0)
            print(os.read(child_told[0], 1).decode())
            with locks.hold(sys.argv[2], "name", wait=0) as held:
                print(held)
            os.write(parent_told[1], b"x")
            os.waitpid(child, 0)
            with locks.hold(sys.argv[2], "name", wait=5) as held:
                print(held)
            """,
            folder,
            kind,
            count=1,
        )
        assert lines == ["T", "False", "True"]

    def test_a_vanished_folder_is_not_made_anew(self, tmp_path: Path) -> None:
        """R40, R44: to renew without a lock between processes is better than not at all; to write is not."""
        (tmp_path / "store").mkdir()
        locks = FileLocks(tmp_path / "store" / "locks")
        shutil.rmtree(tmp_path / "store")
        with pytest.raises(StoreUnavailable):
            waited(locks, "write", "name", 0)
        assert waited(locks, "renew", "name", 0)[0]
        with held_elsewhere(locks, "renew", "name"):
            assert not waited(locks, "renew", "name", 0)[0]
        assert not (tmp_path / "store").exists()

    def test_a_holder_lets_a_later_one_in(self, folder: Path, locks: FileLocks, kind: Kind) -> None:
        with started(self.HOLDER, folder, kind) as [process]:
            assert said(process) == "True"
            assert not waited(locks, kind, "name", 0)[0]
            release(process)
            assert waited(locks, kind, "name", 5)[0]
