"""What a query shows of values that are labelled, each of which carries a mark."""

from mcp_servers.databases.engines import Database, fetch
from mcp_servers.databases.labelling import kinds_of, trace
from mcp_servers.databases.readonly import checked
from mcp_servers.databases.results import Limits, Result, result

MARK = "§"


def without_registered(shown: Result) -> str:
    """What is left of a result when all is taken out that would be registered."""
    left = shown.text
    for value in sorted(shown.values, key=lambda each: -len(each.text)):
        left = left.replace(value.text, "")
    return left


def assert_labels(database: Database, sql: str, expected: str) -> None:
    """The columns have the `expected` kinds (`-` for none), and no marked value is shown that is not registered."""
    statement = checked(sql, database.dialect)
    outputs = trace(database, statement, 10)
    rows = fetch(database, statement, 100, 10)
    kinds = kinds_of(outputs, rows.columns)
    assert [kind or "-" for kind in kinds] == expected.split()
    shown = result(rows, kinds, "town", "internal", statement, Limits(200, 100_000))
    assert MARK not in without_registered(shown)
