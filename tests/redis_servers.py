"""Redis servers of their own for tests: real processes on loopback, which can be stopped, frozen, killed and mended.

A Valkey server does as well, where that is what the machine has.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import ipaddress
import random
import shutil
import signal
import socket as sockets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .workers.harness import Process

LOOPBACK = "127.0.0.1"
# Below the ports that outgoing connections get: whoever connects to a server that is away would else now and then be
# given that very port, connect to itself, and keep the server from coming back.
PORTS = range(10_000, 20_000)
BUS = 10_000
"""How far above its port a server of a cluster listens to the others."""
# Linux takes 107 bytes; a folder of pytest's can be longer than that.
LONGEST_SOCKET = 100
CLIENT_SECONDS = 5.0
SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def program(kind: str = "server") -> str:
    """Where the server is: Redis, or Valkey where there is no Redis."""
    found = shutil.which(f"redis-{kind}") or shutil.which(f"valkey-{kind}")
    assert found, "There is neither redis-server nor valkey-server here: sh scripts/programs.sh installs one."
    return found


def free_port() -> int:
    """A port at which, and as far above it as a cluster needs, nobody listens."""
    for port in random.SystemRandom().sample(PORTS, 200):
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for number in (port, port + BUS):
                probe = probes.enter_context(sockets.socket())
                probe.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, number))
            return port
    raise AssertionError(f"200 of the ports {PORTS} are in use")


class RedisServer:
    """One server, with its data in `folder`; nothing is written there unless `options` say so.

    :param options: words of the command line beside the usual ones: ``("--appendonly", "yes")``
    """

    def __init__(
        self, folder: Path, *, tls: bool = False, socket: bool = False, options: Sequence[str] = (), name: str = "Redis"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.log = folder, name, folder / "redis.log"
        self.options = list(options)
        self._clients: list[redis.Redis] = []
        self._process: Process | None = None
        self._short = tempfile.TemporaryDirectory(prefix="redis") if socket else None
        self._tls = certificates(folder) if tls else {}
        self._begin()

    def _begin(self) -> None:
        """The first start: where somebody else was faster at the port, with another one."""
        for attempt in range(5):
            self.port = free_port()
            try:
                return self.start()
            except AssertionError:
                if attempt == 4 or "in use" not in self.log.read_text(errors="replace"):
                    self.close()
                    raise

    @property
    def socket(self) -> str | None:
        """The path of the UNIX socket, where that is how it is reached."""
        return f"{self._short.name}/redis.sock" if self._short else None

    @property
    def url(self) -> str:
        """What ``HUB_CACHE`` takes."""
        if self.socket:
            return f"unix://{self.socket}"
        if self._tls:
            return f"rediss://{LOOPBACK}:{self.port}/0?ssl_ca_certs={self._tls['ca-cert-file']}"
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process, f"{self.name} is not running"
        return self._process.pid

    def client(self, **options: Any) -> redis.Redis:
        """A client for the test itself; closed with the server."""
        client = redis.Redis.from_url(self.url, **{"socket_timeout": CLIENT_SECONDS, **options})
        self._clients.append(client)
        return client

    @functools.cached_property
    def control(self) -> redis.Redis:
        """The client that looks after the server."""
        return self.client()

    def start(self) -> None:
        """Starts it, with the port and the data that it had, and waits until it answers."""
        assert self._process is None, f"{self.name} is already running"
        self._process = Process(self.name, self.log, self._arguments(), program=program())
        try:
            self._process.until(self._answers, "answer")
        except BaseException:
            self.stop()
            raise

    def _arguments(self) -> list[str]:
        port = 0 if self.socket or self._tls else self.port
        words = ["--port", str(port), "--bind", LOOPBACK, "--dir", str(self.folder), "--save", "", "--daemonize", "no"]
        if self.socket:
            words += ["--unixsocket", self.socket, "--unixsocketperm", "600"]
        if self._tls:
            words += ["--tls-port", str(self.port), "--tls-auth-clients", "no"]
        for name, path in self._tls.items():
            words += [f"--tls-{name}", str(path)]
        return words + self.options

    def _answers(self) -> bool:
        """Whether it takes commands: also one that first wants a password does."""
        if self.socket and not Path(self.socket).exists():
            return False
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=CLIENT_SECONDS)) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False  # also while it reads its data

    def stop(self) -> None:
        """Ends it kindly; twice is no harm."""
        if self._process:
            self.thaw()
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """Ends it at once."""
        if self._process:
            self._process.signal(signal.SIGKILL)
            self.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stops it in its tracks: connections stay, and nobody answers."""
        assert self._process, f"{self.name} is not running"
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process:
            self._process.signal(signal.SIGCONT)

    def flush(self) -> None:
        """Throws everything away."""
        self.control.flushall()

    def close(self) -> None:
        """Ends it, and lets go of all that it had."""
        try:
            for client in self._clients:
                client.close()
            self.stop()
        finally:
            if self._short:
                self._short.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def certificates(folder: Path) -> dict[str, Path]:
    """A certificate for this machine and that of who signed it, as files, by the names of Redis's options."""
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca, own = x509.Name.from_rfc4514_string("CN=Test CA"), x509.Name.from_rfc4514_string("CN=localhost")
    ca_certificate = _certificate(ca, ca_key, ca, ca_key, x509.BasicConstraints(ca=True, path_length=None))
    certificate = _certificate(own, key, ca, ca_key, names)
    pem = serialization.Encoding.PEM
    contents = {
        "ca-cert-file": ca_certificate.public_bytes(pem),
        "cert-file": certificate.public_bytes(pem),
        "key-file": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    }
    for name, content in contents.items():
        (folder / f"{name}.pem").write_bytes(content)
    return {name: folder / f"{name}.pem" for name in contents}


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - day, now + day
    )
    signs_others = isinstance(extension, x509.BasicConstraints)
    builder = builder.add_extension(extension, critical=signs_others)
    # Python from 3.13 wants to know what a key is for, and by which one a certificate was signed.
    if signs_others:
        builder = builder.add_extension(SIGNING, critical=True)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(own, critical=False).sign(issuer_key, hashes.SHA256())
