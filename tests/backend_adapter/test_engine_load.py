"""What a vLLM server's figures say of its load; the recorded ones are vLLM 0.32's with 40 streams on 32 seats."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_servers import cache, told

from backend_adapter.upstreams.load import Load, caches_prefixes, load_of, read_samples

RECORDED = (Path(__file__).parent / "recorded" / "vllm_metrics.txt").read_bytes()


def load(text: str, model: str = "m") -> Load | None:
    return load_of(read_samples(text.encode()), model)


@pytest.mark.parametrize("model", ["smol", "a-further-name"])
def test_the_recorded_figures_of_a_busy_server_are_read(model: str) -> None:
    samples = read_samples(RECORDED)
    assert load_of(samples, model) == Load(32, 8, pytest.approx(0.1768, abs=1e-4), 23296)
    assert caches_prefixes(samples) is True


def test_data_parallel_engines_are_one_server() -> None:
    text = told("m", 0, 3.0, 1.0, 0.5) + told("m", 1, 5.0, 0.0, 0.9) + cache(0, 100) + cache(1, 50)
    assert load(text) == Load(8, 1, pytest.approx(0.7), 150)


@pytest.mark.parametrize(("deferred", "waiting"), [(0.0, 3), (1.0, 2), (4.0, 0)])
def test_a_request_that_does_not_wait_for_room_is_not_waiting(
    deferred: float, waiting: int
) -> None:
    """As one does whose grammar is being compiled, although the engine is idle."""
    labels = 'engine="0",model_name="m",reason="deferred"'
    line = f"vllm:num_requests_waiting_by_reason{{{labels}}} {deferred}\n"
    assert load(told("m", 0, 0.0, 3.0, 0.0) + line) == Load(0, waiting, 0.0)


def test_only_the_own_model_counts_where_it_has_figures_of_its_own() -> None:
    text = told("m", 0, 1.0, 0.0, 0.1) + told("other", 0, 7.0, 7.0, 0.9)
    assert load(text) == Load(1, 0, 0.1, None)
    assert load(text, "adapter-of-one") == Load(8, 7, 0.5, None)


def test_what_is_not_told_is_not_known() -> None:
    running, waiting, *_ = told("m", 0, 1.0, 2.0, 0.1).splitlines(keepends=True)
    assert load(running) is None
    assert load(running + waiting + cache(0, "None")) == Load(1, 2)
    assert caches_prefixes(read_samples(running.encode())) is None
    assert caches_prefixes(read_samples(cache(0, 1, prefixes=False).encode())) is False


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1.0", "many", ""])
def test_a_figure_that_is_none_is_left_out(value: str) -> None:
    assert load(told("m", 0, value, 1.0, 0.1)) is None
    assert load(told("m", 0, 1.0, 1.0, value)) == Load(1, 1)


def test_a_name_may_hold_braces_and_quotes() -> None:
    assert load(told(r"a{\"b\"} 7", 0, 1.0, 2.0, 0.5)) == Load(1, 2, 0.5)


def test_only_so_many_lines_are_read() -> None:
    assert len(read_samples(told("m", 0, 1.0, 1.0, 0.1).encode() * 10_000)) == 256


@given(st.binary(max_size=200))
def test_any_text_is_read_without_an_error(raw: bytes) -> None:
    samples = read_samples(b"vllm:num_requests_running{" + raw + b"\n" + raw)
    load_of(samples, "m")
    caches_prefixes(samples)
