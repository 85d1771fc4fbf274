"""The site's receipts, read from its database whether the adapter runs or not."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from hoheit.errors import HoheitError
from hoheit.home import find
from hoheit.settings import complete, load


@asynccontextmanager
async def site_receipts(settings: Path | None) -> AsyncIterator[Receipts]:
    """The receipts of the site with these settings; makes nothing that is not there.

    Raises HoheitError where there are none, and DatabaseError.
    """
    home = find(os.environ)
    url = complete(load(home, settings), home, ()).adapter.database_url
    if url is None or _is_missing(url):
        raise _nothing("there is no database")
    async with open_database(url) as engine:
        receipts = Receipts(engine, ReceiptSettings())
        if not await receipts.exist():
            raise _nothing("its database has no table of them")
        yield receipts


def _is_missing(url: SecretStr) -> bool:
    """Whether opening it would make a new file."""
    try:
        parsed = make_url(url.get_secret_value())
    except ArgumentError:
        return False
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return file is not None and not Path(file).is_file()


def _nothing(why: str) -> HoheitError:
    return HoheitError(
        f"This site has no receipts: {why}.",
        "An adapter makes them when it has started; name its settings with --settings, "
        "and see adapter.database_url there.",
    )
