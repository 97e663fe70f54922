"""The command as a process, the store as a process, and a Hub or store that stays broken."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flask_hub_auth.doctor.stores import look_at_store
from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.locks import STRIPES

from ..redis_servers import RedisServer
from .clinic import EXIT, Clinic
from .command import Command

pytestmark = pytest.mark.slow

IS_ROOT = os.getuid() == 0


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), options=("--appendonly", "yes")) as server:
        yield server


@pytest.fixture
def redis(opened: RedisServer) -> Iterator[RedisServer]:
    """A Redis that keeps what it is given."""
    yield opened
    opened.thaw()
    if not opened.running:
        opened.start()
    opened.control.replicaof("NO", "ONE")
    opened.control.config_set("maxmemory", 0)
    opened.control.config_set("maxmemory-policy", "noeviction")
    opened.control.config_set("appendonly", "yes")


@pytest.fixture
def command(installed: Path, clinic: Clinic) -> Command:
    return Command(installed, clinic)


def test_the_command_says_that_all_is_well(command: Command) -> None:
    done = command.run()
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("All is well.\n")
    assert command.codes() == (0, [])


def test_the_command_tells_each_finding_in_a_block(command: Command) -> None:
    command.clinic.change(clock_skew=500)
    done = command.run(HUB_SERVICE_SECRET="not-the-s3cret", SESSION_COOKIE_HTTPONLY=False)
    blocks = [block.splitlines() for block in done.stdout.split("\n\n")]
    assert [block[0] for block in blocks] == ["error cookie-not-httponly", "error secret-wrong", "warning clock-apart"]
    assert all(len(block) == 3 and line.startswith("  ") for block in blocks for line in block[1:])
    assert done.returncode == EXIT["error"]
    assert "s3cret" not in done.stdout + done.stderr


def test_a_warning_alone_has_a_status_of_its_own(command: Command) -> None:
    command.clinic.change(clock_skew=500)
    assert command.codes() == (EXIT["warning"], ["clock-apart"])


@pytest.mark.parametrize("app", ["tests.doctor.nowhere", "tests.doctor.patient:nothing", "tests.doctor.clinic"])
def test_an_application_that_is_not_found_is_a_finding(app: str, command: Command) -> None:
    assert command.codes(app=app) == (EXIT["error"], ["app-does-not-start"])


HUB_FAULTS: dict[str, tuple[Callable[[Clinic], None], int]] = {
    "frozen": (lambda clinic: clinic.hub.process.freeze(), 60),
    "slow at every answer": (lambda clinic: clinic.hub.fail("*", delay=3.0), 60),
    "hanging": (lambda clinic: clinic.hub.fail("*", transport="hang"), 1),
    "dripping": (lambda clinic: clinic.hub.fail("*", transport="drip"), 1),
    "hanging late": (lambda clinic: clinic.hub.fail("/api/rest/permissions/cache", transport="hang"), 1),
}


@pytest.mark.parametrize("name", HUB_FAULTS)
def test_the_doctor_is_done_in_time_whatever_hub_does(name: str, command: Command) -> None:
    """R70: also where the application itself would have more patience."""
    begin, timeout = HUB_FAULTS[name]
    begin(command.clinic)
    assert command.codes(HUB_TIMEOUT=timeout) == (EXIT["error"], ["hub-silent"])


def test_a_hub_that_was_stopped_is_a_closed_port(clinic: Clinic, tmp_path: Path) -> None:
    other = Clinic(tmp_path)
    other.hub.stop()
    assert clinic.codes(HUB_URL=other.hub.url) == ["hub-port-closed"]


def full(redis: RedisServer) -> None:
    redis.control.config_set("maxmemory", 1)


def replica(redis: RedisServer) -> None:
    redis.control.replicaof("127.0.0.1", "1")


def evicting(redis: RedisServer) -> None:
    redis.control.config_set("maxmemory", "100mb")
    redis.control.config_set("maxmemory-policy", "allkeys-lru")


def forgetting(redis: RedisServer) -> None:
    redis.control.config_set("appendonly", "no")


REDIS_FAULTS: dict[str, tuple[Callable[[RedisServer], None], str, str]] = {
    "stopped": (RedisServer.stop, "redis-away", "error"),
    "frozen": (RedisServer.freeze, "redis-away", "error"),
    "full": (full, "store-full", "error"),
    "a replica": (replica, "store-not-writable", "error"),
    "evicting": (evicting, "redis-evicts", "warning"),
    "without persistence": (forgetting, "redis-forgets", "warning"),
}


@pytest.mark.parametrize("name", REDIS_FAULTS)
def test_a_redis_that_cannot_keep_logins_is_named(name: str, clinic: Clinic, redis: RedisServer) -> None:
    """R35, R70"""
    begin, code, level = REDIS_FAULTS[name]
    assert clinic.codes(HUB_CACHE=redis.url) == []
    begin(redis)
    [finding] = clinic.check(HUB_CACHE=redis.url)
    assert (finding["code"], finding["level"]) == (code, level)


def test_a_redis_that_saves_now_and_then_keeps_logins(clinic: Clinic, redis: RedisServer) -> None:
    forgetting(redis)
    redis.control.config_set("save", "3600 1")
    assert clinic.codes(HUB_CACHE=redis.url) == []
    redis.control.config_set("save", "")


def test_a_redis_that_does_not_know_us_is_named(clinic: Clinic, redis: RedisServer) -> None:
    assert clinic.codes(HUB_CACHE=redis.url.replace("//", "//u:TopSecret@")) == ["redis-refuses"]
    redis.control.acl_setuser("app", enabled=True, passwords=["+TopSecret"], keys=["*"], commands=["+@all", "-config"])
    assert clinic.codes(HUB_CACHE=redis.url.replace("//", "//app:TopSecret@")) == []
    redis.control.acl_setuser("app", enabled=True, commands=["-set"])
    assert clinic.codes(HUB_CACHE=redis.url.replace("//", "//app:TopSecret@")) == ["redis-refuses"]


@pytest.mark.parametrize("command", ["-eval", "-evalsha", "-@scripting", "-getrange", "-del"])
def test_a_redis_whose_user_may_not_do_all_that_logins_need_is_named(
    command: str, clinic: Clinic, redis: RedisServer
) -> None:
    """R70: locks are freed, and logins are changed, by scripts."""
    redis.control.acl_setuser("web", reset=True, enabled=True, passwords=["+TopSecret"], keys=["*"], commands=["+@all"])
    address = redis.url.replace("//", "//web:TopSecret@")
    assert clinic.codes(HUB_CACHE=address) == []
    redis.control.acl_setuser("web", enabled=True, commands=[command])
    assert clinic.codes(HUB_CACHE=address) == ["redis-refuses"]


def test_a_client_that_is_all_patience_is_not_waited_for(command: Command, redis: RedisServer) -> None:
    url = f"{redis.url}?socket_timeout=60&socket_connect_timeout=60"
    redis.freeze()
    assert command.codes(HUB_CACHE=url) == (EXIT["error"], ["redis-away"])


def test_a_server_that_drips_in_place_of_redis_is_named(command: Command) -> None:
    def drip() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=send, args=[client], daemon=True).start()

    def send(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while not ended.wait(0.1):
                client.sendall(b"+")

    ended = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=drip, daemon=True).start()
        [finding] = command.findings(HUB_CACHE=f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
    assert finding["code"] == "redis-away"
    assert "in time" in finding["seen"]


def test_a_redis_without_a_limit_throws_nothing_away(clinic: Clinic, redis: RedisServer) -> None:
    redis.control.config_set("maxmemory-policy", "allkeys-lru")
    assert clinic.codes(HUB_CACHE=redis.url) == []


def test_a_folder_that_is_full_or_read_only_is_named(clinic: Clinic, tmp_path: Path) -> None:
    """R40"""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not IS_ROOT or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)]).returncode:
        pytest.skip("only root, and not in every container, mounts a file system")
    try:
        store = (disk / "logins").as_uri()
        assert clinic.codes(HUB_CACHE=store) == []
        (disk / "ballast").write_bytes(bytes(80 * 1024))
        assert clinic.codes(HUB_CACHE=store) == ["store-full"]
        (disk / "ballast").unlink()
        assert clinic.codes(HUB_CACHE=store) == []
        assert [path.name for path in (disk / "logins").iterdir()] == ["locks"]
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert clinic.codes(HUB_CACHE=store) == ["store-not-writable"]
        assert clinic.codes(HUB_CACHE=(disk / "others").as_uri()) == ["store-not-writable"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["a file for their folder", "folders for their files"])
def test_a_folder_whose_locks_cannot_be_taken_is_named(kind: str, tmp_path: Path) -> None:
    """R70"""
    store = open_store((tmp_path / "logins").as_uri(), "/nowhere")
    assert look_at_store(store) == []
    locks = tmp_path / "logins" / "locks"
    shutil.rmtree(locks)
    if kind == "a file for their folder":
        locks.touch()
    else:
        for number in range(STRIPES["write"]):
            (locks / f"write-{number}.lock").mkdir(parents=True)
    assert [finding.code for finding in look_at_store(store)] == ["store-not-writable"]


def test_a_folder_that_others_read_is_named(clinic: Clinic, tmp_path: Path) -> None:
    """S94"""
    (tmp_path / "other").touch()
    tmp_path.chmod(0o755)
    assert clinic.codes(HUB_CACHE=tmp_path.as_uri()) == ["store-refused"]
    assert clinic.codes(HUB_CACHE="/no/address") == ["store-refused"]
