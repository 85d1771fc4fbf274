"""A client of the adapter that reads an answer as any program does, and keeps all that it sees."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.faults.model import TOOL, Place
from benchmarks.faults.processes import ADMIN_KEY, KEY

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": TOOL,
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["query"],
            },
        },
    }
]
_READY_S = 20


@dataclass
class Answer:
    """What a client has in the end."""

    status: int = 200
    reasoning: str = ""
    text: str = ""
    # By index: name and arguments.
    calls: dict[int, list[str]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    call_ids: list[str] = field(default_factory=list)
    finishes: list[str] = field(default_factory=list)
    usages: list[dict[str, int]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    done: int = 0
    comments: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    # Whether the connection ended as HTTP says.
    ended: bool = False

    @property
    def place(self) -> Place:
        """How far it has come."""
        if self.finishes:
            return "end"
        if any(arguments for _, arguments in self.calls.values()):
            return "call"
        return "text" if self.text else "reasoning" if self.reasoning else "before"

    def take(self, event: str) -> None:
        """Take in one event of the stream."""
        if event.startswith(":"):
            self.comments.append(event[1:].strip())
            return
        data = event.removeprefix("data: ")
        if data == "[DONE]":
            self.done += 1
            return
        frame = json.loads(data)
        if "error" in frame:
            self.error = frame["error"]
        elif "event" in frame:
            self.statuses.append(frame["event"]["data"]["description"])
        else:
            self._chunk(frame)

    def _chunk(self, frame: dict[str, Any]) -> None:
        self.ids.add(frame["id"])
        if usage := frame.get("usage"):
            self.usages.append(usage)
        for choice in frame["choices"]:
            delta = choice["delta"]
            self.text += delta.get("content") or ""
            self.reasoning += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                known = self.calls.setdefault(call["index"], ["", ""])
                known[0] += call["function"].get("name") or ""
                known[1] += call["function"]["arguments"]
                if call.get("id"):
                    self.call_ids.append(call["id"])
            if choice["finish_reason"]:
                self.finishes.append(choice["finish_reason"])


class Client:
    """Asks the adapter at `url`, as a client and as an operator."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self,
        model: str,
        question: str,
        *,
        greedy: bool,
        open_webui: bool = False,
        heard: Callable[[Place], None] = lambda place: None,
    ) -> Answer:
        """One chat, streamed; `heard` is told each time how far the answer has come."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "tools": _TOOLS,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0 if greedy else 1,
        }
        headers = {"Authorization": f"Bearer {KEY}"}
        if open_webui:
            headers["X-Hoheit-Chat-Id"] = question
        answer = Answer()
        url = f"{self._url}/v1/chat/completions"
        async with self._session.post(url, json=body, headers=headers) as response:
            answer.status = response.status
            if response.status != 200:
                answer.error = (await response.json())["error"]
                return answer
            left = b""
            async for piece in response.content.iter_any():
                *events, left = (left + piece).split(b"\n\n")
                for event in events:
                    answer.take(event.decode())
                heard(answer.place)
            answer.ended = not left
        return answer

    async def add(self, name: str, url: str, engine: str) -> None:
        """Add an upstream."""
        await self._operate("POST", "", {"name": name, "base_url": url, "engine": engine})

    async def remove(self, name: str) -> None:
        """Take an upstream out."""
        await self._operate("DELETE", f"/{name}")

    async def failures(self, name: str) -> int:
        """How many requests have failed at an upstream."""
        upstreams = (await self._operate("GET", ""))["upstreams"]
        [found] = [each for each in upstreams if each["name"] == name]
        return sum(int(replica["failures"]) for replica in found["replicas"])

    async def ready(self, *names: str) -> None:
        """Wait until these upstreams can answer. Raises TimeoutError."""
        async with asyncio.timeout(_READY_S):
            while True:
                async with self._session.get(f"{self._url}/ready") as response:
                    upstreams = (await response.json())["upstreams"]
                if all(upstreams.get(name) == "ready" for name in names):
                    return
                await asyncio.sleep(0.02)

    async def _operate(self, method: str, path: str, body: object = None) -> Any:
        url = f"{self._url}/v1/topology{path}"
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with self._session.request(method, url, json=body, headers=headers) as response:
            response.raise_for_status()
            return await response.json()
