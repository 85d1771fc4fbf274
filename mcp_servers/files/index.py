"""The search index: passages in SQLite's full-text search, ranked.

Two looks at the same passages. The first goes by words and their beginnings, so "Hundesteuer"
finds "Hundesteuersatz". Only if words of the question stay unmatched, a second goes by parts of
words (trigrams), so "Steuer Hund" finds "Hundesteuer".
"""

import math
import os
import re
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_servers.files.passages import Passage
from mcp_servers.files.words import Term, fold, terms

_VERSION: Final = 1
_CANDIDATES: Final = 60
_MOST_PER_DOCUMENT: Final = 3
_COMPOUND_FIT: Final = 0.7
_PART_FIT: Final = 0.5
_MIN_PART: Final = 4

_SCHEMA: Final = f"""
CREATE TABLE document (
    path TEXT PRIMARY KEY, size INTEGER, modified_ns INTEGER, title TEXT, fault TEXT
);
CREATE TABLE passage (
    id INTEGER PRIMARY KEY, path TEXT, anchor TEXT, text TEXT, name TEXT, trail TEXT, body TEXT
);
CREATE INDEX passage_by_path ON passage (path);
CREATE VIRTUAL TABLE word USING fts5(
    name, trail, body, content='passage', content_rowid='id', tokenize='unicode61'
);
CREATE VIRTUAL TABLE piece USING fts5(
    name, trail, body, content='passage', content_rowid='id', tokenize='trigram'
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab('word', 'row');
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index holds of a file: enough to see that the file has changed."""

    size: int
    modified_ns: int
    fault: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    path: str
    anchor: str
    text: str


class Index:
    """Passages by path. Safe to use from several threads.

    With a file, the index outlives the process; a file of another version, or a damaged one, is
    started over. It holds the documents' text, so only its owner may read it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._db = _open(path)

    def close(self) -> None:
        """Close the database; the index cannot be used after."""
        with self._lock:
            self._db.close()

    def known(self) -> dict[str, Known]:
        """All files the index has seen, readable or not."""
        with self._lock:
            rows = self._db.execute(
                "SELECT path, size, modified_ns, fault FROM document"
            ).fetchall()
        return {path: Known(size, modified, fault) for path, size, modified, fault in rows}

    def put(
        self,
        path: str,
        size: int,
        modified_ns: int,
        title: str,
        found: Iterable[Passage],
        fault: str = "",
    ) -> None:
        """Replace what is known of a file; `fault` says why it has no passages."""
        name = fold(f"{re.sub(r'[/._-]+', ' ', path)} {title}")
        rows = [(p.anchor, p.text, fold(p.trail), fold(p.text)) for p in found]
        with self._lock, self._db:
            self._remove(path)
            self._db.execute(
                "INSERT INTO document VALUES (?, ?, ?, ?, ?)",
                (path, size, modified_ns, title, fault),
            )
            for anchor, text, trail, body in rows:
                values = (path, anchor, text, name, trail, body)
                row = self._db.execute(
                    "INSERT INTO passage (path, anchor, text, name, trail, body) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    values,
                ).lastrowid
                for table in ("word", "piece"):
                    self._db.execute(
                        f"INSERT INTO {table} (rowid, name, trail, body) VALUES (?, ?, ?, ?)",  # noqa: S608
                        (row, name, trail, body),
                    )

    def remove(self, path: str) -> None:
        """Forget a file."""
        with self._lock, self._db:
            self._remove(path)

    def _remove(self, path: str) -> None:
        # An index over external content has to be told the old values in order to forget them.
        for table in ("word", "piece"):
            self._db.execute(
                f"INSERT INTO {table} ({table}, rowid, name, trail, body) "  # noqa: S608
                "SELECT 'delete', id, name, trail, body FROM passage WHERE path = ?",
                (path,),
            )
        self._db.execute("DELETE FROM passage WHERE path = ?", (path,))
        self._db.execute("DELETE FROM document WHERE path = ?", (path,))

    def search(self, question: str, limit: int) -> list[Hit]:
        """The passages that answer a question best, at most a few of each document."""
        asked = terms(question)
        if not asked:
            return []
        with self._lock:
            total = int(self._db.execute("SELECT count(*) FROM passage").fetchone()[0])
            weights = {term: self._rarity(term, total) for term in asked}
            compounds = {term: self._compound(term) for term in asked}
            parts = [part for pair in compounds.values() for part in pair]
            match = [_word_match(term) for term in asked] + [f'"{part}"*' for part in parts]
            found = self._look("word", " OR ".join(match))
            scored = _score(found, weights, compounds)
            if not scored or scored[0].unmatched:
                missing = scored[0].unmatched if scored else asked
                pieces = [f'"{term.stem}"' for term in missing if len(term.stem) >= 3]
                if pieces:
                    found = {**self._look("piece", " OR ".join(pieces)), **found}
                    scored = _score(found, weights, compounds)
        return _pick(scored, limit)

    def _rarity(self, term: Term, total: int) -> float:
        """How much a match of this word says: words in few passages say more."""
        count = self._db.execute(
            "SELECT count(*) FROM word WHERE word MATCH ?", (_word_match(term),)
        ).fetchone()[0]
        return math.log(1 + (total + 1) / (count + 1))

    def _compound(self, term: Term) -> tuple[str, ...]:
        """The two words that a compound consists of, if the documents use both: Hund, Steuer."""
        word = term.stem
        for at in range(len(word) - _MIN_PART, _MIN_PART - 1, -1):
            left, right = word[:at], word[at:]
            for link in ("", "es", "en", "s", "n", "e"):
                first = left.removesuffix(link)
                if len(first) < _MIN_PART or not left.endswith(link):
                    continue
                if self._begins_word(first) and self._begins_word(right):
                    return first, right
        return ()

    def _begins_word(self, text: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM vocabulary WHERE term >= ? AND term < ? AND length(term) <= ? LIMIT 1",
            (text, text + "\U0010ffff", len(text) + 3),
        ).fetchone()
        return row is not None

    def _look(self, table: str, match: str) -> dict[int, "_Found"]:
        rows = self._db.execute(
            f"SELECT p.id, p.path, p.anchor, p.text, p.name, p.trail, p.body, "  # noqa: S608
            f"-bm25({table}, 2.0, 3.0, 1.0) FROM {table} f JOIN passage p ON p.id = f.rowid "
            f"WHERE {table} MATCH ? ORDER BY bm25({table}, 2.0, 3.0, 1.0) LIMIT {_CANDIDATES}",
            (match,),
        ).fetchall()
        return {row[0]: _Found(Hit(*row[1:4]), " ".join(row[4:7]), row[7]) for row in rows}


@dataclass(frozen=True, slots=True)
class _Found:
    hit: Hit
    folded: str
    relevance: float


@dataclass(frozen=True, slots=True)
class _Scored:
    score: float
    hit: Hit
    unmatched: tuple[Term, ...]


def _word_match(term: Term) -> str:
    """A full-text query for one word. Words are letters and digits only, and quoted besides."""
    return f'"{term.word}"' if term.is_number else f'"{term.word}" OR "{term.stem}"*'


def _score(
    found: dict[int, _Found], weights: dict[Term, float], compounds: dict[Term, tuple[str, ...]]
) -> list[_Scored]:
    """Best first: how much of the question a passage covers, then how relevant its words are."""
    best = max((item.relevance for item in found.values()), default=0.0) or 1.0
    whole = sum(weights.values())
    scored = []
    for item in found.values():
        fits = {term: _fit(term, compounds[term], item.folded) for term in weights}
        covered = sum(weights[term] * fit for term, fit in fits.items())
        unmatched = tuple(term for term, fit in fits.items() if not fit)
        score = covered / whole * (1 + item.relevance / best)
        scored.append(_Scored(score, item.hit, unmatched))
    return sorted(scored, key=lambda s: (-s.score, s.hit.path, s.hit.anchor))


def _fit(term: Term, compound: tuple[str, ...], folded: str) -> float:
    """How well a passage has a word of the question: 1 as a word's beginning, less in pieces."""
    if term.is_number:
        return float(re.search(rf"\b{term.word}\b", folded) is not None)
    if re.search(rf"\b{re.escape(term.stem)}", folded):
        return 1.0
    if compound and all(part in folded for part in compound):
        return _COMPOUND_FIT
    return _PART_FIT if len(term.stem) >= 3 and term.stem in folded else 0.0


def _pick(scored: list[_Scored], limit: int) -> list[Hit]:
    picked: list[Hit] = []
    texts: set[str] = set()
    counts: dict[str, int] = {}
    for item in scored:
        hit = item.hit
        # Passages that share only a small word with the question would mislead a small model.
        if len(picked) == limit or item.score < scored[0].score * 0.25:
            break
        if counts.get(hit.path, 0) < _MOST_PER_DOCUMENT and hit.text not in texts:
            picked.append(hit)
            texts.add(hit.text)
            counts[hit.path] = counts.get(hit.path, 0) + 1
    return picked


def _open(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return _prepared(":memory:")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    try:
        return _prepared(str(path))
    except sqlite3.DatabaseError:
        # The index can always be built again from the documents.
        path.unlink()
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        return _prepared(str(path))


def _prepared(place: str) -> sqlite3.Connection:
    db = sqlite3.connect(place, check_same_thread=False)
    try:
        db.execute("PRAGMA secure_delete = ON")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError("another version")
        if version == 0:
            db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db
