"""Patterns that know their own beginnings: whether what stands at the end of a text may still become a match.

A text that comes in pieces can be searched with them, and nothing is held back that cannot become one.
"""

from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True, slots=True)
class Shape:
    """`whole` matches all of it; `begun` any beginning of it, none included, that reaches the end of the text.

    `longest` is how many characters a match has at most.
    """

    whole: str
    begun: str
    longest: int


NOTHING = Shape("", r"\Z", 0)


def one(pattern: str) -> Shape:
    """A single character, such as `[0-9]`: a pattern that may be followed by `?`."""
    return Shape(pattern, rf"{pattern}?\Z", 1)


def literal(text: str) -> Shape:
    """This text and no other."""
    return row(*(one(_escaped(char)) for char in text))


def row(*shapes: Shape) -> Shape:
    """One after another."""
    return reduce(lambda after, shape: _then(shape, after), reversed(shapes), NOTHING)


def either(*shapes: Shape) -> Shape:
    """One of them, the first that matches."""
    return Shape(
        f"(?:{'|'.join(shape.whole for shape in shapes)})",
        f"(?:{'|'.join(shape.begun for shape in shapes)})",
        max(shape.longest for shape in shapes),
    )


def maybe(shape: Shape) -> Shape:
    """It, or nothing."""
    if shape.longest == 1 and shape.begun == rf"{shape.whole}?\Z":
        return Shape(f"{shape.whole}?", shape.begun, 1)
    return either(shape, NOTHING)


def times(shape: Shape, least: int, most: int) -> Shape:
    """It, so many times in a row."""
    rest = reduce(lambda after, _: maybe(_then(shape, after)), range(most - least), NOTHING)
    return reduce(lambda after, _: _then(shape, after), range(least), rest)


def _then(first: Shape, second: Shape) -> Shape:
    if second is NOTHING:
        return first
    # Where it may be nothing, what begins the second covers that; one character has no other beginning.
    if first.begun == rf"{first.whole}\Z":
        begun = first.whole + second.begun
    elif first.longest == 1 and first.begun == rf"{first.whole}?\Z":
        begun = rf"(?:\Z|{first.whole}{second.begun})"
    else:
        begun = f"(?:{first.begun}|{first.whole}{second.begun})"
    return Shape(first.whole + second.whole, begun, first.longest + second.longest)


def _escaped(char: str) -> str:
    # Of what a pattern may hold, these mean something.
    return f"\\{char}" if char in r"\.^$*+?{}[]()|-&#~" else char
