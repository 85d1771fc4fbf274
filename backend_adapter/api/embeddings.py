"""POST /v1/embeddings: vectors for texts, from the first replica that gives them."""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.leaving import About, Leaving
from backend_adapter.api.outcome import Outcome
from backend_adapter.api.record import record
from backend_adapter.api.respond import json_response, while_connected
from backend_adapter.api.services import Services, services
from backend_adapter.chat.embeddings import EmbeddingsRequest, parse_embeddings, rebuild
from backend_adapter.chat.events import Usage
from backend_adapter.errors import AdapterError, EgressError, NoUpstreamError, RequestError
from backend_adapter.routing.continuation import BYTES_PER_TOKEN
from backend_adapter.routing.quotas import Reservation
from backend_adapter.routing.replica import Replica
from backend_adapter.routing.selection import order

router = APIRouter()

# Only these speak about the server. A model that answers chats may well refuse to embed, and is none the
# worse for it, so that other faults must not keep chats from it.
_SERVER_FAULTS = frozenset({"upstream_unreachable", "upstream_overloaded"})


@router.post("/embeddings")
async def embeddings(request: Request) -> Response:
    """Embed one or several inputs."""
    given = services(request)
    asked = parse_embeddings(await read_body(request, given.settings.max_request_bytes))
    work = _Embedding(request, given, asked).answer()
    return json_response(await while_connected(request.receive, work))


class _Embedding:
    """One request for embeddings from its arrival to its answer."""

    def __init__(self, request: Request, given: Services, asked: EmbeddingsRequest) -> None:
        self._about = About.of(request)
        self._user = self._about.user
        self._kept = record(request)
        self._given = given
        self._asked = asked
        self._body = asked.body()
        self._encoded = msgspec.json.encode(self._body)
        self._leaving: Leaving | None = None
        self._cost = len(self._encoded) // BYTES_PER_TOKEN
        self._time = asyncio.get_running_loop().time
        self._outcome = Outcome(
            model=asked.model,
            operation="embeddings",
            client=self._about.client,
            stream=False,
            background=bool(self._about.task),
            task=self._about.task or None,
            started=self._time(),
        )

    async def answer(self) -> dict[str, Any]:
        """The whole answer. Raises AdapterError."""
        given, outcome, model = self._given, self._outcome, self._asked.model
        reservation: Reservation | None = None
        try:
            await given.pool.offering(model, given.settings.connect_timeout_s)
            self._leaving = await Leaving.decide(given, self._about, model, self._body)
            if self._leaving.model != model:
                raise EgressError(
                    "This model runs outside of the site, and the chat must stay on it.",
                    "Ask for vectors from a model that runs on site: those of two models do not compare.",
                )
            self._body = await self._leaving.body(self._body)
            reservation = await given.quotas.reserve(self._user, self._cost)
            arrived = self._time()
            async with given.admission(model).place(
                self._user, cost=self._cost, background=outcome.background
            ):
                outcome.queued_s = self._time() - arrived
                return await self._embed()
        except AdapterError as error:
            outcome.error, outcome.status = error.code or error.type, error.status
            raise
        except asyncio.CancelledError:
            outcome.error, outcome.status = "client_left", 499
            raise
        finally:
            outcome.duration_s = self._time() - outcome.started
            self._kept.tell(outcome)
            given.telemetry.finished(outcome)
            if reservation is not None:
                await reservation.settle(self._spent())

    async def _embed(self) -> dict[str, Any]:
        """Ask one replica after the other. Raises AdapterError: the last one's."""
        fault: AdapterError = NoUpstreamError(
            "No upstream could be asked.", "Try again in a moment."
        )
        for replica in self._order():
            try:
                return await self._ask(replica)
            except RequestError:
                raise
            except AdapterError as error:
                fault = error
                if error.code in _SERVER_FAULTS:
                    replica.failed(error)
                self._outcome.passed_over.append(replica.name)
                self._outcome.upstream = None
        raise fault

    async def _ask(self, replica: Replica) -> dict[str, Any]:
        self._outcome.upstream = replica.name
        replica.begin(self._cost)
        try:
            sending = self._leaving.sending if self._leaving is not None else None
            raw = await replica.upstream.post("embeddings", self._body, sending=sending)
            # A large batch would hold up everybody's streams.
            body = await asyncio.to_thread(rebuild, raw, self._asked, replica.name)
        finally:
            replica.end(self._cost)
        replica.circuit.succeeded()
        if usage := body.get("usage"):
            self._outcome.usage = Usage(usage["prompt_tokens"], 0)
        return body

    def _order(self) -> list[Replica]:
        # There is no cache to come back to: what is asked only spreads the requests.
        replicas = self._given.pool.replicas(self._asked.model)
        return order(
            self._leaving.allowed(replicas) if self._leaving is not None else [],
            policy="prefix",
            key=self._encoded,
            tokens=self._cost,
            turn=0,
            now=self._time(),
        )

    def _spent(self) -> int:
        """Tokens that were used, about, where the upstream does not tell."""
        outcome = self._outcome
        if outcome.usage is not None:
            return outcome.usage.total_tokens
        return self._cost if outcome.upstream else 0
