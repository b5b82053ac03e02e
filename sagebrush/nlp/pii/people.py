"""Names and ages by rules: what introduces a person, and an age with its unit.

Rules find the names that words around give away ("Mr. …", "my name is …", a letter's last line);
names elsewhere are the model's. A title ("Dr.") is no part of a name (Amazon Comprehend Developer
Guide, "PII universal entity types").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .candidates import Candidate, Read

# A capital and more, initials, particles between: "Ana María de la Cruz", "O'Neil", "J. R. Smith-Jones".
_WORD = r"[^\W\d_a-zà-öø-ÿ](?:[^\W\d_]|['’-](?=[^\W\d_]))*"
_PARTICLE = (
    r"(?:de la|de los|del|de|da|dos|van der|van den|van|von|der|bin|ibn|al|el|la|le|di|ter|y)"
)
_INITIAL = r"[^\W\d_a-zà-öø-ÿ]\.?"
_NAME = rf"(?P<name>(?:{_WORD})(?:[ \t]{{1,2}}(?:{_INITIAL}(?=[ \t])|{_PARTICLE}(?=[ \t])))?(?:[ \t](?:{_INITIAL}(?=[ \t])|{_PARTICLE}[ \t]{_WORD}|{_WORD})){{0,3}})"
_TITLE = (
    r"(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Professor|Sir|Madam|Rev|Fr|Sr|Sra|Srta|Doña|Dra|Señor|Señora|Señorita|Lord|Lady|Capt|Captain|Lt|Sgt|Col|Gen"
    r"|Officer|Judge|Sister|Brother|Father|MR|MRS|MS|DR)"
)
_RULES = (
    (re.compile(rf"(?<![\w.])(?<!(?i:the) )(?:{_TITLE}\.? +){{1,3}}{_NAME}"), 0.9),
    (re.compile(rf"(?<!\w)(?i:my (?:full |first |last )?name is|my name'?s|name is|i am called|people call me|call me|(?:hello|hi|hey)[,.!]? this is|se llama|me llamo|mi nombre es|soy) +(?:{_TITLE}\.? +)?{_NAME}"), 0.88),
    (re.compile(rf"(?<!\w)(?i:(?:full |first |last |given |family |middle |sur|maiden )?name|nombre(?: completo)?|apellidos?|patient|paciente|customer|client|cliente|attn|attention|account holder|titular|cardholder|contact|signed by) ?: *(?:{_TITLE}\.? +)?{_NAME}"), 0.93),
    (re.compile(rf"(?:\A|\n|[.!?] )(?i:dear|hello|hi|hey|estimad[oa]|querid[oa]|hola) +(?:{_TITLE}\.? +)?{_NAME}(?=[,.!:;\n]|$)"), 0.88),
    (re.compile(rf"(?:\n|, )(?i:regards|sincerely|best|yours truly|cheers|thanks|thank you|kind regards|best regards|warm regards|yours sincerely|yours faithfully|saludos|atentamente|cordialmente),?\n{{1,3}} *{_NAME}(?=\n|\Z)"), 0.93),
)  # fmt: skip
# Words that stand where a name would and are none.
_NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "i the a an this that it you we he she they my your our his her their what who how why when where sir "
        "madam all everyone everybody team there friend friends customer customers valued support service "
        "colleagues folks guys ladies gentlemen mr mrs ms dr miss january february march april may june july "
        "august september october november december monday tuesday wednesday thursday friday saturday sunday "
        "yes no ok please thanks not just god lord world again required optional your el la los las un una "
        "todos equipo hiring manager president chairman chairwoman speaker secretary justice computer "
        "minister ambassador superior mayor governor senator general",
    )
)  # fmt: skip
# What people say first in a conversation that is written down: "Customer: Hi, …".
_SAID_FIRST = frozenset(
    re.findall(
        r"\w+",
        "hi hello hey hola good morning well sure okay thank sorry great oh ah um yeah yep nope hmm right can could "
        "would is are do does did have has if in on at and but so or for let here also actually currently after "
        "before when while since maybe really wow gracias buenos buenas sí claro none unknown anonymous",
    )
)

_AGES = (
    re.compile(r"(?<![\w.,/$-])(?P<age>1?\d{1,2}[ -]?(?:years?|yrs?|months?|weeks?)[ -]olds?)(?!\w)"),
    re.compile(r"(?<![\w.,/$-])(?P<age>1?\d{1,2} ?(?:y/o|yo|y\.o\.?|yrs?\.? of age|years? of age))(?!\w)"),
    re.compile(r"(?<!\w)(?:aged?|ages|age:|age of|age is|age at|at the age of|aged about|just turned|turned|turning|turns|be turning) ?:? ?(?P<age>1?\d{1,2}(?: years)?)(?![\w%]|[.,/:-]\d| (?:percent|pages|degrees|dollars|points|days|times|million|thousand|miles)\b)"),
    re.compile(r"(?<!\w)(?:age|edad|edad de|años:|tengo|tiene|tenía|cumplí|cumplió|cumple|de) ?:? ?(?P<age>1?\d{1,2} años)(?: de edad)?(?!\w)"),
    re.compile(r"(?<!\w)(?:age|edad) ?[:=] ?(?P<age>1?\d{1,2})(?!\w|[.,/:-]\d)"),
)  # fmt: skip
_LABELLED = re.compile(r": *\Z")
_YOUNGER = re.compile(r" [JS]r\.")
_OLD = re.compile(r" olds?\Z")


_PARTICLE_ALONE = re.compile(rf"(?:{_PARTICLE}|la|los|den|der)\Z")
_WORDS = re.compile(r"[^ \t]+")


def _cased(name: str) -> int:
    """Return the length of the name without "'s", up to its last word with a capital.

    A name of a script without capitals stays whole.
    """
    end = len(name) - 2 * name.endswith("'s")
    if not name[0].isupper():
        return end
    last = 0
    for word in _WORDS.finditer(name, 0, end):
        if word[0][0].isupper():
            last = word.end()
        elif not _PARTICLE_ALONE.match(word[0]):
            break
    return last


def people(read: Read) -> Iterator[Candidate]:
    """Yield names and ages that rules find; the claims may overlap."""
    for pattern, score in _RULES:
        for found in pattern.finditer(read.text):
            begin, end = found.span("name")
            words = read.lower[begin:end].split()
            if (
                words[0].strip(".'") in _NO_NAMES
                or (
                    _LABELLED.search(read.text, max(0, begin - 4), begin)
                    and words[0].strip(".'") in _SAID_FIRST
                )
                or (len(words) == 1 and len(words[0]) < 2)
                or read.text[begin].islower()
            ):
                continue
            end = begin + _cased(read.plain[begin:end])
            end += bool(_YOUNGER.match(read.text, end - 3))
            yield Candidate(begin, end, "NAME", score)
    for pattern in _AGES:
        for found in pattern.finditer(read.lower):
            begin, end = found.span("age")
            number = int(re.match(r"\d+", found["age"])[0])  # type: ignore[index]
            if number <= 120:
                # "I am 40 years old": AWS's guide marks "40 years".
                end = begin + len(_OLD.sub("", found["age"]))
                yield Candidate(begin, end, "AGE", 0.93)
