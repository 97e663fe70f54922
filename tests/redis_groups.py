"""Redis servers that work together: a master with a replica and three Sentinels, and a Cluster of three."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from .redis_servers import LOOPBACK, RedisServer
from .workers.harness import START_SECONDS

IMPATIENT = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": Retry(NoBackoff(), 1)}
"""How the clients of an application are made: nobody waits for long."""


MASTER = "logins"


def asked_sentinels(ports: Iterable[int], **options: Any) -> Sentinel:
    """The Sentinels at these ports, to be asked for their master, as an application makes them."""
    return Sentinel([(LOOPBACK, port) for port in ports], sentinel_kwargs=dict(IMPATIENT), **{**IMPATIENT, **options})


class _Group:
    """Several servers that work together, and end together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[RedisServer] = []
        self._open = contextlib.ExitStack()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        raise NotImplementedError

    def _add(self, name: str, kind: type[RedisServer] | None = None, options: Sequence[str] = ()) -> RedisServer:
        server = (kind or RedisServer)(self.folder / name, options=options, name=name)
        self._open.callback(server.close)
        return server

    def _until(self, look: Callable[[], Any], what: str) -> Any:
        """What `look` gives, as soon as it gives something without an error; all their logs where it does not."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(redis.RedisError):
                if found := look():
                    return found
            time.sleep(0.02)
        logs = [f"{path}:\n{path.read_text(errors='replace')[-3000:]}" for path in self.folder.glob("*/redis.log")]
        raise AssertionError("\n".join([f"no {what}", *logs]))

    def flush(self) -> None:
        """Throws everything away."""
        for server in self.servers:
            server.flush()

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Sentinel(RedisServer):
    def _arguments(self) -> list[str]:
        return [str(self.folder / "sentinel.conf"), *super()._arguments(), "--sentinel"]


class Sentinels(_Group):
    """A master, a replica, and three Sentinels that make the replica the master when that is gone."""

    NAME = MASTER
    # Milliseconds without an answer after which a server counts as gone, and those of one attempt to replace it.
    DOWN, ATTEMPT = 500, 2000

    def _begin(self) -> None:
        # By itself a master waits five seconds for more replicas before it sends its data.
        options = ["--repl-diskless-sync-delay", "0"]
        first = self._add("first", options=options)
        self.servers.append(first)
        self.servers.append(self._add("second", options=[*options, *_copying(first)]))
        self._until_copied(self.servers[1])
        lines = [f"monitor {self.NAME} {LOOPBACK} {first.port} 2"]
        lines += [f"down-after-milliseconds {self.NAME} {self.DOWN}", f"failover-timeout {self.NAME} {self.ATTEMPT}"]
        names = ["sentinel1", "sentinel2", "sentinel3"]
        for name in names:
            (self.folder / name).mkdir()
            # It writes there what it has found out.
            (self.folder / name / "sentinel.conf").write_text("".join(f"sentinel {line}\n" for line in lines))
        self.sentinels = [self._add(name, _Sentinel) for name in names]
        self._until(lambda: all(map(self._knows_all, self.sentinels)), "Sentinels that know each other and the replica")

    def _knows_all(self, sentinel: RedisServer) -> bool:
        seen = sentinel.control.sentinel_masters()[self.NAME]
        return (seen["num-other-sentinels"], seen["num-slaves"], seen["is_sdown"]) == (2, 1, False)

    def _until_copied(self, replica: RedisServer) -> None:
        look = replica.control.info
        self._until(lambda: look("replication").get("master_link_status") == "up", "replica that follows")

    def client(self, **options: Any) -> redis.Redis:
        """The client of whatever is the master, as an application makes it."""
        asked = asked_sentinels([sentinel.port for sentinel in self.sentinels], **options)
        for client in (*asked.sentinels, master := asked.master_for(self.NAME)):
            self._open.callback(client.close)
        return master

    @property
    def master(self) -> RedisServer:
        """The server that all Sentinels name, as soon as they agree and it takes writes."""
        return self._until(self._named, "master on which all agree")

    def _named(self) -> RedisServer | None:
        ports = {sentinel.control.sentinel_masters()[self.NAME]["port"] for sentinel in self.sentinels}
        found = next((server for server in self.servers if {server.port} == ports), None)
        return found if found and found.control.role()[0] == b"master" else None

    def fail_over(self) -> None:
        """Kills the master, and waits until all Sentinels name another that answers as one."""
        before = self.master
        before.kill()
        self._until(lambda: self._named() not in (None, before), "other master")

    def mend(self) -> None:
        """Starts the server that was killed, as a replica of the other, and waits until it has the data."""
        for server in self.servers:
            if not server.running:
                server.options += _copying(self.master)
                server.start()
                self._until_copied(server)
        self._until(lambda: all(map(self._knows_all, self.sentinels)), "Sentinels that know the replica again")


def _copying(server: RedisServer) -> list[str]:
    """The options of a replica. The last ones count."""
    return ["--replicaof", LOOPBACK, str(server.port)]


class Cluster(_Group):
    """Three masters that have a third of all keys each."""

    SLOTS = 16384

    def _begin(self) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000"]
        self.servers = [self._add(f"node{number}", options=options) for number in range(3)]
        clients = [server.control for server in self.servers]
        bounds = [number * self.SLOTS // 3 for number in range(4)]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER ADDSLOTS", *range(bounds[number], bounds[number + 1]))
            for other in self.servers[:number]:
                client.execute_command("CLUSTER MEET", LOOPBACK, other.port)
        self._until(lambda: all(map(self._is_whole, clients)), "cluster that is whole")

    @staticmethod
    def _is_whole(client: redis.Redis) -> bool:
        info = client.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and info["cluster_slots_ok"] == str(Cluster.SLOTS)

    def client(self, **options: Any) -> redis.cluster.RedisCluster:
        """A client of the whole, as an application makes it."""
        nodes = [ClusterNode(LOOPBACK, server.port) for server in self.servers]
        client = RedisCluster(startup_nodes=nodes, **{**IMPATIENT, **options})
        self._open.callback(client.close)
        return client
