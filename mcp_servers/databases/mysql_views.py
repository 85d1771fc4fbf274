"""What MySQL and MariaDB tell of a view to somebody who may only SELECT from it.

SQLAlchemy reads the statement that made it (SHOW CREATE), which takes the SHOW VIEW privilege. The information
schema tells the columns to everybody who may read them, and the query to those who have that privilege.
"""

from typing import Any

from sqlalchemy import Connection, text

_COLUMNS = text(
    "SELECT column_name, column_type, is_nullable, column_comment FROM information_schema.columns"
    " WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :view"
    " ORDER BY ordinal_position"
)
_DEFINITION = text(
    "SELECT view_definition FROM information_schema.views"
    " WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :view"
)


def columns(connection: Connection, schema: str, view: str) -> list[dict[str, Any]]:
    """The columns in order, as SQLAlchemy's inspector has those of a table; types are texts."""
    rows = connection.execute(_COLUMNS, {"schema": schema or None, "view": view})
    return [
        {"name": name, "type": kind.upper(), "nullable": nullable == "YES", "comment": comment}
        for name, kind, nullable, comment in rows
    ]


def definition(connection: Connection, schema: str, view: str) -> str:
    """The query, or nothing for who may not see it."""
    found = connection.execute(_DEFINITION, {"schema": schema or None, "view": view})
    return str(found.scalar() or "")
