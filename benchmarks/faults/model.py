"""A language model of one answer: its tokens, its tokenizer, and what it says after any beginning.

It behaves as a real one does where going on with an answer is concerned. Words are cut from the spaces
before them (as GPT-2's tokenizer does), some words are several tokens and some characters are two; a text
that ends inside a word may be read as other tokens than were generated; and after a beginning that is not
its own the model says something else. So whoever goes on from a wrong place gets a wrong answer.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Token: TypeAlias = bytes
# The tokens of which one is said at a position of the answer; greedy decoding takes the first.
Position: TypeAlias = tuple[Token, ...]
Place: TypeAlias = Literal["before", "reasoning", "text", "call", "end"]

THINK, END_THINK = b"<think>", b"</think>"
CALL, END_CALL = b"<tool_call>", b"</tool_call>"
END, BEGIN, ASSISTANT, USER = b"<|end|>", b"<|begin|>", b"<|assistant|>", b"<|user|>"
SPECIAL = (THINK, END_THINK, CALL, END_CALL, END, BEGIN, ASSISTANT, USER)
ASTRAY = b" (astray)"

TOOL = "look_up"
# Words that are more than one token. " Verwal" alone is read as other tokens, " Daten" as the same one.
_SPLIT: dict[str, tuple[Token, ...]] = {
    " Verwaltung": (b" Verwal", b"tung"),
    " Verwal": (b" Ver", b"wal"),
    " Datenhoheit": (b" Daten", b"hoheit"),
    " Daten": (b" Daten",),
    " Straße": (" Stra\u00df".encode()[:-1], "\u00dfe".encode()[1:]),
    " 🎉": (" 🎉".encode()[:3], " 🎉".encode()[3:]),
    " 🏛": (" 🏛".encode()[:3], " 🏛".encode()[3:]),
}
_WORD = re.compile(r" ?[^\W\d_]+| ?\d+| ?[^\s\w]+|\s+(?!\S)|\s+")

_REASONING: tuple[str | tuple[str, ...], ...] = (
    "The",
    (" user", " citizen", " person"),
    (" asks", " wonders"),
    " about the",
    " Verwaltung",
    (" and", " or"),
    " its 🎉 feast in the Straße",
    (" today", " tomorrow", " soon"),
    "; Datenhoheit",
    (" matters", " counts"),
    ": look it up.",
)
_TEXT: tuple[str | tuple[str, ...], ...] = (
    "Gerne",
    (" suche", " schaue", " frage"),
    " ich in der Verwaltung",
    (" nach", " weiter"),
    ": größer als 🏛 heißt die Straße",
    (" dort", " hier"),
    ' "Datenhoheit"',
    (" und", " oder"),
    " Datenhoheit bleibt",
    (" gewiss", " sicher", " wohl"),
    ".\n\nAlso 🎉 wirklich",
    ("!", "?"),
)
_ARGUMENTS: tuple[str | tuple[str, ...], ...] = (
    '{"query": "die',
    (" Feier", " Fahrt"),
    ' der Verwaltung, \\"ganz\\" Datenhoheit in der Straße 🎉", "days":',
    (" 3", " 4", " 5"),
    ', "places": ["Köln", "Lindenau"], "deep":',
    (" true", " false"),
    "}",
)


def words(text: str) -> list[str]:
    """A text cut into what is tokenized by itself."""
    return _WORD.findall(text)


def _positions(parts: Sequence[str | tuple[str, ...]]) -> list[Position]:
    found: list[Position] = []
    for part in parts:
        if isinstance(part, tuple):
            found.append(tuple(each.encode() for each in part))
        else:
            for word in words(part):
                found += [(token,) for token in _SPLIT.get(word, (word.encode(),))]
    return found


@dataclass(frozen=True)
class Script:
    """Everything that the model may say, position by position, and where each part of it begins."""

    positions: tuple[Position, ...]
    marks: dict[str, int]

    def middle(self, place: Place, *, clean: bool) -> int:
        """A position in the middle of a part: inside a word that a text cut there does not show.

        `clean` means inside one whose beginning is read as the token that it was.
        """
        inside = (b"hoheit",) if clean else (b"tung",)
        return self.positions.index(inside, self.marks[place] + 1)


def _script(*, thinks: bool, calls: bool) -> Script:
    positions: list[Position] = []
    marks: dict[str, int] = {"before": 0}
    if thinks:
        positions.append((THINK,))
        marks["reasoning"] = len(positions)
        positions += [*_positions(_REASONING), (END_THINK,)]
    marks["text"] = len(positions)
    positions += _positions(_TEXT)
    if calls:
        positions += [(CALL,), (CALL_HEAD,)]
        marks["call"] = len(positions)
        positions += [*_positions(_ARGUMENTS), (CALL_TAIL,), (END_CALL,)]
    marks["end"] = len(positions)
    return Script((*positions, (END,)), marks)


# What stands around the arguments, as Hermes and Qwen write a call.
CALL_HEAD = b'\n{"name": "' + TOOL.encode() + b'", "arguments": '
CALL_TAIL = b"}\n"

WHOLE = _script(thinks=True, calls=True)
PROSE = _script(thinks=False, calls=False)
ARGUMENTS = Script((*_positions(_ARGUMENTS), (END,)), {"before": 0})
PROBE = Script(((b"ok",), (b"!",), (END,)), {"before": 0})


def _vocabulary() -> list[Token]:
    known: dict[Token, None] = dict.fromkeys((*SPECIAL, ASTRAY, b" ", b"ok"))
    for script in (WHOLE, PROSE, ARGUMENTS, PROBE):
        for position in script.positions:
            known.update(dict.fromkeys(position))
    for tokens in _SPLIT.values():
        known.update(dict.fromkeys(tokens))
    known.update(dict.fromkeys(bytes([byte]) for byte in range(256)))
    return list(known)


TOKENS = _vocabulary()
IDS = {token: number for number, token in enumerate(TOKENS)}
_WHOLE_WORDS = {token for token in TOKENS if len(token) > 1} - {
    part for parts in _SPLIT.values() for part in parts
}


def tokenize(text: str) -> list[Token]:
    """The tokens of a text that holds no special ones."""
    found: list[Token] = []
    for word in words(text):
        raw = word.encode()
        if word in _SPLIT:
            found += _SPLIT[word]
        elif raw in _WHOLE_WORDS or len(raw) == 1:
            found.append(raw)
        else:
            found += [bytes([byte]) for byte in raw]
    return found


def next_token(script: Script, said: Sequence[Token], chance: random.Random | None) -> Token:
    """What the model says after `said`; `chance` is for sampled decoding, None for greedy."""
    at = len(said)
    if at >= len(script.positions) or not is_own(script, said):
        return END if said and said[-1] == ASTRAY else ASTRAY
    position = script.positions[at]
    return position[0] if chance is None else chance.choice(position)


def is_own(script: Script, said: Sequence[Token]) -> bool:
    """Whether the model could have said this from the beginning."""
    return all(
        token in position for token, position in zip(said, script.positions, strict=False)
    ) and len(said) <= len(script.positions)


def pattern(script: Script, start: int, end: int) -> re.Pattern[bytes]:
    """What every right answer matches from one position to another."""
    return re.compile(
        b"".join(
            b"(?:" + b"|".join(re.escape(token) for token in position) + b")"
            for position in script.positions[start:end]
        )
    )
