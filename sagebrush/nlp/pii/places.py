"""Postal addresses of the United States, Canada and the United Kingdom by rules, and postcodes.

An address goes from its house or box to its state and postcode, across lines ("100 Main Street,
Anytown, USA", "Suite #12, Building 123"). Other countries' addresses, and towns, are the model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..grammar import words
from .candidates import Candidate, Read

_SUFFIX = (
    r"(?:Street|Str|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Circle"
    r"|Cir|Way|Crescent|Cres|Close|Grove|Gardens|Row|Mews|Alley|Aly|Plaza|Loop|Run|Ridge|Point|Hill|Walk|Path|Green|Quay|Wharf|Park|Esplanade|Pike|Turnpike)"
)
_DIRECTION = r"(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West|N\.|S\.|E\.|W\.)"
_CAP = r"[^\W\d_a-zà-öø-ÿ][\w.'’-]{0,24}"
_SEP = r"(?:[ \t]*,)?[ \t]*(?:\n[ \t>]*)?[ \t]?(?:,[ \t]*)?"
_UNIT = r"(?:(?:Suite|Ste|Apt|Apartment|Unit|Room|Rm|Floor|Fl|Flat|Building|Bldg|No)\b\.?[ \t]?(?:#[ \t]?)?[\w-]{1,8}|#[ \t]?\d{1,5}[A-Za-z]?)"
_STATE = (
    r"(?:AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI"
    r"|WY|AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT|AA|AE|AP|Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho"
    r"|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire"
    r"|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah"
    r"|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming|Ontario|Quebec|British Columbia|Alberta)"
)
_ZIP = r"\d{5}(?:-\d{4})?(?!\d)"
_UK_POSTCODE = r"(?:GIR ?0AA|[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-HJKSTUW]|[A-HK-Y]\d[ABEHMNPRV-Y]) \d[ABD-HJLNP-UW-Z]{2})(?!\w)"
_CA_POSTCODE = r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d(?!\w)"
_COUNTRY = r"(?:USA|U\.S\.A\.|United States(?: of America)?|US|UK|United Kingdom|England|Scotland|Wales|Canada|Ireland|Australia)"
_CITY = rf"{_CAP}(?:[ \t]{_CAP}){{0,3}}"
_TAIL = (
    rf"(?:{_SEP}{_UNIT}){{0,2}}"
    rf"(?:{_SEP}(?:{_CITY},?[ \t]*(?:\n[ \t>]*)?(?:{_STATE}(?!\w)(?:,?[ \t]+{_ZIP})?|{_ZIP}|{_UK_POSTCODE}|{_CA_POSTCODE})|{_STATE}[ \t]+{_ZIP}))?"
    rf"(?:{_SEP}{_COUNTRY}(?!\w))?"
)
_STREET = rf"\d{{1,6}}[A-Za-z]?(?:[-/]\d{{1,4}}[A-Za-z]?)?[ \t]+(?:\d{{1,5}}[ \t]+)?(?:{_DIRECTION}[ \t]+)?(?:{_CAP}[ \t]+|\d{{1,3}}(?:st|nd|rd|th)[ \t]+){{1,4}}{_SUFFIX}(?<!Supreme Court)(?<!High Court)(?<!District Court)(?<!Superior Court)(?<!Circuit Court)(?<!Federal Court)(?:(?:(?<=[ \t](?:St|Rd|Dr|Ln|Ct|Pl|Sq|Av))|(?<=Ave)|(?<=Str)|(?<=Blvd|Pkwy))\.|(?!\w))(?:[ \t]{_DIRECTION}(?!\w))?(?:[ \t](?i:street)(?!\w))?"
_ADDRESS = re.compile(rf"(?<![\w$£€#/.-]){_STREET}{_TAIL}")
_BOX = re.compile(
    rf"(?<!\w)(?:P\.? ?O\.? ?Box|PO BOX|Post Office Box|Postbox|GPO Box|Apartado(?: de Correos)?)[ \t]?#?\d{{1,7}}(?!\w){_TAIL}"
)
# Each run of spaces has one place alone, and words are whole: else a row of spaces is parted in ever more ways.
_NUMBERED = r"(?!(?:Box|APO|FPO|DPO)(?!\w))\w{1,24}+"
_MILITARY = re.compile(
    rf"(?<!\w)(?i:(?:PSC|CMR|Unit|USS|USNS|USCGC)[ \t]{{1,3}}+{_NUMBERED}(?:[ \t]{_NUMBERED}){{0,3}}+,?+[ \t]{{0,3}}+(?:Box[ \t]{{1,3}}+\d{{1,6}}+,?+[ \t]{{0,3}}+)?+\n?+[ \t]{{0,8}}+"
    r"(?:APO|FPO|DPO),?[ \t]{1,3}+(?:AA|AE|AP)[ \t]{1,3}+\d{5}(?:-\d{4})?)(?!\w)"
)
_TOWN = re.compile(
    rf"(?<![\w.])(?:\d{{1,6}}[ \t])?{_CITY},[ \t]+(?:{_STATE}(?!\w))(?:,?[ \t]+{_ZIP})"
)
# A town behind a street and a comma, where the clause ends with it: "Calle Mayor 5, Madrid."
_TOWN_AT_THE_END = r"[^\W\d_a-zà-öø-ÿ][\w'’-]{1,24}(?:[ \t](?:(?:de|del|la|las|el|los)[ \t]){0,2}[^\W\d_a-zà-öø-ÿ][\w'’-]{1,24}){0,2}(?=[.,;:)!?\n]|[ \t]?\Z|[ \t](?:desde|a|para|en|el|antes|by|before|on|at|until|for|from)[ \t])"
_CALLE = re.compile(
    rf"(?<!\w)(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrera|Camino|Rua|Rúa)[ \t]+(?:(?:de|del|de la|la|los|las)[ \t]+){{0,2}}{_CAP}(?:[ \t](?:de|del|la|y|{_CAP})){{0,4}},?[ \t]*(?:n\.?º[ \t]?)?\d{{1,5}}(?!\w)(?:,?[ \t]*\d\.?º[ \t]?\w?)?(?:{_SEP}\d{{5}}[ \t]{_CITY}|,[ \t]{_TOWN_AT_THE_END})?"
)
# What words introduce as an address, of any country: words with capitals and numbers, a number in its first line.
_PIECE = rf"(?:\d[\w/-]{{0,9}}|{_CAP}|(?:de|do|da|dos|del|della|la|le|des|du|der|den|van|von|and|y|u|ul|ulica|utca|út|tér|terrasse|allé|gade|gata|str|strasse|nan|apt|suite|st|street)(?!\w)\.?)"
_GAP = r"(?:[ \t]{1,3}|,[ \t]{0,2}|,?[ \t]{0,2}\n[ \t>]{0,8}(?:,[ \t]?)?)"
_TOLD = re.compile(
    rf"(?<!\w)(?i:addresse?s?|direcci[oó]n|lives?|living|resides?|residing|located|offices?|stop|meet (?:you|me)|deliver(?:ed)?|sent|ship(?:ped)?|mail(?:ed)?|moved|return|taxi|domicilio|vivo|vive|it'?s)"
    rf"(?i:(?: [a-z]{{2,12}}){{0,3}}?(?: (?:is|are|at|on|to|in|with|it's in|es|en)|:| here:))[ \t]{{1,6}}(?P<value>(?!(?:19|20)\d\d(?!\w))(?:(?!\d){_PIECE}[ \t]{{1,2}}){{0,4}}\d[\w/-]{{0,9}}(?:{_GAP}{_PIECE}){{0,14}})"
)
_POSTCODES = (
    (re.compile(rf"(?<![\w-]){_UK_POSTCODE}"), 0.85),
    (re.compile(rf"(?<![\w-]){_CA_POSTCODE}"), 0.85),
    (re.compile(r"(?i:zip(?: code)?|postal code|postcode|código postal)(?: is|:| es)?:? ?(?P<value>\d{5}(?:-\d{4})?|\d{4,6})(?![\w-])"), 0.93),
)  # fmt: skip


_A_DATE = re.compile(
    rf"(?i:\b(?:{words.MONTHS}|{words.SHORT_MONTHS}|{words.WEEKDAYS})\b|\b\d{{1,2}} ?[ap]\.?m\b)|(?<!\d)(?:19|20)\d\d\Z| and \d+\Z|\A[^\d]{{0,40}}\.|\d(?:st|nd|rd|th)\Z"
)
_WORDY = re.compile(r"[^\W\d_]{3}")


def places(read: Read) -> Iterator[Candidate]:
    """Yield the addresses that rules find; the claims may overlap."""
    for pattern, score in (
        (_ADDRESS, 0.9),
        (_BOX, 0.93),
        (_MILITARY, 0.95),
        (_TOWN, 0.9),
        (_CALLE, 0.85),
    ):
        for found in pattern.finditer(read.text):
            begin, end = found.span()
            if pattern is _CALLE:
                end = begin + len(found[0].rstrip("."))
            yield Candidate(begin, end, "ADDRESS", score)
    for found in _TOLD.finditer(read.text):
        begin, end = found.span("value")
        end = begin + len(read.text[begin:end].removesuffix(" and").rstrip(" .,\n"))
        if _WORDY.search(read.text, begin, end) and not _A_DATE.search(read.text, begin, end):
            yield Candidate(begin, end, "ADDRESS", 0.8)
    for pattern, score in _POSTCODES:
        for found in pattern.finditer(read.text):
            yield Candidate(
                *found.span("value" if "value" in pattern.groupindex else 0), "ADDRESS", score
            )
