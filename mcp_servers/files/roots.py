"""Confinement: only regular, visible files that really lie under a served folder can be opened.

A path is checked twice. First as text: it must be a root's name followed by plain components.
Then on the disk: symbolic links are resolved, the result must lie under the root's real folder,
and that result is opened one component at a time, each relative to the one before and none
followed if it is a link. So a link swapped in between the check and the opening is refused by
the kernel, not followed. Links inside a root that lead to a place inside the same root work.
"""

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mcp_servers.errors import AccessError, SettingsError
from mcp_servers.files.settings import RootSettings
from mcp_servers.settings import DataClass

MAX_DEPTH: Final = 32
MAX_PATH_CHARS: Final = 1024

Parts = tuple[str, ...]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a FIFO that took a file's place would wait for a writer for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Root:
    """A served folder: its name in paths, its real place, and its confidentiality."""

    name: str
    directory: Path
    data_class: DataClass


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder or file as it is served: `path` starts with the root's name; `size` in bytes."""

    path: str
    root: Root
    is_folder: bool
    size: int
    modified_ns: int


class Roots:
    """All served folders.

    Raises:
        SettingsError: a folder is missing, or one root lies inside another, where the same file
            would be served under two confidentialities.
    """

    def __init__(self, settings: Sequence[RootSettings]) -> None:
        self._roots: dict[str, Root] = {}
        for item in settings:
            directory = Path(os.path.realpath(item.path.expanduser()))
            if not directory.is_dir():
                raise SettingsError(
                    f"The folder of root {item.name!r} does not exist: {item.path}.",
                    "Create it, or correct files.roots.",
                )
            for other in self:
                inside = directory.is_relative_to(other.directory)
                if inside or other.directory.is_relative_to(directory):
                    raise SettingsError(
                        f"The roots {other.name!r} and {item.name!r} lie inside one another.",
                        "Give every confidentiality its own folder.",
                    )
            self._roots[item.name] = Root(item.name, directory, item.data_class)

    def __iter__(self) -> Iterator[Root]:
        return iter(self._roots.values())

    def split(self, path: str) -> tuple[Root, Parts]:
        """Take a served path apart into its root and the components below it.

        Raises:
            AccessError: the text does not have the form of a served path.
        """
        first, _, rest = path.removesuffix("/").partition("/")
        root = self._roots.get(first)
        if len(path) > MAX_PATH_CHARS or root is None:
            names = ", ".join(self._roots) or "none are configured"
            raise AccessError(
                f"{_shown(path)} is not served.", f"Paths start with a root: {names}."
            )
        parts = tuple(rest.split("/")) if rest else ()
        if len(parts) > MAX_DEPTH or not all(map(is_plain, parts)):
            raise AccessError(
                f"{_shown(path)} is not served.", "Take paths from list or search as they are."
            )
        return root, parts

    @contextmanager
    def open(self, path: str) -> Iterator[tuple[Entry, BinaryIO]]:
        """Open a served file for reading.

        Raises:
            AccessError: not served, gone, not a regular file, or not readable by the server.
        """
        root, asked = self.split(path)
        with _refusing(path):
            parts, target = _locate(root, asked)
            descriptor = _open_below(root, target, _FILE)
        with os.fdopen(descriptor, "rb") as file:
            yield _entry(root, parts, os.fstat(descriptor)), file

    def folder(self, path: str) -> list[Entry]:
        """The visible folders and files directly inside a served folder, folders first, by name.

        Raises:
            AccessError: not served, gone, or not a folder.
        """
        root, asked = self.split(path)
        with _refusing(path):
            parts, target = _locate(root, asked)
            descriptor = _open_below(root, target, _DIRECTORY)
        try:
            entries = list(_inside(root, parts, descriptor))
        finally:
            os.close(descriptor)
        return sorted(entries, key=lambda entry: (not entry.is_folder, entry.path))

    def files(self) -> Iterator[Entry]:
        """Every file of every root once. What links lead to is met at its real place."""
        for root in self:
            waiting: list[Parts] = [()]
            while waiting:
                parts = waiting.pop()
                # A folder that vanished or was locked meanwhile is no reason to stop the walk.
                with suppress(OSError):
                    descriptor = _open_below(root, parts, _DIRECTORY)
                    try:
                        entries = list(_inside(root, parts, descriptor, links=False))
                    finally:
                        os.close(descriptor)
                    yield from (entry for entry in entries if not entry.is_folder)
                    if len(parts) < MAX_DEPTH - 1:
                        waiting.extend(_below(entry) for entry in entries if entry.is_folder)


def is_plain(part: str) -> bool:
    """Whether a path component can be served: visible, printable on one line, and only a name."""
    if not part or part.startswith(".") or "\\" in part or "/" in part:
        return False
    # Surrogates stand for bytes that are no UTF-8; they could not be sent to a client.
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in part):
        return False
    return len(part.encode()) <= 255


def _shown(path: str) -> str:
    """A path as an error quotes it: on one line and not too long."""
    return repr(path if len(path) <= 200 else path[:200] + "…")


def _below(entry: Entry) -> Parts:
    return tuple(entry.path.split("/")[1:])


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Turn the system's errors into ours, which say nothing about what lies outside."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, IsADirectoryError):
            raise AccessError(f"{_shown(path)} is a folder.", "Use list to see inside.") from None
        if isinstance(error, PermissionError):
            raise AccessError(f"The server may not read {_shown(path)}.") from None
        raise AccessError(
            f"{_shown(path)} does not exist or is not served.",
            "Take paths from list or search as they are.",
        ) from None


def _locate(root: Root, asked: Parts) -> tuple[Parts, Parts]:
    """The components as spelled on the disk, and the real ones after following links.

    Each step must stay under the root, so a path cannot leave it and come back: that would tell
    what folders exist outside.
    """
    shown: Parts = ()
    target: Parts = ()
    for part in asked:
        name = _spelled(root.directory.joinpath(*target), part)
        shown, target = (*shown, name), _resolve(root, (*target, name))
    return shown, target


def _spelled(folder: Path, part: str) -> str:
    """A component as it is spelled on the disk.

    One visible name has two spellings in Unicode: macOS decomposes ü, models compose it. Only
    names that exist are returned, so no other character can turn into a dot or a slash here.
    """
    if os.path.lexists(folder / part):
        return part
    wanted = unicodedata.normalize("NFC", part)
    names = (item.name for item in folder.iterdir() if is_plain(item.name))
    return next((name for name in names if unicodedata.normalize("NFC", name) == wanted), part)


def _resolve(root: Root, parts: Parts) -> Parts:
    """Follow links and give the real components below the root.

    Raises:
        OSError: the target does not exist, lies outside the root, or is hidden.
    """
    real = Path(os.path.realpath(root.directory.joinpath(*parts), strict=True))
    if not real.is_relative_to(root.directory):
        raise FileNotFoundError(errno.ENOENT, "outside")
    target = real.relative_to(root.directory).parts
    if not all(map(is_plain, target)):
        raise FileNotFoundError(errno.ENOENT, "hidden")
    return target


def _open_below(root: Root, parts: Parts, flags: int) -> int:
    """Open `parts` below the root without following any link; the caller closes the descriptor.

    Raises:
        OSError: a component is missing, a link, or not of the kind that `flags` asks for.
    """
    folder = os.open(root.directory, _DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        name = parts[-1] if parts else "."
        if flags == _DIRECTORY:
            return os.open(name, flags, dir_fd=folder)
        # Opening a device can already do something, so its kind is asked before and after.
        _must_be_regular(os.stat(name, dir_fd=folder, follow_symlinks=False))
        descriptor = os.open(name, flags, dir_fd=folder)
        try:
            _must_be_regular(os.fstat(descriptor))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    finally:
        os.close(folder)


def _must_be_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "folder")
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "not a regular file")


def _inside(root: Root, parts: Parts, descriptor: int, links: bool = True) -> Iterator[Entry]:
    """Entries of an open folder: visible, and folders or regular files after following links."""
    for name in sorted(os.listdir(descriptor)):
        if not is_plain(name):
            continue
        with suppress(OSError):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                if not links:
                    continue
                real = _resolve(root, (*parts, name))
                status = os.lstat(root.directory.joinpath(*real))
            if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                yield _entry(root, (*parts, name), status)


def _entry(root: Root, parts: Parts, status: os.stat_result) -> Entry:
    return Entry(
        "/".join((root.name, *parts)),
        root,
        stat.S_ISDIR(status.st_mode),
        status.st_size,
        status.st_mtime_ns,
    )
