"""Picks the sentence of a tool's result that a question is about.

A model of a hundred million parameters answers well from one sentence and badly from five
passages (measured on SmolLM2-135M). Words decide, rare ones more than frequent ones; no model.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

# A result at most this long goes to the model as it is. In characters.
SHORT_RESULT = 100
SENTENCES = 1
# Longest text handed on, for results that are one endless line. In characters.
MAX_TEXT = 1200
# Longest part of a result that is looked at, in characters: a guard against results of megabytes.
MAX_RESULT = 40_000
# Words are compared by their beginnings, so that "fee" finds "fees" and "Hund" finds "Hundes".
_STEM = 6
# What an earlier passage counts more than the next, as searches answer best first.
_RANK = 0.5
# A line longer than this that does not end a sentence goes on in the next. In characters.
_WRAPPED = 60
_WORD = re.compile(r"\w\w+")
_SOURCE_LINE = re.compile(r"^\[\d+\] \S")
_PASSAGE_BREAK = re.compile(r"\n(?=\[\d+\] \S)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"„“(]?[A-ZÄÖÜ0-9])")
# Dates and ordinals such as "31. Januar" do not end a sentence; neither do one-letter initials.
_NO_END = re.compile(r"(?:\b\d{1,2}|\b[A-Za-zÄÖÜäöü]|\bStr|\bNr|\bDr|\bca|\bbzw)\.$")
_HEADING = re.compile(r"^(#{1,6}\s|[-=~_*]{3,}$)")
_BULLET = re.compile(r"^(?:[-*•]|\d{1,2}[.)])\s+")
_TABLE_RULE = re.compile(r"^\|?[\s:|-]+\|?$")


class Passage(NamedTuple):
    """A piece of a result: where it is from (empty where the result does not say), and its text."""

    source: str
    text: str


class Sentence(NamedTuple):
    """A sentence, and which passage of the result it stands in."""

    passage: int
    text: str


def relevant_text(question: str, result: str) -> str:
    """The part of a tool's result from which the question can be answered, as running text.

    Source lines such as `[1] root/file.md#section=Fees`, headings and rules are left out.
    """
    passages = split_passages(result[:MAX_RESULT])
    sentences = [
        Sentence(number, text)
        for number, passage in enumerate(passages)
        for text in split_sentences(passage.text)
    ]
    whole = " ".join(sentence.text for sentence in sentences)
    if len(whole) <= SHORT_RESULT:
        return whole
    scores = _scores(question, passages, sentences)
    best = sorted(range(len(sentences)), key=lambda index: -scores[index])[:SENTENCES]
    chosen = " ".join(sentences[index].text for index in sorted(best))
    return chosen if len(chosen) <= MAX_TEXT else chosen[:MAX_TEXT] + "…"


def split_passages(result: str) -> list[Passage]:
    """The passages of a result, which begin with a line such as `[1] source` where it has such."""
    passages: list[Passage] = []
    for block in _PASSAGE_BREAK.split(result.strip()):
        source, text = "", block.strip()
        if _SOURCE_LINE.match(text):
            source, _, text = text.partition("\n")
        if text.strip():
            passages.append(Passage(source, text.strip()))
    return passages


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, list items and table rows each as one; headings are left out."""
    lines = _unwrapped([line.strip() for line in text.splitlines()])
    sentences: list[str] = []
    columns: list[str] = []
    for number, line in enumerate(lines):
        if line.startswith("|") and line.count("|") > 2:
            if _TABLE_RULE.match(line):
                continue
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if columns:
                sentences.append(_row(columns, cells))
            else:
                columns = cells
            continue
        columns = []
        underlined = number + 1 < len(lines) and re.fullmatch(r"[-=~]{3,}", lines[number + 1])
        if line and not underlined and not _HEADING.match(line):
            sentences.extend(_in_line(_BULLET.sub("", line)))
    return sentences


def _unwrapped(lines: Sequence[str]) -> list[str]:
    """Lines that a page's width broke, joined again."""
    joined: list[str] = []
    broken = False
    for line in lines:
        plain = bool(line) and not (
            line.startswith("|") or _HEADING.match(line) or _BULLET.match(line)
        )
        if broken and plain:
            joined[-1] += f" {line}"
        else:
            joined.append(line)
        broken = plain and len(line) > _WRAPPED and not line.endswith((".", "!", "?", ":"))
    return joined


def _in_line(line: str) -> list[str]:
    sentences: list[str] = []
    for part in _SENTENCE_END.split(line):
        if sentences and _NO_END.search(sentences[-1]):
            sentences[-1] += f" {part}"
        else:
            sentences.append(part)
    return sentences


def _row(columns: Sequence[str], cells: Sequence[str]) -> str:
    named = zip(columns, cells, strict=False)
    return "; ".join(f"{column}: {cell}" if column else cell for column, cell in named if cell)


def _scores(
    question: str, passages: Sequence[Passage], sentences: Sequence[Sentence]
) -> list[float]:
    """How much each sentence, and the passage around it, shares with the question."""
    stems = {word.lower()[:_STEM] for word in _WORD.findall(question)}
    lowered = [sentence.text.lower() for sentence in sentences]
    around = [f"{passage.source} {passage.text}".lower() for passage in passages]
    weight, weight_around = _weights(stems, lowered), _weights(stems, around)
    by_passage = [
        sum(weight_around[stem] for stem in stems if stem in text) + _RANK / (1 + number)
        for number, text in enumerate(around)
    ]
    return [
        sum(weight[stem] for stem in stems if stem in text) + by_passage[sentence.passage]
        for text, sentence in zip(lowered, sentences, strict=True)
    ]


def _weights(stems: set[str], texts: Sequence[str]) -> dict[str, float]:
    """What finding each word beginning is worth: the rarer among the texts, the more."""
    return {
        stem: math.log((1 + len(texts)) / (0.5 + sum(stem in text for text in texts)))
        for stem in stems
    }
