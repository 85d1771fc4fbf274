"""GET /health and GET /ready, for supervisors and load balancers; they need no key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.respond import json_response
from backend_adapter.api.services import services
from backend_adapter.routing.pool import Member, Pool

router = APIRouter()


@router.get("/health")
async def health() -> Response:
    """The process lives."""
    return json_response({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 once some model can answer, 503 until then; either way what each upstream and model lacks."""
    pool = services(request).pool
    upstreams = {name: _state(member) for name, member in pool.members.items()}
    models = {model: _model_state(pool, model, names) for model, names in pool.models().items()}
    can_answer = pool.can_answer()
    body: dict[str, object] = {
        "status": "ready" if can_answer else "not ready",
        "upstreams": upstreams,
        "models": models,
    }
    if not upstreams:
        body["reason"] = "No upstream is configured. Add one in hoheit.toml."
    return json_response(body, 200 if can_answer else 503)


def _state(member: Member) -> str:
    if member.fault is not None:
        return str(member.fault)
    if member.draining:
        return "It is being drained."
    faults = [fault for model in member.replicas if (fault := member.fault_of(model))]
    return faults[0] if len(faults) == len(member.replicas) else "ready"


def _model_state(pool: Pool, model: str, names: tuple[str, ...]) -> str:
    if pool.ready(model):
        return "ready"
    return f"No upstream that offers it can be used: {', '.join(names)}."
