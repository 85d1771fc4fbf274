"""Whether an answer is what it should be: all of it, once, and nothing else."""

import json
import re
from typing import Literal, TypeAlias

from benchmarks.faults.client import Answer
from benchmarks.faults.model import TOOL, WHOLE, Place, pattern

Expected: TypeAlias = Literal["whole", "error", "refused"]

_M = WHOLE.marks
# Where the three parts of a whole answer lie among its tokens, without the marks around them.
_REASONING = (_M["reasoning"], _M["text"] - 1)
_TEXT = (_M["text"], _M["call"] - 2)
_CALL = (_M["call"], _M["end"] - 2)


def expected_text(part: tuple[int, int]) -> str:
    """What greedy decoding says there."""
    return b"".join(position[0] for position in WHOLE.positions[slice(*part)]).decode()


GREEDY = (expected_text(_REASONING), expected_text(_TEXT), expected_text(_CALL))
_PATTERNS = tuple(pattern(WHOLE, *part) for part in (_REASONING, _TEXT, _CALL))
# Tokens of the answer: all but its end are said, and its end counts too.
_LENGTH = len(WHOLE.positions)


def faults_of_whole(
    answer: Answer, undisturbed: Answer, *, greedy: bool, way: str, noted: bool
) -> list[str]:
    """What is wrong with an answer that should be whole; `way` is how it was gone on with."""
    wrong: list[str] = []
    if answer.error or answer.status != 200:
        return [f"an error instead of an answer: {answer.error}"]
    [[name, arguments], *others] = list(answer.calls.values()) or [["", ""]]
    parts = (answer.reasoning, answer.text, arguments)
    for what, part, right, regular in zip(
        ("reasoning", "text", "arguments"), parts, GREEDY, _PATTERNS, strict=True
    ):
        if greedy and part != right:
            wrong.append(f"{what}: {_difference(part, right)}")
        elif not greedy and not regular.fullmatch(part.encode()):
            wrong.append(f"{what} is none of the right ones: {part!r}")
    if others or name != TOOL or len(answer.call_ids) != 1:
        wrong.append(f"calls: {name!r} and {len(others)} more, ids {answer.call_ids}")
    if greedy and json.loads(GREEDY[2]) != _parsed(arguments):
        wrong.append("the arguments are no longer the same object")
    for what, seen, right_count in (
        ("ids", len(answer.ids), 1),
        ("[DONE]", answer.done, 1),
        ("usages", len(answer.usages), 1),
    ):
        if seen != right_count:
            wrong.append(f"{seen} {what}")
    if answer.finishes != ["tool_calls"]:
        wrong.append(f"finish reasons {answer.finishes}")
    if not answer.ended:
        wrong.append("the connection broke")
    wrong += _usage_faults(answer, undisturbed, way)
    wrong += _note_faults(answer, noted)
    return wrong


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _difference(seen: str, right: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(seen, right, strict=False)) if a != b), None)
    if at is None:
        at = min(len(seen), len(right))
    return f"{seen[at : at + 24]!r} instead of {right[at : at + 24]!r} at character {at}"


# Tokens that an adapter without token ids cannot see: marks of thinking and calls, halves of characters.
_UNSEEN = 12


def _usage_faults(answer: Answer, undisturbed: Answer, way: str) -> list[str]:
    if not answer.usages:
        return []
    seen, right = answer.usages[-1], undisturbed.usages[-1]
    exact = way in ("", "tokens", "replay")
    if exact and seen != right:
        return [f"usage {seen} instead of {right}"]
    counted, whole = seen["completion_tokens"], right["completion_tokens"]
    if abs(counted - whole) > _UNSEEN:
        return [f"{counted} completion tokens instead of about {whole}"]
    return []


def _note_faults(answer: Answer, noted: bool) -> list[str]:
    notes = [*answer.statuses, *(each for each in answer.comments if each != "keep-alive")]
    if noted and not notes:
        return ["no note tells that another replica went on"]
    if not noted and notes:
        return [f"a note though nothing happened: {notes}"]
    return []


def faults_of_error(answer: Answer, place: Place) -> list[str]:
    """What is wrong with an answer that nobody could go on with: its error keeps what there was."""
    wrong: list[str] = []
    if answer.error is None or set(answer.error) != {"message", "type", "param", "code"}:
        wrong.append(f"no error of OpenAI's form: {answer.error}")
    if answer.done or answer.finishes:
        wrong.append(f"{answer.done} [DONE] and finish reasons {answer.finishes} after an error")
    if not answer.ended:
        wrong.append("the connection broke")
    if answer.place != place:
        wrong.append(f"the text so far is not kept: it ends in {answer.place}")
    arguments = answer.calls[0][1] if answer.calls else ""
    for part, bounds in ((answer.reasoning, _REASONING), (answer.text, _TEXT), (arguments, _CALL)):
        if not _begins(part.encode(), bounds):
            wrong.append(f"{part!r} is no beginning of a right answer")
    return wrong


def _begins(part: bytes, bounds: tuple[int, int]) -> bool:
    """Whether some right text of these positions begins so."""
    lengths = range(bounds[0], bounds[1] + 1)
    return any(
        (found := re.match(pattern(WHOLE, bounds[0], end), part)) and found.end() == len(part)
        for end in lengths
    ) or _ends_within(part, bounds)


def _ends_within(part: bytes, bounds: tuple[int, int]) -> bool:
    """The same where the text ends within a token, because a comma of arguments waits for more."""
    for end in range(bounds[0], bounds[1]):
        found = pattern(WHOLE, bounds[0], end).match(part)
        if found is None:
            continue
        rest = part[found.end() :]
        if any(token.startswith(rest) for token in WHOLE.positions[end]):
            return True
    return False
