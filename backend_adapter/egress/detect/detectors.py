"""Finds in a text what nobody has listed: all recognisers together, and what they found kept for the next time."""

import hashlib
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Protocol

from backend_adapter.egress.detect.categories import KINDS
from backend_adapter.egress.detect.contacts import mails, phones
from backend_adapter.egress.detect.context import OTHER_NUMBERS, Lexicon
from backend_adapter.egress.detect.dates import births
from backend_adapter.egress.detect.fields.fields import fields
from backend_adapter.egress.detect.fields.labels import field
from backend_adapter.egress.detect.fields.values import value_hits
from backend_adapter.egress.detect.hits import Hit, settled
from backend_adapter.egress.detect.identifiers import catalogue, ibans
from backend_adapter.egress.detect.model import load_model
from backend_adapter.egress.detect.names.beside.beside import names_beside
from backend_adapter.egress.detect.names.people import people
from backend_adapter.egress.detect.places import addresses
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.secrets import credentials
from backend_adapter.egress.detect.settings import DetectorSettings
from backend_adapter.egress.found import Found

# How many spans are kept of texts that come again with every request of a chat: three numbers each.
_KEPT_SPANS = 2_000_000
_CATEGORIES = tuple(KINDS)
_NUMBERS = {category: number for number, category in enumerate(_CATEGORIES)}


class Model(Protocol):
    """A model that recognises names."""

    def hits(self, text: str) -> Iterable[Hit]:
        """What it says of a text."""
        ...


class Detectors:
    """Recognises identifiers, names, addresses and secrets. Threads may share one; nothing is fetched, ever.

    Making one takes a second or two: Presidio is imported. What was found in a text is kept under the text's
    digest, as places only; no content of a text is.
    """

    def __init__(
        self, settings: DetectorSettings | None = None, *, kept_spans: int = _KEPT_SPANS
    ) -> None:
        """Raises SettingsError if a model is asked for that is not installed."""
        self._settings = settings or DetectorSettings()
        self._off = frozenset(self._settings.off)
        self._model: Model | None = load_model(self._settings.ner) if self._settings.ner else None
        self._identifiers = catalogue.identifiers() if self._settings.enabled else ()
        self._lexicon = Lexicon(
            [
                OTHER_NUMBERS,
                *ibans.WORDS,
                *catalogue.WORDS,
                *phones.WORDS,
                *credentials.WORDS,
                *addresses.WORDS,
                *births.WORDS,
                *(each.words for each in self._identifiers),
            ]
        )
        self._kept = _Kept(kept_spans)

    def find(self, text: str, label: str = "") -> list[Found]:
        """All values in a text, from left to right; `label` is the key or the column that the text stands under."""
        if not self._settings.enabled or not text:
            return []
        digest = hashlib.blake2b(
            f"{label}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16
        ).digest()
        spans = self._kept.get(digest)
        if spans is None:
            spans = array("I")
            for hit in settled(self._hits(text, label)):
                spans.extend((hit.start, hit.end, _NUMBERS[hit.category]))
            self._kept.put(digest, spans)
        return list(_found(text, spans))

    def _hits(self, text: str, label: str) -> Iterator[Hit]:
        for hit in self._all(text, label):
            if hit.category not in self._off and hit.start < hit.end:
                yield hit

    def _all(self, text: str, label: str) -> Iterator[Hit]:
        scan = Scan(text, self._lexicon)
        told = list(self._told(scan, label))
        yield from told
        yield from people(scan, [hit for hit in told if hit.category in ("PERSON", "EMAIL")])
        if self._model is not None:
            yield from self._model.hits(text)

    def _told(self, scan: Scan, label: str) -> Iterator[Hit]:
        values = list(self._values(scan, label))
        yield from values
        yield from names_beside(scan.text, values)

    def _values(self, scan: Scan, label: str) -> Iterator[Hit]:
        yield from credentials.credentials(scan)
        yield from mails.mails(scan)
        yield from phones.phones(scan)
        yield from ibans.ibans(scan)
        for each in self._identifiers:
            yield from each.hits(scan)
        yield from addresses.addresses(scan)
        yield from births.birth_dates(scan)
        yield from fields(scan.text)
        if label and (sort := field(label)) is not None:
            yield from value_hits(sort, scan.text, 0, len(scan.text), whole=True)


class _Kept:
    """The spans found in the texts that were asked for last, as many as may be kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._spans: OrderedDict[bytes, array[int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> "array[int] | None":
        with self._lock:
            spans = self._spans.get(digest)
            if spans is not None:
                self._spans.move_to_end(digest)
            return spans

    def put(self, digest: bytes, spans: "array[int]") -> None:
        with self._lock:
            if digest in self._spans:
                return
            self._spans[digest] = spans
            self._size += _size(spans)
            while self._size > self._most and self._spans:
                _, oldest = self._spans.popitem(last=False)
                self._size -= _size(oldest)


def _size(spans: "array[int]") -> int:
    # A text without any counts as well: its digest is kept.
    return len(spans) // 3 + 8


def _found(text: str, spans: "array[int]") -> Iterator[Found]:
    for place in range(0, len(spans), 3):
        start, end, number = spans[place : place + 3]
        category = _CATEGORIES[number]
        yield Found(start, end, KINDS[category], text[start:end], category)
