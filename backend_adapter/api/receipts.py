"""GET /v1/site/receipts: a caller sees what left the site for them, and the body exactly as it left."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.auth import caller
from backend_adapter.api.respond import json_response
from backend_adapter.api.services import services
from backend_adapter.egress.receipts.chain import readable
from backend_adapter.egress.receipts.record import as_json
from backend_adapter.egress.receipts.store import Receipts
from backend_adapter.errors import DatabaseError, RequestError

router = APIRouter()

# The largest number that a table's column for it holds.
_MAX_SEQ = 2**63 - 1


@router.get("/site/receipts")
async def receipts_of_chat(
    request: Request,
    chat: Annotated[str | None, Query()] = None,
    message: Annotated[str | None, Query()] = None,
    after: Annotated[str, Query()] = "0",
) -> Response:
    """The first 500 receipts of the caller's chat with numbers above `after`."""
    if chat is None:
        raise RequestError(
            "The request does not say which chat.", "Add ?chat=ID to the address.", param="chat"
        )
    above = _seq(after)
    if above is None:
        raise RequestError(
            f"after is {after[:40]!r}, and must be the number of a receipt.",
            "Leave it out, or send the seq of the last receipt that you have.",
            param="after",
        )
    kept = await _kept(request)
    found = await kept.of_chat(chat, caller(request).user, above, message)
    data = [{"seq": link.seq, **as_json(readable(link))} for link in found]
    return json_response({"object": "list", "data": data})


@router.get("/site/receipts/{number}/body")
async def body_of_receipt(request: Request, number: str) -> Response:
    """What left with one of the caller's receipts.

    Whether it is somebody else's, gone or was never there makes no difference to the answer.
    """
    seq = _seq(number)
    kept = await _kept(request)
    found = None if seq is None else await kept.body(seq, caller(request).user)
    if found is None:
        raise RequestError(
            f"There is no body of a receipt {number[:40]!r} for you.",
            "GET /v1/site/receipts?chat=ID lists yours; a body is kept for [adapter.egress.receipts] body_days.",
            code="unknown_receipt",
            status=404,
        )
    body: dict[str, Any] = {
        "seq": found.seq,
        "body": _as_sent(found.body),
        "pseudonyms": found.pseudonyms,
        "sha256": found.sha256,
        "kept_until": found.kept_until,
    }
    return json_response(body)


async def _kept(request: Request) -> Receipts:
    found = services(request).receipts
    if found is None:
        raise DatabaseError(
            "No receipts are kept, because the adapter has no database.",
            "Set database_url under [adapter] in hoheit.toml.",
            code="database_unavailable",
        )
    await found.prepare()
    return found


def _as_sent(body: bytes) -> msgspec.Raw | str:
    """JSON to the byte, so that a caller can compute the hash; anything else as text."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return body.decode(errors="replace")
    return msgspec.Raw(body)


def _seq(given: str) -> int | None:
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        return None
    return number if (number := int(given)) <= _MAX_SEQ else None
