"""Whether answers stay the same when values leave the site under other names.

    python -m benchmarks.egress.utility --json

A hundred questions over the example site are asked twice, each with what a tool of the site found for it: through
an adapter whose upstream is the site's own, to which all goes as it is, and through one whose upstream, the same,
counts as anybody's. Both know the town's citizens and employees from lists. Upstreams: the embedded SmolLM2
(temperature 0) and a program that answers from what it is told (`oracle`).
"""

import argparse
import csv
import http.client
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.egress.adapters import KEY, adapter
from benchmarks.egress.recorder import MODEL, recording
from benchmarks.egress.utility.oracle import answer
from benchmarks.egress.utility.questions import Question, known_values, questions
from benchmarks.site import Endpoint, running_site
from hoheit.progress import Progress

_SEED = 20261127
_EMBEDDED = "smollm2-135m"
_TOKENS = 48
_ALL = 100


def _ask(port: int, model: str, question: Question, chat: str) -> str:
    """The answer; what the adapter refuses to send is an answer of its own."""
    function = {"name": "query", "arguments": '{"sql": "…"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    body = {
        "model": model,
        "temperature": 0,
        "max_tokens": _TOKENS,
        "messages": [
            {"role": "user", "content": question.text},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": question.result},
        ],
    }
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "X-OpenWebUI-Chat-Id": chat,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        reply = connection.getresponse()
        said = json.loads(reply.read())
    finally:
        connection.close()
    if reply.status != 200:
        return f"[{reply.status}] {said}"
    return " ".join(str(said["choices"][0]["message"]["content"]).split())


def _lists(folder: Path) -> list[dict[str, str]]:
    dictionaries = []
    for kind, values in known_values().items():
        path = folder / f"{kind}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("value",), *((value,) for value in values)])
        dictionaries.append({"path": str(path), "column": "value", "kind": kind})
    return dictionaries


def _compared(
    upstream: Endpoint, model: str, asked: Sequence[Question], folder: Path
) -> dict[str, Any]:
    dictionaries = _lists(folder)
    answers: list[tuple[str, str, Question]] = []
    with (
        adapter(folder / "site", upstream, model, "site", dictionaries) as bare,
        adapter(folder / "public", upstream, model, "public", dictionaries) as guarded,
        Progress().step(f"asking {model}") as step,
    ):
        for number, question in enumerate(asked, start=1):
            step.update(f"question {number} of {len(asked)}")
            chat = f"chat-{number}"
            without = _ask(bare, model, question, chat)
            answers.append((without, _ask(guarded, model, question, chat), question))
    equal = [without == guarded_answer for without, guarded_answer, _ in answers]
    return {
        "equal": round(sum(equal) / len(equal), 4),
        "right_without": round(sum(_right(each, q) for each, _, q in answers) / len(answers), 4),
        "right_with": round(sum(_right(each, q) for _, each, q in answers) / len(answers), 4),
        "unequal": [
            {"question": q.text, "without": without, "with": guarded_answer}
            for without, guarded_answer, q in answers
            if without != guarded_answer
        ],
    }


def _right(said: str, question: Question) -> bool:
    return all(text in said for text in question.expected)


@contextmanager
def _oracle() -> Iterator[Endpoint]:
    with recording(answer) as recorder:
        yield Endpoint(f"http://127.0.0.1:{recorder.port}/v1", "none")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.egress.utility",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--questions", type=int, default=_ALL, help=f"of {_ALL} about so many, spread evenly"
    )
    parser.add_argument("--only", choices=("oracle", "embedded"), help="only this upstream")
    parser.add_argument("--unequal", action="store_true", help="tell the answers that differ")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line"
    )
    options = parser.parse_args(arguments)
    asked = questions(_ALL, _SEED)[:: max(1, _ALL // options.questions)]
    found: dict[str, Any] = {"questions": len(asked)}
    with tempfile.TemporaryDirectory(prefix="hoheit-utility-") as name:
        folder = Path(name)
        if options.only != "embedded":
            with _oracle() as upstream:
                found["oracle"] = _compared(upstream, MODEL, asked, folder)
        if options.only != "oracle":
            with running_site() as site:
                found["embedded"] = _compared(site.engine, _EMBEDDED, asked, folder)
    for figures in found.values():
        if isinstance(figures, dict) and not options.unequal:
            figures["unequal"] = len(figures["unequal"])
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for name, figures in found.items():
        print(f"{name}: {figures}")


if __name__ == "__main__":
    main()
