"""The files server: three tools over the library."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

from mcp.server import MCPServer
from pydantic import Field
from starlette.types import ASGIApp

from mcp_servers import serving
from mcp_servers.audit import note
from mcp_servers.files.citations import cite, labelled, take_apart
from mcp_servers.files.documents import format_of
from mcp_servers.files.library import Library
from mcp_servers.files.reading import read_slice
from mcp_servers.files.roots import Entry, Root
from mcp_servers.files.settings import FilesSettings
from mcp_servers.files.words import terms
from mcp_servers.labels import label
from mcp_servers.site import READ_ONLY, SiteServer

INSTRUCTIONS: Final = (
    "Documents of this site. Search first; read only if passages are not enough. After each fact "
    "cite its source in brackets as the result names it, for example "
    "[root/folder/name.pdf#page=2]. If nothing is found, say so."
)

_MOST_LISTED: Final = 200


def create_server(settings: FilesSettings) -> SiteServer:
    """The MCP server, with its tools and its library.

    Raises:
        SettingsError: a root cannot be served, or is confidential and no adapter is there to protect it.
    """
    library = Library(settings)

    @asynccontextmanager
    async def lifespan(_server: MCPServer[None]) -> AsyncIterator[None]:
        library.start()
        try:
            yield
        finally:
            await server.in_thread(library.stop)

    server = SiteServer(
        "files",
        INSTRUCTIONS,
        settings,
        health=lambda: _health(library),
        lifespan=lifespan,
        protects=_protects(library),
    )

    async def list_(
        path: Annotated[str, Field(description="Folder, empty for all roots")] = "",
        depth: Annotated[int, Field(ge=1, le=5, description="Levels of folders")] = 1,
    ) -> str:
        """List folders and documents with size and date."""
        return await server.in_thread(list_text, library, path, depth)

    async def search(
        query: Annotated[str, Field(description="Question or key words", max_length=2000)],
        limit: Annotated[int, Field(ge=1, le=20)] = 5,
    ) -> str:
        """Find passages in the site's documents, best first, each with its source."""
        return await server.in_thread(search_text, library, query, limit)

    async def read(
        path: Annotated[
            str, Field(description="Document, optionally with #page=N, #sheet=, #section=, #line=")
        ],
        start: Annotated[int, Field(ge=0, description="Where to go on")] = 0,
    ) -> str:
        """Read a document's text."""
        return await server.in_thread(read_text, library, path, start, settings.max_result_chars)

    for name, tool in (("list", list_), ("search", search), ("read", read)):
        server.add_tool(tool, name=name, annotations=READ_ONLY, structured_output=False)
    return server


def create_app(settings: FilesSettings) -> ASGIApp:
    """The server over streamable HTTP at /mcp, with /health.

    Raises:
        SettingsError: no token, or a root cannot be served.
    """
    return serving.http_app(create_server(settings), settings)


def serve(settings: FilesSettings, transport: serving.Transport = "http") -> None:
    """Serve until stopped. Blocks.

    Raises:
        SettingsError: no token, a root cannot be served, or the port is taken.
    """
    serving.run(lambda: create_server(settings), settings, settings.port, transport)


def _protects(library: Library) -> str:
    """What of the library must not be returned where nobody protects it, for an error."""
    above = [root for root in library.roots if root.data_class in ("confidential", "secret")]
    return f"The root {above[0].name!r} is {above[0].data_class}" if above else ""


def _label(root: Root, passages: int = 0) -> None:
    note(subject=root.name)
    label(f"files/{root.name}", root.data_class, passages)


def _health(library: Library) -> Mapping[str, object]:
    progress = library.progress
    return {
        "indexing": progress.running,
        "documents": {
            "indexed": progress.indexed,
            "total": progress.total,
            "unreadable": progress.unreadable,
        },
    }


def list_text(library: Library, path: str, depth: int) -> str:
    """What `list` answers: one line for each folder or document, below a line with the root's class."""
    path = "" if path.strip() in ("", ".", "/") else path.strip()
    faults = library.faults()
    lines: list[str] = []
    if not path:
        for root in library.roots:
            # The name of a root is the site's own and stands in errors, too; what lies in it is data.
            note(subject=root.name)
            lines.append(labelled(f"{root.name}/", root.data_class))
            if depth > 1:
                _label(root)
                lines.extend(_tree(library, root.name, depth - 1, faults))
        if not lines:
            return "No folders are configured."
    else:
        root, _ = library.roots.split(path)
        _label(root)
        lines.append(labelled(f"{path.rstrip('/')}/", root.data_class))
        lines.extend(_tree(library, path, depth, faults) or ["(empty)"])
    note(rows=len(lines))
    if len(lines) > _MOST_LISTED:
        more = len(lines) - _MOST_LISTED
        lines = [*lines[:_MOST_LISTED], f"… and {more} more. List a folder of these, or search."]
    return "\n".join(lines)


def _tree(library: Library, path: str, depth: int, faults: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for entry in library.roots.folder(path):
        lines.append(_line(entry, faults))
        if entry.is_folder and depth > 1:
            lines.extend(_tree(library, entry.path, depth - 1, faults))
        if len(lines) > 5 * _MOST_LISTED:
            break
    return lines


def _line(entry: Entry, faults: Mapping[str, str]) -> str:
    if entry.is_folder:
        return f"{entry.path}/"
    size = f"{max(1, round(entry.size / 1024))} KB"
    day = datetime.fromtimestamp(entry.modified_ns / 1e9, UTC).date().isoformat()
    unread = entry.path in faults or format_of(entry.path) is None
    return f"{entry.path}  {size}  {day}" + ("  (cannot be read)" if unread else "")


def search_text(library: Library, query: str, limit: int) -> str:
    """What `search` answers: numbered passages, each below its citation and class."""
    found = library.search(query, limit)
    progress = library.progress
    building = (
        f"The index is still being built: {progress.indexed} of {progress.total} documents.\n\n"
        if progress.running
        else ""
    )
    note(rows=len(found))
    if not found:
        words = ", ".join(term.word for term in terms(query)) or "no words"
        return (
            f"{building}Nothing found for: {words}. Try other or fewer words, "
            "or use list to see the documents."
        )
    blocks = []
    for number, (root, hit) in enumerate(found, start=1):
        _label(root, passages=1)
        source = labelled(cite(hit.path, hit.anchor), root.data_class)
        blocks.append(f"[{number}] {source}\n{hit.text}")
    return building + "\n\n".join(blocks)


def read_text(library: Library, citation: str, start: int, limit: int) -> str:
    """What `read` answers: the source and its class, the text, and how to go on."""
    path, anchor = take_apart(citation)
    root, _ = library.roots.split(path)
    # Before anything is read: an error names headings, too.
    _label(root)
    entry, document = library.read(path)
    # The lines around the text need room, too.
    piece = read_slice(document, anchor, start, limit - len(path) - 600)
    _label(root, passages=1)
    head = labelled(cite(entry.path, anchor), root.data_class)
    if document.title:
        head += f" {document.title[:200]}"
    foot = ""
    if piece.next is not None:
        foot = (
            f"\n\n[{piece.start}-{piece.next} of {piece.total} characters. "
            f'Go on with read(path="{cite(entry.path, anchor)}", start={piece.next})]'
        )
    elif document.truncated:
        foot = "\n\n[The document is longer; the rest is too large to read.]"
    return f"{head}\n\n{piece.text}{foot}"
