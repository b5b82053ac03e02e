"""What only the words before it tell: secrets, names of accounts, and numbers cut to their last digits.

English and Spanish: "PIN 1234", "contraseña: …", "card ending in 1234".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .candidates import Candidate, Read


@dataclass(frozen=True)
class Introduced:
    """A pattern over the lower-case text whose group `value` is of this type.

    `any_word` says that it may be a mere word too, since more than a word before it tells it.
    """

    label: str
    pattern: re.Pattern[str]
    score: float
    any_word: bool = False


# Between the words and the value: "number", "is", a colon; never more than this.
_IS = r"(?: (?:number|code|no\.?|#|num|número|numero|value|key))?(?: ?(?:is|was|are|es|era|son)\b)?(?: now| still| set to| ahora)? ?(?:[:=#]|->|–|-)? ?[\"'“«(]?"
_LAST = r"[^.\n\d]{0,24}?(?:ending|ends|ended|last (?:four|4)|termina(?:da|do|n)?|últimos (?:cuatro|4))(?: digits| dígitos)?(?: in| with| en| con| of| are| is)? ?:? ?[x*•#]{0,12}-?(?P<value>\d{4})(?![\d/.-])"
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|ene|abr|ago|dic)[a-z]{0,8}\.?"
_EXPIRY = (
    rf"(?P<value>(?:0?[1-9]|1[0-2]) ?[/-] ?(?:20)?\d\d(?![\w/-])|{_MONTHS},? (?:de )?20\d\d(?!\w))"
)
# A password that follows its word at once has a letter and a digit: "password hunter2", and no "password 12-digit",
# "password sha256".
_SECRET = r"(?:password|passwd|pwd|passphrase|passcode|pw|contraseña)"
_MIXED = r"(?!\d{1,3}(?:-?[a-z]{1,2}(?!\w)|-[a-z]|chars|digits?))(?!(?:sha|md|utf|v|oauth|aes|rfc|win|part|step)-?\d|1password)(?=[^\s\d]{0,63}\d)(?=[^\sa-z]{0,63}[a-z])[^\s\"'“”«»`]{4,64}"
# What stands between "user" and "password" and is no user's name.
_NO_USER = r"(?:name|id|is|was|has|had|and|or|with|the|an|my|your|his|her|their|its|for|to|no|new|wrong|guide|manual|profile|list|group|data|credentials|account|page|form|forgot|forgets|lost|enters?|entered|enter|types?|typed|needs?|changed?|changes|resets?|requires?|required|using|uses?|used|via|by|password|de|la|con)"

INTRODUCED = (
    Introduced(
        "CREDIT_DEBIT_CVV",
        re.compile(rf"(?<!\w)(?:cvv2?|cvc2?|csc|cvn|cid|security code|card verification(?: value| code)?|verification code|código de seguridad|codigo de seguridad){_IS}(?P<value>\d{{3,4}})(?![\w/-])"),
        0.96,
    ),
    Introduced(
        "CREDIT_DEBIT_EXPIRY",
        re.compile(rf"(?<!\w)(?:exp|exp\.|expires?|expiry|expiration|expiring|expired|valid (?:thru|through|until|till)|good thru|caduca|caducidad|vence|vencimiento|válida hasta)(?: date| fecha| on| in| el| en){{0,2}}{_IS}{_EXPIRY}"),
        0.92,
    ),
    Introduced("PIN", re.compile(rf"(?<!\w)(?:pin|atm pin|pin code|personal identification number|nip|código pin|clave pin|pin de (?:la )?tarjeta){_IS}(?P<value>\d{{4}})(?![\w/.-]\w|\d|\w)"), 0.96),
    Introduced(
        "PASSWORD",
        re.compile(r"(?<![^\W_])(?:password|passwd|pwd|passphrase|passcode|pass word|pw|contraseña|clave de acceso|contrasena)(?: (?:is|was|es|era)(?: now| ahora)?:?| ?[:=]) ?[\"'“«`]?(?P<value>[^\s\"'“”«»`]{4,64})"),
        0.93,
    ),
    Introduced("PASSWORD", re.compile(r"(?<![^\W_])(?:user ?name|user|login|usuario)(?!\w)[^\n]{1,60}?(?<!\w)pass ?[:=] ?[\"'“«`]?(?P<value>[^\s\"'“”«»`]{4,64})"), 0.9),
    Introduced("PASSWORD", re.compile(rf"(?<![^\W_]){_SECRET} [\"'“«`]?(?P<value>{_MIXED})"), 0.85),
    Introduced(
        "USERNAME",
        re.compile(rf"(?<![^\W_])(?:user ?name|user|login|usuario) (?P<value>(?!{_NO_USER}\b)[a-z\d][\w.@+-]{{1,39}})(?: ?[/|,;] ?(?:and |with )?{_SECRET} ?[:=]|(?: ?[/|,;])? (?:and |with )?{_SECRET}(?: ?[:=]| is| es)? ?[\"'“«`]?{_MIXED})"),
        0.85,
        any_word=True,
    ),
    Introduced(
        "USERNAME",
        re.compile(r"(?<![^\W_])(?:user ?name|user[_ -]?id|user|login(?: id| name)?|screen ?name|nick(?:name)?|handle|account name|nombre de usuario|usuario)(?: (?:is|was|es|era):?| ?[:=]) ?[\"'“«`@]?(?P<value>[^\s\"'“”«»`,;()<>]{2,40})"),
        0.9,
    ),
    Introduced("USERNAME", re.compile(r"(?<![^\s(“.,:;!?-])(?<!\w[.'-])(?P<value>@[a-z_]\w{1,29})(?![\w@{]|\.\w)"), 0.75),
    Introduced("CREDIT_DEBIT_NUMBER", re.compile(rf"(?<!\w)(?:card|visa|mastercard|amex|tarjeta){_LAST}"), 0.9),
    Introduced("BANK_ACCOUNT_NUMBER", re.compile(rf"(?<!\w)(?:account|acct|checking|savings|cuenta){_LAST}"), 0.85),
    Introduced("BANK_ROUTING", re.compile(rf"(?<!\w)(?:routing(?: number)?|aba){_LAST}"), 0.85),
    Introduced("SSN", re.compile(rf"(?<!\w)(?:ssn|social security(?: number)?|social|seguro social){_LAST}"), 0.92),
    Introduced("SSN", re.compile(r"(?<!\w)last (?:four|4)(?: digits)?(?: of| for)?(?: my| your| his| her| the)? (?:ssn|social(?: security(?: number)?)?)(?: (?:is|are|:))?:? ?(?P<value>\d{4})(?![\d/.-])"), 0.92),
)  # fmt: skip

# Words that these expressions introduce and that are none of it: "the password is required", "user: what …".
_ORDINARY = re.compile(r"[^\W\d_](?:[^\W\d_]|['-])*\Z")
_CARD_NEAR = re.compile(
    r"(?<!\w)(?:card|credit|debit|visa|mastercard|amex|tarjeta|cvv|cvc|crédito|débito)(?!\w)"
)


def introduced(read: Read) -> Iterator[Candidate]:
    """Yield what words introduce in a text; the claims may overlap."""
    for rule in INTRODUCED:
        for found in rule.pattern.finditer(read.lower):
            begin, end = found.span("value")
            if rule.label in ("PASSWORD", "USERNAME"):
                bare = begin + len(read.text[begin:end].rstrip(".,;:!?)]}"))
                if bare - begin < 2 or (not rule.any_word and _is_a_word(read, found, begin, bare)):
                    continue
                end = _secret_end(read.text, begin, bare, end) if rule.label == "PASSWORD" else bare
            if rule.label == "CREDIT_DEBIT_EXPIRY" and not _CARD_NEAR.search(
                read.lower, max(0, begin - 160), end + 100
            ):
                continue
            yield Candidate(begin, end, rule.label, rule.score, True, 0)


def _secret_end(text: str, begin: int, bare: int, end: int) -> int:
    """Where a password ends that ends at `bare` without its punctuation: with exclamation marks and brackets of its own.

    Whether a mark is the sentence's, nobody knows; to redact it does no harm, and to leave a password's does.
    """
    while bare < end:
        opening = _OPENING.get(text[bare], "")
        opened = opening and text.count(opening, begin, bare) > text.count(text[bare], begin, bare)
        if text[bare] != "!" and not opened:
            break
        bare += 1
    return bare


_OPENING = {")": "(", "]": "[", "}": "{"}


def _is_a_word(read: Read, found: re.Match[str], begin: int, end: int) -> bool:
    """Return whether it is a mere word: after "is", what has neither a digit nor a sign nor quotes."""
    value = read.lower[begin:end]
    if not _ORDINARY.match(value):
        return False
    quoted = read.text[begin - 1 : begin] in ('"', "'", "“", "«", "`")
    before = read.lower[found.start() : begin].rstrip("\"'“«` ")
    return not quoted and (
        not before.endswith((":", "=")) or read.text[begin].isupper() or before == "user:"
    )
