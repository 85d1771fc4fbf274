"""What arrives for many streams is taken in rounds, each stream's in its order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from scripted import Client, ScriptedUpstream, StartAdapter, Turn, ask, chunk, usage

from backend_adapter.upstreams.rounds import Rounds

CHAT = "/v1/chat/completions"


class Stream:
    """A stream that gets bytes at once or in a round."""

    def __init__(self, rounds: Rounds) -> None:
        self.waiting = 0
        self.got: list[bytes] = []
        self._rounds = rounds

    def receive(self, data: bytes) -> None:
        self.got.append(data)

    def arrives(self, data: bytes, flowing: bool) -> None:
        if self.waiting or (flowing and self._rounds.many):
            self._rounds.put_off(self, data)
        else:
            self.receive(data)


def flowing(rounds: Rounds, wanted: int, now: int) -> int:
    """Have so many streams flow, after `now` did."""
    for _ in range(now, wanted):
        rounds.begins()
    for _ in range(wanted, now):
        rounds.ends()
    return wanted


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("data"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("streams"), st.sampled_from([0, 15, 16, 40]), st.none()),
        st.tuples(st.just("round"), st.none(), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_piece_is_lost_or_overtaken_however_many_streams_come_and_go(steps):
    async def play() -> None:
        rounds = Rounds()
        streams = [Stream(rounds) for _ in range(4)]
        sent: list[list[bytes]] = [[] for _ in streams]
        count = 0
        for what, value, flows in steps:
            if what == "data":
                data = str(len(sent[value])).encode()
                sent[value].append(data)
                streams[value].arrives(data, flows)
            elif what == "streams":
                count = flowing(rounds, value, count)
            else:
                rounds.go()
        rounds.go()
        assert [stream.got for stream in streams] == sent
        assert all(stream.waiting == 0 for stream in streams)

    asyncio.run(play())


async def test_with_few_streams_nothing_waits():
    rounds = Rounds()
    flowing(rounds, 3, 0)
    stream = Stream(rounds)
    stream.arrives(b"now", True)
    assert stream.got == [b"now"]


async def test_a_round_comes_by_itself():
    rounds = Rounds()
    flowing(rounds, 100, 0)
    stream = Stream(rounds)
    stream.arrives(b"a", True)
    stream.arrives(b"b", False)
    assert stream.got == []
    async with asyncio.timeout(10):
        while len(stream.got) < 2:
            await asyncio.sleep(0)
    assert stream.got == [b"a", b"b"]


async def test_many_streams_at_once_each_get_their_own_words_and_their_end(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    """Forty streams, every other one cut off by the upstream: what came before the cut is there."""
    words = [f" w{number}" for number in range(30)]

    async def script(turn: Turn) -> None:
        name = turn.body["messages"][0]["content"]
        for word in words:
            await turn.send(chunk({"content": f"{name}{word}"}))
            await asyncio.sleep(0.005)
        if int(name) % 2:
            turn.cut()
            await asyncio.Event().wait()
        await turn.send(chunk(finish="stop"), usage(1, 30), "[DONE]")

    upstream.script = script
    adapter = start_adapter(upstream)
    replies = await asyncio.gather(
        *(client.post(adapter, CHAT, ask(str(number), stream=True)) for number in range(40))
    )
    for number, reply in enumerate(replies):
        said = "".join(delta.get("content", "") for delta in reply.deltas)
        whole = "".join(f"{number}{word}" for word in words)
        assert said == whole
        assert (reply.frames[-1] == "[DONE]") is (number % 2 == 0)
