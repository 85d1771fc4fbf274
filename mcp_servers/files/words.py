"""Words as the search compares them: folded, without stop words, with light stems.

Folding is the same for documents and questions, so it need not be correct German or English,
only the same on both sides: Gebühr, Gebuehr and Gebuhr meet, and so do Straße and Strasse.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
# ue after a vowel or q is no umlaut: neue, Steuer, Quelle.
_DIGRAPH: Final = re.compile(r"ae|oe|(?<![aeiouq])ue")
_LIGATURES: Final = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l"})
_ENDINGS: Final = ("ern", "en", "er", "es", "em", "e", "n", "s")
_MIN_STEM: Final = 4
MAX_TERMS: Final = 24

_STOP_WORDS_TEXT: Final = """
    aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bist da dafur
    damit dann darf das dass dein deine dem den denn der deren des dessen die dies diese diesem
    diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch
    fur gegen gibt hab habe haben hat hatte hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in
    ins ist ja jede jedem jeden jeder jedes kann kannst konnen konnte man mehr mein meine meinem
    meinen meiner mich mir mit muss mussen nach nicht noch nun nur ob oder ohne sage sagen sag
    sehr sein seine seinem seinen seiner sich sie sind so soll sollen sollte uber um und uns unser
    unsere unter vom von vor war waren warum was welche welchem welchen welcher welches wem wen wenn
    wer werde werden wie wieso wieviel wieviele will wir wird wo woher wohin wurde wurden zu zum zur
    bitte steht stehen dokument dokumente datei dateien

    about all also and any are as at be been but by can could did do does for from get give had has
    have her his how if into is it its may me more much must my no not of on or our out please say
    says she should so some tell than that the their them then there these they this to us was we
    were what when where which who whom why will with would you your document documents file files
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS_TEXT.split())


def fold(text: str) -> str:
    """Lower case, no accents, ß as ss, and ä, ae and a alike."""
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LIGATURES))
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return _DIGRAPH.sub(lambda match: match[0][0], bare)


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a question: as folded, and its stem, which begins the words that also count."""

    word: str
    stem: str

    @property
    def is_number(self) -> bool:
        return self.word.isdigit()


def terms(question: str) -> list[Term]:
    """The words of a question that say what is looked for, each once, in order.

    Stop words are dropped, unless the question has no others.
    """
    words = list(dict.fromkeys(_WORD.findall(fold(question[:2000]))))
    telling = [
        word for word in words if word not in STOP_WORDS and (len(word) > 1 or word.isdigit())
    ]
    return [Term(word, stem(word)) for word in (telling or words)[:MAX_TERMS]]


def stem(word: str) -> str:
    """The word without one common ending, if enough is left to tell it from others."""
    if word.isdigit():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM:
            return word[: -len(ending)]
    return word
