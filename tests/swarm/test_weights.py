"""A model's directory: what is missing is named, and GGUF's order of rows is undone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.petals.errors import WeightsError
from backend_adapter.petals.weights import (
    check_directory,
    converted,
    tensor_name,
    without_permutation,
)

_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


@pytest.mark.parametrize("missing", _FILES)
def test_a_file_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    for name in _FILES:
        if name != missing:
            (tmp_path / name).touch()
    with pytest.raises(WeightsError, match=Path(missing).suffix):
        check_directory(tmp_path)


def test_a_complete_directory_is_taken(tmp_path: Path) -> None:
    for name in _FILES:
        (tmp_path / name).touch()
    assert check_directory(tmp_path) == tmp_path


@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 4))
def test_rows_come_back_in_the_order_before_the_conversion(
    heads: int, half: int, columns: int
) -> None:
    before = np.arange(heads * 2 * half * columns).reshape(-1, columns)
    # As llama.cpp's converter lays them out: the pairs of a head side by side.
    rows = [
        before[head * 2 * half + number + part * half]
        for head in range(heads)
        for number in range(half)
        for part in (0, 1)
    ]
    assert (without_permutation(np.stack(rows), heads) == before).all()


@pytest.mark.parametrize("name", ["blk.0.ssm_in.weight", "v.patch.weight", "blk.weight"])
def test_a_tensor_that_no_llama_has_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="no plain Llama"):
        tensor_name(name)


def test_nothing_is_left_of_a_conversion_that_failed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no weights at all" * 8)
    cache = tmp_path / "models"
    with pytest.raises(WeightsError, match="no readable GGUF"):
        converted(broken, cache)
    assert [each.name for each in cache.iterdir() if each.is_dir()] == []
