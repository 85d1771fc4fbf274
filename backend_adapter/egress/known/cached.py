"""Long lists, made searchable by a process of its own and kept in a file that all processes of a machine share.

In a process of its own, because that takes minutes and hundreds of megabytes: meanwhile this one goes on serving
with the lists before, and it gets no larger. The file is named for the digest of the lists and is private to this
user; it holds what the lists hold.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from backend_adapter.egress.known.stored import NAME, VERSION, DamagedError, Stored, unwritable
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.errors import SettingsError

# How often lists are read that change while they are read.
_ATTEMPTS = 3


def stored(
    dictionaries: tuple[DictionarySettings, ...], cache: Path | None, report: Callable[[str], None]
) -> Stored:
    """The values of all lists, from the cache where they are there. Raises SettingsError."""
    if cache is not None:
        return _stored(dictionaries, cache.expanduser(), report)
    # What is mapped stays after its name is gone.
    with tempfile.TemporaryDirectory(prefix="hoheit-") as folder:
        return _stored(dictionaries, Path(folder), report)


def _stored(
    dictionaries: tuple[DictionarySettings, ...], cache: Path, report: Callable[[str], None]
) -> Stored:
    for _ in range(_ATTEMPTS):
        digest = _digest(dictionaries)
        path = cache / NAME.format(digest)
        try:
            return Stored(path)
        except FileNotFoundError:
            report("The lists are new, and are made searchable.")
        except DamagedError as error:
            report(f"The lists are made searchable again: {path} is not used. {error}")
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(dictionaries, path, report)
            if _digest(dictionaries) == digest:
                return Stored(path)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        except DamagedError as error:
            raise SettingsError(
                f"{path} cannot be used: {error}", "See whether the disk is full or at fault."
            ) from error
    raise SettingsError(
        "The lists of adapter.egress.dictionaries change while they are read.",
        "Write a new file and rename it.",
    )


def _digest(dictionaries: tuple[DictionarySettings, ...]) -> str:
    whole = hashlib.blake2b(VERSION.encode(), digest_size=16)
    for each in dictionaries:
        whole.update(f"\0{each.kind}\0{each.column}\0{each.path.suffix}\0".encode())
        try:
            with each.path.expanduser().open("rb") as file:
                whole.update(hashlib.file_digest(file, "blake2b").digest())
        except OSError as error:
            raise SettingsError(
                f"The values in {each.path} cannot be read: {error.strerror}.",
                "Correct adapter.egress.dictionaries, or give this user read access to the file.",
            ) from error
    return whole.hexdigest()


def _make(
    dictionaries: tuple[DictionarySettings, ...], path: Path, report: Callable[[str], None]
) -> None:
    task = {"path": str(path), "lists": [each.model_dump(mode="json") for each in dictionaries]}
    with subprocess.Popen(
        [sys.executable, "-m", "backend_adapter.egress.known.storing", json.dumps(task)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            for line in process.stdout or ():
                said = json.loads(line)
                if "error" in said:
                    raise SettingsError(*said["error"])
                report(said["report"])
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise SettingsError(
            f"The process that makes the lists searchable ended with status {process.returncode}.",
            "See whether the machine has memory left: it takes some 200 bytes for each value.",
        )
