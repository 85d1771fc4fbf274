"""Where one site keeps its state: settings, secrets, logs, data and what is running."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from hoheit.errors import HoheitError

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """The folders below `HOHEIT_HOME` (the platform's data folder where that is not set)."""

    path: Path

    @property
    def settings_file(self) -> Path:
        return self.path / "hoheit.toml"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def environments(self) -> Path:
        return self.path / "environments"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def state_file(self) -> Path:
        return self.path / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "run" / "lock"


def find(environ: Mapping[str, str]) -> Home:
    """The home that the environment names; its folders need not exist yet."""
    named = environ.get("HOHEIT_HOME")
    if named:
        return Home(Path(named).expanduser().absolute())
    return Home(Path(platformdirs.user_data_dir("hoheit", appauthor=False)))


def make_folder(path: Path, *, private: bool = False) -> None:
    """Creates a folder and its parents; raises HoheitError with the cause and a remedy."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o755)
    except OSError as error:
        raise HoheitError(
            f"The folder {path} cannot be created: {error.strerror}.",
            "Set HOHEIT_HOME to a folder that this user may write, on a disk with room.",
        ) from error


def write_whole(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Writes a file all or nothing: a full disk or a crash leaves the old content, never half of the new.

    Raises HoheitError when the file cannot be written.
    """
    make_folder(path.parent)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)  # noqa: PTH101 - a name, not yet a Path worth building
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise HoheitError(
            f"{path} cannot be written: {error.strerror}.",
            "Free disk space or set HOHEIT_HOME to a folder on a disk with room.",
        ) from error
