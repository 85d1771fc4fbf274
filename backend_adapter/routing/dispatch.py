"""Who is asked: the first replica that takes the request."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from backend_adapter.errors import UpstreamError, UpstreamTimeoutError
from backend_adapter.routing.catalogue import Catalogue
from backend_adapter.upstreams.answer import UpstreamAnswer

log = logging.getLogger(__name__)


@asynccontextmanager
async def ask(
    catalogue: Catalogue, model: str, path: str, body: Mapping[str, Any], choices: int
) -> AsyncIterator[UpstreamAnswer]:
    """Hold open the answer of the first upstream with `model` that begins one.

    An upstream that cannot be reached or fails at once is passed over. One that refuses the request is
    not, because the others would as well; nor is one that took the request and stays silent, because
    the client has waited long enough.
    """
    replicas = await catalogue.replicas(model)
    async with AsyncExitStack() as stack:
        for upstream in replicas:
            try:
                answer = await stack.enter_async_context(upstream.ask(path, body, choices))
                break
            except UpstreamTimeoutError:
                raise
            except UpstreamError as error:
                log.warning("Upstream %s is passed over: %s", upstream.name, error.code)
                last = error
        else:
            raise last
        yield answer
