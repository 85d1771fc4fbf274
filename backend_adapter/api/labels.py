"""POST /v1/site/labels: the site's MCP servers register what their results hold, before they hand them out.

/v1/site/chats/{chat}: whether a chat stays on site, as its user wants it.
"""

from typing import TypeVar

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.auth import CallerCheck, LabelsCheck, caller
from backend_adapter.api.body import read_body
from backend_adapter.api.respond import json_response
from backend_adapter.api.services import services
from backend_adapter.chat.plain import plain_text
from backend_adapter.egress.labels import Labels, Registration
from backend_adapter.errors import DatabaseError, RequestError

T = TypeVar("T", bound=msgspec.Struct)

# Of one registration: its values, and the characters of each.
_MOST_VALUES = 10_000
_LONGEST_VALUE = 1_000
_MAX_BYTES = 64 * 1024 * 1024
_LONGEST_ID = 128


class _Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    on_site: bool


def router_for(known: CallerCheck, servers: LabelsCheck) -> APIRouter:
    """The routes: labels are for the site's `servers`, switches for those who ask models."""
    router = APIRouter(prefix="/site")
    router.add_api_route("/labels", register, methods=["POST"], dependencies=[Depends(servers)])
    callers = [Depends(known)]
    router.add_api_route("/chats/{chat}", switch, methods=["PUT"], dependencies=callers)
    router.add_api_route("/chats/{chat}", look, methods=["GET"], dependencies=callers)
    return router


async def register(request: Request) -> Response:
    """Register one result of a tool; answers when it is durably known."""
    labels = _labels(request)
    given = _read(await read_body(request, _MAX_BYTES), Registration)
    for name, value in (("chat", given.chat), ("source", given.source)):
        if not value or _id(value) != value:
            raise _unfit(f"{name} is missing or no plain text of at most {_LONGEST_ID} characters")
    if len(given.values) > _MOST_VALUES:
        raise _unfit(f"it has {len(given.values)} values, and {_MOST_VALUES} are the most")
    if any(len(each.text) > _LONGEST_VALUE for each in given.values):
        raise _unfit(f"a value has more than {_LONGEST_VALUE} characters")
    await labels.register(given)
    return json_response({"registered": len(given.values)}, 201)


async def switch(chat: str, request: Request) -> Response:
    """The user of a chat wants it to stay on site, or no longer."""
    wanted = _read(await read_body(request, _MAX_BYTES), _Switch).on_site
    kept = await _labels(request).keep(_chat(chat), caller(request).user, wanted)
    return json_response({"on_site": kept})


async def look(chat: str, request: Request) -> Response:
    """Whether a chat stays on site."""
    return json_response({"on_site": await _labels(request).kept(_chat(chat))})


def _labels(request: Request) -> Labels:
    labels = services(request).labels
    if labels is None:
        raise DatabaseError(
            "There is no database to keep labels in.",
            "Set database_url under [adapter] in hoheit.toml.",
            code="database_unavailable",
        )
    return labels


def _read(raw: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # It tells which field is wrong, not what is in it.
        raise _unfit(str(error)) from None


def _chat(chat: str) -> str:
    if _id(chat) != chat:
        raise _unfit("the chat's id is no plain text")
    return chat


def _id(text: str) -> str:
    return plain_text(text, _LONGEST_ID)


def _unfit(why: str) -> RequestError:
    return RequestError(
        f"This cannot be registered: {why}.", "See docs/egress.md.", code="invalid_label"
    )
