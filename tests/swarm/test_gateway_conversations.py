"""Which kept session an answer goes on with, and that text comes whole whatever the rounds were."""

import asyncio
from typing import Any

import pytest
from gateway_parts import END, TURN, Script, Session, gateway
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.petals.errors import CacheFullError
from backend_adapter.petals.gateway.conversations import (
    Conversation,
    Conversations,
    common_prefix,
    reusable,
)
from backend_adapter.petals.gateway.engine import Engine, Job, Piece
from backend_adapter.petals.gateway.parts import crowded
from backend_adapter.petals.gateway.spelling import Spelling
from backend_adapter.petals.spans import Span, SwarmState

_TOKENS = st.lists(st.integers(0, 2), max_size=40)


def job(prompt: bytes, **more: Any) -> Job:
    return Job(prompt=(TURN, *prompt, TURN), max_tokens=more.pop("max_tokens", 40), **more)


async def answered(engine: Engine, asked: Job) -> list[Piece]:
    return [piece async for piece in engine.answer(asked)]


def engine(script: Script, **changed: Any) -> Engine:
    parts = gateway(script, **changed).parts
    assert parts is not None
    return parts.engine


def said(pieces: list[Piece]) -> list[int]:
    return [token.id for piece in pieces for token in piece.tokens]


@given(_TOKENS, _TOKENS)
def test_the_common_prefix_is_the_longest(one: list[int], other: list[int]) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


@given(_TOKENS, st.lists(st.integers(0, 2), min_size=1, max_size=40), st.booleans())
def test_what_is_reused_is_in_the_prompt_and_leaves_a_token_to_send(
    held: list[int], prompt: list[int], rolls_back: bool
) -> None:
    session = Session(64)
    session.rolls_back, session.position = rolls_back, len(held)
    common = reusable(Conversation(session, 64, held), prompt, 64)
    assert held[:common] == prompt[:common]
    assert common < len(prompt)
    assert rolls_back or common in (0, session.position)
    assert reusable(Conversation(session, 64, held), prompt, 65) == 0


def test_the_next_turn_sends_only_what_is_new() -> None:
    async def talk() -> None:
        script = Script(rounds=(1, 3, 2))
        generated = engine(script)
        first = job(b"Hi")
        answer = said(await answered(generated, first))
        known = script.sessions[0].position
        assert known >= len(first.prompt) + len(answer) - 3
        script.sessions[0].sent.clear()
        follow = Job(prompt=(*first.prompt, *answer, TURN, *b"More", TURN), max_tokens=20)
        pieces = await answered(generated, follow)
        assert len(script.sessions) == 1
        assert script.sessions[0].sent[0] == (known, len(follow.prompt) - known)
        assert {piece.cached for piece in pieces} == {known}

    asyncio.run(talk())


def test_an_answer_generated_once_more_sends_one_token_of_its_prompt() -> None:
    async def talk() -> None:
        script = Script()
        generated = engine(script)
        one = said(await answered(generated, job(b"Hi")))
        assert said(await answered(generated, job(b"Hi"))) == one
        assert len(script.sessions) == 1
        assert (len(job(b"Hi").prompt) - 1, 1) in script.sessions[0].sent

    asyncio.run(talk())


def test_another_chat_with_the_same_instructions_takes_nobodys_session() -> None:
    async def talk() -> None:
        script = Script()
        generated = engine(script)
        await answered(generated, job(b"Be kind. " + b"one " * 20))
        await answered(generated, job(b"Be kind. " + b"two " * 20))
        assert len(script.sessions) == 2
        assert generated.conversations.kept == 2

    asyncio.run(talk())


def test_a_session_in_use_is_not_shared() -> None:
    async def talk() -> None:
        script = Script(pause_s=0.001)
        generated = engine(script)
        both = await asyncio.gather(*(answered(generated, job(b"Hi")) for _ in range(2)))
        assert said(both[0]) == said(both[1])
        assert len(script.sessions) == 2

    asyncio.run(talk())


def test_the_least_recently_used_goes_first_and_all_go_with_age() -> None:
    async def talk() -> None:
        script = Script()
        generated = engine(script, kept_sessions=2, keep_session_s=0.05)
        for name in (b"a" * 9, b"b" * 9, b"c" * 9):
            await answered(generated, job(name))
        assert [each.closed for each in script.sessions] == [True, False, False]
        await generated.conversations.expire()
        assert generated.conversations.kept == 2
        await asyncio.sleep(0.06)
        await generated.conversations.expire()
        assert all(each.closed for each in script.sessions)

    asyncio.run(talk())


def full_unless(script: Script, most: int) -> None:
    """Nodes that have room for so many sessions at a time."""

    class Failing(dict[int, Exception]):
        def get(self, rounds: int, default: Any = None) -> Any:
            open_now = sum(not each.closed for each in script.sessions)
            return CacheFullError("No room.") if rounds == 0 and open_now > most else None

    script.failing = Failing()


@pytest.fixture(autouse=True)
def prompt_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend_adapter.petals.gateway.conversations._FREED_S", 0.0)


def test_where_the_nodes_have_no_room_a_kept_conversation_makes_some() -> None:
    async def talk() -> None:
        script = Script()
        full_unless(script, 2)
        generated = engine(script)
        for name in (b"a" * 9, b"b" * 9, b"c" * 9):
            assert said(await answered(generated, job(name)))
        # The third was tried with both others kept, and in vain.
        assert [each.closed for each in script.sessions] == [True, False, True, False]

    asyncio.run(talk())


def test_where_nothing_is_kept_an_answer_waits_for_another_to_end() -> None:
    async def talk() -> None:
        script = Script(pause_s=0.002)
        full_unless(script, 1)
        generated = engine(script, recover_s=5)
        both = await asyncio.gather(*(answered(generated, job(name)) for name in (b"a", b"b")))
        assert said(both[0]) == said(both[1])
        assert generated.conversations.taken == 0

    asyncio.run(talk())


def test_who_has_waited_long_enough_for_room_is_told() -> None:
    async def talk() -> None:
        script = Script()
        full_unless(script, 0)
        generated = engine(script, recover_s=0.05)
        with pytest.raises(CacheFullError):
            await answered(generated, job(b"Hi"))
        script.pause_s = 1.0
        full_unless(script, 1)
        first = asyncio.create_task(answered(generated, job(b"Hi")))
        await asyncio.sleep(0.02)
        with pytest.raises(CacheFullError):
            await answered(generated, job(b"More"))
        first.cancel()
        await asyncio.wait([first])
        assert all(each.closed for each in script.sessions)
        assert generated.conversations.taken == 0

    asyncio.run(talk())


def test_a_session_that_cannot_go_back_is_kept_only_for_what_follows() -> None:
    async def talk() -> None:
        sessions: list[Session] = []

        def opened(room: int) -> Session:
            sessions.append(Session(room))
            sessions[-1].rolls_back = False
            return sessions[-1]

        kept = Conversations(opened, most=4, keep_s=10, largest=512)
        taken = kept.take([1, 2, 3], 100)
        sessions[0].position = 4
        await kept.give_back(taken, [1, 2, 3, 4, 5])
        assert kept.take([1, 2, 3, 4, 9], 100).session is sessions[0]
        taken = kept.take([1, 2, 3], 100)
        sessions[1].position = 5
        await kept.give_back(taken, [1, 2, 3, 4, 5])
        assert sessions[1].closed

    asyncio.run(talk())


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_text_ends_where_the_first_stop_stands_and_is_whole_until_there(
    text: str, stops: list[str]
) -> None:
    data = text.encode("utf-8", errors="ignore")
    text = data.decode()
    spelling = Spelling(lambda ids: bytes(ids).decode(errors="replace"), stops)
    shown = ""
    for byte in data:
        shown += spelling.add(byte)
        if spelling.stopped:
            break
        assert text.startswith(shown)
    shown += spelling.end()
    # The answer ends with the character that completes a stop: the first to be complete.
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    before = text[: min(ends)] if ends else text
    places = [before.find(stop) for stop in stops if stop in before]
    assert shown == (before[: min(places)] if places else text)


def test_the_end_of_a_turn_is_counted_and_not_shown() -> None:
    pieces = asyncio.run(answered(engine(Script(text="ja")), job(b"?")))
    assert "".join(piece.text for piece in pieces) == "ja"
    assert said(pieces) == [*b"ja", END]
    assert pieces[-1].finish == "stop"


def test_what_drafts_left_in_the_caches_is_not_counted_on() -> None:
    async def talk() -> None:
        kept = Conversations(Session, most=4, keep_s=10, largest=512)
        taken = kept.take([1, 2, 3], 100)
        # Two drafts behind the third token were wrong: where the fifth belongs, another one is cached.
        taken.session.position = 6  # type: ignore[misc]
        await kept.give_back(taken, [1, 2, 3, 4, 5])
        assert taken.tokens == [1, 2, 3, 4]
        assert kept.take([1, 2, 3, 4, 5, 6, 7], 100).common == 4

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("left", "full"),
    [((600, 600), False), ((600, 90), False), ((90, 600), True), ((None, 9), False)],
)
def test_nodes_are_crowded_where_a_layer_has_no_room_for_one_more(
    left: tuple[int | None, int], full: bool
) -> None:
    # Counted in tokens of one layer, of which the spans have three and one.
    spans = (
        Span("a", 0, 3, cache_tokens_left=left[0]),
        Span("b", 2, 3, cache_tokens_left=left[1]),
        Span("away", 0, 3, "offline", cache_tokens_left=9000),
    )
    assert crowded(SwarmState(4, spans), 100) is full


def test_crowded_nodes_are_freed_of_what_is_only_kept() -> None:
    async def talk() -> None:
        script = Script()
        generated = engine(script)
        for name in (b"a" * 9, b"b" * 9):
            await answered(generated, job(name))
        expiring = asyncio.create_task(
            generated.expire(lambda: generated.conversations.kept > 1, 0.01)
        )
        await asyncio.sleep(0.1)
        expiring.cancel()
        assert [each.closed for each in script.sessions] == [True, False]

    asyncio.run(talk())
