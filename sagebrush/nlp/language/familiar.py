"""Texts of one to three words that everybody knows: what is too short for a model of letters.

"hi" has two letters, which are as common in Tsonga as in English; that it is a greeting says more. A
word that greets or thanks in several languages ("hallo", "salut", "ja", "no") is in no list.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 40
"""Characters that such a text has at most."""
_TELLING = {
    "de": "danke dankeschön servus tschüss tschüß guten nein",
    "en": "hi hello hey ok okay yes yeah yep nope bye goodbye thanks thank please sorry good welcome",
    "es": "hola gracias adiós buenos buenas",
    "fr": "bonjour bonsoir merci oui",
    "it": "grazie buongiorno buonasera prego arrivederci",
    "nl": "dankjewel goedemorgen alsjeblieft",
    "pl": "cześć dziękuję dzięki",
    "pt": "olá obrigado obrigada",
}
"""Words of one language: a text has one of them at least."""
_BESIDE = {
    "de": "abend alle allerseits morgen nacht schön sehr tag vielen",
    "en": "afternoon again all day evening everybody everyone guys morning much night so team there very you",
    "es": "amiga amigas amigo amigos días muchas mundo noches señor señora tardes todos",
    "fr": "beaucoup bien madame monde monsieur tous",
    "it": "mille molte signora signore",
    "pt": "amigo bom dia boa muito noite tarde",
}
"""Words that may stand beside, and that others share."""
_WORD = re.compile(r"[^\W\d_]+")
_LANGUAGE = {word: code for code, words in _TELLING.items() for word in words.split()}
_ALLOWED = {
    code: frozenset(f"{words} {_BESIDE.get(code, '')}".split()) for code, words in _TELLING.items()
}


def familiar(text: str) -> str:
    """The language of a text whose one to three words are all well known there; "" for any other."""
    if len(text) > LONGEST:
        return ""
    words = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
    telling = {_LANGUAGE[word] for word in words if word in _LANGUAGE}
    if len(words) > 3 or len(telling) != 1:
        return ""
    language = telling.pop()
    return language if _ALLOWED[language].issuperset(words) else ""
