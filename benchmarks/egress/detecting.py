"""What is found and what is missed: the boundary and its peers over one corpus and over the same known values."""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.egress import masking, ours
from benchmarks.egress.corpus import HELD_OUT, Document, Gold, generate
from benchmarks.egress.labelled import Sample, known_values, samples
from benchmarks.egress.peers import running
from benchmarks.egress.scoring import UNJUDGED, Place, Score, covers, score

OURS = "hoheit"
LITELLM = "litellm"
NAMES = (OURS, *running.PEERS, LITELLM)


def measure(
    seed: int, each: int, only: Sequence[str], misses: Path | None = None
) -> dict[str, Any]:
    """The figures of each of `only`; what is missed in the open templates is written into the folder `misses`."""
    documents = generate(seed, each)
    known = known_values(seed + 1, max(5, each))
    forms = list(samples(known))
    size = sum(len(document.text.encode()) for document in documents)
    found: dict[str, Any] = {
        "documents": len(documents),
        "mb": round(size / 1e6, 3),
        "known_values": len(known),
        "forms": len(forms),
    }
    texts = [(document.text, document.language) for document in documents]
    listed = [(sample.written, "de") for sample in forms]
    for name in only:
        if name == OURS:
            with tempfile.TemporaryDirectory(prefix="hoheit-egress-") as folder:
                guard = ours.guard(Path(folder), known)
                plain = ours.guard(Path(folder))
                hits = ours.labelled(guard, forms)
                run = ours.run(plain, [text for text, _ in texts])
                more = {"end_to_end": ours.end_to_end(plain, documents)}
            unjudged = frozenset[str]()
        else:
            run = _run(name, texts)
            told = _run(name, listed, [value.text for value in known])
            hits = [
                _is_covered(form, places) for form, places in zip(forms, told.found, strict=True)
            ]
            more, unjudged = {}, UNJUDGED
        scored = score(documents, run.found, unjudged)
        held_out = _of(documents, run.found, HELD_OUT, unjudged)
        found[name] = {
            "labelled_recall": round(sum(hits) / len(hits), 4),
            "labelled_by_form": _by_form(forms, hits),
            **scored.figures(),
            "held_out": {
                "recall": round(held_out.recall, 4),
                "precision": round(held_out.precision, 4),
            },
            **more,
            "mb_per_s": round(size / 1e6 / run.seconds, 4),
        }
        if misses is not None:
            _write_misses(misses, name, documents, run.found, unjudged)
    return found


def _run(name: str, texts: Sequence[tuple[str, str]], values: Sequence[str] = ()) -> running.Run:
    if name == LITELLM:
        return masking.run([text for text, _ in texts], values)
    return running.run(name, texts, values)


def _is_covered(sample: Sample, places: Iterable[Place]) -> bool:
    return covers(sample.written, places, Gold(sample.start, sample.end, sample.known.kind))


def _by_form(forms: Sequence[Sample], hits: Sequence[bool]) -> dict[str, float]:
    of_form = defaultdict[str, list[bool]](list)
    for sample, hit in zip(forms, hits, strict=True):
        of_form[sample.form].append(hit)
    return {form: round(sum(each) / len(each), 4) for form, each in sorted(of_form.items())}


def _of(
    documents: Sequence[Document],
    found: Sequence[list[Place]],
    part: str,
    unjudged: frozenset[str],
) -> Score:
    chosen = [
        (document, places)
        for document, places in zip(documents, found, strict=True)
        if document.part == part
    ]
    return score([each for each, _ in chosen], [places for _, places in chosen], unjudged)


def _write_misses(
    folder: Path,
    name: str,
    documents: Sequence[Document],
    found: Sequence[list[Place]],
    unjudged: frozenset[str],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scored = _of(documents, found, "open", unjudged)
    for kind, lines in (("misses", scored.misses), ("mistakes", scored.mistakes)):
        text = "".join(
            f"{template}\t{category}\t{around!r}\n" for template, category, around in lines
        )
        (folder / f"{name}-{kind}.tsv").write_text(text, encoding="utf-8")
