"""The adapter as an ASGI application."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request

from backend_adapter.api import (
    chat,
    completions,
    embeddings,
    labels,
    models,
    operations,
    receipts,
    responses,
    scrape,
    site,
    topology,
    topology_page,
)
from backend_adapter.api.auth import AdminCheck, CallerCheck, LabelsCheck
from backend_adapter.api.identity import Identity
from backend_adapter.api.observer import Observer
from backend_adapter.api.record import RequestLog
from backend_adapter.api.respond import error_response
from backend_adapter.api.services import Services, services
from backend_adapter.api.telemetry import Telemetry, make_tracing
from backend_adapter.database import open_database
from backend_adapter.egress.guard import Guard
from backend_adapter.egress.receipts.store import Receipts
from backend_adapter.errors import AdapterError
from backend_adapter.reload import Watch
from backend_adapter.routing.health import HealthMonitor
from backend_adapter.routing.pool import Pool
from backend_adapter.settings import AdapterSettings
from backend_adapter.upstreams.http import Connections


def _identity(request: Request) -> Identity:
    return services(request).identity


def create_app(settings: AdapterSettings, watch: Watch | None = None) -> FastAPI:
    """The gateway for these settings; `watch` tells of changed ones.

    Raises SettingsError if it would be open to everybody, or if settings contradict each other.
    """
    Identity(settings)  # refuses unfit keys before anything starts
    tracing = make_tracing(settings.otlp_endpoint)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            connections = Connections()
            stack.callback(connections.close)
            database = None
            if settings.database_url is not None:
                database = await stack.enter_async_context(open_database(settings.database_url))
            if tracing is not None:
                await stack.enter_async_context(tracing)
            pool = Pool(connections)
            telemetry = Telemetry(pool, tracing)
            guard = await asyncio.to_thread(Guard.read, settings.egress)
            kept = Receipts(database, settings.egress.receipts) if database else None
            if kept is not None:
                stack.push_async_callback(kept.close)
            given = Services(settings, pool, database, telemetry, guard, int(time.time()), kept)
            app.state.services = given
            tasks = [asyncio.create_task(HealthMonitor(pool).run())]
            if kept is not None:
                tasks.append(asyncio.create_task(kept.run()))
            if watch is not None:
                tasks.append(asyncio.create_task(watch.run(given.apply, settings)))
            yield
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)

    app = FastAPI(
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            AdapterError: error_response,
            HTTPException: error_response,
            Exception: error_response,
        },
    )
    app.add_middleware(RequestLog)
    app.add_middleware(Observer)
    for part in (chat, completions, responses, embeddings, models, receipts):
        app.include_router(
            part.router, prefix="/v1", dependencies=[Depends(CallerCheck(_identity))]
        )
    app.include_router(
        labels.router_for(CallerCheck(_identity), LabelsCheck(_identity)), prefix="/v1"
    )
    operators = [Depends(AdminCheck(_identity))]
    app.include_router(topology.router, prefix="/v1", dependencies=operators)
    app.include_router(scrape.router, dependencies=operators)
    for part in (operations, site, topology_page):
        app.include_router(part.router)
    return app
