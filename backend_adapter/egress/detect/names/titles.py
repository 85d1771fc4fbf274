"""Reads the titles before a name, and tells by them or by the first name whether it is a woman's or a man's."""

import re
from typing import Literal

from backend_adapter.egress.detect.names.letters import LETTERS
from backend_adapter.egress.detect.names.lexicon import gender_of_first, titles

# One title after the other, where a name may begin.
TITLES_AT = re.compile(
    r"(?:(?:Herrn?|Frau|Fr\.|Hr\.|Mrs?|Ms|Miss|Dr|Prof|Univ|Dipl|Ing|Mag|Familie)(?!\w)\.?"
    r"(?:-(?:Ing|Kfm|Inform|Psych)\.)?[ \t\u00a0]{0,2}){1,6}"
)
# What else stands between a title and its name.
_MORE_TITLES = re.compile(
    r"(?:[ \t\u00a0]{1,2}|(?<=[.-]))(?:Dr|Prof|Dipl|Ing|Mag|med|jur|phil|rer|nat|pol|habil|h\. ?c|dent|vet|"
    r"theol|oec|Univ|Herrn?|Frau|Professor(?:in)?|Doktor|Rechtsanwalt|Rechtsanwältin|Bürgermeister(?:in)?|"
    r"Oberbürgermeister(?:in)?|Pfarrer(?:in)?|Direktor(?:in)?|Kolleg(?:e|en|in)|Minister(?:in)?|"
    r"Staatsanwalt|Staatsanwältin|Präsident(?:in)?|Vorsitzende[rn]?|B\.? ?(?:Sc|A|Eng)|M\.? ?(?:Sc|A)|MBA|"
    r"-?(?:Ing|Kfm|Inform|Psych|Phys|Biol|Volksw|Betriebsw|Päd))(?!\w)\.?"
)
_MOST_TITLES = 6


def gender_of(name: str) -> Literal["f", "m", None]:
    """The gender that a name is of: by its title, else by its first name; None where neither tells."""
    title, _, _rest = name.strip().partition(" ")
    if (by_title := _gender_of_title(title.rstrip("."))) is not None:
        return by_title
    _surname, comma, given = name.partition(",")
    words = LETTERS.findall(given if comma and given.strip() else name)
    for word in words[:3]:
        if (by_title := _gender_of_title(word)) is not None:
            return by_title
        gender = gender_of_first(word)
        if gender is not None:
            return None if gender == "u" else gender
    return None


def after_titles(text: str, position: int) -> int:
    """Where the titles end of which the first one ended here; before the blank after them."""
    if text[position : position + 1] == ".":
        position += 1
    for _ in range(_MOST_TITLES):
        match = _MORE_TITLES.match(text, position)
        if match is None:
            break
        position = match.end()
    return position


def _gender_of_title(title: str) -> Literal["f", "m", None]:
    gender = titles().get(title)
    return None if gender == "u" else gender
