"""Long lists, made searchable by a process of its own and kept in a file that all processes of a machine share.

In a process of its own, because that takes a minute and hundreds of megabytes: meanwhile this one goes on serving
with the lists before, and it gets no larger. The file is named for the digest of the lists and is private to this
user; it holds what the lists hold.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend_adapter.egress.listed import values_of
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.egress.stored import VERSION, DamagedError, Stored, Writing
from backend_adapter.errors import SettingsError

_NAME = "dictionary-{}.index"
# After how many values it is said how far it is.
_SAID_EACH = 500_000
# How often lists are read that change while they are read.
_ATTEMPTS = 3
# What serves requests goes first.
_NICE = 10


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
        path = cache / _NAME.format(digest)
        try:
            return Stored(path)
        except FileNotFoundError:
            report("The lists are new, and are made searchable.")
        except DamagedError as error:
            report(f"The lists are made searchable again: {path} is not used. {error}")
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(dictionaries, path, report)
            if _digest(dictionaries) == digest:
                return Stored(path)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error
        except DamagedError as error:
            raise SettingsError(
                f"{path} cannot be used: {error}", "See whether the disk is full or at fault."
            ) from error
    raise SettingsError(
        "The lists of adapter.egress.dictionaries change while they are read.",
        "Write a new file and rename it.",
    )


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"What is made of long lists cannot be kept in {path.parent}: {error.strerror or error}.",
        "Give this user a folder to write to, with room for some 100 bytes for each value.",
    )


def _digest(dictionaries: tuple[DictionarySettings, ...]) -> str:
    whole = hashlib.blake2b(f"{VERSION}".encode(), digest_size=16)
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
        [sys.executable, "-m", "backend_adapter.egress.cached", json.dumps(task)],
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
            "See whether the machine has memory left: it takes some 100 bytes for each value.",
        )


def main() -> None:
    """Make the file of a task (the argument, in JSON), and say how far it is (standard output, in JSON lines)."""
    os.nice(_NICE)
    task = json.loads(sys.argv[1])
    path = Path(task["path"])
    dictionaries = tuple(DictionarySettings.model_validate(each) for each in task["lists"])
    try:
        with _alone(path.parent):
            if not _is_whole(path):
                _write(dictionaries, path)
    except SettingsError as error:
        _say("error", [error.message, error.remedy])
    except OSError as error:
        told = _unwritable(path, error)
        _say("error", [told.message, told.remedy])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process makes such a file there: a second one finds it made."""
    with (folder / "dictionary.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_whole(path: Path) -> bool:
    try:
        Stored(path)
    except (OSError, DamagedError):
        return False
    return True


def _write(dictionaries: tuple[DictionarySettings, ...], path: Path) -> None:
    for left in path.parent.glob(_NAME.format("*") + ".part"):
        left.unlink()
    part = path.with_name(f"{path.name}.part")
    try:
        # The default for files of this kind is that the group may read them.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            writing = Writing(file)
            for each in dictionaries:
                for text, keys in values_of(each):
                    writing.add(each.kind, text, keys)
                    if len(writing) % _SAID_EACH == 0:
                        _say("report", f"{len(writing):,} values read.")
            _say("report", f"{len(writing):,} values read; they are put in order.")
            writing.finish()
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    # Values that are listed no more stay in no file; who has one mapped keeps it.
    for other in path.parent.glob(_NAME.format("*")):
        if other != path:
            other.unlink(missing_ok=True)


def _say(what: str, said: object) -> None:
    sys.stdout.write(json.dumps({what: said}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
