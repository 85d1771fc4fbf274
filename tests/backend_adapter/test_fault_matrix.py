"""The whole matrix of `python -m benchmarks.faults`: every fault, at every place, for every kind of engine."""

import asyncio

import pytest

from benchmarks.faults.cases import Case, Row, cases
from benchmarks.faults.matrix import run

# One worker runs the cases, all of them at once.
pytestmark = pytest.mark.xdist_group("faults")

CASES = list(cases())


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Row]:
    found = asyncio.run(run(tmp_path_factory.mktemp("faults"), CASES))
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_costs_the_client_nothing_that_can_be_saved(case: Case, rows: dict[Case, Row]):
    assert rows[case].broken == ""


def test_every_kind_of_engine_went_on_in_its_own_way(rows: dict[Case, Row]):
    ways = {
        (case.engine, case.greedy, case.where): row.way
        for case, row in rows.items()
        if case.shape == "reset"
    }
    assert {
        place: [ways[engine, greedy, place] for engine in ("vllm", "llama.cpp", "openai")]
        for place in ("reasoning", "text", "call")
        for greedy in [True]
    } == {
        "reasoning": ["tokens", "prefill", "replay"],
        "text": ["tokens", "prefill", "replay"],
        "call": ["tokens", "replay", "replay"],
    }
    assert [ways["llama.cpp", False, place] for place in ("reasoning", "text", "call")] == [
        "prefill",
        "prefill",
        "schema",
    ]
