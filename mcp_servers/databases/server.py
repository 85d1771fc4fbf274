"""The databases server: three tools over the configured databases."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Final

from mcp.server import MCPServer
from pydantic import Field
from starlette.types import ASGIApp

from mcp_servers import serving
from mcp_servers.audit import note
from mcp_servers.databases import catalog
from mcp_servers.databases.engines import Database, fetch, open_database
from mcp_servers.databases.labelling import kinds_of, require_labelled, trace
from mcp_servers.databases.readonly import MAX_SQL_CHARS, checked, tables_of
from mcp_servers.databases.results import Limits, result
from mcp_servers.databases.settings import DatabasesSettings
from mcp_servers.errors import LabelError, QueryError, SettingsError, SiteError
from mcp_servers.labels import Value, label
from mcp_servers.site import READ_ONLY, SiteServer

INSTRUCTIONS: Final = (
    "Databases of this site, read-only. Call describe before the first query of a database. "
    "After figures cite the source line of the result, for example [query on database town]."
)


def create_server(settings: DatabasesSettings) -> SiteServer:
    """The MCP server with its tools.

    Raises:
        SettingsError: a database's address cannot work, or its labels cannot protect anything.
    """
    databases = {item.name: open_database(item) for item in settings.databases}
    for database in databases.values():
        _must_be_labelled(database, settings)

    @asynccontextmanager
    async def lifespan(_server: MCPServer[None]) -> AsyncIterator[None]:
        yield
        for database in databases.values():
            await server.in_thread(database.engine.dispose)

    server = SiteServer(
        "databases",
        INSTRUCTIONS,
        settings,
        health=lambda: {"databases": len(databases)},
        lifespan=lifespan,
        protects=_protects(databases),
    )

    async def list_() -> str:
        """List the databases."""
        return await server.in_thread(list_text, databases, settings)

    async def describe(
        database: Annotated[str, Field(description="Name from list")],
        table: Annotated[str, Field(description="One table; empty for all")] = "",
    ) -> str:
        """Show a database's tables and columns."""
        return await server.in_thread(describe_text, databases, settings, database, table)

    async def query(
        database: Annotated[str, Field(description="Name from list")],
        sql: Annotated[
            str, Field(description="One SELECT in the database's dialect", max_length=MAX_SQL_CHARS)
        ],
    ) -> str:
        """Run one read-only SQL query."""
        return await server.in_thread(query_text, databases, settings, database, sql)

    for name, tool in (("list", list_), ("describe", describe), ("query", query)):
        server.add_tool(tool, name=name, annotations=READ_ONLY, structured_output=False)
    return server


def create_app(settings: DatabasesSettings) -> ASGIApp:
    """The server over streamable HTTP at /mcp, with /health.

    Raises:
        SettingsError: no token, or a database's address cannot work.
    """
    return serving.http_app(create_server(settings), settings)


def serve(settings: DatabasesSettings, transport: serving.Transport = "http") -> None:
    """Serve until stopped. Blocks.

    Raises:
        SettingsError: no token, a database's address cannot work, or the port is taken.
    """
    serving.run(lambda: create_server(settings), settings, settings.port, transport)


def _must_be_labelled(database: Database, settings: DatabasesSettings) -> None:
    """Tell a wrong label at the start, where the database is a file; a server may come up later."""
    if database.dialect == "sqlite":
        try:
            with suppress(QueryError):
                require_labelled(database, settings.query_timeout_s)
        except LabelError as error:
            raise SettingsError(
                f"databases.databases {database.name!r}: {error.message}", error.remedy
            ) from None


def _protects(databases: dict[str, Database]) -> str:
    """What of the databases must not be returned where nobody protects it, for an error."""
    for database in databases.values():
        if database.protected:
            why = "has labelled columns" if database.labels else f"is {database.data_class}"
            return f"The database {database.name!r} {why}"
    return ""


def _label(database: Database, passages: int = 0, values: Iterable[Value] = ()) -> None:
    label(f"databases/{database.name}", database.data_class, passages, values)


def list_text(databases: dict[str, Database], settings: DatabasesSettings) -> str:
    """What `list` answers: one line for each database."""
    lines = []
    for database in databases.values():
        note(subject=database.name)
        try:
            count = f"{len(catalog.names(database, settings.query_timeout_s))} tables"
        except QueryError:
            count = "cannot be reached now"
        lines.append(f"{database.name} ({database.data_class}): {database.label}, {count}")
    note(rows=len(lines))
    return "\n".join(lines) or "No databases are configured."


def describe_text(
    databases: dict[str, Database], settings: DatabasesSettings, name: str, table: str
) -> str:
    """What `describe` answers: a line for each table, or for each column of one table."""
    database = catalog.by_name(databases, name)
    note(subject=database.name)
    _label(database)
    found = catalog.tables(database, settings.query_timeout_s, table.strip())
    note(rows=len(found))
    head = f"{database.name} ({database.data_class}), {database.label}"
    if table.strip():
        one = found[0]
        facts = ", ".join(fact for fact in (f"table {one.name}", one.size(), one.comment) if fact)
        return "\n".join([f"{head}, {facts}", *(column.full() for column in one.columns)])
    text = "\n".join([head, *(each.brief() for each in found)])
    if len(text) <= settings.max_result_chars:
        return text
    short = ", ".join(each.name for each in found)[: settings.max_result_chars - 200]
    return f"{head}. Too many columns to show at once; describe one table of: {short}"


def query_text(
    databases: dict[str, Database], settings: DatabasesSettings, name: str, sql: str
) -> str:
    """What `query` answers: the rows as a table, their number, and the statement that ran."""
    database = catalog.by_name(databases, name)
    note(subject=database.name)
    _label(database)
    statement = checked(sql, database.dialect)
    try:
        outputs = trace(database, statement, settings.query_timeout_s)
        rows = fetch(database, statement, settings.max_rows, settings.query_timeout_s)
    except QueryError as error:
        hint = error.remedy or _hint(database, statement, settings)
        raise QueryError(error.message, hint) from None
    note(rows=len(rows.rows))
    limits = Limits(settings.max_cell_chars, settings.max_result_chars)
    kinds = kinds_of(outputs, rows.columns)
    shown = result(rows, kinds, database.name, database.data_class, statement, limits)
    _label(database, passages=1, values=shown.values)
    return shown.text


def _hint(database: Database, statement: str, settings: DatabasesSettings) -> str:
    """Names that do exist, for a statement that the engine refused: most used a wrong one."""
    try:
        there = catalog.names(database, settings.query_timeout_s)
        asked = {table.casefold() for table in tables_of(statement, database.dialect)}
        lines = [
            each.brief()
            for name in there
            if name.casefold() in asked
            for each in catalog.tables(database, settings.query_timeout_s, name)
        ]
    except SiteError:
        return "Use describe to see tables and columns."
    missing = asked - {name.casefold() for name in there}
    if missing or not lines:
        lines.append(f"Tables: {', '.join(there[:100])}.")
    return "\n".join(lines)[:2_000]
