"""Picks the sentences of a tool's result that a question is about.

A model of a hundred million parameters answers well from two sentences and badly from five
passages (measured on SmolLM2-135M). Words decide, rare ones more than frequent ones; no model.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

# A result at most this long goes to the model as it is. In characters.
SHORT_RESULT = 240
SENTENCES = 2
# Longest text handed on, for results that are one endless line. In characters.
MAX_TEXT = 1200
# Words are compared by their beginnings, so that "fee" finds "fees" and "Hund" finds "Hundes".
_STEM = 6
_WORD = re.compile(r"\w\w+")
_SOURCE_LINE = re.compile(r"^\[\d+\] \S")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"„“(]?[A-ZÄÖÜ0-9])")


class Sentence(NamedTuple):
    """A sentence, and which passage of the result it stands in."""

    passage: int
    text: str


def relevant_text(question: str, result: str) -> str:
    """The part of a tool's result from which the question can be answered, as running text.

    Source lines such as `[1] root/file.md#section=Fees` are left out.
    """
    passages = split_passages(result)
    sentences = [
        Sentence(number, text)
        for number, (_, passage) in enumerate(passages)
        for text in split_sentences(passage)
    ]
    whole = " ".join(sentence.text for sentence in sentences)
    if len(whole) <= SHORT_RESULT:
        return whole
    scores = _scores(question, passages, sentences)
    best = sorted(range(len(sentences)), key=lambda index: -scores[index])[:SENTENCES]
    chosen = " ".join(sentences[index].text for index in sorted(best))
    return chosen if len(chosen) <= MAX_TEXT else chosen[:MAX_TEXT] + "…"


def split_passages(result: str) -> list[tuple[str, str]]:
    """(source, text) of each passage; the source is empty where a result names none."""
    passages: list[tuple[str, str]] = []
    for block in re.split(r"\n\s*\n|\n(?=\[\d+\] \S)", result.strip()):
        if not block.strip():
            continue
        source, text = "", block.strip()
        if _SOURCE_LINE.match(text):
            source, _, text = text.partition("\n")
        passages.append((source, text.strip()))
    return passages


def split_sentences(text: str) -> list[str]:
    """Sentences and lines of a text, without the empty ones."""
    parts = [part for line in text.splitlines() for part in _SENTENCE_END.split(line)]
    return [part.strip() for part in parts if part.strip()]


def _scores(
    question: str, passages: Sequence[tuple[str, str]], sentences: Sequence[Sentence]
) -> list[float]:
    """How much each sentence, and the passage around it, shares with the question."""
    stems = {word.lower()[:_STEM] for word in _WORD.findall(question)}
    lowered = [sentence.text.lower() for sentence in sentences]
    around = [f"{source} {text}".lower() for source, text in passages]
    by_passage = [_shared(stems, text, around) for text in around]
    return [
        _shared(stems, text, lowered) + by_passage[sentence.passage]
        for text, sentence in zip(lowered, sentences, strict=True)
    ]


def _shared(stems: set[str], text: str, texts: Sequence[str]) -> float:
    total = 0.0
    for stem in stems:
        if stem in text:
            frequency = sum(stem in other for other in texts)
            total += math.log((1 + len(texts)) / (0.5 + frequency))
    return total
