"""Where the forms of values are looked up: each key has the number of its value, and whether longer ones begin so.

One that is held in memory, for the values of a chat; `stored` has one for millions of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from backend_adapter.egress.known.forms import CODE

# A key that begins longer ones.
BEGINS = 1
# How many of a code's first letters and digits tell whether it is worth going on.
_HEAD = 3


class Index(Protocol):
    """What is known of keys. May be used by several threads."""

    @property
    def heads(self) -> Mapping[bytes, int]:
        """With what codes begin (up to three letters or digits), and how long the longest such code is."""
        ...

    @property
    def lengths(self) -> frozenset[int]:
        """How long codes are."""
        ...

    @property
    def longest(self) -> int:
        """How long the longest key is."""
        ...

    def get(self, key: bytes) -> int:
        """Its entry: `number_of` it, and BEGINS; 0 where there is none."""
        ...


def number_of(entry: int) -> int:
    """The number of the value, -1 where the key only begins longer ones."""
    return (entry >> 1) - 1


def entry_of(number: int) -> int:
    """What is kept of a value with this number."""
    return (number + 1) << 1


def entries(number: int, keys: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Everything to be kept of a value with these keys; of one key, the first value stays."""
    entry = entry_of(number)
    for key in keys:
        yield key, entry
        if not key.startswith(CODE):
            end = key.find(b" ")
            while end >= 0:
                yield key[:end], BEGINS
                end = key.find(b" ", end + 1)


class Codes:
    """How the codes begin that there are, and how long they are."""

    def __init__(self) -> None:
        self.heads = dict[bytes, int]()
        self._lengths = set[int]()

    @property
    def lengths(self) -> frozenset[int]:
        """How long codes are."""
        return frozenset(self._lengths)

    def add(self, keys: Iterable[bytes]) -> None:
        """Those of the keys that are codes."""
        for key in keys:
            if key.startswith(CODE):
                code = key[len(CODE) :]
                self._lengths.add(len(code))
                for length in range(1, _HEAD + 1):
                    head = code[:length]
                    self.heads[head] = max(self.heads.get(head, 0), len(code))


class MemoryIndex:
    """An index of some thousand values, made in no time; `keys` has those of each value."""

    def __init__(self, keys: Iterable[frozenset[bytes]]) -> None:
        codes, kept, longest = Codes(), dict[bytes, int](), 0
        for number, each in enumerate(keys):
            codes.add(each)
            longest = max(longest, max(map(len, each), default=0))
            for key, entry in entries(number, each):
                before = kept.get(key, 0)
                kept[key] = before | (entry if entry == BEGINS or before <= BEGINS else 0)
        self.heads: Mapping[bytes, int] = codes.heads
        self.lengths = codes.lengths
        self.longest = longest
        self._kept = kept

    def get(self, key: bytes) -> int:
        """See `Index`."""
        return self._kept.get(key, 0)


def head_of(code: bytes) -> bytes:
    """That of its letters and digits by which `Index.heads` knows a code, or what a word is the beginning of."""
    return code[:_HEAD]
