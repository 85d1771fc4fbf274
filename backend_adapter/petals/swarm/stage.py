"""One node's part of a conversation: a stream of Petals' rpc_inference, whose end is noticed at once.

hivemind's own stream call waits for its request writer when the answers end early, so a node that died is noticed
only by a timeout; here the reader alone says how the stream stands.
"""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from hivemind.p2p import P2P, PeerID
from hivemind.p2p.p2p_daemon import RPCError

from backend_adapter.petals import wire
from backend_adapter.petals.spans import Span

Kind = Literal["closed", "refused", "hung", "lied", "rewound"]
Want = Literal["all", "last"]
# Of one answer; more is nobody's hidden states.
_MOST_BYTES = 256 * 2**20


class StageFault(Exception):  # noqa: N818 - what is seen of a node, for the session to judge
    """A node's stream is of no more use; `kind` says what was seen, the text what the node said."""

    def __init__(self, span: Span, kind: Kind, text: str = "") -> None:
        name = span.name or span.peer
        super().__init__(f"the node {name} (layers {span.start}:{span.end}) {kind}: {text}")
        self.span, self.kind, self.text = span, kind, text


@dataclass
class Traffic:
    """What crossed the client's network: bytes of messages, and how often an answer was waited for."""

    bytes_sent: int = 0
    bytes_received: int = 0
    round_trips: int = 0


@dataclass(frozen=True)
class Conditions:
    """What all stages of a session have in common; `max_tokens` is the room asked for, `width` that of a state."""

    prefix: str
    proof: str
    compression: str
    width: int
    max_tokens: int
    timeout_s: float


@dataclass(eq=False)
class Reply:
    """An answer that is to come: the states of so many tokens, or of the last; `maybe_void` if maybe of none."""

    tokens: int
    want: Want
    future: asyncio.Future[torch.Tensor]
    maybe_void: bool = False


class Stage:
    """An open stream to the node of `span`.

    `held` tokens are certainly in its caches; `sent` is where the last step ended that the client itself gave it.
    """

    def __init__(
        self,
        span: Span,
        conditions: Conditions,
        traffic: Traffic,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.span = span
        self.held = 0
        self.sent = 0
        self.session_id = str(uuid.uuid4())
        self.broken: asyncio.Future[StageFault] = asyncio.get_running_loop().create_future()
        self._conditions, self._traffic, self._writer = conditions, traffic, writer
        self._uid = wire.uids(conditions.prefix, span.start, span.end)
        self._replies: deque[Reply] = deque()
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, p2p: P2P, span: Span, conditions: Conditions, traffic: Traffic) -> "Stage":
        """Have the node reserve its caches. Raises StageFault."""
        try:
            async with asyncio.timeout(conditions.timeout_s):
                _, reader, writer = await p2p.call_binary_stream_handler(
                    PeerID.from_base58(span.peer), wire.INFERENCE
                )
        except TimeoutError:
            raise StageFault(span, "hung", "it cannot be connected to in time") from None
        except Exception as error:
            raise StageFault(span, "closed", f"it cannot be connected to: {error}") from error
        stage = cls(span, conditions, traffic, reader, writer)
        try:
            # No tokens at all: the answer says that there is room.
            reply = stage.send(
                torch.empty(0, conditions.width),
                "all",
                {
                    "max_length": conditions.max_tokens,
                    "session_id": stage.session_id,
                    "proof": conditions.proof,
                },
            )
            await stage.answer(reply, conditions.timeout_s)
        except BaseException:
            stage.close()
            raise
        return stage

    @property
    def rolls_back(self) -> bool:
        """Whether it forgets tokens when told to."""
        return wire.ROLLBACK in self.span.features

    def send(self, states: torch.Tensor, want: Want, metadata: Mapping[str, object]) -> Reply:
        """Send a step whose answer comes from this stage. Raises StageFault where the stream has ended."""
        reply = self.expect(states.shape[0], want)
        self.post(states, {**metadata, "want": want})
        return reply

    def expect(self, tokens: int, want: Want) -> Reply:
        """An answer that will come here, whoever sends the step."""
        reply = Reply(tokens, want, asyncio.get_running_loop().create_future())
        self._replies.append(reply)
        return reply

    def post(self, states: torch.Tensor, metadata: Mapping[str, object]) -> None:
        """Send a step. Raises StageFault where the stream has ended."""
        if self.broken.done():
            raise self.broken.result()
        compression = self._conditions.compression
        said = {
            "step_id": str(uuid.uuid4()),
            "output_compression": compression,
            **metadata,
        }
        raw = wire.Request(
            uid=self._uid,
            tensors=[wire.pack(states[None], compression), *wire.no_prompts()],
            metadata=wire.dumps(said),
        ).SerializeToString()
        # At one go, so that whoever is cancelled leaves no half of a message behind.
        self._writer.write(
            P2P.MESSAGE_MARKER + len(raw).to_bytes(P2P.HEADER_LEN, P2P.BYTEORDER) + raw
        )
        self._traffic.bytes_sent += len(raw)

    def void(self, step_id: str, *, answers: bool) -> None:
        """If the step that another node was to push has not come, it comes now, without tokens.

        Whichever of the two is second is dropped by the node, so exactly one is answered.
        """
        for reply in self._replies:
            reply.maybe_void = True
        with contextlib.suppress(StageFault):
            self.post(
                torch.empty(0, self._conditions.width),
                {"step_id": step_id, "want": "all" if answers else "none"},
            )

    async def answer(
        self, reply: Reply, timeout_s: float, beside: Sequence["Stage"] = ()
    ) -> torch.Tensor:
        """The states [tokens or 1, width] of a step.

        Raises StageFault where this stream, or one of those beside it that the step depends on, ends, or after the
        timeout.
        """
        stages = [self, *beside]
        self._traffic.round_trips += 1
        await asyncio.wait(
            {reply.future, *(each.broken for each in stages)},
            timeout=timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if reply.future.done() and not reply.future.cancelled():
            return reply.future.result()
        for stage in stages:
            if stage.broken.done():
                raise stage.broken.result()
        raise StageFault(self.span, "hung", f"no answer within {timeout_s:.1f} s")

    def close(self) -> None:
        """End the stream; the node frees its caches."""
        self._reading.cancel()
        self._writer.close()
        self._fail(StageFault(self.span, "closed", "by the client"))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                self._arrived(await self._message(reader))
        except StageFault as fault:
            self._fail(fault)
        except (asyncio.IncompleteReadError, OSError):
            self._fail(StageFault(self.span, "closed", "its stream ended"))
        finally:
            self._writer.close()

    async def _message(self, reader: asyncio.StreamReader) -> wire.Response:
        marker = await reader.readexactly(1)
        length = int.from_bytes(await reader.readexactly(P2P.HEADER_LEN), P2P.BYTEORDER)
        if length > _MOST_BYTES:
            raise StageFault(self.span, "lied", f"an answer of {length} bytes")
        raw = await reader.readexactly(length)
        self._traffic.bytes_received += length
        if marker == P2P.ERROR_MARKER:
            raise StageFault(self.span, "refused", RPCError.FromString(raw).message[:500])
        return wire.Response.FromString(raw)

    def _arrived(self, response: wire.Response) -> None:
        if not self._replies:
            raise StageFault(self.span, "lied", "an answer that nobody asked for")
        reply = self._replies.popleft()
        try:
            states = wire.unpack(response.tensors[0]).float()
        except Exception as error:
            self._replies.appendleft(reply)
            raise StageFault(self.span, "lied", f"an unreadable answer: {error}") from error
        if not reply.future.done():
            try:
                reply.future.set_result(self._checked(reply, states))
            except StageFault:
                self._replies.appendleft(reply)
                raise

    def _checked(self, reply: Reply, states: torch.Tensor) -> torch.Tensor:
        expected = {reply.tokens, 1} if reply.want == "last" else {reply.tokens}
        if reply.maybe_void:
            expected.add(0)
        rows, tokens, width = states.shape
        if rows != 1 or tokens not in expected or (tokens and width != self._conditions.width):
            raise StageFault(self.span, "lied", f"hidden states of the shape {tuple(states.shape)}")
        if not torch.isfinite(states).all():
            raise StageFault(self.span, "lied", "hidden states that are no numbers")
        return states[0, -1:] if reply.want == "last" else states[0]

    def _fail(self, fault: StageFault) -> None:
        if not self.broken.done():
            self.broken.set_result(fault)
        while self._replies:
            self._replies.popleft().future.cancel()
