"""Identifiers that have a form of their own: a table of pattern, check digits and telling words.

What is claimed, and with which confidence, depends on what is known: the check digits are right and
a word near by tells the type; the check digits alone; the form with a telling word; the form alone.
A type whose form alone is too common claims nothing by it. Telling words are English and Spanish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from . import checksums
from .candidates import Candidate, Read


class Confidence(NamedTuple):
    """The score for each state of knowledge; 0 claims nothing."""

    checked_and_told: float
    checked: float
    told: float
    form: float


@dataclass(frozen=True)
class Identifier:
    """One way in which a type's identifiers are written.

    `pattern` reads the text with plain signs; `told` the lower-case text around; `check` is None
    where there are no check digits. `refused` are words before it by which it is something else.
    """

    label: str
    pattern: re.Pattern[str]
    told: re.Pattern[str]
    confidence: Confidence
    check: Callable[[str], bool] | None = None
    refused: re.Pattern[str] | None = None


BEFORE, AFTER = 56, 22
"""How far from an identifier a word tells its type, in characters."""

# Nothing that goes on: neither a letter or digit, nor a digit behind a separator.
_BEGIN = r"(?<!\w)(?<!\d[-./,:])(?<![*•])"
_END = r"(?!\w)(?![-./:]\d)(?!,\d{3}(?!\d))"


def _form(pattern: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(f"{_BEGIN}(?:{pattern}){_END}", flags)


def _iban() -> str:
    """IBANs in groups of four characters or none, each as long as its country's: a word behind is no part."""
    countries: dict[int, list[str]] = {}
    for country, length in checksums.IBAN_LENGTHS.items():
        countries.setdefault(int(length), []).append(country)
    forms = (
        rf"(?:{'|'.join(named)})\d\d(?: ?[a-z\d]{{4}}){{{length // 4 - 1}}}"
        + (rf" ?[a-z\d]{{{length % 4}}}" if length % 4 else "")
        for length, named in sorted(countries.items())
    )
    return rf"(?=[a-z]{{2}}\d\d)(?:{'|'.join(forms)})"


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(r"(?<![^\W_])(?:" + "|".join(words) + r")(?![^\W_])")


_CARD = _words(
    "cards?", "credit", "debit", "visa", "master ?card", "amex", "american express", "discover", "maestro", "cc", "diners", "tarjetas?", "crédito", "débito", "credito", "debito"
)  # fmt: skip
_SSN = _words(
    "ssns?",
    "ss#",
    "social security(?: number| no| #)?",
    "social",
    "soc sec",
    "número de seguro social",
    "seguro social",
    "seguridad social",
    "nss",
)
_TAX = _words(
    "itins?",
    "taxpayer",
    "tax id",
    "tax identification",
    "individual tax(?:payer)?",
    "tin",
    "contribuyente",
)
_ROUTING = _words(
    "routing", "aba", "rtn", "transit", "ach", "número de ruta", "ruta bancaria", "tránsito"
)
_ACCOUNT = _words(
    "accounts?",
    "acct",
    "acc",
    "a/c",
    "checking",
    "savings",
    "bank",
    "direct deposit",
    "cuentas?",
    "ahorros",
    "banco",
    "corriente",
)
_PASSPORT = _words("passports?", "passport number", "pasaportes?")
_DRIVER = _words(
    r"driver'?s?'? licen[cs]es?", r"driving licen[cs]es?", "licen[cs]e number", r"licen[cs]e no\.?", "licen[cs]e #", "dl(?= ?(?:#|:|no|number))", "dln", "driver id", "driver'?s? permit",
    "licencia de conduci[rt]", "licencia de manejo", "permiso de conducir", "carn[eé]t? de conducir",
)  # fmt: skip
_PLATE = _words(
    "licen[cs]e plates?", "number plates?", "plate (?:number|no)", "plates?(?= (?:is|are)\\b| ?[:#])", "registration(?: number| plate)?", "reg(?= ?(?:no|number|[:#]))",
    "tag number", "matrícula", "matricula", "placas?",
)  # fmt: skip
_VIN = _words(
    "vins?",
    "vehicle identification(?: number)?",
    "chassis",
    "número de bastidor",
    "bastidor",
    "número de serie",
)
_IBAN = _words(
    "ibans?", "international bank account", "transfer", "account", "cuenta", "transferencia", "bank"
)
_SWIFT = _words(
    "swift",
    "bic",
    "swift code",
    "bank identifier",
    "wire",
    "swift/bic",
    "bic/swift",
    "código swift",
)
_SIN = _words("sins?", "social insurance(?: number)?", "n\\.?a\\.?s", "seguro social canadiense")
_CA_HEALTH = _words(
    "health (?:card|number|insurance|care|service|plan)(?: number)?",
    "ohip",
    "phn",
    "medicare card",
    "ramq",
    "msp",
    "tarjeta sanitaria",
    "tarjeta de salud",
)
_AADHAAR = _words("aadhaar", "aadhar", "adhaar", "uidai", "uid")
_NREGA = _words("nrega", "mgnrega", "mnrega", "job card", "rural employment")
_PAN = _words("pan", "pan card", "permanent account(?: number)?", "income tax")
_VOTER = _words(
    "voters?(?: id| card| number)?", "epic", "election(?: card)?", "electoral", "votante"
)
_NHS = _words("nhs", "national health(?: service)?", "servicio nacional de salud")
_NINO = _words(
    "national insurance(?: number)?", "nino", "ni number", "ni no", "n\\.i\\.", "seguro nacional"
)
_UTR = _words(
    "utr",
    "unique tax(?:payer)? reference",
    "tax(?:payer)? reference",
    "self assessment",
    "hmrc",
    "referencia de contribuyente",
)
_KEY = _words(
    "secret",
    "secret access key",
    "aws_secret_access_key",
    "secret key",
    "aws",
    "clave secreta",
    "secretaccesskey",
    "access key",
)
_NOT_A_CARD = re.compile(
    r"(?:imei|tracking|isbn|ean|upc|barcode|order|invoice|serial)[^\n]{0,16}\Z"
)


_NOT_A_BANK_ACCOUNT = re.compile(r"(?:arn:aws|(?<!\w)aws accounts?)[^\n]{0,24}\Z")
"""What Amazon's accounts have before their numbers."""


def _secret_key(token: str) -> bool:
    """Upper and lower case, digits, and as many different characters as chance gives."""
    kinds = (
        any(map(str.isupper, token)),
        any(map(str.islower, token)),
        any(map(str.isdigit, token)),
    )
    return all(kinds) and len(set(token)) >= 20 and "//" not in token


IDENTIFIERS = (
    Identifier(
        "CREDIT_DEBIT_NUMBER", _form(r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{12,19}"), _CARD,
        Confidence(0.99, 0.0, 0.85, 0.0), checksums.card, _NOT_A_CARD,
    ),
    Identifier(
        "CREDIT_DEBIT_NUMBER", _form(r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{2,7}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{14,19}"), _CARD,
        Confidence(0.99, 0.93, 0.0, 0.0), checksums.card, _NOT_A_CARD,
    ),
    Identifier("CREDIT_DEBIT_NUMBER", _form(r"[xX*•#]{2,12}(?:[ -]?[xX*•#]{2,12}){0,3}[ -]?\d{4}"), _CARD, Confidence(0.0, 0.0, 0.9, 0.0)),
    Identifier("SSN", _form(r"\d{3}-\d{2}-\d{4}"), _SSN, Confidence(0.99, 0.9, 0.8, 0.0), checksums.social_security),
    Identifier("SSN", _form(r"\d{3}[ .]\d{2}[ .]\d{4}|\d{9}"), _SSN, Confidence(0.96, 0.0, 0.0, 0.0), checksums.social_security),
    Identifier("SSN", _form(r"[xX*•#]{3}[- ]?[xX*•#]{2}[- ]?\d{4}"), _SSN, Confidence(0.0, 0.0, 0.97, 0.85)),
    Identifier("US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER", _form(r"9\d{2}[- ]\d{2}[- ]\d{4}"), _TAX, Confidence(0.99, 0.9, 0.0, 0.0), checksums.taxpayer),
    Identifier("US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER", _form(r"9\d{8}"), _TAX, Confidence(0.97, 0.0, 0.0, 0.0), checksums.taxpayer),
    Identifier("BANK_ROUTING", _form(r"\d{9}|\d{4}-\d{4}-\d"), _ROUTING, Confidence(0.99, 0.0, 0.75, 0.0), checksums.routing),
    Identifier("BANK_ROUTING", _form(r"[xX*•#]{4,6}[- ]?\d{3,5}"), _ROUTING, Confidence(0.0, 0.0, 0.9, 0.0)),
    Identifier("BANK_ACCOUNT_NUMBER", _form(r"\d{6,17}|\d{3,6}[- ]\d{3,8}(?:[- ]\d{1,6})?"), _ACCOUNT, Confidence(0.0, 0.0, 0.8, 0.0), refused=_NOT_A_BANK_ACCOUNT),
    Identifier("BANK_ACCOUNT_NUMBER", _form(r"[xX*•#]{4,13}[- ]?\d{3,5}"), _ACCOUNT, Confidence(0.0, 0.0, 0.88, 0.0)),
    Identifier(
        "INTERNATIONAL_BANK_ACCOUNT_NUMBER", _form(_iban(), re.IGNORECASE), _IBAN,
        Confidence(0.99, 0.99, 0.0, 0.0), checksums.iban,
    ),
    Identifier(
        "INTERNATIONAL_BANK_ACCOUNT_NUMBER", _form(_iban(), re.IGNORECASE), _words("iban"),
        Confidence(0.85, 0.0, 0.0, 0.0), checksums.iban_form,
    ),
    Identifier("SWIFT_CODE", _form(r"[A-Z]{4}[A-Z]{2}[A-Z\d]{2}(?:[A-Z\d]{3})?"), _SWIFT, Confidence(0.97, 0.0, 0.0, 0.0), checksums.bank_code),
    Identifier("VEHICLE_IDENTIFICATION_NUMBER", _form(r"[A-HJ-NPR-Z\d]{17}", re.IGNORECASE), _VIN, Confidence(0.99, 0.95, 0.9, 0.0), checksums.vehicle),
    Identifier("PASSPORT_NUMBER", _form(r"[A-Z]{0,2}\d{6,9}|[A-Z]\d{2}[A-Z\d]{6}", re.IGNORECASE), _PASSPORT, Confidence(0.0, 0.0, 0.95, 0.0)),
    Identifier("DRIVER_ID", _form(r"(?=[a-z-]{0,6}\d)[a-z\d](?:[a-z\d]|[- ](?=\d)){4,19}", re.IGNORECASE), _DRIVER, Confidence(0.0, 0.0, 0.95, 0.0)),
    Identifier(
        "LICENSE_PLATE", _form(r"(?=[A-Z -]{0,4}\d)(?=[\d -]{0,5}[A-Z])[A-Z\d]{1,4}[ -]?[A-Z\d]{2,4}(?: ?[A-Z\d]{1,3})?"), _PLATE, Confidence(0.0, 0.0, 0.9, 0.0)
    ),
    Identifier("CA_SOCIAL_INSURANCE_NUMBER", _form(r"\d{3}[- ]?\d{3}[- ]?\d{3}"), _SIN, Confidence(0.99, 0.0, 0.8, 0.0), checksums.luhn),
    Identifier("CA_HEALTH_NUMBER", _form(r"\d{4}[- ]?\d{3}[- ]?\d{3}(?:[- ]?[A-Z]{2})?"), _CA_HEALTH, Confidence(0.0, 0.0, 0.92, 0.0)),
    Identifier("IN_AADHAAR", _form(r"\d{4}[ -]\d{4}[ -]\d{4}"), _AADHAAR, Confidence(0.99, 0.8, 0.85, 0.0), checksums.aadhaar),
    Identifier("IN_AADHAAR", _form(r"\d{12}"), _AADHAAR, Confidence(0.99, 0.0, 0.8, 0.0), checksums.aadhaar),
    Identifier("IN_NREGA", _form(r"[A-Z]{2}(?:[-/ ]?\d){14}"), _NREGA, Confidence(0.0, 0.0, 0.97, 0.0)),
    Identifier("IN_NREGA", _form(r"[A-Z]{2}-\d{2}-\d{3}-\d{3}-\d{3}[-/]\d{1,6}"), _NREGA, Confidence(0.0, 0.0, 0.97, 0.75)),
    Identifier("IN_PERMANENT_ACCOUNT_NUMBER", _form(r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"), _PAN, Confidence(0.0, 0.0, 0.99, 0.85)),
    Identifier("IN_VOTER_NUMBER", _form(r"[A-Z]{3}\d{7}"), _VOTER, Confidence(0.0, 0.0, 0.97, 0.0)),
    Identifier("UK_NATIONAL_HEALTH_SERVICE_NUMBER", _form(r"\d{3}[ -]?\d{3}[ -]?\d{4}(?: \d{3} \d{4})?"), _NHS, Confidence(0.99, 0.0, 0.85, 0.0), checksums.nhs),
    Identifier("UK_NATIONAL_HEALTH_SERVICE_NUMBER", _form(r"\d{10} \d{3} \d{4}|\d{17}"), _NHS, Confidence(0.99, 0.0, 0.85, 0.0), checksums.nhs),
    Identifier(
        "UK_NATIONAL_INSURANCE_NUMBER", _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D]", re.IGNORECASE), _NINO,
        Confidence(0.99, 0.9, 0.0, 0.0), checksums.national_insurance,
    ),
    Identifier("UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER", _form(r"\d{5} ?\d{5}|\d{10}[Kk]"), _UTR, Confidence(0.99, 0.0, 0.85, 0.0), checksums.taxpayer_reference),
    Identifier("AWS_ACCESS_KEY", re.compile(r"(?<![A-Za-z\d])(?:AKIA|ASIA|AIDA|AROA|AGPA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z\d]{16}(?![A-Za-z\d])"), _KEY, Confidence(0.0, 0.0, 0.99, 0.98)),
    Identifier("AWS_SECRET_KEY", re.compile(r"(?<![A-Za-z\d/+=])[A-Za-z\d/+]{40}(?![A-Za-z\d/+=])|(?<==)[A-Za-z\d/+]{40}(?![A-Za-z\d/+=])"), _KEY, Confidence(0.97, 0.7, 0.0, 0.0), _secret_key),
)  # fmt: skip

# Each of these forms holds a digit or a mask, but for the BIC: only what is near one is read by all of the patterns.
_NEAR = 40
_MARK = re.compile(r"\d++|[*•]{3,}+|[xX#]{4,}+")
_BIC = frozenset(("SWIFT_CODE",))


def identifiers(read: Read) -> Iterator[Candidate]:
    """Yield what the table claims of a text; the claims may overlap.

    Of claims by a word alone that begin at one place, those told from much farther away than another
    are left out: a number belongs to the nearest word ("passport A1234567, account 12345678").
    """
    claims = list(_by_table(read))
    nearest: dict[int, int] = {}
    for claim in claims:
        nearest[claim.begin] = min(claim.distance, nearest.get(claim.begin, claim.distance))
    for claim in claims:
        far = claim.distance > nearest[claim.begin] + _FARTHER
        if not far or not claim.by_word:
            yield claim


_FARTHER = 16
"""Characters by which a telling word is much farther away than another."""


def _by_table(read: Read) -> Iterator[Candidate]:
    regions = list(_regions(read.plain))
    for identifier in IDENTIFIERS:
        if identifier.label in _BIC:
            if identifier.told.search(read.lower):
                yield from _claims(identifier, read, 0, len(read.plain))
            continue
        for begin, end in regions:
            yield from _claims(identifier, read, begin, end)


def _regions(plain: str) -> Iterator[tuple[int, int]]:
    begin = end = 0
    for mark in _MARK.finditer(plain):
        if mark.start() - _NEAR > end:
            if end > begin:
                yield begin, end
            begin = mark.start() - _NEAR
        end = min(len(plain), mark.end() + _NEAR)
    if end > begin:
        yield max(0, begin), end


def _claims(identifier: Identifier, read: Read, begin: int, end: int) -> Iterator[Candidate]:
    confidence = identifier.confidence
    for found in identifier.pattern.finditer(read.plain, begin, end):
        if identifier.label not in _BIC and not _MARK.search(found[0]):
            continue
        checked = identifier.check is not None and identifier.check(found[0])
        if not checked and not confidence.told and not confidence.form:
            continue
        if identifier.refused and identifier.refused.search(
            read.lower, max(0, found.start() - 32), found.start()
        ):
            continue
        distance = told_at(identifier.told, read.lower, found.start(), found.end())
        if checked:
            score = confidence.checked if distance is None else confidence.checked_and_told
        else:
            score = confidence.form if distance is None else confidence.told
        if score:
            yield Candidate(
                found.start(),
                found.end(),
                identifier.label,
                score,
                checked or score >= 0.95,
                999 if distance is None else distance,
                not checked and distance is not None,
            )


def told_at(told: re.Pattern[str], lower: str, begin: int, end: int) -> int | None:
    """Return how far from `lower[begin:end]` the nearest telling word is; None where none is near."""
    nearest = None
    for word in told.finditer(lower, max(0, begin - BEFORE), begin):
        nearest = begin - word.end()
    if nearest is None or nearest > AFTER:
        after = told.search(lower, end, min(len(lower), end + AFTER))
        if after:
            # What follows tells less than what introduces.
            nearest = min(nearest if nearest is not None else 999, 8 + after.start() - end)
    return nearest
