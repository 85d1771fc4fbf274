"""Tells by the name of a field what stands in it: `Name:`, a key of JSON, the heading of a column.

`labels.txt` has in each line a label, in small letters and nothing else, and what is asked for under it: a
category, or `people` (one or several whole names), `name` (of a person, or of a thing) or `part` (of a name).
"""

import re
from functools import cache

from backend_adapter.egress.detect.word_lists import lines

# Whoever did something with it: Geprüft durch, freigegeben_von, last_edited_by, account_owner_name.
_DONE_BY = re.compile(
    r"[a-zäöüß]{2,30}(?:(?:ed|en|wn|ght)by|(?:t|en)(?:von|durch)"
    r"|(?:inhaber|nehmer|pflichtige|berechtigte|beauftragte|empfänger|vertreter)(?:in|r)?"
    r"|(?:owner|holder|contact|payer|citizen|customer|tenant|patient|client|employee|kunden|zahler|mieter|inhaber|"
    r"halter|bürger|einwohner)name)"
)
# Name des Kindes, name of the applicant; things have names too.
_NAME_OF = re.compile(
    r"name(?:des|der|vom|of|ofthe)(?!\w*(?:firma|company|unternehm|verein|schul|school|produ|file|datei|server|"
    r"proje|ort|stra|stre|stadt|city|bank|behörde|amt|gerät|device|host|table|tabelle|feld|field|gericht|court|"
    r"spiel|game|tier|hund|pet|dog|cat))[a-zäöüß]{3,25}"
)
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_LONGEST = 40


def field(label: str) -> str | None:
    """What is asked for under this label: a category, or what of a person's name; None for anything else."""
    bare = bare_label(label)
    return field_of(bare) if len(bare) <= _LONGEST else None


def field_of(bare: str) -> str | None:
    """The same for a label that is bare already."""
    if (sort := _labels().get(bare)) is not None:
        return sort
    return "people" if _DONE_BY.fullmatch(bare) or _NAME_OF.fullmatch(bare) else None


def bare_label(label: str) -> str:
    """Its letters, in small ones."""
    return _NOT_LETTERS.sub("", label).casefold()


def may_end_label(bare: str) -> bool:
    """Whether a label may end with this word: most words before a colon are the end of none."""
    return bare in _label_ends() or bare.endswith(("von", "durch", "name", "r", "rin", "te", "by"))


@cache
def _labels() -> dict[str, str]:
    return dict(line.split("\t") for line in lines(__package__, "labels.txt"))


@cache
def _label_ends() -> frozenset[str]:
    return frozenset(label[begin:] for label in _labels() for begin in range(len(label)))
