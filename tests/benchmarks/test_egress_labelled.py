"""Known values in all their forms: what the egress benchmark takes for gone is gone, and for there is there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.egress import ours, restoring
from benchmarks.egress.labelled import Known, body, known_values, samples, still_there


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value
        if value.startswith('{"was"'):
            yield from leaves(json.loads(value))


def test_every_form_stands_where_it_says() -> None:
    forms = list(samples(known_values(seed=3, each=4)))
    assert len({sample.form for sample in forms}) > 40
    for sample in forms:
        assert 0 <= sample.start < sample.end <= len(sample.written)
        assert sample.written in leaves(body(sample))


def test_a_value_that_nobody_took_out_is_seen_in_every_form() -> None:
    forms = list(samples(known_values(seed=3, each=4)))
    unseen = {
        (sample.form, sample.known.kind)
        for sample in forms
        if not still_there(sample, body(sample))
    }
    assert not unseen


@pytest.mark.parametrize(
    ("known", "left"),
    [
        (Known("person", "Anna Lang"), "die Lang von nebenan"),
        (Known("iban", "DE89 3704 0044 0532 0130 00"), "auf 532013000"),
        (Known("email", "anna.lang@example.org"), "an annalang bei example.org"),
    ],
)
def test_a_part_that_is_left_counts(known: Known, left: str) -> None:
    sample = next(iter(samples([known])))
    assert still_there(sample, {"messages": [{"role": "user", "content": left}]})
    assert not still_there(sample, {"messages": [{"role": "user", "content": "Person-K7Q"}]})


def test_the_boundary_finds_every_known_value_in_every_form(tmp_path: Path) -> None:
    known = known_values(seed=4, each=3)
    forms = list(samples(known))
    found = ours.labelled(ours.guard(tmp_path, known), forms)
    missed = {
        (sample.form, sample.place) for sample, hit in zip(forms, found, strict=True) if not hit
    }
    assert not missed


def test_what_was_sent_comes_back_in_the_timed_stream() -> None:
    assert restoring.measure(seed=3, rounds=1)["pieces"] > 1000
