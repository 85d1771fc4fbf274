"""Which faults there are to be met: each at every place of an answer, for every kind of engine."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from benchmarks.faults.forms import Engine
from benchmarks.faults.judge import Expected
from benchmarks.faults.model import WHOLE, Place
from benchmarks.faults.shapes import AFTER, BEFORE, WITHIN

# What must not have another replica go on.
HARMLESS = ("drip", "done-twice")

Where: TypeAlias = Literal[
    "before headers",
    "before text",
    "reasoning",
    "text",
    "call",
    "half-character",
    "end",
    "reasoning and text",
    "text and mark of a call",
    "text and call",
    "twice in call",
]
# Where two faults come: the part of the first, and that of the second with so many tokens on.
_TWICE: dict[Where, tuple[Place, Place, int]] = {
    "reasoning and text": ("reasoning", "text", 0),
    "text and mark of a call": ("text", "call", -1),
    "text and call": ("text", "call", 0),
    "twice in call": ("call", "call", 3),
}


@dataclass(frozen=True)
class Case:
    """One fault at one place: what the first request meets, and what its client should get."""

    engine: Engine
    greedy: bool
    where: Where
    shape: str
    expected: Expected

    @property
    def name(self) -> str:
        """A name that is also a model's."""
        decoding = "greedy" if self.greedy else "sampled"
        words = (self.engine, decoding, self.where, self.shape)
        return "-".join(words).replace(" ", "-").replace(".", "")

    @property
    def place(self) -> Place:
        """Where the answer is when the fault comes."""
        if self.where in ("before headers", "before text"):
            return "before"
        if self.where in _TWICE:
            return _TWICE[self.where][0]
        return "reasoning" if self.where == "half-character" else self.where  # type: ignore[return-value]

    @property
    def faults(self) -> list[tuple[str, int]]:
        """What the first request meets and at which token, and the second where there are two."""
        if self.where not in _TWICE:
            return [(self.shape, self._at)]
        first, second, further = _TWICE[self.where]
        clean = not self.greedy and self.engine != "vllm"
        # After the mark of a call, before its name: a reader cannot know yet whether it is one.
        mark = WHOLE.marks["call"] - 1
        again = mark if further < 0 else WHOLE.middle(second, clean=clean) + further
        return [(self.shape, WHOLE.middle(first, clean=clean)), (self.shape, again)]

    @property
    def _at(self) -> int:
        if self.where == "before headers":
            return -1
        if self.where == "before text":
            return 0
        if self.where == "end":
            return len(WHOLE.positions)
        if self.where == "half-character":
            return WHOLE.positions.index((" 🎉".encode()[:3],)) + 1
        # A sampled answer is gone on with from the text as it is, so its last token must be readable.
        return WHOLE.middle(self.place, clean=not self.greedy and self.engine != "vllm")


@dataclass(frozen=True)
class Row:
    """What became of one case; `way` is how the answer was gone on with, `broken` what was wrong."""

    engine: str
    decoding: str
    where: str
    shape: str
    expected: str
    way: str
    broken: str

    @classmethod
    def of(cls, case: Case, way: str, wrong: Sequence[str]) -> "Row":
        """The row of a case."""
        decoding = "greedy" if case.greedy else "sampled"
        found = (case.engine, decoding, case.where, case.shape, case.expected)
        return cls(*found, way, "; ".join(wrong))

    def as_json(self) -> dict[str, str]:
        """The row as an object."""
        return asdict(self)


def cases() -> Iterator[Case]:
    """All of them."""
    engines: tuple[Engine, ...] = ("vllm", "llama.cpp", "openai")
    for engine in engines:
        for greedy in (True, False):
            for shape in ("refused", *BEFORE):
                expected: Expected = "refused" if shape == "status-400" else "whole"
                yield Case(engine, greedy, "before headers", shape, expected)
            for shape in WITHIN:
                yield Case(engine, greedy, "before text", shape, "whole")
                lost = engine == "openai" and not greedy and shape not in HARMLESS
                kept: Expected = "error" if lost else "whole"
                yield Case(engine, greedy, "reasoning", shape, kept)
                yield Case(engine, greedy, "text", shape, kept)
                yield Case(engine, greedy, "call", shape, kept)
            for where in _TWICE:
                for shape in ("reset", "stall", "null-finish"):
                    if engine != "openai" or greedy:
                        yield Case(engine, greedy, where, shape, "whole")
            for shape in AFTER:
                yield Case(engine, greedy, "end", shape, "whole")
    for greedy in (True, False):
        yield Case("vllm", greedy, "half-character", "reset", "whole")
