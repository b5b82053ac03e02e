"""Where packages come from on this host: what pip and uv are configured for, as variables of uv.

uv reads neither pip's files nor pip's variables, and a build's sandbox sees the files of neither.
pip's documentation, "Configuration"; uv's, "Configuration files" and "Environment variables".
Standard library only: `./run` uses it before anything is installed.
"""

from __future__ import annotations

import configparser
import netrc
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from sagebrush import authorities

DEFAULT, EXTRA, LINKS = "UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS"
ALIASES = {DEFAULT: "UV_INDEX_URL", EXTRA: "UV_EXTRA_INDEX_URL", "UV_SYSTEM_CERTS": "UV_NATIVE_TLS"}
"""uv's variables that have an older name too."""
OF_PIP = {
    "index-url": DEFAULT,
    "extra-index-url": EXTRA,
    "find-links": LINKS,
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "timeout": "UV_HTTP_TIMEOUT",
}
"""pip's options -> the variables by which uv has the same."""
OF_UV = {
    "index-url": DEFAULT,
    "extra-index-url": EXTRA,
    "find-links": LINKS,
    "no-index": "UV_NO_INDEX",
    "index-strategy": "UV_INDEX_STRATEGY",
    "allow-insecure-host": "UV_INSECURE_HOST",
}
"""The same for keys of uv's own files."""
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
PORTS = {"https": 443, "http": 80}


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """uv's variables that `environ` lacks, from pip's variables and files and uv's own files.

    What uv is told counts more than what pip is. As pip does, uv then takes the best version of all
    indexes, where the further ones are pip's. uv trusts what the system trusts.
    """
    options, own = pip_options(environ), uv_options(environ)
    found = {
        ours: " ".join(options[name].split()) for name, ours in OF_PIP.items() if name in options
    }
    if LINKS in found:  # uv separates these by commas, pip by blanks
        found[LINKS] = ",".join(found[LINKS].split())
    if EXTRA in found and EXTRA not in own and not _given(environ, EXTRA):
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "proxy" in options and not any(environ.get(n) or environ.get(n.lower()) for n in PROXIES):
        found |= dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), options["proxy"])
    if found.get("UV_NO_INDEX", "").lower() in ("0", "no", "false", "off"):
        del found["UV_NO_INDEX"]
    for name in authorities.NAMED:  # pip and curl have further names for it
        if (path := environ.get(name)) and os.path.isfile(path):
            found.setdefault("SSL_CERT_FILE", path)
    if authorities.kept_by_system():
        found["UV_SYSTEM_CERTS"] = "true"
    found |= own
    return {name: value for name, value in found.items() if value and not _given(environ, name)}


def _given(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name) or environ.get(ALIASES.get(name, name)))


def pip_options(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's options for `pip install`: of its files, the later ones win, then of its variables."""
    found: dict[str, str] = {}
    for file in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, ValueError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {name.replace("_", "-"): text for name, text in parser.items(section)}
    for name in (*OF_PIP, "proxy"):
        if value := environ.get(f"PIP_{name.upper().replace('-', '_')}"):
            found[name] = value
    return {name: text for name, text in found.items() if text and text.strip()}


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    yield from _global_files(environ, "pip/pip.conf", "/etc/pip.conf")
    if home := environ.get("HOME"):
        yield Path(home, ".pip", "pip.conf")
        if sys.platform == "darwin":
            yield Path(home, "Library/Application Support/pip/pip.conf")
        yield Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"), "pip", "pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if chosen:
        yield Path(chosen)


def _global_files(environ: Mapping[str, str], name: str, usual: str) -> Iterator[Path]:
    folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    yield from (Path(folder, name) for folder in reversed(folders.split(os.pathsep)) if folder)
    if sys.platform == "darwin":
        yield Path("/Library/Application Support", name)
    yield Path(usual)


def uv_options(environ: Mapping[str, str]) -> dict[str, str]:
    """What uv's own files (uv.toml of the system, of the user) say of indexes, as its variables."""
    found: dict[str, str] = {}
    for file in _uv_files(environ):
        try:
            said = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        indexes = [each for each in said.get("index", ()) if isinstance(each, dict)]
        for each in indexes:
            url, name = str(each.get("url", "")), str(each.get("name", ""))
            if each.get("default"):
                found[DEFAULT] = url
            elif url and not each.get("explicit"):
                found[EXTRA] = " ".join((found.get(EXTRA, ""), f"{name}={url}" if name else url))
        for key, ours in OF_UV.items():
            for table in (said, said.get("pip", {})):
                if isinstance(table, dict) and key in table:
                    found[ours] = _words(table[key], "," if ours == LINKS else " ")
    return {name: text.strip() for name, text in found.items() if text.strip()}


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "true", "yes"):
        return
    if chosen := environ.get("UV_CONFIG_FILE"):
        yield Path(chosen)
        return
    yield from _global_files(environ, "uv/uv.toml", "/etc/uv/uv.toml")
    if home := environ.get("HOME"):
        yield Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"), "uv", "uv.toml")


def _words(value: Any, between: str) -> str:
    """A value of TOML as variables have it; "" for what is off."""
    if isinstance(value, list):
        return between.join(map(str, value))
    return "true" if value is True else "" if value is False else str(value)


# Who is asked for packages, and as whom -----------------------------------------------------------


def urls(found: Mapping[str, str]) -> list[str]:
    """The addresses in uv's variables `found` at which packages are looked for."""
    names = (DEFAULT, ALIASES[DEFAULT], EXTRA, ALIASES[EXTRA], LINKS)
    words = re.split(r"[\s,]+", " ".join(found.get(name, "") for name in names))
    named = (re.sub(r"^[A-Za-z0-9._-]+=(?=\w+:)", "", word) for word in words)  # `name=address`
    return [word for word in named if urlsplit(word).scheme in PORTS]


def addresses(environ: Mapping[str, str]) -> frozenset[tuple[str, int]]:
    """The host and port of each index that builds on this host use."""
    found = {**environ, **variables(environ)}
    hosts = {address for url in urls(found) if (address := _address(url))}
    if not _given(found, DEFAULT) and not _given(found, "UV_NO_INDEX"):
        hosts |= usual()
    return frozenset(hosts)


def _address(url: str) -> tuple[str, int] | None:
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.hostname.rstrip("."), port) if parts.hostname else None


def usual() -> set[tuple[str, int]]:
    """Where packages come from unless something else is said, as far as pip is there to say it."""
    try:
        from pip._internal.models.index import PyPI
    except Exception:  # pip is not there, or keeps it elsewhere by now
        return set()
    return {(PyPI.netloc, 443), (PyPI.file_storage_domain, 443)}


def with_passwords(found: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """`found`, whose addresses name the user and password that netrc has for them: a build's
    sandbox has no home."""
    file = environ.get("NETRC") or str(Path(environ.get("HOME") or "/", ".netrc"))
    try:
        known = netrc.netrc(file)
    except (OSError, netrc.NetrcParseError):
        return dict(found)
    full = {}
    for url in urls(found):
        parts = urlsplit(url)
        who = known.authenticators(parts.hostname or "")
        if who and not parts.username:
            netloc = f"{quote(who[0], '')}:{quote(who[2] or '', '')}@{parts.netloc}"
            full[url] = urlunsplit(parts._replace(netloc=netloc))
    return _replaced(found, full)


def without_passwords(found: Mapping[str, str]) -> dict[str, str]:
    """`found`, whose addresses name no user and no password."""
    bare = {}
    for url in urls(found):
        parts = urlsplit(url)
        bare[url] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return _replaced(found, bare)


def _replaced(found: Mapping[str, str], by: Mapping[str, str]) -> dict[str, str]:
    """`found` with other addresses in place of some."""
    result = dict(found)
    for name in (DEFAULT, ALIASES[DEFAULT], EXTRA, ALIASES[EXTRA], LINKS):
        if name in result:
            words = re.split(r"([\s,=]+)", result[name])
            result[name] = "".join(by.get(word, word) for word in words)
    return result


# For ./run ----------------------------------------------------------------------------------------


def shell(environ: Mapping[str, str]) -> str:
    """Lines of sh that export what pip and uv need in set-up.

    pip before 24.2 (the one that a new environment of an older Python has) knows only its own
    authorities unless a file is named.
    """
    found = variables(environ)
    named = any(environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    store = environ.get("SSL_CERT_FILE") or authorities.system()
    if not named and "cert" not in pip_options(environ) and store:
        found["PIP_CERT"] = str(store)
    return _exports(found.items())


def _exports(found: Iterable[tuple[str, str]]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in found)


if __name__ == "__main__":
    sys.stdout.write(shell(os.environ))
