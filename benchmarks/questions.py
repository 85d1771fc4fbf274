"""Whether the embedded model finds the facts of the example site, with the files tool and without it.

    python -m benchmarks.questions --json

Asks every document question of examples/site/questions.toml as Open WebUI would: the model calls the tool,
the tool runs on site, the model answers from its result. A question counts as answered when the answer holds
every expected text; what else it says is not judged. Peer: the same model on the same questions without tools.
"""

import argparse
import asyncio
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from benchmarks.site import Endpoint, Site, running_site

_MODEL = "smollm2-135m"
_QUESTIONS = Path(__file__).parent.parent / "examples" / "site" / "questions.toml"
_SERVED = ("oeffentlich/", "intern/")
_TIMEOUT = aiohttp.ClientTimeout(total=300)


def _questions() -> list[dict[str, Any]]:
    entries = tomllib.loads(_QUESTIONS.read_text(encoding="utf-8"))["questions"]
    return [entry for entry in entries if entry["source"].startswith(_SERVED)]


async def _chat(
    session: aiohttp.ClientSession, adapter: Endpoint, messages: list[Any], tools: list[Any]
) -> dict[str, Any]:
    body = {"model": _MODEL, "messages": messages, "temperature": 0, "max_tokens": 200}
    if tools:
        body["tools"] = tools
    headers = {"Authorization": f"Bearer {adapter.key}"}
    async with session.post(
        f"{adapter.base_url}/chat/completions", json=body, headers=headers
    ) as response:
        response.raise_for_status()
        answer = await response.json()
    return dict(answer["choices"][0]["message"])


async def _with_tools(
    session: aiohttp.ClientSession, site: Site, client: Client, tools: list[Any], question: str
) -> str:
    messages: list[Any] = [{"role": "user", "content": question}]
    for _ in range(3):
        message = await _chat(session, site.adapter, messages, tools)
        calls = message.get("tool_calls") or []
        if not calls:
            return message.get("content") or ""
        messages.append(message)
        for call in calls:
            name = call["function"]["name"].removeprefix("files_")
            result = await client.call_tool(name, json.loads(call["function"]["arguments"]))
            text = "\n".join(c.text for c in result.content if isinstance(c, TextContent))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
    return ""


async def _measure(site: Site) -> dict[str, Any]:
    right = {"with_tools": {"en": 0, "de": 0}, "without_tools": {"en": 0, "de": 0}}
    asked = {"en": 0, "de": 0}
    authorised = httpx2.AsyncClient(headers={"Authorization": f"Bearer {site.files.key}"})
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as session,
        authorised,
        Client(streamable_http_client(site.files.base_url, http_client=authorised)) as client,
    ):
        tools = [
            {
                "type": "function",
                "function": {
                    "name": f"files_{tool.name}",
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            }
            for tool in (await client.list_tools()).tools
        ]
        for entry in _questions():
            question, language = entry["question"], entry["language"]
            asked[language] += 1
            found = await _with_tools(session, site, client, tools, question)
            message = await _chat(
                session, site.adapter, [{"role": "user", "content": question}], []
            )
            for kind, answer in (("with_tools", found), ("without_tools", message["content"])):
                right[kind][language] += all(text in answer for text in entry["expected"])
    return {"asked": asked, **right}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    with running_site() as site:
        figures = asyncio.run(_measure(site))
    if options.json:
        print(json.dumps(figures))
        return
    for language, asked in figures["asked"].items():
        with_tools, without = (figures[k][language] for k in ("with_tools", "without_tools"))
        print(f"{language}: {with_tools} of {asked} with the files tool, {without} without")


if __name__ == "__main__":
    main()
