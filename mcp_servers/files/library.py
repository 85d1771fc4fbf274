"""The library: served folders, their documents, and an index that follows them."""

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from mcp_servers.errors import AccessError, DocumentError
from mcp_servers.files.converter import Converter
from mcp_servers.files.documents import Document, format_of
from mcp_servers.files.index import Hit, Index
from mcp_servers.files.passages import passages
from mcp_servers.files.roots import Entry, Root, Roots
from mcp_servers.files.settings import FilesSettings

logger = logging.getLogger(__name__)

_CACHED_DOCUMENTS: Final = 8
_SEARCH_WAITS_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index is: `indexed` of `total` readable files, `unreadable` of them failed."""

    total: int = 0
    indexed: int = 0
    unreadable: int = 0
    running: bool = True


class Library:
    """Lists, searches and reads; keeps its index up to date in a thread of its own.

    Raises:
        SettingsError: a root cannot be served.
    """

    def __init__(self, settings: FilesSettings) -> None:
        self.roots = Roots(settings.roots)
        self._settings = settings
        self._index = Index(settings.index_path)
        # Two workers: who reads a document does not wait behind the index.
        limits = (settings.convert_timeout_s, settings.convert_memory_mib)
        self._indexing, self._reading = Converter(*limits), Converter(*limits)
        self._cache: OrderedDict[tuple[str, int, int], Document] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._changed = threading.Condition()
        self._progress = Progress()
        self._wanted = self._done = 0
        self._looked_at = 0.0
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def progress(self) -> Progress:
        """How far the index is now."""
        return self._progress

    def start(self) -> None:
        """Begin to index in the background."""
        self._stopping = False
        self._wanted += 1
        self._thread = threading.Thread(target=self._follow, name="index", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop indexing and end the converting processes."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._indexing.abort()
        if self._thread is not None:
            self._thread.join(timeout=self._settings.convert_timeout_s + 5)
            self._thread = None
        self._indexing.close()
        self._reading.close()

    def search(self, question: str, limit: int) -> list[tuple[Root, Hit]]:
        """The best passages, with their roots. Waits a moment for changed files to be indexed."""
        with self._changed:
            if time.monotonic() - self._looked_at >= self._settings.rescan_s:
                self._wanted += 1
                self._changed.notify_all()
            wanted = self._wanted
            self._changed.wait_for(
                lambda: self._done >= wanted or self._stopping, timeout=_SEARCH_WAITS_S
            )
        found = []
        for hit in self._index.search(question, limit):
            # A kept index may know roots that are no longer served.
            with contextlib.suppress(AccessError):
                found.append((self.roots.split(hit.path)[0], hit))
        return found

    def faults(self) -> dict[str, str]:
        """Files that cannot be read, and why."""
        return {path: known.fault for path, known in self._index.known().items() if known.fault}

    def read(self, path: str) -> tuple[Entry, Document]:
        """A document and where it lies.

        Raises:
            AccessError: not served.
            DocumentError: too large or unreadable.
        """
        return self._convert(path, self._reading)

    def _convert(self, path: str, converter: Converter) -> tuple[Entry, Document]:
        with self.roots.open(path) as (entry, file):
            key = (entry.path, entry.size, entry.modified_ns)
            with self._cache_lock:
                if key in self._cache:
                    self._cache.move_to_end(key)
                    return entry, self._cache[key]
            limit = self._settings.max_file_bytes
            if entry.size > limit:
                raise DocumentError(
                    f"{entry.path} is too large to read: {entry.size / 2**20:.1f} MiB, "
                    f"and {limit / 2**20:g} MiB are allowed."
                )
            document = converter.convert(entry.path, file)
        if converter is self._reading:
            with self._cache_lock:
                self._cache[key] = document
                while len(self._cache) > _CACHED_DOCUMENTS:
                    self._cache.popitem(last=False)
        return entry, document

    def _follow(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._wanted > self._done)
                if self._stopping:
                    return
                wanted = self._wanted
            try:
                self._refresh()
            except Exception as error:  # noqa: BLE001 - the thread must outlive one bad look
                logger.error("indexing failed", extra={"fields": {"error": type(error).__name__}})
            with self._changed:
                self._done = wanted
                self._looked_at = time.monotonic()
                self._changed.notify_all()

    def _refresh(self) -> None:
        """Bring the index up to what lies in the folders now."""
        known = self._index.known()
        files = {entry.path: entry for entry in self.roots.files() if format_of(entry.path)}
        for path in known.keys() - files.keys():
            self._index.remove(path)
        same = {
            path
            for path, entry in files.items()
            if path in known
            and (known[path].size, known[path].modified_ns) == (entry.size, entry.modified_ns)
        }
        indexed = len(same)
        unreadable = sum(1 for path in same if known[path].fault)
        self._progress = Progress(len(files), indexed, unreadable)
        for path in sorted(files.keys() - same):
            if self._stopping:
                return
            unreadable += not self._index_file(files[path])
            indexed += 1
            self._progress = Progress(len(files), indexed, unreadable)
        self._progress = Progress(len(files), indexed, unreadable, running=False)

    def _index_file(self, listed: Entry) -> bool:
        try:
            entry, document = self._convert(listed.path, self._indexing)
        except AccessError:
            self._index.remove(listed.path)
            return True
        except DocumentError as error:
            if self._stopping:  # the conversion was aborted, the document may be fine
                return False
            self._index.put(
                listed.path, listed.size, listed.modified_ns, "", (), fault=error.message
            )
            return False
        self._index.put(
            entry.path, entry.size, entry.modified_ns, document.title, passages(document)
        )
        return True
