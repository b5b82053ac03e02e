"""Rules that say what kind of abuse a text holds, where no data set does: weak labels for training.

A model that learns them also answers for words that the rules lack, but what it knows of GRAPHIC,
SEXUAL, INSULT and HARASSMENT_OR_ABUSE is no more than these rules and their contexts. The words are
offensive; they stand here to be recognised.
"""

from __future__ import annotations

import re

_PROFANE = (
    r"f+u+c+k\w*|f[*@#]+c?k\w*|\w*fuck\w*|sh[i1!]t+\w*|bullshit\w*|bitch\w*|biatch\w*|ass(?:es|hole\w*)?|"
    r"dumbass\w*|jackass\w*|arse\w*|bastards?|damn\w*|goddamn\w*|crap\w*|dicks?|dickhead\w*|cocks?|"
    r"cunts?|puss(?:y|ies)|piss\w*|twats?|wank\w*|bollocks|motherf\w*|mofo\w*|stfu|wtf|hoes?|slut\w*|"
    r"whor\w*|tits?|titties|boobs?"
)
_SLURS = r"nigg\w+|fag(?:s|g\w*)?|dykes?|kikes?|spics?|chinks?|gooks?|wetbacks?|trann(?:y|ies)|ragheads?|cunts?"
_INSULTS = (
    r"idiot\w*|moron\w*|stupid|dumb\w*|imbecile\w*|retard\w*|losers?|scum\w*|trash|garbage|pathetic|"
    r"clowns?|fools?|jerks?|pigs?|cowards?|liars?|worthless|useless|ugly|disgusting|repulsive|pests?|"
    r"vermin|creeps?|freaks?|bitch\w*|cunts?|asshole\w*|dumbass\w*|dickhead\w*|bastards?|fag\w*|"
    r"slut\w*|whore\w*|hoes?|pussy|twats?|wankers?|imposters?|ignorant|brainless|pieces? of (?:shit|crap|trash|garbage)"
)
_SEXUAL = (
    r"sex(?:y|ual|ually|ting|ts)?|porn\w*|nudes?|naked|horny|orgasm\w*|blow ?jobs?|hand ?jobs?|masturbat\w*|penis\w*|vagina\w*|"
    r"dildo\w*|erotic\w*|cum(?:s|ming|shot)?|puss(?:y|ies)|dicks?|cocks?|tits?|titties|boobs?|cunnilingus|"
    r"threesome|anal|rape\w*|raping|suck(?:s|ing)? (?:my|his|your) \w+|eat(?:s|ing)? (?:her|that|my|the) pussy"
)
_VIOLENT = r"kill\w*|murder\w*|shoot|stab\w*|burn\w*|hang(?:ed)?|lynch\w*|behead\w*|strangl\w*|beat\w*|punch\w*|slap\w*|hurt|slaughter\w*|exterminat\w*|rape|bomb\w*|die|suffer|eradicat\w*|wipe\w* out|get rid of"
_GORE = (
    r"blood(?:y|ied|bath|stained)?|gore|gory|corpses?|decapitat\w*|behead\w*|dismember\w*|mutilat\w*|"
    r"disembowel\w*|entrails|guts|severed|torture\w*|intestines|maggots?|slit (?:his|her|their|your) throats?|"
    r"bleed(?:s|ing)?|rotting|gouged?"
)


def _any(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


_RULES: dict[str, tuple[re.Pattern[str], ...]] = {
    "PROFANITY": (_any(_PROFANE), _any(_SLURS)),
    "SEXUAL": (_any(_SEXUAL),),
    "GRAPHIC": (_any(rf"(?:{_GORE})\b.{{0,80}}\b(?:{_GORE}|{_VIOLENT}|dead|death|bod(?:y|ies))"),),
    "INSULT": (
        _any(
            rf"(?:you|u|ur|you'?re|your|yo|he|she|they|he'?s|she'?s|they'?re)\b[^.!?]{{0,25}}\b(?:{_INSULTS})"
        ),
        _any(rf"(?:what an?|such an?|these|this|that|those) (?:\w+ )?(?:{_INSULTS})"),
        _any(rf"(?:{_INSULTS})\b[^.!?\w]{{0,3}}$"),
    ),
    "VIOLENCE_OR_THREAT": (
        _any(
            rf"(?:i(?:'?ll|'?m gonna|'?d|'?ma)|we(?:'?ll|'?re)|gonna|going to|should|must|will|want(?:ed)? to|wanna|"
            rf"deserves? to|hope|wish|let'?s|need to|love to)\b[^.!?]{{0,40}}\b(?:{_VIOLENT})"
        ),
        _any(rf"(?:{_VIOLENT}) (?:all|yourself|him|her|them|you|u|every|those|these|that)"),
    ),
    "HARASSMENT_OR_ABUSE": (
        _any(
            r"(?:shut (?:the \w+ )?up|stfu|kill yourself|kys|go die|drop dead|f+uck (?:you|u|off|yourself)|"
            r"i (?:really |fucking )?(?:hate|despise|loathe|detest) (?:you|u)|(?:screw|damn) you|"
            r"nobody (?:likes|wants|loves) you|get lost|go to hell|burn in hell|suck my \w+|kiss my ass|"
            r"(?:you|u|ur|you'?re) (?:are )?(?:a |an |such a |such an |the |so |fucking )*"
            r"(?:worst|scum|disgusting|repulsive|worthless|pathetic|trash|bitch|cunt|whore|slut|faggot|"
            r"asshole|retard(?:ed)?|piece of \w+))"
        ),
    ),
}


_OF_GORE = _any(_GORE)


def gore(text: str) -> list[str]:
    """The words of blood and mutilation in the text."""
    return [found[0] for found in _OF_GORE.finditer(text)]


def kinds(text: str) -> set[str]:
    """The labels that the rules give the text."""
    return {label for label, rules in _RULES.items() if any(rule.search(text) for rule in rules)}
