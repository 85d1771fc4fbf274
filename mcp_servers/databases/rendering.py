"""A checked tree as the text that an engine reads."""

from typing import Any, Literal

from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.generators.mysql import MySQLGenerator

Dialect = Literal["sqlite", "postgres", "mysql"]


def rendered(tree: exp.Expr, dialect: Dialect) -> str:
    """The statement in an engine's dialect, without comments.

    Raises:
        sqlglot.errors.SqlglotError: the dialect has no words for a part of it.
    """
    options: dict[str, Any] = {"comments": False, "unsupported_level": ErrorLevel.RAISE}
    if dialect == "mysql":
        return _MySQL(dialect=dialect, **options).generate(tree)
    return tree.sql(dialect=dialect, **options)


def _regexp(generator: Any, node: exp.RegexpLike) -> str:
    if node.args.get("flag"):
        return str(generator.function_fallback_sql(node))
    this, pattern = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"({this}) REGEXP ({pattern})"


def _unquoted(generator: Any, node: exp.JSONExtractScalar) -> str:
    this, path = generator.sql(node, "this"), generator.sql(node, "expression")
    return f"JSON_UNQUOTE(JSON_EXTRACT({this}, {path}))"


class _MySQL(MySQLGenerator):
    """What MySQL and MariaDB both read: MariaDB has no function REGEXP_LIKE and no ->>."""

    TRANSFORMS = {  # noqa: RUF012
        **MySQLGenerator.TRANSFORMS,
        exp.RegexpLike: _regexp,
        exp.JSONExtractScalar: _unquoted,
    }
