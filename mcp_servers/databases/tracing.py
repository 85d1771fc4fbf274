"""Which labels each column of a query's result has: its values are followed from the tables to the result.

The rules of SQL for names (ISO/IEC 9075-2, scope of a column reference) are applied to sqlglot's tree,
so that each step errs on one side only: a name that could mean several columns has the labels of all of
them, and what is not understood counts as labelled. sqlglot's own lineage leaves out what it cannot
follow (a recursive table, a value that a subquery takes from outside), which is the wrong side here.

What a comparison or a count says about a value is not that value: `last_name = 'X'` is no name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlglot import exp

from mcp_servers.databases.functions import ALLOWED
from mcp_servers.databases.relations import CLEAN, UNTRACED, Kinds, Relation, Relations
from mcp_servers.databases.rendering import Dialect

_MAX_VIEWS: Final = 16
_MAX_ROUNDS: Final = 32

# True, false, a number of rows, a place in an order, a length, a type: nothing of the value itself.
_SAYS_NO_VALUE: Final = (
    *(
        exp.Count,
        exp.CountIf,
        exp.Length,
        exp.Typeof,
        exp.Exists,
        exp.Not,
        exp.And,
        exp.Or,
        exp.Xor,
    ),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is),
    *(exp.In, exp.Between, exp.Like, exp.ILike, exp.Glob, exp.RegexpLike, exp.RegexpILike),
    *(exp.SimilarTo, exp.Match, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank),
    *(exp.CumeDist, exp.Ntile, exp.DataType, exp.Identifier, exp.Literal, exp.Where),
)
# Their value is one of a column, at most in other letters, or some of one kind behind each other.
_KEEPS_KIND: Final = (
    *(exp.Alias, exp.Paren, exp.Cast, exp.TryCast, exp.Collate, exp.Distinct, exp.Order),
    *(exp.Min, exp.Max, exp.AnyValue, exp.First, exp.Last, exp.FirstValue, exp.LastValue),
    *(exp.NthValue, exp.Lag, exp.Lead, exp.IgnoreNulls, exp.RespectNulls, exp.Window, exp.Filter),
    *(exp.Lower, exp.Upper, exp.Initcap, exp.Trim, exp.Coalesce, exp.Nullif, exp.Greatest),
    *(exp.Least, exp.Case, exp.If, exp.Concat, exp.DPipe, exp.Ordered),
)
_QUERIES: Final = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)


class UntraceableError(Exception):
    """The statement holds something that is not understood, so everything in its result counts as labelled."""


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a query: its name, empty where the engine makes one up, and its labels.

    A `rest` stands for any number of columns whose names are not known.
    """

    name: str
    kinds: Kinds
    from_star: bool = False
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Outputs:
    """The columns of a query. Without `in_order` nobody knows which stands where."""

    columns: tuple[Output, ...]
    in_order: bool = True

    @property
    def all(self) -> Kinds:
        """The labels of all of them."""
        return _union(column.kinds for column in self.columns)

    def column(self, name: str) -> tuple[Kinds, bool] | None:
        """The labels of what may have that name, and whether it is certain that one has; None if none can."""
        known = [each.kinds for each in self.columns if each.name and _same(each.name, name)]
        rest = [each.kinds for each in self.columns if each.rest]
        if known or rest:
            return _union(known + rest), bool(known)
        made_up = [each.kinds for each in self.columns if not each.name]
        return (_union(made_up), False) if made_up else None

    def named(self, names: Sequence[str]) -> "Outputs":
        """With the first of them renamed, as `AS t (a, b)` does."""
        if not names:
            return self
        if not self.in_order or len(names) > len(self.columns):
            rest = Output("", self.all, rest=True)
            return Outputs((*(Output(name, self.all) for name in names), rest), in_order=False)
        renamed = (
            replace(each, name=name) for name, each in zip(names, self.columns, strict=False)
        )
        return Outputs((*renamed, *self.columns[len(names) :]))

    def beside(self, other: "Outputs") -> "Outputs":
        """What UNION and the like make of both: each place has the labels of either side."""
        if not (self.in_order and other.in_order) or len(self.columns) != len(other.columns):
            rest = Output("", self.all | other.all, rest=True)
            return Outputs((*self.columns, rest), in_order=False)
        return Outputs(
            tuple(
                replace(mine, kinds=mine.kinds | theirs.kinds)
                for mine, theirs in zip(self.columns, other.columns, strict=True)
            )
        )


@dataclass(slots=True)
class _Source:
    """Something in FROM. `hidden` are columns that are not part of its `*`."""

    alias: str
    schema: str
    outputs: Outputs
    hidden: tuple[tuple[str, Kinds], ...] = ()

    def column(self, name: str) -> tuple[Kinds, bool] | None:
        found = self.outputs.column(name)
        if found is None:
            return next(((kinds, True) for each, kinds in self.hidden if _same(each, name)), None)
        return found

    def is_called(self, name: str, schema: str) -> bool:
        return _same(self.alias, name) and (
            not (schema and self.schema) or _same(self.schema, schema)
        )

    @property
    def row(self) -> Kinds:
        """The labels of a whole row in one value."""
        return _derived(self.outputs.all)


@dataclass(slots=True)
class _Table:
    """A table that WITH defines."""

    node: exp.CTE
    scope: "_Scope"
    outputs: Outputs | None = None
    running: bool = False


@dataclass(slots=True)
class _Scope:
    """What names mean within a query; `outer` is the query around it."""

    sources: list[_Source] = field(default_factory=list)
    tables: dict[str, _Table] = field(default_factory=dict)
    outer: "_Scope | None" = None
    # Joined USING columns or NATURAL: the places of `*` are not what the tables say.
    merged: bool = False
    # What is joined in brackets, within the FROM of `outer`.
    in_brackets: bool = False

    def table(self, name: str) -> _Table | None:
        scope: _Scope | None = self
        while scope is not None:
            if name.casefold() in scope.tables:
                return scope.tables[name.casefold()]
            scope = scope.outer
        return None

    def column(self, name: str, qualifier: str, schema: str) -> Kinds:
        """The labels of everything that a name may mean here."""
        found: list[Kinds] = []
        scope: _Scope | None = self
        while scope is not None:
            sources = [
                each for each in scope.sources if not qualifier or each.is_called(qualifier, schema)
            ]
            here = [each for source in sources if (each := source.column(name)) is not None]
            # Where one table is known to have the column, another with it would make the name ambiguous.
            certain = [kinds for kinds, is_certain in here if is_certain]
            found += certain or [kinds for kinds, _ in here]
            if certain or (qualifier and here):
                return _union(found)
            # A row as a whole, by the name of its table.
            rows = [] if qualifier else [each for each in scope.sources if _same(each.alias, name)]
            if rows:
                return _union([*found, *(each.row for each in rows)])
            if qualifier and sources:
                return UNTRACED
            scope = scope.outer
        return _union(found) if found else UNTRACED


class Tracer:
    """Follows the columns of statements in one dialect over the relations of one database."""

    def __init__(self, relations: Relations, dialect: Dialect) -> None:
        self._relations = relations
        self._dialect = dialect
        self._views: dict[int, Outputs] = {}
        self._open: list[int] = []

    def trace(self, tree: exp.Expr) -> Outputs:
        """The columns of the statement's result.

        Raises:
            UntraceableError: something in it is not understood.
        """
        try:
            return self._query(tree, _Scope())
        except RecursionError:
            raise UntraceableError from None

    def _query(self, node: exp.Expr, outer: _Scope) -> Outputs:
        if not isinstance(node, _QUERIES):
            raise UntraceableError
        scope = self._with(node, outer)
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table) or node.args.get("joins"):
                raise UntraceableError
            return self._query(node.this, scope)
        if isinstance(node, exp.SetOperation):
            left = self._query(node.this, scope)
            return left.beside(self._query(node.expression, scope))
        if isinstance(node, exp.Values):
            return self._values(node, scope)
        return self._select(node, scope)

    def _with(self, node: exp.Expr, outer: _Scope) -> _Scope:
        """The scope within a query: the tables of its WITH are known, and see one another."""
        scope = _Scope(outer=outer)
        clause = node.args.get("with_")
        if clause is None:
            return scope
        # SQLite needs no RECURSIVE for a table to see itself and those after it.
        together = bool(clause.args.get("recursive")) or self._dialect == "sqlite"
        for cte in clause.expressions:
            seen = scope.tables if together else dict(scope.tables)
            inner = _Scope(tables=seen, outer=outer)
            scope.tables[cte.alias.casefold()] = _Table(cte, inner)
        return scope

    def _table(self, table: _Table) -> Outputs:
        if table.outputs is not None:
            return table.outputs
        if table.running:
            raise UntraceableError
        names = [column.name for column in table.node.args["alias"].columns]
        body, table.running = table.node.this, True
        if isinstance(body, exp.SetOperation) and not body.args.get("with_"):
            # A table that sees itself: its beginning first, then as often as it still gains labels.
            beginning = body.this
            while isinstance(beginning, exp.SetOperation) and not beginning.args.get("with_"):
                beginning = beginning.this
            table.outputs = self._query(beginning, table.scope).named(names)
            for _ in range(_MAX_ROUNDS):
                before = table.outputs
                after = self._query(body, table.scope).named(names)
                table.outputs = after
                if after == before:
                    break
            else:
                raise UntraceableError
        else:
            table.outputs = self._query(body, table.scope).named(names)
        table.running = False
        return table.outputs

    def _values(self, node: exp.Values, scope: _Scope) -> Outputs:
        rows = [
            [
                self._kinds(value, scope)
                for value in (row.expressions if isinstance(row, exp.Tuple) else [row])
            ]
            for row in node.expressions
        ]
        if len({len(row) for row in rows}) != 1:
            raise UntraceableError
        columns = tuple(
            Output(f"column{number}", _union(kinds))
            for number, kinds in enumerate(zip(*rows, strict=True), start=1)
        )
        return Outputs(columns)

    def _select(self, node: exp.Select, scope: _Scope) -> Outputs:
        if node.args.get("from_") is not None:
            self._add(node.args["from_"].this, scope)
        for join in (*(node.args.get("joins") or ()), *(node.args.get("laterals") or ())):
            self._join(join, scope)
        columns: list[Output] = []
        in_order = True
        for each in node.expressions:
            if _is_star(each):
                shown, ordered = self._star(each, scope)
                columns += shown
                in_order = in_order and ordered
            elif isinstance(each, exp.Dot) and isinstance(each.expression, exp.Star):
                # As many columns as the value in front of the dot has.
                columns.append(Output("", self._kinds(each.this, scope), rest=True))
                in_order = False
            else:
                # The name of anything else is the engine's to choose.
                named = isinstance(each, exp.Alias | exp.Column)
                name = each.alias_or_name if named else ""
                columns.append(Output(name, self._kinds(each, scope)))
        return Outputs(tuple(columns), in_order)

    def _star(self, node: exp.Expr, scope: _Scope) -> tuple[list[Output], bool]:
        qualifier, schema = (node.table, node.db) if isinstance(node, exp.Column) else ("", "")
        sources = [
            each for each in scope.sources if not qualifier or each.is_called(qualifier, schema)
        ]
        if not sources:
            raise UntraceableError
        columns = [
            replace(column, from_star=True) for each in sources for column in each.outputs.columns
        ]
        in_order = all(each.outputs.in_order for each in sources)
        return columns, in_order and (bool(qualifier) or not scope.merged)

    def _join(self, join: exp.Expr, scope: _Scope) -> None:
        if isinstance(join, exp.Lateral):
            self._add(join, scope)
            return
        if not isinstance(join, exp.Join):
            raise UntraceableError
        scope.merged = scope.merged or bool(join.args.get("using")) or join.method == "NATURAL"
        self._add(join.this, scope)

    def _add(self, node: exp.Expr, scope: _Scope) -> None:
        """A table, view, subquery or function in FROM, and what is joined to it within its own brackets."""
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            inner = _Scope(outer=scope, in_brackets=True)
            self._add(node.this, inner)
            scope.merged = scope.merged or inner.merged
            if node.alias:
                columns = tuple(column for each in inner.sources for column in each.outputs.columns)
                in_order = not inner.merged and all(each.outputs.in_order for each in inner.sources)
                hidden = tuple(each for source in inner.sources for each in source.hidden)
                outputs = Outputs(columns, in_order).named(_columns(node))
                scope.sources.append(_Source(node.alias, "", outputs, hidden))
            else:
                scope.sources += inner.sources
        else:
            scope.sources.append(self._source(node, scope))
        for join in (*(node.args.get("joins") or ()), *(node.args.get("laterals") or ())):
            self._join(join, scope)

    def _source(self, node: exp.Expr, scope: _Scope) -> _Source:
        alias = node.alias_or_name
        names = _columns(node)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return _Source(alias, "", self._query(node.this, scope).named(names))
        if isinstance(node, exp.Subquery):
            # A table in FROM sees what is around the query, and not the other tables beside it.
            return _Source(alias, "", self._query(node, self._around(scope)).named(names))
        if isinstance(node, exp.Values):
            return _Source(alias, "", self._values(node, scope).named(names))
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier | exp.Literal):
            return self._named(node, scope, names)
        if isinstance(node, exp.Table | exp.Unnest | exp.Lateral):
            # A function: whatever it makes, it makes from its arguments.
            kinds = _derived(_union(self._kinds(each, scope) for each in _arguments(node)))
            own = alias or (node.this.name if isinstance(node.this, exp.Func) else "")
            return _Source(own, "", _unknown(kinds, names))
        raise UntraceableError

    def _around(self, scope: _Scope) -> _Scope:
        while scope.in_brackets and scope.outer is not None:
            scope = scope.outer
        return _Scope(tables=scope.tables, outer=scope.outer)

    def _named(self, node: exp.Table, scope: _Scope, names: Sequence[str]) -> _Source:
        alias = node.alias_or_name
        table = None if node.db else scope.table(node.name)
        if table is not None:
            return _Source(alias, "", self._table(table).named(names))
        relation = self._relations.get(self._spelled(node.args.get("db")), self._spelled(node.this))
        if relation is None:
            return _Source(alias, node.db, _unknown(UNTRACED, names))
        outputs = self._view(relation) if relation.is_view else _outputs(relation)
        return _Source(alias, node.db, outputs.named(names), relation.hidden)

    def _spelled(self, name: exp.Expr | None) -> str:
        """A name as the engine looks for it: PostgreSQL makes small letters of what is not quoted."""
        if name is None:
            return ""
        small = self._dialect == "postgres" and not name.args.get("quoted")
        return name.name.lower() if small else name.name

    def _view(self, relation: Relation) -> Outputs:
        """What the view's own query gives, under the names that the database has for its columns."""
        key = id(relation)
        if key in self._views:
            return self._views[key]
        untraced = Outputs(tuple(Output(name, own or UNTRACED) for name, own in relation.columns))
        if relation.query is None or key in self._open or len(self._open) >= _MAX_VIEWS:
            return untraced
        self._open.append(key)
        try:
            inner = self._query(relation.query, _Scope())
        except UntraceableError:
            inner = _unknown(UNTRACED)
        finally:
            self._open.pop()
        outputs = untraced
        if inner.in_order and len(inner.columns) == len(relation.columns):
            outputs = Outputs(
                tuple(
                    Output(name, own or column.kinds)
                    for (name, own), column in zip(relation.columns, inner.columns, strict=True)
                )
            )
        self._views[key] = outputs
        return outputs

    def _kinds(self, node: exp.Expr, scope: _Scope) -> Kinds:
        """The labels of an expression's value."""
        if isinstance(node, exp.Column):
            if isinstance(node.this, exp.Star):
                return _union(each.row for each in scope.sources if _same(each.alias, node.table))
            return scope.column(node.name, node.table, node.db)
        if isinstance(node, exp.Star | exp.TableColumn):
            return _union(each.row for each in scope.sources) if scope.sources else UNTRACED
        if isinstance(node, _SAYS_NO_VALUE):
            return CLEAN
        if isinstance(node, _QUERIES):
            return self._query(node, scope).all
        found = _union(self._kinds(each, scope) for each in _parts(node))
        if isinstance(node, exp.Anonymous) and node.name.lower() not in ALLOWED[self._dialect]:
            # A view may call a function that reads tables by itself.
            found |= UNTRACED
        return found if isinstance(node, _KEEPS_KIND) else _derived(found)


def _parts(node: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of an expression that its value is made of."""
    if isinstance(node, exp.Case):
        for branch in node.args["ifs"]:
            yield branch.args["true"]
        if node.args.get("default") is not None:
            yield node.args["default"]
    elif isinstance(node, exp.If):
        yield from (part for key in ("true", "false") if (part := node.args.get(key)) is not None)
    elif isinstance(node, exp.Window | exp.Filter):
        # By what rows are chosen and ordered is not in the value.
        yield node.this
    elif isinstance(node, exp.Nullif) or (isinstance(node, exp.Order) and node.this is not None):
        yield node.this
    else:
        yield from node.iter_expressions()


def _arguments(node: exp.Expr) -> Iterator[exp.Expr]:
    """The expressions of a function in FROM, without its alias and what is joined to it."""
    for key, value in node.args.items():
        if key not in ("alias", "joins", "laterals"):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, exp.Expr):
                    yield each


def _outputs(relation: Relation) -> Outputs:
    return Outputs(tuple(Output(name, kinds) for name, kinds in relation.columns))


def _unknown(kinds: Kinds, names: Sequence[str] = ()) -> Outputs:
    """Columns of which only some names are known, if any."""
    rest = Output("", kinds, rest=True)
    return Outputs((*(Output(name, kinds) for name in names), rest), in_order=False)


def _columns(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    return [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) or (
        isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
    )


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _union(kinds: Iterable[Kinds]) -> Kinds:
    return CLEAN.union(*kinds)


def _derived(kinds: Kinds) -> Kinds:
    """What is made from labelled values is labelled as a text of its own."""
    return UNTRACED if kinds else CLEAN
