"""A model from the Hugging Face hub, as far as a part needs it: a node its own layers, a gateway the two ends.

All files are of one commit, which is looked up once and kept beside them: every later start takes the same, and
needs no network where the files are there.
"""

import json
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from backend_adapter.petals.errors import WeightsError

# Says in which file each tensor of a model in Hugging Face's form lies.
INDEX = "model.safetensors.index.json"
Say = Callable[[str], None]

_KEPT = ".hub.json"
# What is half there lies in it, so that a fetch that broke off goes on.
_COMING = ".coming"
_WHOLE = "model.safetensors"
_DESCRIPTION = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    INDEX,
)
_TELL_S = 2.0
_MB = 1_000_000


def fetch_description(hub: str, directory: Path, say: Say) -> None:
    """Everything but the weights of the model `hub` (org/name or org/name@revision). Raises WeightsError."""
    files = _files(hub, directory)
    _fetch(hub, directory, [name for name in _DESCRIPTION if name in files["sizes"]], say)


def fetch_layers(hub: str, directory: Path, start: int, end: int, say: Say) -> None:
    """The files that hold the layers [start, end). Raises WeightsError."""
    heads = tuple(f"model.layers.{layer}." for layer in range(start, end))
    _fetch(hub, directory, _shards(directory, lambda name: name.startswith(heads)), say)


def fetch_ends(hub: str, directory: Path, say: Say) -> None:
    """The files that hold embeddings, last norm and head. Raises WeightsError."""
    _fetch(hub, directory, _shards(directory, lambda name: ".layers." not in name), say)


def _shards(directory: Path, wanted: Callable[[str], bool]) -> Collection[str]:
    index = directory / INDEX
    if not index.is_file():
        return [_WHOLE]
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    return sorted({file for name, file in places.items() if wanted(name)})


def _files(hub: str, directory: Path) -> dict[str, Any]:
    """The commit and the sizes of its files, as kept or, at first, as the hub says."""
    kept = directory / _KEPT
    if kept.is_file():
        known: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return known
    from huggingface_hub import HfApi

    name, _, revision = hub.partition("@")
    try:
        found = HfApi().model_info(name, revision=revision or None, files_metadata=True, timeout=30)
    except Exception as error:
        raise _fault(hub, error) from error
    sizes = {each.rfilename: each.size for each in found.siblings}
    if INDEX not in sizes and _WHOLE not in sizes:
        raise WeightsError(
            f"The model {hub} on the hub has no weights as safetensors.",
            "Name a model that has, not a GGUF or a quantised form of it.",
        )
    directory.mkdir(parents=True, exist_ok=True)
    written = kept.with_suffix(".new")
    written.write_text(json.dumps({"commit": found.sha, "sizes": sizes}), encoding="utf-8")
    written.replace(kept)
    return {"commit": found.sha, "sizes": sizes}


def _fetch(hub: str, directory: Path, names: Iterable[str], say: Say) -> None:
    files = _files(hub, directory)
    for name in names:
        size = files["sizes"].get(name)
        if size is None:
            raise WeightsError(
                f"The model {hub} names a file {name} that it does not have.", "Name another."
            )
        target = directory / name
        if target.is_file() and target.stat().st_size == size:
            continue
        say(f"fetching {name} ({size / _MB:.0f} MB)")
        _one(hub, directory, name, files["commit"], size, say)
        if target.stat().st_size != size:
            raise WeightsError(
                f"{target} has {target.stat().st_size} bytes instead of {size}.",
                "Remove it and start again.",
            )


def _one(hub: str, directory: Path, name: str, commit: str, size: int, say: Say) -> None:
    """Fetch one file, with a line of progress every two seconds."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    coming, done = directory / _COMING, threading.Event()
    for half in coming.rglob("*.incomplete"):
        # The library appends to it whatever it holds.
        if half.stat().st_size >= size:
            half.unlink()

    def tell() -> None:
        while not done.wait(_TELL_S):
            come = sum(each.stat().st_size for each in coming.rglob("*.incomplete"))
            say(f"fetching {name} ({come / _MB:.0f} of {size / _MB:.0f} MB)")

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    try:
        hf_hub_download(
            hub.partition("@")[0],
            name,
            revision=commit,
            cache_dir=coming,
            local_dir=directory,
            local_dir_use_symlinks=False,
            resume_download=True,
        )
    except Exception as error:
        raise _fault(hub, error) from error
    finally:
        done.set()
        telling.join()


def _fault(hub: str, error: Exception) -> WeightsError:
    from huggingface_hub.utils import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return WeightsError(
            f"The hub gives the model {hub} only to those who have agreed to its terms.",
            "Agree on its page, and set HF_TOKEN to a token of that account.",
        )
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return WeightsError(
            f"The hub has no model {hub}, or not for everybody.",
            "Check the name; a private model needs HF_TOKEN.",
        )
    return WeightsError(
        f"The model {hub} cannot be fetched: {error}",
        "Check the network and the room on the disk, and start again: what has come is kept. "
        "Or copy the model's directory here by other means and name it.",
    )
