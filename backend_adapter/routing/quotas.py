"""How many tokens a user may spend in a day, counted in the database for all adapters that share it.

A request reserves what it will probably need and settles what it needed. Reserving is one statement, which
adds the estimate only where less than the limit is spent. So at no time more than the limit minus one plus
the largest single estimate is reserved, however many processes ask at once; what answers need beyond their
estimates comes on top when they settle, and counts for the requests that follow.
"""

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import BigInteger, Column, Date, Insert, String, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import METADATA, create_tables, execute
from backend_adapter.errors import DatabaseError, QuotaError, SettingsError
from backend_adapter.settings import QuotaSettings

log = logging.getLogger(__name__)

# How long what was spent can be looked up, in days.
_KEPT_DAYS = 90

_SPENT = Table(
    "tokens_spent",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("user", String, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
)


class Quotas:
    """The limits of `settings`; `engine` may be None where they limit nobody."""

    def __init__(self, engine: AsyncEngine | None, settings: QuotaSettings) -> None:
        """Raises SettingsError where somebody is limited and there is no database."""
        self._settings = settings
        self._engine = engine
        if engine is None and any((settings.tokens_per_user_and_day, *settings.overrides.values())):
            raise SettingsError(
                "Quotas are set under [adapter.quotas], but no database counts what is spent.",
                "Set database_url under [adapter] in hoheit.toml.",
            )
        self._prepared_for: date | None = None
        self._preparing = asyncio.Lock()

    async def prepare(self) -> None:
        """Create what is missing in the database and drop what is older than 90 days.

        Done by itself before the first request of each day; at the start it shows early what is wrong.
        Raises DatabaseError.
        """
        await self._prepare(_today())

    async def reserve(self, user: str, estimated_tokens: int) -> "Reservation":
        """Count `estimated_tokens` as spent by `user`.

        Raises QuotaError where the limit is reached, and DatabaseError where that cannot be found out.
        """
        limit = self._limit(user)
        if limit == 0 or self._engine is None:
            return Reservation(None, _today(), user, 0)
        day, tokens = _today(), max(0, estimated_tokens)
        await self._prepare(day)
        added = await execute(self._engine, _add(self._engine, day, user, tokens, limit))
        if not added:
            raise await self._exhausted(self._engine, day, user, limit)
        return Reservation(self._engine, day, user, tokens)

    async def used_today(self) -> dict[str, int]:
        """Tokens that each limited user has spent since midnight UTC. Raises DatabaseError."""
        if self._engine is None:
            return {}
        day = _today()
        await self._prepare(day)
        spent = select(_SPENT.c.user, _SPENT.c.tokens).where(_SPENT.c.day == day)
        return {row.user: row.tokens for row in await execute(self._engine, spent)}

    def _limit(self, user: str) -> int:
        return self._settings.overrides.get(user, self._settings.tokens_per_user_and_day)

    async def _prepare(self, day: date) -> None:
        if self._prepared_for == day or self._engine is None:
            return
        async with self._preparing:
            if self._prepared_for != day:
                await create_tables(self._engine)
                oldest = day - timedelta(days=_KEPT_DAYS)
                await execute(self._engine, delete(_SPENT).where(_SPENT.c.day < oldest))
                self._prepared_for = day

    async def _exhausted(self, engine: AsyncEngine, day: date, user: str, limit: int) -> QuotaError:
        mine = select(_SPENT.c.tokens).where(_SPENT.c.day == day, _SPENT.c.user == user)
        rows = await execute(engine, mine)
        used = rows[0].tokens if rows else limit
        return QuotaError(
            f"{user} has spent {used} of {limit} tokens today.",
            "Ask again after midnight UTC, or have an operator raise the limit under [adapter.quotas].",
            _seconds_left(day),
        )


class Reservation:
    """What one request has reserved."""

    def __init__(self, engine: AsyncEngine | None, day: date, user: str, tokens: int) -> None:
        self._engine = engine
        self._day = day
        self._user = user
        self._tokens = tokens

    async def settle(self, actual_tokens: int) -> None:
        """Count `actual_tokens` instead of the estimate; of several calls the last one counts.

        An answer that is given is not taken back: where the database does not answer, the estimate stays
        counted and the log says so.
        """
        difference = max(0, actual_tokens) - self._tokens
        if self._engine is None or difference == 0:
            return
        mine = update(_SPENT).where(_SPENT.c.day == self._day, _SPENT.c.user == self._user)
        try:
            await execute(self._engine, mine.values(tokens=_SPENT.c.tokens + difference))
        except DatabaseError as error:
            log.warning("An estimate of %d tokens stays counted. %s", self._tokens, error)
        else:
            self._tokens += difference


def _add(engine: AsyncEngine, day: date, user: str, tokens: int, limit: int) -> Insert:
    """Adds to what `user` has spent where that is below `limit`, and returns a row only then."""
    insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    row = insert(_SPENT).values(day=day, user=user, tokens=tokens)
    return row.on_conflict_do_update(
        index_elements=[_SPENT.c.day, _SPENT.c.user],
        set_={"tokens": _SPENT.c.tokens + row.excluded.tokens},
        where=_SPENT.c.tokens < limit,
    ).returning(_SPENT.c.tokens)


def _today() -> date:
    return datetime.now(UTC).date()


def _seconds_left(day: date) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return max(1, round((midnight - datetime.now(UTC)).total_seconds()))
