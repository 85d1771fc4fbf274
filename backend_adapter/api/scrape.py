"""GET /metrics: the adapter's figures for Prometheus, to operators only."""

import asyncio

from fastapi import APIRouter
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.gauges import gauges
from backend_adapter.api.metrics import Together
from backend_adapter.api.services import services

router = APIRouter()


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """All figures, in the text format that the scraper prefers."""
    given = services(request)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    # The state is read here, in the loop; writing thousands of lines would hold up everybody's streams.
    state = gauges(given)
    together = Together(state, given.telemetry.metrics.collect())
    body = await asyncio.to_thread(encode, together)
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
