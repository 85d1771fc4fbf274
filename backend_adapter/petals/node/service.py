"""What other peers can ask of a node: Petals' remote calls, for members of the swarm only."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from hivemind.p2p import P2P, P2PContext, PeerID
from hivemind.p2p.p2p_daemon_bindings.datastructures import StreamInfo
from hivemind.proto import runtime_pb2

from backend_adapter.petals import wire
from backend_adapter.petals.errors import CacheFullError
from backend_adapter.petals.membership import Membership
from backend_adapter.petals.node.computing import Computing
from backend_adapter.petals.node.lanes import Lanes, messages
from backend_adapter.petals.node.layers import Cache, Layers
from backend_adapter.petals.node.session import Arrived, Session

log = logging.getLogger(__name__)

# A session in which nothing happens for so long has been left, in seconds.
_IDLE_S = 30 * 60.0
_PUSH_S = 30.0
_CLOSING_S = 1.0
# Of rpc_forward, which keeps nothing.
_MOST_STATELESS_TOKENS = 2048


class RefusedError(Exception):
    """Said to a peer as the reason why its call failed; it names nothing but the fault."""


class Service:
    """The calls of one node; `room` is how many tokens all sessions' caches may hold together, layer by layer."""

    def __init__(
        self,
        layers: Layers,
        prefix: str,
        membership: Membership,
        *,
        room: int,
        dtype: torch.dtype,
        device: str,
    ) -> None:
        self._layers, self._prefix, self._membership = layers, prefix, membership
        self._dtype, self._device = dtype, device
        self._computing = Computing(layers)
        self._p2p: P2P | None = None
        self._sessions: dict[str, Session] = {}
        # Counted in tokens of one layer, as announcements do.
        self._room = room * (layers.end - layers.start)
        self._used = 0

    @property
    def cache_tokens_left(self) -> int:
        """Room that is left, in tokens of one layer."""
        return self._room - self._used

    async def serve(self, p2p: P2P) -> None:
        """Answer calls that come to `p2p` from now on."""
        self._p2p = p2p
        own = p2p.peer_id.to_base58()
        self._lanes = Lanes(p2p, wire.dumps({"proof": self._membership.proof(own)}))
        await p2p.add_binary_stream_handler(wire.LANE, self.lane)
        request = wire.Request
        await p2p.add_protobuf_handler(
            wire.INFERENCE, self.inference, request, stream_input=True, stream_output=True
        )
        await p2p.add_protobuf_handler(wire.PUSH, self.push, request)
        await p2p.add_protobuf_handler(wire.FORWARD, self.forward, request)
        await p2p.add_protobuf_handler(wire.INFO, self.info, runtime_pb2.ExpertUID)

    async def close(self) -> None:
        """End; sessions that are open break off."""
        self._computing.close()
        if self._p2p is not None:
            await self._lanes.close()

    # Petals' calls.

    async def inference(
        self, requests: AsyncIterator[wire.Request], context: P2PContext
    ) -> AsyncIterator[wire.Response]:
        """rpc_inference: the steps of one session, with its caches for as long as the stream lasts."""
        async with asyncio.timeout(_IDLE_S):
            opening = await anext(requests, None)
        if opening is None:
            return
        metadata = self._admitted(opening, context)
        first, last = self._span(opening.uid)
        length = metadata.get("max_length")
        if not isinstance(length, int) or length < 1:
            raise RefusedError(f"max_length is {length!r}")
        rows = opening.tensors[0].size[0] if opening.tensors else 1
        name = metadata.get("session_id")
        with self._kept(first, last, length, rows, name if isinstance(name, str) else None) as kept:
            kept.arrived(opening, metadata)
            reading = asyncio.create_task(self._read(requests, kept))
            try:
                while (arrived := await kept.next(_IDLE_S)) is not None:
                    if not arrived.request.tensors:
                        # A stock client closes its end after this, and gets stuck where ours is gone before.
                        await asyncio.wait({reading}, timeout=_CLOSING_S)
                        return
                    if (response := await self._step(kept, arrived)) is not None:
                        yield response
                if kept.fault:
                    raise RefusedError(kept.fault)
            finally:
                reading.cancel()
                self._lanes.forget(kept.lost)

    async def lane(
        self, stream: StreamInfo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A stream of steps that the node before sends, of all sessions that go on here."""
        try:
            coming = messages(reader)
            hello = wire.loads(await anext(coming, b""))
            if not self._membership.admits(stream.peer_id.to_base58(), hello.get("proof")):
                return
            async for message in coming:
                request = wire.Request.FromString(message)
                metadata = wire.loads(request.metadata)
                try:
                    self._pushed(request, metadata)
                except ValueError:
                    self._sessions[metadata["session_id"]].ended()
        except (OSError, ValueError) as error:
            log.info("A stream of steps from %s ended: %s", stream.peer_id, error)
        finally:
            writer.close()

    async def push(self, request: wire.Request, context: P2PContext) -> wire.Response:
        """rpc_push: the node before sends a step's hidden states, for a stock client."""
        self._pushed(request, self._admitted(request, context))
        return wire.Response()

    def _pushed(self, request: wire.Request, metadata: dict[str, Any]) -> None:
        session = self._sessions.get(str(metadata.get("session_id")))
        # A session that has ended meanwhile is nobody's fault.
        if session is not None:
            session.arrived(request, metadata)

    async def forward(self, request: wire.Request, context: P2PContext) -> wire.Response:
        """rpc_forward: some layers' outputs, from which nothing is kept."""
        self._admitted(request, context)
        first, last = self._span(request.uid)
        states = wire.unpack(request.tensors[0]).to(self._dtype).to(self._device)
        if states.shape[0] * states.shape[1] > _MOST_STATELESS_TOKENS:
            raise RefusedError(
                f"{states.shape[0] * states.shape[1]} tokens are too many for one call"
            )
        with self._kept(first, last, states.shape[1], states.shape[0], None) as kept:
            after = await self._rows(kept, states, 0)
        return wire.Response(tensors=[_packed(after, "NONE")])

    async def info(self, request: Any, context: P2PContext) -> Any:
        """rpc_info: what tensors the node takes, and how much room it has."""
        told = {
            "version": wire.VERSION,
            "dht_client_mode": False,
            "cache_tokens_available": self.cache_tokens_left,
            **wire.schema(self._layers.shape.width, self._dtype),
        }
        return runtime_pb2.ExpertInfo(serialized_info=wire.dumps(told))

    # Steps.

    async def _read(self, requests: AsyncIterator[wire.Request], session: Session) -> None:
        """Hand on what the client sends; its leaving ends the session."""
        try:
            async for request in requests:
                session.arrived(request, wire.loads(request.metadata))
        finally:
            session.ended()

    async def _step(self, session: Session, arrived: Arrived) -> wire.Response | None:
        request, metadata = arrived.request, arrived.metadata
        if any(tensor.size and 0 not in tensor.size for tensor in request.tensors[1:]):
            raise RefusedError("deep prompts and beams are not served")
        states = wire.unpack(request.tensors[0]).to(self._dtype).to(self._device)
        if states.shape[0] != len(session.caches) or states.shape[2] != self._layers.shape.width:
            raise RefusedError(f"hidden states of the shape {tuple(states.shape)} do not fit")
        try:
            start = session.begin(metadata, states.shape[1])
        except ValueError as error:
            raise RefusedError(str(error)) from None
        after = await self._rows(session, states, start) if states.shape[1] else states
        further = metadata.get("next_servers") or ()
        if not further:
            want = metadata.get("want", "all")
            if want == "none":
                return None
            after = after[:, -1:] if want == "last" else after
        message = _packed(after, metadata.get("output_compression", "NONE"))
        if further:
            await self._push_on(message, request, metadata, session)
            if metadata.get("reply") == "last":
                return None
        return wire.Response(tensors=[message])

    async def _rows(self, session: Session, states: torch.Tensor, start: int) -> torch.Tensor:
        """The outputs [rows, tokens, width] of one step."""
        rows = [
            self._computing.compute(row, cache, start, session.first, session.last)
            for row, cache in zip(states, session.caches, strict=True)
        ]
        return torch.stack(await asyncio.gather(*rows))

    async def _push_on(
        self,
        message: wire.Tensor,
        request: wire.Request,
        metadata: dict[str, Any],
        session: Session,
    ) -> None:
        """Send a step's outputs to the node that has the next layers. Raises RefusedError."""
        assert self._p2p is not None  # noqa: S101 - a call has come over it
        peer, name, start, end = metadata["next_servers"][0]
        pushed = {
            **metadata,
            "session_id": name,
            "next_servers": metadata["next_servers"][1:],
            "pushed": True,
        }
        chain = metadata.get("reply") == "last"
        if not chain:
            pushed["proof"] = self._membership.proof(self._p2p.peer_id.to_base58())
        onward = wire.Request(
            uid=wire.uids(self._prefix, start, end),
            tensors=[message, *request.tensors[1:]],
            metadata=wire.dumps(pushed),
        )
        try:
            if chain:
                self._lanes.send(peer, onward.SerializeToString(), session.lost)
                return
            async with asyncio.timeout(_PUSH_S):
                await self._p2p.call_protobuf_handler(
                    PeerID.from_base58(peer), wire.PUSH, onward, wire.Response
                )
        except Exception as error:
            raise RefusedError(
                f"the node of the layers {start}:{end} could not be reached"
            ) from error

    # Who may, and what there is room for.

    def _admitted(self, request: wire.Request, context: P2PContext) -> dict[str, Any]:
        """The request's metadata, if it comes from a member. Raises RefusedError."""
        try:
            metadata = wire.loads(request.metadata)
        except ValueError as error:
            raise RefusedError(str(error)) from None
        if not self._membership.admits(context.remote_id.to_base58(), metadata.get("proof")):
            raise RefusedError("you do not belong to this swarm: a swarm key is needed")
        return metadata

    def _span(self, uid: str) -> tuple[int, int]:
        """The layers [first, last) that a request names. Raises RefusedError."""
        names = uid.split()
        numbers = [
            int(number)
            for prefix, _, number in (name.rpartition(".") for name in names)
            if prefix == self._prefix and number.isdecimal()
        ]
        layers = self._layers
        wanted = list(range(numbers[0], numbers[0] + len(names))) if numbers else []
        if (
            numbers != wanted
            or not wanted
            or numbers[0] < layers.start
            or numbers[-1] >= layers.end
        ):
            raise RefusedError(
                f"this node serves the layers {layers.start}:{layers.end} of {self._prefix}"
            )
        return numbers[0], numbers[-1] + 1

    @contextmanager
    def _kept(
        self, first: int, last: int, length: int, rows: int, name: str | None
    ) -> Iterator[Session]:
        """A session with its caches, which are free again when it ends. Raises CacheFullError."""
        cost = length * rows * (last - first)
        if cost > self.cache_tokens_left:
            raise CacheFullError(
                f"{length} tokens in {last - first} layers are more than this node has room for now."
            )
        if name is not None and name in self._sessions:
            raise RefusedError("a session of that name is open already")
        self._used += cost
        try:
            caches = [
                Cache(self._layers.shape, last - first, length, self._dtype, self._device)
                for _ in range(rows)
            ]
            session = Session(first, last, length, caches)
            if name is not None:
                self._sessions[name] = session
            yield session
        finally:
            self._used -= cost
            if name is not None:
                self._sessions.pop(name, None)


def _packed(states: torch.Tensor, compression: object) -> wire.Tensor:
    try:
        return wire.pack(states, compression)
    except ValueError as error:
        raise RefusedError(str(error)) from None
