"""Where receipts are kept: appended to one chain by all adapters that share the database, and read from it."""

import asyncio
import hashlib
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backend_adapter.database import execute, has_table, transaction
from backend_adapter.egress.receipts.chain import FIRST, START, Link, link_hash
from backend_adapter.egress.receipts.record import Receipt, as_row, from_row, iso, storable
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.tables import BODIES, RECEIPTS, create
from backend_adapter.errors import DatabaseError

log = logging.getLogger(__name__)

# Any number that no other program on the same PostgreSQL locks: one process at a time appends to the chain.
_CHAIN_LOCK = 0x52656365697074
# How many receipts may wait for the writer of this process, and for how long, in seconds.
_MAX_WAITING = 1024
_APPEND_TIMEOUT_S = 10.0
# What is stored in one transaction at most: receipts, and bytes of their bodies (one is always taken).
# Computing so many rows holds up the event loop for some milliseconds; more would be felt in streams.
_BATCH = 64
_BATCH_BYTES = 16 * 1024 * 1024
# How often a number that somebody else took in between is tried again with the next.
_TRIES = 5
_PAGE = 500
_PRUNED_AT_ONCE = 500
_PRUNE_EVERY_S = 3600.0


@dataclass(frozen=True)
class Body:
    """A request's body as it left, and the pseudonyms in it; `kept_until` as ISO 8601 in UTC."""

    seq: int
    body: bytes
    sha256: str
    kept_until: str
    pseudonyms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which receipts: None means all. `since` is inclusive; `chat` may be empty, for those without one."""

    chat: str | None = None
    user: str | None = None
    since: datetime | None = None
    message: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        given: Mapping[str, str | None] = {
            "chat": self.chat,
            "user": self.user,
            "message": self.message,
        }
        wanted = [
            RECEIPTS.c[name] == storable(value)
            for name, value in given.items()
            if value is not None
        ]
        if self.since is not None:
            wanted.append(RECEIPTS.c.time >= iso(self.since))
        return wanted


@dataclass(frozen=True)
class _Waiting:
    receipt: Receipt
    body: bytes | None
    pseudonyms: Sequence[str]
    stored: "asyncio.Future[int | DatabaseError]"


class Receipts:
    """The receipts in the database of `engine`; bodies are kept for as long as `settings` says.

    Reading makes no tables: where none may be there yet, `prepare` comes first.
    """

    def __init__(self, engine: AsyncEngine, settings: ReceiptSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._prepared = False
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def prepare(self) -> None:
        """Create what is missing in the database. Done by itself before the first receipt.

        Raises DatabaseError.
        """
        if not self._prepared:
            await create(self._engine)
            self._prepared = True

    async def exist(self) -> bool:
        """Whether there is a table of receipts, which the first adapter makes. Raises DatabaseError."""
        return await has_table(self._engine, RECEIPTS.name)

    def apply(self, settings: ReceiptSettings) -> None:
        """Take changed settings over."""
        self._settings = settings

    async def append(
        self, receipt: Receipt, body: bytes | None, pseudonyms: Sequence[str] = ()
    ) -> int:
        """Store a receipt with the body that it tells of, and return its number once both are on the disk.

        `body` is None where nothing left; `pseudonyms` are those in it. Many at once are stored together. A caller
        that is cancelled while it waits has its receipt stored or not.

        Raises DatabaseError where it cannot be stored within ten seconds, after which it may be stored all
        the same, and ValueError for a receipt that does not tell of this body.
        """
        _check(receipt, body)
        if self._closed or len(self._waiting) >= _MAX_WAITING:
            why = "is being closed" if self._closed else f"has {_MAX_WAITING} receipts waiting"
            raise _not_stored(f"the store {why}")
        stored: asyncio.Future[int | DatabaseError] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(receipt, body, pseudonyms, stored))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            # Not wait_for: in Python 3.11 it forgets that the caller was cancelled when the wait is over just then.
            async with asyncio.timeout(_APPEND_TIMEOUT_S):
                result = await stored
        except TimeoutError:
            raise _not_stored(f"the database took longer than {_APPEND_TIMEOUT_S:.0f} s") from None
        if isinstance(result, DatabaseError):
            raise DatabaseError(result.message, result.remedy, code=result.code) from result
        return result

    async def close(self) -> None:
        """Take no more receipts, and store those that wait."""
        self._closed = True
        if self._writer is None:
            return
        _, late = await asyncio.wait({self._writer}, timeout=_APPEND_TIMEOUT_S)
        for task in late:
            task.cancel()
            await asyncio.wait({task}, timeout=1)
        self._refuse(list(self._waiting), _not_stored("the store is being closed"))
        self._waiting.clear()

    async def run(self) -> None:
        """Prune once an hour, until cancelled."""
        while True:
            try:
                await self.prune()
            except DatabaseError as error:
                log.warning("Bodies of receipts are kept for longer than they should. %s", error)
            await asyncio.sleep(_PRUNE_EVERY_S)

    async def prune(self, now: datetime | None = None) -> int:
        """Drop the bodies whose time is over by now, and say how many; receipts stay.

        A time that the settings have shortened since counts too. Raises DatabaseError.
        """
        await self.prepare()
        now = now or datetime.now(UTC)
        before = iso(now - timedelta(days=self._settings.body_days))
        last = select(RECEIPTS.c.seq).where(RECEIPTS.c.time <= before)
        last = last.order_by(RECEIPTS.c.time.desc(), RECEIPTS.c.seq.desc()).limit(1)
        over = or_(BODIES.c.kept_until <= iso(now), BODIES.c.seq <= last.scalar_subquery())
        some = select(BODIES.c.seq).where(over).limit(_PRUNED_AT_ONCE)
        pruned = 0
        while True:
            gone = delete(BODIES).where(BODIES.c.seq.in_(some)).returning(BODIES.c.seq)
            count = len(await execute(self._engine, gone))
            pruned += count
            if count < _PRUNED_AT_ONCE:
                return pruned

    async def of_chat(
        self, chat: str, user: str, after: int = FIRST - 1, message: str | None = None
    ) -> list[Link]:
        """The first 500 receipts of a user's chat with numbers above `after`, by number; of one message
        where that is named.

        Raises DatabaseError.
        """
        return await self._page(Selection(chat=chat, user=user, message=message), after)

    async def body(self, seq: int, user: str | None = None) -> Body | None:
        """What left with receipt `seq`; None where it is not kept, unknown or not `user`'s.

        Raises DatabaseError, also where the kept body is not the one that the receipt tells of.
        """
        found = select(
            BODIES.c.body, BODIES.c.pseudonyms, BODIES.c.kept_until, RECEIPTS.c.body_sha256
        )
        found = found.join(RECEIPTS, RECEIPTS.c.seq == BODIES.c.seq)
        found = found.where(BODIES.c.seq == seq, BODIES.c.kept_until > iso(datetime.now(UTC)))
        if user is not None:
            found = found.where(RECEIPTS.c.user == storable(user))
        for row in await execute(self._engine, found):
            # SQLite keeps text in a column of bytes, where somebody put it there.
            body = row.body if isinstance(row.body, bytes) else b""
            if hashlib.sha256(body).hexdigest() != row.body_sha256:
                raise DatabaseError(
                    f"The body that is kept for receipt {seq} is not the one that left: "
                    f"its SHA-256 is not {row.body_sha256}.",
                    "See who can write the database of the adapter, and run 'hoheit receipts verify'.",
                    code="receipt_body_changed",
                )
            pseudonyms = tuple(json.loads(row.pseudonyms))
            return Body(seq, body, row.body_sha256, row.kept_until, pseudonyms)
        return None

    async def find(self, seq: int) -> Link | None:
        """Receipt `seq`. Raises DatabaseError."""
        rows = await execute(self._engine, select(RECEIPTS).where(RECEIPTS.c.seq == seq))
        return _link(rows[0]) if rows else None

    async def latest(self, selection: Selection, count: int) -> list[Link]:
        """The last `count` receipts of `selection`, by number. Raises DatabaseError."""
        last = select(RECEIPTS).where(*selection.conditions())
        last = last.order_by(RECEIPTS.c.seq.desc()).limit(count)
        return [_link(row) for row in reversed(await execute(self._engine, last))]

    async def rows(self, selection: Selection | None = None) -> AsyncIterator[Link]:
        """All receipts of `selection` by number, page by page, whatever is appended meanwhile.

        Raises DatabaseError.
        """
        page = await self._page(selection or Selection(), None)
        while page:
            for link in page:
                yield link
            page = await self._page(selection or Selection(), page[-1].seq)

    async def chats(self, selection: Selection) -> Sequence[str]:
        """The chats of `selection`, by their first receipt. Raises DatabaseError."""
        some = select(RECEIPTS.c.chat).where(*selection.conditions())
        some = some.group_by(RECEIPTS.c.chat).order_by(func.min(RECEIPTS.c.seq))
        return [row.chat for row in await execute(self._engine, some)]

    async def _page(self, selection: Selection, after: int | None) -> list[Link]:
        page = select(RECEIPTS).where(*selection.conditions())
        if after is not None:
            page = page.where(RECEIPTS.c.seq > after)
        page = page.order_by(RECEIPTS.c.seq).limit(_PAGE)
        return [_link(row) for row in await execute(self._engine, page)]

    async def _write(self) -> None:
        """Stores what waits until nothing does."""
        while batch := self._next_batch():
            try:
                await self.prepare()
                last = await self._store(batch)
            except DatabaseError as error:
                self._refuse(batch, error)
            except asyncio.CancelledError:
                self._refuse(batch, _not_stored("the store is being closed"))
                raise
            except Exception:
                log.exception("Receipts could not be stored.")
                self._refuse(batch, _not_stored("the store failed, and the log says why"))
            else:
                for seq, each in enumerate(batch, start=last - len(batch) + 1):
                    if not each.stored.done():
                        each.stored.set_result(seq)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        room = _BATCH_BYTES
        while self._waiting and len(batch) < _BATCH:
            size = len(self._waiting[0].body or b"")
            if batch and size > room:
                break
            each = self._waiting.popleft()
            # Whoever has given up waiting has sent nothing.
            if not each.stored.done():
                batch.append(each)
                room -= size
        return batch

    async def _store(self, batch: Sequence[_Waiting]) -> int:
        """The number of the last one, all of them being stored. Raises DatabaseError."""
        for attempt in range(_TRIES):
            try:
                async with transaction(self._engine, _CHAIN_LOCK) as connection:
                    return await self._append(connection, batch)
            except DatabaseError as error:
                if attempt == _TRIES - 1 or not isinstance(error.__cause__, IntegrityError):
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _append(self, connection: AsyncConnection, batch: Sequence[_Waiting]) -> int:
        last = select(RECEIPTS.c.seq, RECEIPTS.c.hash).order_by(RECEIPTS.c.seq.desc()).limit(1)
        found = (await connection.execute(last)).one_or_none()
        seq, previous = (found.seq, found.hash) if found else (FIRST - 1, START)
        rows: list[dict[str, Any]] = []
        bodies: list[dict[str, Any]] = []
        keeps = timedelta(days=self._settings.body_days)
        for each in batch:
            seq += 1
            digest = _digest(seq, previous, each.receipt)
            rows.append({**as_row(each.receipt), "seq": seq, "previous": previous, "hash": digest})
            previous = digest
            if each.body is not None and keeps:
                until = iso(each.receipt.time + keeps)
                bodies.append(
                    {
                        "seq": seq,
                        "body": each.body,
                        "pseudonyms": json.dumps(each.pseudonyms, ensure_ascii=False),
                        "kept_until": until,
                    }
                )
        if bodies:
            await connection.execute(insert(BODIES), bodies)
        await connection.execute(insert(RECEIPTS), rows)
        return seq

    def _refuse(self, batch: Sequence[_Waiting], error: DatabaseError) -> None:
        for each in batch:
            if not each.stored.done():
                each.stored.set_result(error)


def _check(receipt: Receipt, body: bytes | None) -> None:
    if body is None:
        right = receipt.bytes == 0 and receipt.body_sha256 == ""
    else:
        right = receipt.bytes == len(body)
        right = right and receipt.body_sha256 == hashlib.sha256(body).hexdigest()
    if not right:
        raise ValueError("the receipt tells of another body than the one that is given")


def _digest(seq: int, previous: str, receipt: Receipt) -> str:
    try:
        return link_hash(previous, receipt)
    except ValueError:
        raise _not_stored(f"the hash of receipt {seq - 1} is none") from None


def _link(row: Row[Any]) -> Link:
    values = row._asdict()
    try:
        receipt = from_row(values)
    except ValueError:
        receipt = None
    return Link(row.seq, receipt, row.previous, row.hash)


def _not_stored(why: str) -> DatabaseError:
    return DatabaseError(
        f"The receipt cannot be stored, so nothing leaves: {why}.",
        "See that the database of adapter.database_url answers.",
        code="database_unavailable",
    )
