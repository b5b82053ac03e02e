"""Finds the container engine of this host, Docker or Podman, and what it can do.

docker-py is imported only where an engine's socket is: it costs every start some 150 ms.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds until an engine that does not answer is taken for none."""
AGAIN = 5.0
"""Seconds until an engine is looked for again where none was."""
BRIDGE = "bridge"
"""What both engines call their ordinary network."""
_PRIVATE = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+")


@dataclass(frozen=True)
class Host:
    """How a container reaches this machine."""

    name: str
    """The name or address that it asks for."""
    bind: str = ""
    """The address that the server must listen on for that; "" where its loopback is enough."""


@dataclass(frozen=True)
class Engine:
    """A container engine that answers."""

    url: str
    """Where it listens (`unix:///var/run/docker.sock`)."""
    api: str
    """The version of its API."""
    name: str
    """For messages: `Podman Engine 4.3.1`."""
    podman: bool = False
    rootless: bool = False
    desktop: bool = False
    """Its containers run in a virtual machine: this host cannot see their addresses."""
    processors: int = 0
    gateway: str = ""
    """This host's address on the ordinary network."""

    @contextlib.contextmanager
    def client(self, timeout: float | None = 60.0) -> Iterator[APIClient]:
        """A connection of its own, closed at the end: sessions are not for several threads."""
        import docker

        client = docker.APIClient(base_url=self.url, version=self.api, timeout=timeout)  # type: ignore[arg-type]
        try:
            yield client
        finally:
            client.close()

    @property
    def host(self) -> Host:
        """How a container on the ordinary network reaches this machine."""
        if self.desktop:
            return Host("host.docker.internal")
        if self.rootless:
            return Host("10.0.2.2")  # slirp4netns: this host's loopback, where that is allowed
        return Host(self.gateway, self.gateway)

    @property
    def direct(self) -> bool:
        """Whether this host can connect to a container's own address."""
        return not (self.rootless or self.desktop) and sys.platform == "linux"

    def has(self, image: str) -> bool:
        """Whether the image is on this machine."""
        from docker import errors

        with self.client(PATIENCE) as client:
            try:
                client.inspect_image(image)
                return True
            except errors.NotFound:
                return False


class Engines:
    """The engine of this host, looked for when somebody asks."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._lock = threading.Lock()
        self._found: Engine | None = None
        self._asked = float("-inf")

    def find(self) -> Engine | None:
        """The engine; None where none answers. Cheap: an answer is remembered."""
        with self._lock:
            if self._found is not None or time.monotonic() - self._asked < AGAIN:
                return self._found
            for url in candidates(self._environ):
                self._found = _ask(url)
                if self._found is not None:
                    log.info("containers run under %s at %s", self._found.name, url)
                    break
            self._asked = time.monotonic()
            return self._found

    def known(self, image: str) -> bool:
        """Whether an engine answers and has the image, or may be able to pull it.

        A private registry of AWS's gives nothing to who has not logged in there. A bare name is
        more often a slip of the pen than an official image of Docker Hub's: that is pulled first.
        """
        engine = self.find()
        if engine is None:
            return False
        try:
            if engine.has(image):
                return True
        except OSError as error:  # every error of docker-py's connections is one
            log.warning("%s does not say whether it has %s: %s", engine.name, image, error)
            self._found = None
            return False
        registry, slash, _ = image.partition("/")
        if not slash:
            return False
        return not _PRIVATE.fullmatch(registry) or _logged_in(registry)


def candidates(environ: Mapping[str, str]) -> list[str]:
    """Where an engine may listen, the likeliest first.

    An engine on another machine is none for us: it could not see the jobs' files.
    """
    if url := environ.get("DOCKER_HOST"):
        local = re.match(r"unix://|tcp://(localhost|127\.0\.0\.1|\[::1\])\b", url)
        if not local:
            log.warning("DOCKER_HOST is %s: only an engine of this machine can run jobs", url)
        return [url] if local else []
    places = ["/var/run/docker.sock"]
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        places += [f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock"]
    places.append("/run/podman/podman.sock")
    if home := environ.get("HOME"):
        places.append(f"{home}/.docker/run/docker.sock")  # Docker Desktop on macOS
    return [f"unix://{place}" for place in places if Path(place).is_socket()]


@functools.cache
def _sdk() -> bool:
    """Whether docker-py is there."""
    try:
        import docker  # noqa: F401
    except ImportError:
        log.warning("the Python package docker is not installed: no containers")
        return False
    return True


def _ask(url: str) -> Engine | None:
    """The engine that answers at `url`."""
    if url.startswith("unix://") and not os.access(url.removeprefix("unix://"), os.R_OK | os.W_OK):
        return None
    if not _sdk():
        return None
    import docker
    from docker import errors

    try:
        client = docker.APIClient(base_url=url, version="auto", timeout=int(PATIENCE))
    except (OSError, errors.DockerException) as error:
        log.debug("no engine at %s: %s", url, error)
        return None
    try:
        return _described(url, client)
    except OSError as error:
        log.warning("the engine at %s does not answer as one does: %s", url, error)
        return None
    finally:
        client.close()


def _described(url: str, client: APIClient) -> Engine:
    version, info = client.version(), client.info()
    component = (version.get("Components") or [{"Name": "Docker"}])[0]
    name = f"{component.get('Name', 'Docker')} {version.get('Version', '')}".strip()
    system = str(info.get("OperatingSystem", ""))
    return Engine(
        url=url,
        api=client.api_version,
        name=name,
        podman="podman" in name.lower(),
        rootless=any("rootless" in each for each in info.get("SecurityOptions") or ()),
        desktop="Docker Desktop" in system or sys.platform == "darwin",
        processors=int(info.get("NCPU") or 0),
        gateway=_gateway(client),
    )


def _gateway(client: APIClient) -> str:
    """This host's address on the ordinary network."""
    found: list[dict[str, Any]] = client.networks(names=[BRIDGE, "podman"])
    for network in found:
        for each in (network.get("IPAM") or {}).get("Config") or ():
            if "." in str(each.get("Gateway", "")):
                return str(each["Gateway"])
    return ""


def _logged_in(registry: str) -> bool:
    """Whether docker-py has credentials for `registry`."""
    from docker import auth

    try:
        return bool(auth.load_config().resolve_authconfig(registry))
    except Exception as error:  # a credential helper may fail in any way
        log.warning("credentials for %s: %s", registry, error)
        return False
