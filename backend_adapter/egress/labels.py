"""What the site's MCP servers have labelled: which values and classes of data their results brought into a chat.

A server registers a result before it hands it out, so whatever a model is told of it is known here first. What is
registered belongs to a chat. The same result in another chat, as in a copy of one, is known by its digest.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import METADATA, create_tables, execute
from backend_adapter.egress.classes import DataClass, highest
from backend_adapter.egress.found import LABELLED
from backend_adapter.egress.known.dates import forms_of_date
from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.known.forms import Kind, tells_enough
from backend_adapter.errors import RequestError

# SQLite counts up only in this type.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

_REGISTERED = Table(
    "egress_registrations",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("chat", String, nullable=False),
    Column("user", String, nullable=False),
    Column("message", String, nullable=False),
    Column("source", String, nullable=False),
    Column("data_class", String, nullable=False),
    Column("passages", Integer, nullable=False),
    Column("digest", String, nullable=False),
    # The values as JSON: registered whole or not at all.
    Column("labels", Text, nullable=False),
    Column("made", DateTime(timezone=True), nullable=False),
    Index("egress_registrations_of_chat", "chat"),
    Index("egress_registrations_of_digest", "digest"),
)
_CHATS = Table(
    "egress_chats",
    METADATA,
    Column("chat", String, primary_key=True),
    # Who wants it to stay on site; empty where nobody does.
    Column("kept_by", String, nullable=False),
    # Whether labels of it have been dropped for their age, so that nobody knows any more what is in it.
    Column("expired", Boolean, nullable=False),
)
# Dictionaries of chats that are kept ready.
_READY = 256
_MOST_VALUES = 200_000
_KINDS = frozenset(get_args(Kind))


class Labelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value, as a server registers it."""

    kind: Kind
    text: str


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One result of a tool: to which chat it goes, what it is, and which values must not leave.

    `digest` is `digest_of` the result's text.
    """

    chat: str
    source: str
    data_class: DataClass = msgspec.field(name="class")
    user: str | None = None
    message: str | None = None
    passages: int = 0
    digest: str = ""
    values: Sequence[Labelled] = ()


class Known(msgspec.Struct, frozen=True):
    """What is known of one request's chat.

    `passages` counts, by source, those that the tools returned for the message that is being answered.
    `kept` tells that its user wants it to stay on site, `expired` that labels of it are gone for their age,
    `unregistered` that it holds results of the site's tools of which nobody knows what is in them, and `early` that
    the request belongs to a chat that has not come yet.
    """

    data_class: DataClass
    dictionary: Dictionary
    confidential: frozenset[str] = frozenset()
    passages: tuple[tuple[str, int], ...] = ()
    kept: bool = False
    expired: bool = False
    unregistered: bool = False
    early: bool = False


NOTHING_KNOWN = Known("public", Dictionary((), LABELLED))


def digest_of(text: str) -> str:
    """The digest of a tool's result, whatever white space a client adds to it or takes away."""
    return hashlib.sha256("".join(text.split()).encode()).hexdigest()


class Labels:
    """Those of all chats. `days` is how long they are kept; 0 keeps them for good."""

    def __init__(self, engine: AsyncEngine, days: int) -> None:
        self._engine = engine
        self.days = days
        self._prepared: object = None
        self._ready: OrderedDict[tuple[int, ...], tuple[Dictionary, frozenset[str]]] = OrderedDict()

    async def register(self, given: Registration) -> None:
        """Returns when it is durably known. Raises DatabaseError."""
        await self._prepare()
        # A date that is written as no date is looked for word by word.
        values = [
            (
                "text" if each.kind == "date" and not forms_of_date(each.text) else each.kind,
                each.text,
            )
            for each in given.values
        ]
        row = {
            "chat": given.chat,
            "user": given.user or "",
            "message": given.message or "",
            "source": given.source,
            "data_class": given.data_class,
            "passages": given.passages,
            "digest": given.digest,
            "labels": json.dumps(values, ensure_ascii=False),
            "made": datetime.now(UTC),
        }
        await execute(self._engine, insert(_REGISTERED).values(row))

    async def keep(self, chat: str, user: str, kept: bool) -> bool:
        """A user wants a chat to stay on site, or no longer; tells whether it stays.

        What one user has decided no other takes back. Raises DatabaseError.
        """
        await self._prepare()
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        row = dialect.insert(_CHATS).values(chat=chat, kept_by=user if kept else "", expired=False)
        mine = _CHATS.c.kept_by.in_(("", user))
        changed = row.on_conflict_do_update(
            index_elements=[_CHATS.c.chat], set_={"kept_by": row.excluded.kept_by}, where=mine
        )
        await execute(self._engine, changed)
        return await self.kept(chat)

    async def begin(self, chat: str) -> None:
        """A chat has come: what its user has switched, if anything, is known from now on. Raises DatabaseError."""
        await self._prepare()
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        row = dialect.insert(_CHATS).values(chat=chat, kept_by="", expired=False)
        await execute(self._engine, row.on_conflict_do_nothing())

    async def has_begun(self, chat: str) -> bool:
        """Whether a chat has come to any adapter, or was switched. Raises DatabaseError."""
        await self._prepare()
        return bool(await execute(self._engine, select(_CHATS.c.chat).where(_CHATS.c.chat == chat)))

    async def kept(self, chat: str) -> bool:
        """Whether somebody wants a chat to stay on site. Raises DatabaseError."""
        await self._prepare()
        rows = await execute(self._engine, select(_CHATS.c.kept_by).where(_CHATS.c.chat == chat))
        return any(row.kept_by for row in rows)

    async def adopt(self, chat: str, results: Collection[str]) -> None:
        """What these results hold is known in a chat from now on, a copy, also where it does not say them again.

        Raises DatabaseError.
        """
        if not results:
            return
        await self._prepare()
        own = await self._registered(_REGISTERED.c.chat == chat)
        if missing := {*results} - {row.digest for row in own}:
            names = [column.name for column in _REGISTERED.c if column.name != "id"]
            copied = [literal(chat) if name == "chat" else _REGISTERED.c[name] for name in names]
            # A copy of a copy finds them in both.
            rows = select(*copied).where(_REGISTERED.c.digest.in_(missing)).distinct()
            await execute(self._engine, insert(_REGISTERED).from_select(names, rows))

    async def known(
        self, chat: str, message: str, results: Collection[str], unlabelled: DataClass
    ) -> Known:
        """What is known of a chat; `results` are the digests of the site's tools' results that it holds.

        Raises DatabaseError, and RequestError for more labels than can be looked for.
        """
        await self._prepare()
        own = await self._registered(_REGISTERED.c.chat == chat) if chat else []
        missing = {*results} - {row.digest for row in own}
        adopted = await self._registered(_REGISTERED.c.digest.in_(missing)) if missing else []
        rows = [*own, *adopted]
        state = await execute(self._engine, select(_CHATS).where(_CHATS.c.chat == chat))
        dictionary, confidential = await self._dictionary(tuple(sorted({row.id for row in rows})))
        passages: dict[str, int] = {}
        for row in rows:
            if row.message == message and row.passages:
                passages[row.source] = passages.get(row.source, 0) + row.passages
        return Known(
            data_class=highest((unlabelled, *(row.data_class for row in rows))),
            dictionary=dictionary,
            confidential=confidential,
            passages=tuple(sorted(passages.items())),
            kept=any(row.kept_by for row in state),
            expired=any(row.expired for row in state),
            unregistered=bool(missing - {row.digest for row in adopted}),
        )

    async def _registered(self, which: Any) -> Sequence[Any]:
        columns = [column for column in _REGISTERED.c if column.name != "labels"]
        return await execute(self._engine, select(*columns).where(which))

    async def _dictionary(self, ids: tuple[int, ...]) -> tuple[Dictionary, frozenset[str]]:
        """Finds the values of these registrations; and those of them that are confidential."""
        if not ids:
            return NOTHING_KNOWN.dictionary, frozenset()
        if (ready := self._ready.get(ids)) is not None:
            self._ready.move_to_end(ids)
            return ready
        columns = (_REGISTERED.c.labels, _REGISTERED.c.data_class)
        rows = await execute(self._engine, select(*columns).where(_REGISTERED.c.id.in_(ids)))
        values, confidential = dict[Value, None](), set[str]()
        for row in rows:
            for kind, text in json.loads(row.labels):
                if not tells_enough(text):
                    continue
                values[Value(kind, text)] = None
                if row.data_class in ("confidential", "secret"):
                    confidential.add(text)
        if len(values) > _MOST_VALUES:
            raise RequestError(
                f"The chat's tools have returned {len(values)} protected values, "
                f"and more than {_MOST_VALUES} cannot be looked for.",
                "Begin a new chat.",
                code="too_many_labels",
            )
        ready = Dictionary(values, LABELLED), frozenset(confidential)
        self._ready[ids] = ready
        while len(self._ready) > _READY:
            self._ready.popitem(last=False)
        return ready

    async def _prepare(self) -> None:
        """Once a day: create what is missing, and drop what is too old."""
        today = datetime.now(UTC).date()
        if self._prepared == today:
            return
        await create_tables(self._engine)
        if self.days:
            await self._expire(datetime.now(UTC) - timedelta(days=self.days))
        self._prepared = today

    async def _expire(self, before: datetime) -> None:
        """A chat that loses labels must not leave any more, so that is noted first."""
        old = _REGISTERED.c.made < before
        chats = select(_REGISTERED.c.chat, literal(""), literal(True)).where(old).distinct()
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        expired = dialect.insert(_CHATS).from_select(["chat", "kept_by", "expired"], chats)
        await execute(
            self._engine,
            expired.on_conflict_do_update(index_elements=[_CHATS.c.chat], set_={"expired": True}),
        )
        await execute(self._engine, delete(_REGISTERED).where(old))
