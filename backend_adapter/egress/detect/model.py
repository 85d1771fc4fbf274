"""A model that recognises names besides, where one is installed: spaCy's or GLiNER's. Nothing is fetched."""

import importlib
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend_adapter.egress.detect.hits import MODEL, Hit
from backend_adapter.errors import SettingsError

_SPACY_LABELS = {"PER": "PERSON", "PERSON": "PERSON", "ORG": "ORGANISATION"}
_GLINER_LABELS = {"person": "PERSON", "address": "ADDRESS", "organization": "ORGANISATION"}
_GLINER_FILE = "gliner_config.json"
# How much a model reads at once, in characters; the windows overlap so that no name is cut apart unseen.
_SPACY_WINDOW, _GLINER_WINDOW, _OVERLAP = 50_000, 1_200, 120


def load_model(name: str) -> "SpacyModel | GlinerModel":
    """The model of that name or in that folder. Blocks. Raises SettingsError if it is not there."""
    path = Path(name).expanduser()
    try:
        if (path / _GLINER_FILE).is_file():
            return GlinerModel(path)
        if path.is_dir() or importlib.util.find_spec(name) is not None:
            return SpacyModel(str(path) if path.is_dir() else name)
    except (ImportError, OSError, ValueError) as error:
        raise SettingsError(
            f"The model {name!r} of adapter.egress.detectors.ner cannot be loaded: {type(error).__name__}.",
            "Install what it needs, or remove `ner`.",
        ) from error
    raise SettingsError(
        f"The model {name!r} of adapter.egress.detectors.ner is not installed.",
        "Install it as a Python package, name the folder that it is in, or remove `ner`; it is never fetched.",
    )


class SpacyModel:
    """A pipeline of spaCy with a recogniser of entities."""

    def __init__(self, name: str) -> None:
        spacy = importlib.import_module("spacy")
        self._pipeline: Any = spacy.load(name)
        # spaCy's pipelines share their string store between threads.
        self._lock = threading.Lock()

    def hits(self, text: str) -> Iterator[Hit]:
        """What it says of a text."""
        for begin, window in _windows(text, _SPACY_WINDOW):
            with self._lock:
                entities = self._pipeline(window).ents
            for entity in entities:
                if (category := _SPACY_LABELS.get(entity.label_)) is not None:
                    yield Hit(begin + entity.start_char, begin + entity.end_char, category, MODEL)


class GlinerModel:
    """A model of GLiNER, which is asked for people, addresses and organisations."""

    def __init__(self, folder: Path) -> None:
        gliner = importlib.import_module("gliner")
        self._model: Any = gliner.GLiNER.from_pretrained(str(folder), local_files_only=True)
        self._lock = threading.Lock()

    def hits(self, text: str) -> Iterator[Hit]:
        """What it says of a text."""
        for begin, window in _windows(text, _GLINER_WINDOW):
            with self._lock:
                entities = self._model.predict_entities(window, list(_GLINER_LABELS))
            for entity in entities:
                yield Hit(
                    begin + entity["start"],
                    begin + entity["end"],
                    _GLINER_LABELS[entity["label"]],
                    MODEL,
                )


def _windows(text: str, size: int) -> Iterator[tuple[int, str]]:
    for begin in range(0, max(len(text) - _OVERLAP, 1), size - _OVERLAP):
        yield begin, text[begin : begin + size]
