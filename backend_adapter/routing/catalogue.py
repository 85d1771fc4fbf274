"""Which models there are, and which upstreams offer them.

The list survives its upstreams: a model that was offered once stays in it while its upstream is away, so
that a client's model list does not flicker and a request names the fault instead of an unknown model.
Whether a model can answer right now is what `can_answer` and `faults` tell.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from backend_adapter.errors import AdapterError, NoUpstreamError, UnknownModelError
from backend_adapter.upstreams.client import Upstream

log = logging.getLogger(__name__)

# Until some upstream can be used, and when a client names an unknown model, upstreams are asked sooner
# than by the timetable, but not more often than this, in seconds.
_EAGER_REFRESH_S = 1.0
_NOT_ASKED = NoUpstreamError("It has not been asked yet.", "Wait a moment.")


class Catalogue:
    """The models of all upstreams; several upstreams with one model are replicas of it."""

    def __init__(self, upstreams: Sequence[Upstream], refresh_s: float) -> None:
        self._upstreams = tuple(upstreams)
        self._refresh_s = refresh_s
        self._models = {upstream.name: upstream.configured_models for upstream in self._upstreams}
        self._faults: dict[str, AdapterError] = {
            upstream.name: _NOT_ASKED for upstream in self._upstreams
        }
        self._refreshed_at = float("-inf")
        self._refreshing = asyncio.Lock()

    async def keep_fresh(self) -> None:
        """Ask the upstreams again and again, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("The models of the upstreams could not be refreshed.")
            await asyncio.sleep(
                self._refresh_s if self.can_answer() else min(_EAGER_REFRESH_S, self._refresh_s)
            )

    async def refresh(self) -> None:
        """Ask all upstreams for their models, unless that was done a moment ago."""
        async with self._refreshing:
            now = asyncio.get_running_loop().time()
            if now - self._refreshed_at < min(_EAGER_REFRESH_S, self._refresh_s):
                return
            await asyncio.gather(*(self._ask(upstream) for upstream in self._upstreams))
            self._refreshed_at = asyncio.get_running_loop().time()

    async def _ask(self, upstream: Upstream) -> None:
        before = self._faults.get(upstream.name)
        try:
            self._models[upstream.name] = await upstream.models()
        except AdapterError as fault:
            self._faults[upstream.name] = fault
            if before is None or before.message != fault.message:
                log.warning("%s", fault)
        else:
            if self._faults.pop(upstream.name, None):
                log.info("Upstream %s can be used.", upstream.name)

    async def replicas(self, model: str) -> tuple[Upstream, ...]:
        """The upstreams that offer `model`, those without a known fault first.

        Raises UnknownModelError, or NoUpstreamError where there is no upstream at all.
        """
        if not self._upstreams:
            raise NoUpstreamError(
                "No upstream is configured.", "Add one under [[adapter.upstreams]] in hoheit.toml."
            )
        if not self._offering(model):
            await self.refresh()
        if found := self._offering(model):
            return tuple(sorted(found, key=lambda upstream: upstream.name in self._faults))
        raise UnknownModelError(
            f"The model {model!r} does not exist here.",
            "GET /v1/models lists those that do; GET /ready says which upstreams are away.",
            param="model",
            code="model_not_found",
        )

    def _offering(self, model: str) -> list[Upstream]:
        return [up for up in self._upstreams if model in self._models[up.name]]

    def models(self) -> dict[str, tuple[str, ...]]:
        """Every known model with the names of the upstreams that offer it."""
        models: dict[str, tuple[str, ...]] = {}
        for upstream in self._upstreams:
            for model in self._models[upstream.name]:
                models[model] = (*models.get(model, ()), upstream.name)
        return models

    def upstreams(self) -> tuple[str, ...]:
        """The names of all upstreams."""
        return tuple(upstream.name for upstream in self._upstreams)

    def faults(self) -> Mapping[str, AdapterError]:
        """What is wrong with each upstream that cannot be used, by its name."""
        return self._faults

    def can_answer(self) -> bool:
        """Whether some upstream offers a model and answered when it was last asked."""
        return any(
            models and upstream not in self._faults for upstream, models in self._models.items()
        )
