"""GET /v1/models: what can be asked."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.respond import json_response
from backend_adapter.api.services import services

router = APIRouter()


@router.get("/models")
async def list_models(request: Request) -> Response:
    """All models that some upstream offers, or offered when it was last reached."""
    given = services(request)
    if not given.pool.models():
        await given.pool.look_again(given.settings.connect_timeout_s)
    listed = [_model(name, given.started) for name in given.pool.models()]
    return json_response({"object": "list", "data": listed})


@router.get("/models/{model:path}")
async def get_model(request: Request, model: str) -> Response:
    """One of them. Raises UnknownModelError."""
    given = services(request)
    await given.pool.offering(model, given.settings.connect_timeout_s)
    return json_response(_model(model, given.started))


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "hoheit"}
