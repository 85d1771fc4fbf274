"""Reads single tensors of a model's directory, and nothing else of it."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open

from backend_adapter.petals.errors import WeightsError
from backend_adapter.petals.hub import INDEX


def read_tensors(
    directory: Path, names: Iterable[str], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Those of the tensors `names` that the directory's safetensors hold, as `dtype`.

    Raises WeightsError where a file cannot be read.
    """
    wanted = set(names)
    found: dict[str, torch.Tensor] = {}
    for file in _files(directory, wanted):
        try:
            with safe_open(str(file), framework="pt") as opened:
                for name in wanted & set(opened.keys()):
                    found[name] = opened.get_tensor(name).to(dtype)
        except Exception as error:
            raise WeightsError(
                f"The weights {file} cannot be read: {error}.",
                "Fetch them anew; they may be cut off.",
            ) from error
    return found


def _files(directory: Path, wanted: set[str]) -> list[Path]:
    index = directory / INDEX
    if not index.is_file():
        return sorted(directory.glob("*.safetensors"))
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    return sorted({directory / places[name] for name in wanted if name in places})
