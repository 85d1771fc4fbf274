"""GET /health and GET /ready, for supervisors and load balancers; they need no key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.respond import json_response
from backend_adapter.api.services import services

router = APIRouter()


@router.get("/health")
async def health() -> Response:
    """The process lives."""
    return json_response({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 once some model can answer, 503 until then; either way what each upstream and model lacks."""
    catalogue = services(request).catalogue
    faults = catalogue.faults()
    upstreams = {
        name: str(faults[name]) if name in faults else "ready" for name in catalogue.upstreams()
    }
    models = {
        model: "ready"
        if any(name not in faults for name in offering)
        else f"No upstream that offers it can be used: {', '.join(offering)}."
        for model, offering in catalogue.models().items()
    }
    can_answer = catalogue.can_answer()
    body: dict[str, object] = {
        "status": "ready" if can_answer else "not ready",
        "upstreams": upstreams,
        "models": models,
    }
    if not upstreams:
        body["reason"] = "No upstream is configured. Add one in hoheit.toml."
    return json_response(body, 200 if can_answer else 503)
