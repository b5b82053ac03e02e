"""The certificate authorities that this host trusts: the system's store and what variables name.

Behind a company's TLS proxy the system's store alone has the company's authority. Standard library
only: `./run` uses it before anything is installed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL, Amazon Linux
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine
)
"""Where systems keep their store as one file."""
NAMED = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
"""Variables by which users name a bundle."""
CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----"
)
SIZE = 16 << 20
"""Bytes of a bundle that are read."""


def system(paths: Iterable[str] = SYSTEM) -> Path | None:
    """The system's store as one file; None where there is none."""
    return next((Path(path) for path in paths if os.path.isfile(path)), None)


def kept_by_system() -> bool:
    """Whether this host has a store of its own, as a file or as macOS has it."""
    return sys.platform == "darwin" or system() is not None


def files(environ: Mapping[str, str], paths: Iterable[str] = SYSTEM) -> Iterator[Path]:
    """The files whose authorities count here: the system's, then those that `environ` names."""
    if store := system(paths):
        yield store
    for name in NAMED:
        path = Path(environ.get(name) or "/")
        if path.is_file():
            yield path
    for folder in environ.get("SSL_CERT_DIR", "").split(os.pathsep):
        if folder and os.path.isdir(folder):
            yield from (each for each in sorted(Path(folder).iterdir()) if each.is_file())


def bundle(parts: Iterable[Path]) -> bytes:
    """One PEM file of all certificates in `parts`, each once; what cannot be read is left out."""
    found: dict[bytes, bytes] = {}
    for part in parts:
        try:
            with part.open("rb") as file:
                text = file.read(SIZE)
        except OSError:
            continue
        for match in CERTIFICATE.finditer(text):
            found.setdefault(b"".join(match[1].split()), match[0])
    return b"\n".join([*found.values(), b""])
