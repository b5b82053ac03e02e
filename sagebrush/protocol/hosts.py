"""Which Host headers are answered, and which of them name an S3 bucket."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from sagebrush.settings import Settings

_SYNCHRONOUS = "sync-"
"""What SDKs put before the host of StartSyncExecution and TestState, where nothing forbids it."""
_S3 = ("s3", "s3-accesspoint")


class Hosts:
    """The names of this server. A page of a foreign name that resolves here gets nothing."""

    def __init__(self, settings: Settings) -> None:
        self._names = {"localhost", *(name.lower() for name in settings.hosts)}
        self._addresses = False
        if is_address(settings.host):
            self._addresses = not ipaddress.ip_address(settings.host).is_loopback
        else:
            self._names.add(settings.host.lower())
        longest = sorted(self._names, key=len, reverse=True)
        self._suffixes = tuple("." + name for name in longest)
        self.known = lru_cache(maxsize=256)(self._known)
        """Whether a Host header is one of ours, whatever its port."""
        self.bucket = lru_cache(maxsize=256)(self._bucket)
        """The bucket that a virtual-host name holds: `b.s3.localhost`, `b.localhost`."""

        self.guest = lru_cache(maxsize=256)(self._guest)
        """What may name a notebook: one label under a name of ours, or a loopback address that
        is not the usual one."""

    def admit(self, name: str) -> None:
        """Requests that name this host are answered from now on."""
        self._names.add(name.lower())
        self.known.cache_clear()

    def _known(self, host: str) -> bool:
        name = _bare(host).removeprefix(_SYNCHRONOUS)
        if name in self._names or name.endswith(self._suffixes):
            return True
        if is_address(name):
            return self._addresses or ipaddress.ip_address(name).is_loopback
        return False

    def _bucket(self, host: str) -> str | None:
        name = _bare(host)
        suffix = next((s for s in self._suffixes if name.endswith(s)), None)
        if suffix is None:
            return None
        labels = name.removesuffix(suffix).split(".")
        for place, label in enumerate(labels):
            if label in _S3 and labels[place + 1 :] in ([], labels[place + 1 :][:1]):
                labels = labels[:place]
                break
        return ".".join(labels) or None

    def _guest(self, host: str) -> str | None:
        name = _bare(host)
        if is_address(name):
            return name if is_loopback(name) and name not in ("127.0.0.1", "::1") else None
        suffix = next((s for s in self._suffixes if name.endswith(s)), "")
        label = name.removesuffix(suffix)
        return label if suffix and label and "." not in label else None


def is_address(text: str) -> bool:
    """Whether `text` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(text: str) -> bool:
    """Whether `text` is an address of this machine alone."""
    return is_address(text) and ipaddress.ip_address(text).is_loopback


def _bare(host: str) -> str:
    """The name in a Host header, in lower case, without its port."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")
