"""What a failure of uv or pip to reach packages comes from, and what cures it: one of each.

Standard library only: jobs' builds and `./run` use it too.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

GUIDE = "docs/network.md"
_URL = re.compile(r"https?://(?:[^\s/@]*@)?([A-Za-z0-9.:\[\]-]*[A-Za-z0-9\]])")
_CASES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|os error 28\b",
        "The disk is full. Free some space, or name a folder on a larger one: SAGEBRUSH_ENVIRONMENTS"
        " for environments, UV_CACHE_DIR for downloads.",
    ),
    (
        r"tunnel error: unsuccessful|Tunnel connection failed: 403",
        "The proxy refuses {host}. Let your network's administrator allow it, or name an index that"
        " is allowed: PIP_INDEX_URL=https://HOST/simple",
    ),
    (
        r"proxy authorization required|407 Proxy Auth|Tunnel connection failed: 407",
        "The proxy wants a name and password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT (special"
        " characters percent-encoded).",
    ),
    (
        r"invalid peer certificate|CERTIFICATE_VERIFY_FAILED|certificate verify failed"
        r"|self.signed certificate|UnknownIssuer|unable to get local issuer",
        "The certificate of {host} is signed by no authority in {store}. Behind a company's TLS"
        " proxy, add the company's authority to the system's store (Debian, Ubuntu: copy it to"
        " /usr/local/share/ca-certificates/NAME.crt and run update-ca-certificates; Fedora, RHEL:"
        " /etc/pki/ca-trust/source/anchors and update-ca-trust), or name a file that holds it:"
        " SSL_CERT_FILE=/path/to/bundle.pem",
    ),
    (
        r"tunnel error|Cannot connect to proxy|ProxyError",
        "The proxy that HTTPS_PROXY names does not answer. Correct HTTPS_PROXY, or exempt the"
        " host: NO_PROXY={exempt}",
    ),
    (
        r"401 Unauthorized|401 Client Error|valid authentication credentials",
        "The index {host} wants a name and password. Give them in its address"
        " (https://NAME:PASSWORD@HOST/simple in PIP_INDEX_URL or pip.conf) or in ~/.netrc.",
    ),
    (
        r"403 Forbidden|403 Client Error",
        "The index {host} refuses this name and password, or none were given. Correct them in its"
        " address (PIP_INDEX_URL, pip.conf) or in ~/.netrc.",
    ),
    (
        r"dns error|failed to lookup address|Name or service not known|NameResolutionError"
        r"|name resolution|nodename nor servname",
        "By its name, {host} cannot be found: there is no network, or only a proxy leads out. Name"
        " it: HTTPS_PROXY=http://HOST:PORT; or an index that can be reached:"
        " PIP_INDEX_URL=https://HOST/simple",
    ),
    (
        r"network was disabled|Network connectivity is disabled",
        "UV_OFFLINE or uv's own configuration forbids the network: unset it.",
    ),
    (
        r"error sending request|Connection refused|timed? ?out|Network is unreachable"
        r"|ConnectTimeoutError|NewConnectionError|HTTP status server error",
        "{host} does not answer. If only a proxy leads out, name it:"
        " HTTPS_PROXY=http://HOST:PORT; else name an index that answers:"
        " PIP_INDEX_URL=https://HOST/simple",
    ),
    (
        r"[Hh]ash mismatch|DO NOT MATCH THE HASHES",
        "The index has another file under that name than the one that was locked. Let the mirror"
        " fetch it again, or use another index: PIP_INDEX_URL",
    ),
    (
        r"not found in the package registry|No matching distribution found"
        r"|not found in the provided package locations",
        "No index that this host is configured for has that package, or lets it be read. Add one that has it:"
        " PIP_EXTRA_INDEX_URL=https://HOST/simple",
    ),
)
"""What is said (the first that matches counts) -> the sentence."""
_COMPILED = tuple((re.compile(pattern), sentence) for pattern, sentence in _CASES)
URL = re.compile(r"https?://[^\s)`]+")
BY_PROXY = re.compile(r"tunnel error|403 Forbidden|502 Bad Gateway")
"""What uv says where Sagebrush's proxy may have been the one that refused."""
SECRET = re.compile(r"(?<=://)[^\s/]*@")
"""The name and password in an address, up to the last @ before its path: a password may hold one."""
ADDRESSES = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"),
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_PROXY"),
)
"""Variables whose addresses may hold a password."""


def cure(said: str, environ: Mapping[str, str], refusal: str = "") -> str:
    """The cause of the failure of which uv or pip said that, and its cure; "" where none is known.

    `environ` is what they ran with; `refusal` what Sagebrush's own proxy answered, inside a sandbox.
    """
    if refusal:
        return f"{refusal} ({GUIDE})"
    found = _URL.search(said)
    host = found[1] if found else "the index"
    for pattern, sentence in _COMPILED:
        if pattern.search(said):
            values = {"host": host, "exempt": found[1] if found else "HOST"}
            return f"{sentence.format(**values, store=_store(environ))} ({GUIDE})"
    return ""


def refusal(said: str) -> str:
    """What Sagebrush's proxy answers to who wants a tunnel to the host that `said` could not reach:
    uv does not show it. "" where that is not what failed."""
    proxy = urlsplit(os.environ.get("HTTPS_PROXY", ""))
    found = URL.search(said) if BY_PROXY.search(said) else None
    if found is None or not proxy.hostname:
        return ""
    url = urlsplit(found[0])
    port = url.port or (443 if url.scheme == "https" else 80)
    asked = f"CONNECT {url.hostname}:{port} HTTP/1.1\r\n\r\n"
    try:
        with socket.create_connection((proxy.hostname, proxy.port or 80), timeout=60) as talk:
            talk.sendall(asked.encode())
            with talk.makefile("rb") as answer:
                if b" 2" in answer.readline()[:12]:
                    return ""  # by now it can be reached
                _head, _, body = answer.read(8192).partition(b"\r\n\r\n")
    except (OSError, ValueError):
        return ""
    return " ".join(body.decode(errors="replace").split())


def _store(environ: Mapping[str, str]) -> str:
    path = environ.get("SSL_CERT_FILE") or environ.get("PIP_CERT") or ""
    if path.startswith("/opt/ml/input/"):
        return "this host's store, nor in what its SSL_CERT_FILE names"
    if path:
        return path
    on = environ.get("UV_SYSTEM_CERTS") or environ.get("UV_NATIVE_TLS")
    return "the system's store" if on else "uv's own list, as this host has no store"


def masked(text: str, environ: Mapping[str, str]) -> str:
    """`text` without names and passwords in addresses, and without the passwords of `environ`."""
    text = SECRET.sub("****@", text)
    found = {
        value for name, value in environ.items() if re.fullmatch(r"UV_INDEX_\w+_PASSWORD", name)
    }
    for name in ADDRESSES:
        for match in re.finditer(r"://([^\s/]+)@", environ.get(name, "")):
            user, _, password = match[1].partition(":")
            secret = password or user  # a token alone stands as the name
            found |= {secret, unquote(secret)}
    for secret in sorted(found, key=len, reverse=True):
        if len(secret) > 3:  # shorter ones are parts of words
            text = text.replace(secret, "****")
    return text


if __name__ == "__main__":
    print(cure(sys.stdin.read(), os.environ))
