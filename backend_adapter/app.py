"""The adapter as an ASGI application."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException

from backend_adapter.api import chat, completions, models, operations, site
from backend_adapter.api.auth import KeyCheck
from backend_adapter.api.record import RequestLog
from backend_adapter.api.respond import error_response
from backend_adapter.api.services import Services
from backend_adapter.errors import AdapterError, SettingsError
from backend_adapter.routing.catalogue import Catalogue
from backend_adapter.settings import AdapterSettings
from backend_adapter.upstreams.client import Upstream, open_connections


def create_app(settings: AdapterSettings) -> FastAPI:
    """The gateway for these settings. Raises SettingsError if it would be open to everybody."""
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise SettingsError(
            "The adapter has no api_key, so anybody could use the models.",
            "Set api_key under [adapter] in hoheit.toml.",
        )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_connections(settings.connect_timeout_s) as connections:
            upstreams = [Upstream(each, connections, settings) for each in settings.upstreams]
            catalogue = Catalogue(upstreams, settings.catalogue_refresh_s)
            app.state.services = Services(settings, catalogue, started=int(time.time()))
            refresher = asyncio.create_task(catalogue.keep_fresh())
            yield
            refresher.cancel()
            with suppress(asyncio.CancelledError):
                await refresher

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
    with_key = [Depends(KeyCheck(settings.api_key))]
    for part in (chat, completions, models):
        app.include_router(part.router, prefix="/v1", dependencies=with_key)
    for part in (operations, site):
        app.include_router(part.router)
    return app
