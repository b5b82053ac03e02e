"""Addresses of the network: e-mail, web, IP and MAC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .candidates import Candidate, Read

_EMAIL = re.compile(
    r"(?<![\w.+%-])(?!')[\w.+%'-]{1,64}+(?<![.'])@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
_URL = re.compile(
    r"(?<![\w@])(?:(?:https?|ftps?|sftp|s3|wss?)://|www\d?\.)[^\s<>\"“”«»|\\^`{}]{2,2048}+",
    re.IGNORECASE,
)
# Domains without a scheme: under top-level domains that are no words, in lower case, with their path.
_GENERIC = (
    "com|org|net|edu|gov|mil|int|biz|info|io|ai|dev|app|xyz|online|site|store|tech|cloud|shop|blog"
)
_OF_COUNTRIES = "ac|ae|ar|au|bg|br|ca|ch|cl|cn|cz|de|dk|ee|es|eu|fi|fr|gr|hk|hr|hu|ie|il|ir|jp|kr|lt|lu|lv|mx|nl|nz|pe|pl|pt|ro|rs|ru|se|sg|si|sk|tr|tv|tw|ua|uk|uy|vn|za"
_DOMAIN = re.compile(
    rf"(?<![\w@./:-])(?:[a-z\d](?:[a-z\d-]{{0,61}}[a-z\d])?\.){{1,5}}(?:{_GENERIC}|{_OF_COUNTRIES})(?![\w-]|\.\w|@)(?:/[^\s<>\"“”«»]{{0,2048}}+)?",
    re.IGNORECASE,
)
_IPV4 = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[\da-f]{0,4}:[\da-f]{0,4}:)[\da-f:]{2,39}+(?:\.\d{1,3}){0,3}(?![\w:])",
    re.IGNORECASE,
)
_MAC = re.compile(
    r"(?<![\w:.-])(?:[\da-f]{2}(?P<sign>[:-])(?:[\da-f]{2}(?P=sign)){4}[\da-f]{2}|[\da-f]{4}\.[\da-f]{4}\.[\da-f]{4})(?![\w:]|[.-]\w)",
    re.IGNORECASE,
)
# Six pairs of digits without a letter are rather a list of numbers.
_LETTER = re.compile("[a-fA-F]")
_VERSION = re.compile(r"(?<![^\W_])(?:version|ver|v|release|firmware|build|section|clause)\.? ?\Z")
_CLOSING = {")": "(", "]": "["}


def network(read: Read) -> Iterator[Candidate]:
    """Yield the addresses of the network in a text; the claims may overlap."""
    plain = read.plain
    if "@" in plain:
        yield from (
            Candidate(*found.span(), "EMAIL", 0.99, True) for found in _EMAIL.finditer(plain)
        )
    for found in _URL.finditer(plain):
        yield Candidate(found.start(), _trimmed(plain, *found.span()), "URL", 0.99, True)
    for found in _DOMAIN.finditer(plain):
        if not _is_a_sentence_end(found[0]):
            yield Candidate(found.start(), _trimmed(plain, *found.span()), "URL", 0.9, True)
    for found in _IPV4.finditer(plain):
        if not _VERSION.search(read.lower, max(0, found.start() - 10), found.start()):
            yield Candidate(*found.span(), "IP_ADDRESS", 0.98, True)
    for found in _IPV6.finditer(plain):
        if len(found[0]) > 4 and _is_ipv6(found[0]):
            yield Candidate(*found.span(), "IP_ADDRESS", 0.97, True)
    yield from (
        Candidate(*found.span(), "MAC_ADDRESS", 0.97, True)
        for found in _MAC.finditer(plain)
        if _LETTER.search(found[0])
    )


def _trimmed(plain: str, begin: int, end: int) -> int:
    """Return the end without the punctuation of the sentence around."""
    while end > begin + 1:
        last = plain[end - 1]
        opening = _CLOSING.get(last)
        unopened = opening is not None and plain.count(opening, begin, end) < plain.count(
            last, begin, end
        )
        if last not in ".,;:!?'*" and not unopened:
            break
        end -= 1
    return end


def _is_a_sentence_end(domain: str) -> bool:
    """Return whether it is two words with a full stop between: "done.Es"."""
    ending = domain.split("/")[0].rsplit(".", 1)[1]
    return not (ending.islower() or ending.isupper()) or (
        len(ending) == 2 and domain.count(".") == 1 and len(domain) < 6
    )


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
