"""Whether an identifier's own check digits are right.

Each function takes the identifier as it stands in a text, with its spaces and hyphens, in any digits
of Unicode, and returns False for what has not its form.
"""

from __future__ import annotations

import re
import unicodedata


def plain(identifier: str) -> str:
    """Return the identifier's letters in upper case and its digits as ASCII, without anything between."""
    kept = []
    for char in identifier:
        if char.isascii():
            if char.isalnum():
                kept.append(char.upper())
        elif (digit := unicodedata.digit(char, None)) is not None:
            kept.append(str(digit))
    return "".join(kept)


def luhn(identifier: str) -> bool:
    """ISO/IEC 7812-1, Annex B: payment cards, and Canada's social insurance numbers."""
    digits = plain(identifier)
    if not digits.isdecimal() or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


# SWIFT's IBAN registry: how long an IBAN of each country is.
IBAN_LENGTHS = dict(
    re.findall(
        r"(\w\w):(\d\d)",
        "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 "
        "DE:22 DJ:27 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 "
        "GT:28 HN:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 "
        "LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 "
        "PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 "
        "SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30",
    )
)  # fmt: skip


def iban_form(identifier: str) -> bool:
    """A country of the IBAN registry, and as many characters as its IBANs have."""
    letters = plain(identifier)
    return str(len(letters)) == IBAN_LENGTHS.get(letters[:2]) and letters[2:4].isdecimal()


def iban(identifier: str) -> bool:
    """ISO 13616: the country's length, and the whole is 1 modulo 97."""
    letters = plain(identifier)
    if not iban_form(letters):
        return False
    return int("".join(str(int(char, 36)) for char in letters[4:] + letters[:4])) % 97 == 1


def routing(identifier: str) -> bool:
    """ABA routing numbers: weights 3, 7, 1, and first digits of a Federal Reserve district."""
    digits = plain(identifier)
    if len(digits) != 9 or not digits.isdecimal() or digits == "000000000":
        return False
    district = int(digits[:2])
    if not (district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80):
        return False
    return _weighted(digits, (3, 7, 1) * 3) % 10 == 0


def vehicle(identifier: str) -> bool:
    """ISO 3779 with North America's check character at the ninth place (49 CFR 565.15)."""
    letters = plain(identifier)
    if len(letters) != 17 or letters.isdecimal() or letters.isalpha():
        return False
    values = dict(
        zip(
            "0123456789ABCDEFGHJKLMNPRSTUVWXYZ",
            (*range(10), *range(1, 9), *range(1, 6), 7, 9, *range(2, 10)),
            strict=True,
        )
    )
    if any(char not in values for char in letters):
        return False
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    rest = sum(values[char] * weight for char, weight in zip(letters, weights, strict=True)) % 11
    return letters[8] == ("X" if rest == 10 else str(rest))


def nhs(identifier: str) -> bool:
    """The NHS number's modulus 11, of its first ten digits."""
    digits = plain(identifier)
    if len(digits) not in (10, 17) or not digits.isdecimal() or len(set(digits[:10])) == 1:
        return False
    rest = 11 - _weighted(digits[:9], tuple(range(10, 1, -1))) % 11
    return rest != 10 and int(digits[9]) == rest % 11


def taxpayer_reference(identifier: str) -> bool:
    """HMRC's unique taxpayer reference: the first of ten digits checks the others, modulus 11."""
    digits = plain(identifier)[-10:]
    if len(digits) != 10 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    return digits[0] == "21987654321"[_weighted(digits[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11]


def aadhaar(identifier: str) -> bool:
    """UIDAI's Aadhaar: twelve digits, the first of them 2 to 9, by Verhoeff's scheme."""
    digits = plain(identifier)
    if len(digits) != 12 or not digits.isdecimal() or digits[0] in "01":
        return False
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _DIHEDRAL[check][_permuted(place, int(digit))]
    return check == 0


def social_security(identifier: str) -> bool:
    """A US social security number that may be issued: no group of zeros, no area 666 or from 900 on."""
    digits = plain(identifier)
    if len(digits) != 9 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    return (
        digits[:3] not in ("000", "666")
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
    )


def taxpayer(identifier: str) -> bool:
    """A US individual taxpayer number: it begins with 9, and its middle two digits are of those that the IRS
    gives (50 to 65, 70 to 88, 90 to 92, 94 to 99)."""
    digits = plain(identifier)
    return (
        len(digits) == 9
        and digits.isdecimal()
        and digits[0] == "9"
        and (50 <= (group := int(digits[3:5])) <= 65 or 70 <= group <= 99)
        and group not in (89, 93)
    )


def national_insurance(identifier: str) -> bool:
    """A UK national insurance number whose letters are ones that are issued (HMRC, NIM39110)."""
    letters = plain(identifier)
    return letters[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def card(identifier: str) -> bool:
    """A payment card's number: a known issuer's first digits, 12 to 19 digits, and Luhn's check."""
    digits = plain(identifier)
    if not 12 <= len(digits) <= 19 or not digits.isdecimal():
        return False
    return (digits[0] in "23456" or digits[:4] == "1800") and luhn(digits)


# ISO 3166-1: countries that a BIC may name in its fifth and sixth letters.
_COUNTRIES = frozenset(
    re.findall(
        r"\w\w",
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT "
        "BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH "
        "ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT "
        "HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS "
        "LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI "
        "NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG "
        "SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG "
        "UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW",
    )
)  # fmt: skip


def bank_code(identifier: str) -> bool:
    """ISO 9362: a BIC of 8 or 11 characters that names a country."""
    letters = plain(identifier)
    return len(letters) in (8, 11) and letters[4:6] in _COUNTRIES


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _permuted(place: int, digit: int) -> int:
    for _ in range(place % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


# Verhoeff's scheme multiplies in the dihedral group of ten elements.
_DIHEDRAL = tuple(
    tuple(
        ((a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5)
        if a < 5
        else ((a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5)
        for b in range(10)
    )
    for a in range(10)
)
