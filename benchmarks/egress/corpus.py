"""A corpus of letters, minutes, tickets, tool results, logs and code, in which what is personal is marked.

It is generated: templates (`templates/`, written for it) are filled with seeded values (`values`), so that every
character of it is known to belong to a value, or not. Nobody who improves detectors looks at what they miss in the
templates `held-out`: their figures tell whether something was learned or only remembered.

A template is a text under a line `=== NAME | LANGUAGE | KIND`. In it stand

    {person:a} {person.last:a}    a value (`:a` names whose it is; another form of it after the dot)
    {!order}                      what looks like a value and is none: finding something there is a mistake
    {~town}                       what one may find or not
    %5%| {person:r} |             a line that is repeated five times, each time about somebody else
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.egress.values import Values

_TEMPLATES = Path(__file__).parent / "templates"
_HEADING = re.compile(r"^=== (\S+) \| (\w+) \| (\w+)\n", re.MULTILINE)
_PLACE = re.compile(r"\{([!~]?)([a-z_]+)(?:\.(\w+))?(?::(\w+))?\}")
_REPEATED = re.compile(r"^%(\d+)%(.*)$", re.MULTILINE)

OPEN, HELD_OUT = "open", "held-out"
# What a finder may find without being right or wrong.
NEUTRAL = "~"


@dataclass(frozen=True, slots=True)
class Gold:
    """A value at [start, end) of a text, and what it is."""

    start: int
    end: int
    category: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text and all values in it, from left to right; `neutral` are places that count for nothing."""

    text: str
    gold: tuple[Gold, ...]
    neutral: tuple[Gold, ...]
    template: str
    language: str
    kind: str
    part: str


@dataclass(frozen=True, slots=True)
class _Template:
    name: str
    language: str
    kind: str
    part: str
    text: str


def generate(seed: int, each: int) -> list[Document]:
    """Every template filled `each` times; the same seed gives the same corpus."""
    values = Values(seed)
    return [_filled(template, values) for _ in range(each) for template in _templates()]


class _Somebody:
    """A person of a document, all of whose values fit together."""

    def __init__(self, values: Values, language: str) -> None:
        self._values, self._language = values, language
        self.first, self.last = values.name(language)

    @cached_property
    def address(self) -> tuple[str, str]:
        return self._values.address(self._language)

    @cached_property
    def born(self) -> str:
        return self._values.birth_date(self._language)


_Maker = Callable[[Values, _Somebody, str], str]
# By placeholder: the category, and how its text is made.
_MAKERS: dict[str, tuple[str, _Maker]] = {
    "person": ("PERSON", lambda v, who, lang: f"{who.first} {who.last}"),
    "person.last": ("PERSON", lambda v, who, lang: who.last),
    "person.first": ("PERSON", lambda v, who, lang: who.first),
    "person.reversed": ("PERSON", lambda v, who, lang: f"{who.last}, {who.first}"),
    "person.initial": ("PERSON", lambda v, who, lang: f"{who.first[0]}. {who.last}"),
    "address": ("ADDRESS", lambda v, who, lang: ", ".join(who.address)),
    "address.lines": ("ADDRESS", lambda v, who, lang: "\n".join(who.address)),
    "address.street": ("ADDRESS", lambda v, who, lang: who.address[0]),
    "phone": ("PHONE", lambda v, who, lang: v.phone(lang)),
    "email": ("EMAIL", lambda v, who, lang: v.email(who.first, who.last)),
    "born": ("BIRTH_DATE", lambda v, who, lang: who.born),
    "born.iso": ("BIRTH_DATE", lambda v, who, lang: v.birth_date("iso")),
    "iban": ("IBAN", lambda v, who, lang: v.iban()),
    "card": ("CREDIT_CARD", lambda v, who, lang: v.credit_card()),
    "tax_id": ("DE_TAX_ID", lambda v, who, lang: v.tax_id()),
    "tax_number": ("DE_TAX_NUMBER", lambda v, who, lang: v.tax_number()),
    "rvnr": ("DE_SOCIAL_SECURITY", lambda v, who, lang: v.social_security(who.last)),
    "kvnr": ("DE_HEALTH_INSURANCE", lambda v, who, lang: v.health_insurance()),
    "id_card": ("DE_ID_CARD", lambda v, who, lang: v.id_card()),
    "plate": ("LICENCE_PLATE", lambda v, who, lang: v.plate()),
    "vat_id": ("VAT_ID", lambda v, who, lang: v.vat_id()),
    "ssn": ("US_SSN", lambda v, who, lang: v.us_ssn()),
    "ip": ("IP_ADDRESS", lambda v, who, lang: v.ip()),
    "mac": ("MAC_ADDRESS", lambda v, who, lang: v.mac()),
    "password": ("SECRET", lambda v, who, lang: v.password()),
    "token": ("SECRET", lambda v, who, lang: v.token()),
    "private_key": ("SECRET", lambda v, who, lang: v.private_key()),
}
CATEGORIES = tuple(sorted({category for category, _ in _MAKERS.values()}))


def _templates() -> Iterator[_Template]:
    for part in (OPEN, HELD_OUT):
        for path in sorted((_TEMPLATES / part).glob("*.txt")):
            _, *pieces = _HEADING.split(path.read_text(encoding="utf-8"))
            for at in range(0, len(pieces), 4):
                name, language, kind, text = pieces[at : at + 4]
                yield _Template(name, language, kind, part, text.rstrip("\n"))


def _filled(template: _Template, values: Values) -> Document:
    rows = 0

    def repeated(match: re.Match[str]) -> str:
        nonlocal rows
        lines = []
        for _ in range(int(match[1])):
            rows += 1
            lines.append(match[2].replace(":r}", f":r{rows}}}"))
        return "\n".join(lines)

    source = _REPEATED.sub(repeated, template.text)
    people = dict[str, _Somebody]()
    said, length, begin = list[str](), 0, 0
    gold, neutral = list[Gold](), list[Gold]()
    for match in _PLACE.finditer(source):
        mark, name, form, key = match.groups()
        if mark:
            category = NEUTRAL
            text = values.harmless(name, template.language)
        else:
            whose = key or f"nobody-{match.start()}"
            if whose not in people:
                people[whose] = _Somebody(values, template.language)
            category, make = _MAKERS[f"{name}.{form}" if form else name]
            text = make(values, people[whose], template.language)
        if template.kind == "json":
            text = json.dumps(text, ensure_ascii=False)[1:-1]
        before = source[begin : match.start()]
        said += [before, text]
        start = length + len(before)
        length = start + len(text)
        begin = match.end()
        if mark != "!":
            (neutral if mark else gold).append(Gold(start, length, category))
    text = "".join([*said, source[begin:]])
    return Document(
        text,
        tuple(gold),
        tuple(neutral),
        template.name,
        template.language,
        template.kind,
        template.part,
    )
