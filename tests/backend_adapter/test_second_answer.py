"""An answer whose call could not be used is followed by another one, which does not go on in the middle of it."""

from collections.abc import Iterable
from typing import Any, cast

import pytest

from backend_adapter.api.parts import Parts
from backend_adapter.chat.events import BrokenCall, Event, Failure, Finish, Part, Reasoning, Text
from backend_adapter.routing.answering import Answering
from backend_adapter.routing.continuation import Ask


class Scripted:
    """Gives its events one by one."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = list(events)

    async def read(self) -> list[Event]:
        return [self._events.pop(0)] if self._events else []

    def follow(self, before: Any) -> None:
        """Nothing is taken over from the answer before."""

    async def close(self) -> None:
        self._events.clear()


async def said(first: list[Event], second: list[Event]) -> list[Part]:
    broken = Failure("no JSON", broken_call=BrokenCall(0, "c1", "look_up", "{", "it ends"))
    answers = iter([Scripted([*first, broken]), Scripted([*second, Finish("stop")])])
    ask = Ask("chat/completions", "m", {"tools": [], "messages": []})
    parts = Parts(ask, lambda _: cast(Answering, next(answers)), list)
    got = list[Part]()
    while more := await parts.read():
        got += more
    return got


@pytest.mark.parametrize("kind", [Text, Reasoning])
async def test_half_a_link_of_each_is_no_link(kind: type[Text] | type[Reasoning]) -> None:
    got = await said([kind("![x]")], [kind("(http://evil"), kind(".example)")])
    assert [each.text for each in got if isinstance(each, kind)] == [
        "![x]",
        "\n\n(http://evil",
        ".example)",
    ]


async def test_an_answer_after_a_call_alone_begins_as_it_is() -> None:
    got = await said([], [Reasoning("So"), Text("Yes")])
    assert got == [Reasoning("So"), Text("Yes"), Finish("stop")]
