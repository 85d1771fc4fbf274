"""Values that a site knows, in the forms in which texts have them: all of them have to be found.

Each value stands once in each form, in the middle of a sentence, in a place of a request: a message, a tool's
result in JSON, a call's arguments, a tool's definition, a text file in Base64. What leaves is decoded again and
looked through without the boundary's own code: a value counts as found where no word of it that is a name, and no
six of its letters and digits in a row, is in what left; a date where all of it is not.
"""

import base64
import html
import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, unquote

from benchmarks.egress.values import Values

_BEFORE, _AFTER = "Laut Akte geht es um ", " und sonst um niemanden; bitte antworten."
_ZERO_WIDTH, _SOFT_HYPHEN, _BLANK = "\u200b", "\u00ad", "\u00a0"
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
)
_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "en": "January February March April May June July August September October November December",
}
# So many letters and digits of a value in a row are the value; so short a word of a name is not.
_RUN, _WORD = 6, 3


@dataclass(frozen=True, slots=True)
class Known:
    """A value as the site has it in its lists, and of which kind it is."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A known value in one form, within a text, and where in a request that text is to stand."""

    known: Known
    form: str
    # As it is meant and as it is written: the second is what a finder that reads texts gets.
    said: str
    written: str
    # Where the value stands in what is written.
    start: int
    end: int
    place: str


def known_values(seed: int, each: int) -> list[Known]:
    """So many values of every kind."""
    values = Values(seed)
    found = list[Known]()
    for at in range(each):
        first, last = values.name("de" if at % 4 else "en")
        found += [
            Known("person", f"{first} {last}"),
            Known("iban", values.iban()),
            Known("phone", values.phone("de")),
            Known("email", values.email(first, last)),
            Known("date", values.birth_date("iso")),
            Known("code", values.random.choice((values.tax_id, values.plate, values.id_card))()),
            Known("address", values.address("de")[0]),
        ]
    return list(dict.fromkeys(found))


def samples(known: list[Known]) -> Iterator[Sample]:
    """Every value in every form of its kind, and in every way to write that."""
    for value in known:
        for form, said in _said(value):
            yield _plain(value, form, said)
        for number, (way, write) in enumerate(_WRITTEN.items()):
            place = _PLACES[number % len(_PLACES)]
            yield _sample(value, way, value.text, write(value.text), place)
        if value.kind == "email":
            yield _sample(value, "link", value.text, f"[Mail](mailto:{value.text})", "system")
            yield _sample(value, "in angle brackets", value.text, f"<{value.text}>", "arguments")
        if value.kind == "date":
            yield _sample(value, "with a time", value.text, f"{value.text}T07:45:00Z", "tool")
        yield _escaped_json(value)
        yield _file(value)


def body(sample: Sample) -> dict[str, Any]:
    """A request in which the sample stands in its place."""
    text = sample.written
    user: dict[str, Any] = {"role": "user", "content": "Was steht in der Akte?"}
    if sample.place == "message":
        return {"model": "m", "messages": [{"role": "user", "content": text}]}
    if sample.place == "system":
        return {"model": "m", "messages": [{"role": "system", "content": text}, user]}
    if sample.place == "tool_definition":
        function = {"name": "akte", "description": text, "parameters": {"type": "object"}}
        return {
            "model": "m",
            "messages": [user],
            "tools": [{"type": "function", "function": function}],
        }
    call = {"id": "c1", "type": "function", "function": {"name": "akte", "arguments": "{}"}}
    result = text
    if sample.place == "arguments":
        call["function"] = {"name": "akte", "arguments": json.dumps({"was": text})}
        result = "nichts"
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = {"role": "tool", "tool_call_id": "c1", "content": result}
    return {"model": "m", "messages": [user, asked, answer]}


def still_there(sample: Sample, leaving: object) -> bool:
    """Whether anything of the value is in what leaves, read in every way in which it may be written."""
    texts = "\n".join(_read(each) for each in _strings(leaving))
    flat = _flat(texts)
    value = _flat(sample.said)
    if value in flat:
        return True
    # What stands for a date is a date, which may have the same month.
    if sample.known.kind == "date":
        return False
    # What stands for an address of mail has this in it as well.
    for piece in value.split("example"):
        if any(piece[at : at + _RUN] in flat for at in range(len(piece) - _RUN + 1)):
            return True
    if sample.known.kind != "person":
        return False
    # The rest, as in "von der Osten", is in every text.
    names = " ".join(part for part in sample.known.text.split() if part[0].isupper())
    around = set(_words(texts))
    return any(len(word) >= _WORD and word in around for word in _words(names))


def _plain(value: Known, form: str, said: str) -> Sample:
    place = _PLACES[sum(map(ord, form)) % len(_PLACES)]
    return _sample(value, form, said, said, place)


def _sample(value: Known, form: str, said: str, written: str, place: str) -> Sample:
    text = f"{_BEFORE}{written}{_AFTER}"
    inner = said if said in written else written
    start = len(_BEFORE) + written.index(inner)
    return Sample(value, form, said, text, start, start + len(inner), place)


_PLACES = ("message", "system", "tool", "arguments", "tool_definition")
_WRITTEN: dict[str, Callable[[str], str]] = {
    "html entities": lambda text: html.escape(
        "".join(f"&#{ord(c)};" if not c.isascii() or c in "@+/" else c for c in text)
    ).replace("&amp;#", "&#"),
    "html entities of every character": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "percent": lambda text: quote(text, safe=""),
    "percent of every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
}


def _escaped_json(value: Known) -> Sample:
    """JSON in a text, with every character but ASCII escaped, and a mark of HTML's too."""
    written = json.dumps({"text": f"{_BEFORE}{value.text}{_AFTER}"}).replace("/", "\\/")
    inner = json.dumps(value.text)[1:-1].replace("/", "\\/")
    start = written.index(inner)
    return Sample(value, "json escapes", value.text, written, start, start + len(inner), "tool")


def _file(value: Known) -> Sample:
    text = f"{_BEFORE}{value.text}{_AFTER}"
    head = "data:text/plain;charset=utf-8;base64,"
    written = head + base64.b64encode(text.encode()).decode()
    return Sample(value, "base64", value.text, written, len(head), len(written), "message")


def _said(value: Known) -> Iterator[tuple[str, str]]:
    """The forms that a value takes where people and programs write it; each with its name."""
    text = value.text
    yield "as listed", text
    yield "upper case", text.upper()
    yield "lower case", text.lower()
    yield "full-width", "".join(_full_width(c) for c in text)
    yield "zero-width characters", _ZERO_WIDTH.join(text)
    yield "decomposed", unicodedata.normalize("NFD", text)
    yield from _FORMS[value.kind](text)


def _of_person(text: str) -> Iterator[tuple[str, str]]:
    first, _, last = text.rpartition(" ")
    yield "umlauts written out", text.translate(_UMLAUTS)
    yield "umlauts written out, upper case", text.translate(_UMLAUTS).upper()
    yield "surname first", f"{last}, {first}"
    yield "surname first, upper case", f"{last.upper()}, {first}"
    yield "genitive", f"{text}'" if text.endswith(("s", "x", "z", "ß")) else f"{text}s"
    yield "two blanks", f"{first}  {last}"
    yield "over a line's end", f"{first}\n{last}"
    yield "no-break space", f"{first}{_BLANK}{last}"
    yield "soft hyphen", f"{first} {last[:2]}{_SOFT_HYPHEN}{last[2:]}"
    yield "underscore", f"{first}_{last}".replace(" ", "_")


def _of_iban(text: str) -> Iterator[tuple[str, str]]:
    plain = text.replace(" ", "")
    fours = [plain[at : at + 4] for at in range(0, len(plain), 4)]
    yield "without groups", plain
    yield "groups", " ".join(fours)
    yield "groups, no-break space", _BLANK.join(fours)
    yield "groups, hyphens", "-".join(fours)
    yield "groups, dots", ".".join(fours)
    yield "groups of two", " ".join(plain[at : at + 2] for at in range(0, len(plain), 2))


def _of_phone(text: str) -> Iterator[tuple[str, str]]:
    digits = "".join(c for c in text.replace("(0)", "") if c.isdigit())
    rest = (
        digits[4:]
        if text.startswith("0049")
        else digits[2:]
        if text.startswith("+49")
        else digits[1:]
    )
    yield "at home", f"0{rest[:3]} {rest[3:]}"
    yield "at home, slash", f"0{rest[:3]}/{rest[3:]}"
    yield "at home, brackets", f"(0{rest[:3]}) {rest[3:5]} {rest[5:]}"
    yield "at home, hyphens", f"0{rest[:3]}-{rest[3:6]}-{rest[6:]}"
    yield "without groups", f"0{rest}"
    yield "from abroad", f"+49 {rest[:3]} {rest[3:]}"
    yield "from abroad, (0)", f"+49 (0){rest[:3]} {rest[3:]}"
    yield "from abroad, 00", f"0049 {rest[:3]} {rest[3:5]} {rest[5:]}"
    yield "from abroad, without groups", f"+49{rest}"


def _of_email(text: str) -> Iterator[tuple[str, str]]:
    yield "capitalised", text.title()


def _of_date(text: str) -> Iterator[tuple[str, str]]:
    day = date.fromisoformat(text)
    german, english = (_MONTHS[each].split()[day.month - 1] for each in ("de", "en"))
    yield "German", f"{day:%d.%m.%Y}"
    yield "German, short", f"{day.day}.{day.month}.{day:%y}"
    yield "German, month", f"{day.day}. {german} {day.year}"
    yield "American", f"{day:%m/%d/%Y}"
    yield "English, month", f"{english} {day.day}, {day.year}"
    yield "English, day first", f"{day.day} {english} {day.year}"


def _of_code(text: str) -> Iterator[tuple[str, str]]:
    plain = "".join(c for c in text if c.isalnum())
    yield "without groups", plain
    yield "groups of three", " ".join(plain[at : at + 3] for at in range(0, len(plain), 3))
    yield "hyphens", "-".join(plain[at : at + 2] for at in range(0, len(plain), 2))
    yield "dots", ".".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def _of_address(text: str) -> Iterator[tuple[str, str]]:
    yield "umlauts written out", text.translate(_UMLAUTS)
    yield "over a line's end", "\n".join(text.rsplit(" ", 1))
    yield "no-break space", text.replace(" ", _BLANK)


_FORMS: dict[str, Callable[[str], Iterator[tuple[str, str]]]] = {
    "person": _of_person,
    "iban": _of_iban,
    "phone": _of_phone,
    "email": _of_email,
    "date": _of_date,
    "code": _of_code,
    "address": _of_address,
}


def _full_width(char: str) -> str:
    if char == " ":
        return "\u3000"
    return chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _read(text: str) -> str:
    """A text, and below it what it says once its encodings are undone."""
    head, mark, data = text.partition(";base64,")
    if mark and head.startswith("data:"):
        return f"{text}\n{base64.b64decode(data).decode(errors='replace')}"
    said = [text, html.unescape(text), unquote(text)]
    with suppress(ValueError):
        said += _strings(json.loads(text))
    return "\n".join(said)


def _flat(text: str) -> str:
    """Letters and digits alone, without case, accents and ways to write umlauts."""
    folded = unicodedata.normalize("NFKD", text.translate(_UMLAUTS)).casefold()
    return "".join(c for c in folded if c.isalnum())


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKD", text.translate(_UMLAUTS)).casefold()
    kept = "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Mn"))
    return "".join(c if c.isalnum() else " " for c in kept).split()
