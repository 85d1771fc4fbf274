"""/v1/topology: who answers for what, where, how busily; and for operators to change it.

What an operator changes here holds until the adapter ends; what shall outlast it stands in the settings.
"""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.respond import json_response
from backend_adapter.api.services import Services, services
from backend_adapter.errors import RequestError
from backend_adapter.routing.pool import Member
from backend_adapter.routing.replica import Replica
from backend_adapter.routing.selection import slow_ones
from backend_adapter.settings import UpstreamSettings
from backend_adapter.upstreams.swarm import SwarmReport

router = APIRouter()

_MAX_BODY_BYTES = 64 * 1024


@router.get("/topology")
async def topology(request: Request) -> Response:
    """Every upstream with its site, its models, its load and its health."""
    return json_response(picture(services(request)))


@router.post("/topology")
async def add(request: Request) -> Response:
    """Add an upstream: a JSON object with the keys of [[adapter.upstreams]]."""
    given = services(request)
    raw = await read_body(request, _MAX_BODY_BYTES)
    try:
        upstream = UpstreamSettings.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error) from None
    given.pool.add(upstream, given.settings)
    return json_response(picture(given), 201)


@router.post("/topology/{name}/drain")
async def drain(request: Request, name: str) -> Response:
    """Give an upstream no new work; what it is answering goes on."""
    given = services(request)
    given.pool.drain(name, True)
    return json_response(picture(given))


@router.post("/topology/{name}/resume")
async def resume(request: Request, name: str) -> Response:
    """Give a drained upstream work again."""
    given = services(request)
    given.pool.drain(name, False)
    return json_response(picture(given))


@router.delete("/topology/{name}")
async def remove(request: Request, name: str) -> Response:
    """Take an upstream out; what it is answering goes on to its end."""
    given = services(request)
    given.pool.remove(name)
    return json_response(picture(given))


def picture(given: Services) -> dict[str, Any]:
    """The topology as it is now: times in seconds, load in requests and about tokens. No address, no key."""
    now = asyncio.get_running_loop().time()
    models = {}
    for model in given.pool.models():
        admission = given.admissions.get(model)
        models[model] = {
            "ready": given.pool.ready(model),
            "running": admission.running if admission else 0,
            "queued": sum(admission.queued.values()) if admission else 0,
        }
    return {
        "models": models,
        "upstreams": [_upstream(given, member, now) for member in given.pool.members.values()],
    }


def _upstream(given: Services, member: Member, now: float) -> dict[str, Any]:
    return {
        "name": member.name,
        "site": member.upstream.settings.site,
        "trust": member.upstream.settings.trust,
        "engine": member.upstream.settings.engine,
        "from_settings": not member.added_by_admin,
        "draining": member.draining,
        "fault": None if member.fault is None else str(member.fault),
        "running": member.running,
        "swarm": None if member.swarm is None else _swarm(member.swarm),
        "replicas": [_replica(given, replica, now) for replica in member.replicas.values()],
    }


def _swarm(swarm: SwarmReport) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(swarm)
    return {**shown, "layers_missing": swarm.layers_missing}


def _replica(given: Services, replica: Replica, now: float) -> dict[str, Any]:
    ttft = replica.ttft_s(now)
    return {
        "model": replica.model,
        "circuit": replica.circuit.state,
        "reason": replica.circuit.reason or None,
        "slow": replica in slow_ones(given.pool.replicas(replica.model), now),
        "busy": replica.busy(now),
        "running": replica.running,
        "outstanding_tokens": replica.outstanding_tokens,
        "ttft_s": None if ttft is None else round(ttft, 3),
        "failures": replica.failures,
        "failovers": given.telemetry.metrics.failovers(replica.model, replica.name),
        "continuation": replica.capabilities.continuation,
        "capabilities": replica.capabilities,
        "engine_load": replica.load(now),
    }


def _invalid(error: ValidationError) -> RequestError:
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"]) or None
    where = f"{field}: " if field else ""
    return RequestError(
        f"The upstream cannot be added: {where}{fault['msg']}.",
        "Send an object with the keys of [[adapter.upstreams]]; 'hoheit settings' explains them.",
        param=field,
    )
