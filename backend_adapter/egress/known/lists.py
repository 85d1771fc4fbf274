"""Reads the values that a site has listed."""

from collections.abc import Callable
from pathlib import Path

from backend_adapter.egress.known.cached import stored
from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.known.listed import values_of
from backend_adapter.egress.settings import DictionarySettings

# Lists of so many bytes are read and held in memory faster than a process starts that does it.
_LITTLE = 512 * 1024


def read_dictionary(
    dictionaries: tuple[DictionarySettings, ...],
    cache: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Dictionary:
    """What finds all values of all lists, however many they are. Blocks: up to a minute for a million of new ones.

    Long lists are made searchable once, by a process of its own, and kept in the folder `cache`, where the next
    start and other processes find them; without one, until this process ends. `report` gets lines on how far it is.
    Raises SettingsError as `read_values` does, and where the folder cannot be written to.
    """
    if sum(_size(each.path) for each in dictionaries) <= _LITTLE:
        return Dictionary(read_values(dictionaries))
    found = stored(dictionaries, cache, report or (lambda _: None))
    return Dictionary.indexed(found, found)


def read_values(dictionaries: tuple[DictionarySettings, ...]) -> list[Value]:
    """All values of all lists, each once. Blocks.

    Raises SettingsError with the file and the line where one cannot be read or looked for: a list of which a part
    is missing protects nobody.
    """
    values = dict[Value, None]()
    for each in dictionaries:
        for text, _ in values_of(each):
            values[Value(each.kind, text)] = None
    return list(values)


def _size(path: Path) -> int:
    try:
        return path.expanduser().stat().st_size
    except OSError:
        # Whoever reads it says what is wrong with it.
        return 0
