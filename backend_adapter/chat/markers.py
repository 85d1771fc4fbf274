"""Finding markers, such as tags and special tokens, in text that arrives in pieces."""

from collections.abc import Iterator, Sequence

# A piece is read in parts of this many characters, so that looking for many markers in one long piece
# does not copy all of it for each.
_MAX_PART = 4096


def partial_marker(text: str, markers: Sequence[str]) -> int:
    """Length of the longest end of `text` that may be the beginning of one of `markers`."""
    longest = max(map(len, markers)) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(marker.startswith(text[-length:]) for marker in markers):
            return length
    return 0


def parts_of(piece: str) -> Iterator[str]:
    """`piece` in parts that are short enough to be searched marker by marker."""
    for at in range(0, len(piece), _MAX_PART):
        yield piece[at : at + _MAX_PART]
