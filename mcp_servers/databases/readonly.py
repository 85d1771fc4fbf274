"""The statement guard: exactly one statement, built only from parts that read.

The check works on the parsed tree and by allow-list: a kind of node, or a function, that is not
known to be harmless is refused. What runs is the statement rendered anew from the checked tree,
never the text as it came. So a comment that only the engine would execute (MySQL's `/*! … */`),
or a place where engine and parser read the same characters differently, cannot smuggle anything
past the check: the engine sees only what the parser understood.

The guard is the first of three locks. The engine's own read-only mode is the second
(`engines`), a database role that may only read is the third, and the site's to turn.
"""

import logging
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mcp_servers.databases.functions import ALLOWED
from mcp_servers.databases.rendering import Dialect, rendered
from mcp_servers.errors import StatementError

MAX_SQL_CHARS: Final = 10_000

# The parser quotes statements in its warnings, and statements do not belong into logs.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_QUERIES: Final = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)

_STRUCTURE: Final = frozenset(
    {
        *(exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.Values),
        *(exp.With, exp.CTE, exp.From, exp.Join, exp.Lateral, exp.Table, exp.TableAlias),
        *(exp.Where, exp.Group, exp.Cube, exp.Rollup, exp.GroupingSets, exp.Having),
        *(exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Fetch, exp.LimitOptions),
        *(exp.Distinct, exp.Tuple, exp.Alias, exp.Identifier, exp.Star, exp.Var),
        *(exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls),
        *(exp.DataType, exp.DataTypeParam, exp.Interval, exp.IntervalSpan, exp.AtTimeZone),
        *(exp.Slice, exp.CharacterSet, exp.Introducer, exp.National, exp.JSONKeyValue),
        *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
        *(exp.JSONPathWildcard, exp.JSONPathSelector, exp.JSONPathSlice, exp.JSONPathUnion),
        *(exp.FormatJson, exp.TableColumn, exp.ColumnDef),
    }
)

# Conditions are comparisons, arithmetic and columns; these few are not that harmless.
_CONDITIONS_REFUSED: Final = (
    *(exp.Parameter, exp.SessionParameter, exp.Placeholder, exp.PropertyEQ),
    *(exp.NestedJSONSelect, exp.Operator),
)

_FUNCTION_GROUPS: Final = frozenset(
    f"sqlglot.expressions.{name}"
    for name in ("math", "string", "temporal", "aggregate", "array", "json")
)
_FUNCTIONS: Final = frozenset(
    {
        *(exp.And, exp.Or, exp.Xor, exp.Pow, exp.RegexpLike, exp.Typeof, exp.Cast, exp.TryCast),
        *(exp.JSONCast, exp.Convert, exp.If, exp.Case, exp.Coalesce, exp.EqualNull),
        *(exp.Greatest, exp.Least, exp.Nullif, exp.Nvl2, exp.Exists, exp.Collate, exp.Rand),
        *(exp.WidthBucket, exp.IsNullValue),
    }
)
# They make a value of any size out of two small arguments.
_FUNCTIONS_REFUSED: Final = (exp.Repeat, exp.Space, exp.Pad, exp.ToFile, exp.Secret, exp.AIAgg)

_SYSTEM_SCHEMAS: Final = frozenset(
    {"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys"}
)


def checked(sql: str, dialect: Dialect) -> str:
    """The statement to run instead of `sql`: the same query, rendered from its checked tree.

    Raises:
        StatementError: it is not one statement, does not parse, or holds what may not run.
    """
    if len(sql) > MAX_SQL_CHARS:
        raise StatementError(f"The statement is longer than {MAX_SQL_CHARS} characters.")
    try:
        parsed = sqlglot.parse(sql, read=dialect)
        # A semicolon with nothing but a comment behind it is no second statement.
        statements = [tree for tree in parsed if tree and not isinstance(tree, exp.Semicolon)]
        if len(statements) != 1:
            raise StatementError(
                f"{len(statements)} statements were given.", "Send exactly one SELECT statement."
            )
        tree = statements[0]
        _check(tree, dialect)
        return rendered(tree, dialect)
    except SqlglotError as error:
        raise StatementError(f"The SQL cannot be parsed{_where(error)}.", _HINT[dialect]) from None
    except RecursionError:
        raise StatementError("The statement is nested too deeply.") from None


_HINT: Final = {
    "sqlite": "Write one SELECT in SQLite's dialect.",
    "postgres": "Write one SELECT in PostgreSQL's dialect.",
    "mysql": "Write one SELECT in MySQL's dialect.",
}


def _where(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return ""
    first = details[0]
    near = str(first.get("highlight") or "")[:40]
    return f" near {near!r} (line {first.get('line')}, column {first.get('col')})" if near else ""


def tables_of(sql: str, dialect: Dialect) -> list[str]:
    """Names of the tables in a checked statement, without those it defines itself."""
    tree = sqlglot.parse_one(sql, read=dialect)
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return sorted({table.name for table in tree.find_all(exp.Table) if table.name} - own)


def _check(tree: exp.Expr, dialect: Dialect) -> None:
    if not isinstance(tree, _QUERIES):
        raise StatementError(
            f"Only reading is possible; this is {_kind(tree)}.", "Send one SELECT statement."
        )
    for node in tree.walk():
        if isinstance(node, exp.Func):
            _check_function(node, dialect)
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
            raise StatementError("Functions of a named schema may not be called.")
        elif isinstance(node, exp.Condition):
            if isinstance(node, _CONDITIONS_REFUSED):
                raise StatementError(
                    f"Variables and placeholders may not be used ({_kind(node)}).",
                    "Write the values into the statement.",
                )
        elif type(node) not in _STRUCTURE:
            raise StatementError(
                f"Only reading is possible; the statement holds {_kind(node)}.",
                "Send one plain SELECT statement.",
            )
        elif isinstance(node, exp.Table):
            _check_table(node, dialect)
        _check_arguments(node)


def _check_function(node: exp.Func, dialect: Dialect) -> None:
    known = type(node).__module__ in _FUNCTION_GROUPS or type(node) in _FUNCTIONS
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        known = name in ALLOWED[dialect]
    else:
        name = node.sql_name().lower()
        known = known and not isinstance(node, _FUNCTIONS_REFUSED)
    if not known:
        raise StatementError(
            f"The function {name[:60]!r} may not be called.", "Use columns and plain functions."
        )


def _check_table(table: exp.Table, dialect: Dialect) -> None:
    schema, name = table.db.lower(), table.name.lower()
    if dialect == "postgres" and name.startswith("pg_") and not schema:
        schema = "pg_catalog"
    if schema in _SYSTEM_SCHEMAS or name.startswith("pragma_"):
        raise StatementError(
            "The system's own tables may not be queried.", "Use describe to see tables and columns."
        )


def _check_arguments(node: exp.Expr) -> None:
    """Clauses that hang on an allowed node without a node of their own to be refused."""
    if node.args.get("into") or node.args.get("locks") or node.args.get("operation_modifiers"):
        raise StatementError("Only reading is possible; INTO and locking clauses may not be used.")


def _kind(node: exp.Expr) -> str:
    """What a node is, for a reader who thinks in SQL's own words."""
    if isinstance(node, exp.Command):
        return str(node.this).upper()[:30]
    if isinstance(node, exp.Column | exp.Alias | exp.Literal):
        return "no SELECT"
    return type(node).__name__.upper()
