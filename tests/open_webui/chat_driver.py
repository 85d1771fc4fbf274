"""Chats over the API the way the page does it: a saved chat, a session, tools run by Open WebUI."""

import asyncio
import time
import uuid
from typing import Any

from hoheit.open_webui.client import OpenWebUIClient

JsonObject = dict[str, Any]
SECONDS = 30.0


async def start_chat(
    client: OpenWebUIClient,
    model: str,
    text: str,
    tool_ids: list[str] | None = None,
    tasks: JsonObject | None = None,
    params: JsonObject | None = None,
    filter_ids: list[str] | None = None,
    language: str | None = None,
    chat_id: str | None = None,
    after: JsonObject | None = None,
) -> tuple[str, str]:
    """Sends a message; returns the ids of the chat and of the answer to come.

    It is the first of a new chat, unless `after` is an answer to go on from; a temporary chat has a
    `chat_id` of its own.
    """
    parent = after["id"] if after else None
    chat_id = after["chat_id"] if after else chat_id
    question, answer = str(uuid.uuid4()), str(uuid.uuid4())
    started = await client.post(
        "/api/chat/completions",
        {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": text}],
            "tool_ids": tool_ids or [],
            "session_id": "test-session",
            "id": answer,
            "parent_id": parent,
            **({"chat_id": chat_id} if chat_id else {}),
            "user_message": {
                "id": question,
                "parentId": parent,
                "childrenIds": [answer],
                "role": "user",
                "content": text,
                "timestamp": int(time.time()),
                "models": [model],
            },
            "background_tasks": tasks or {},
            "features": {},
            "params": params or {},
            "filter_ids": filter_ids or [],
            "variables": {"{{USER_LANGUAGE}}": language} if language else {},
        },
    )
    return started["chat_id"], answer


async def saved(client: OpenWebUIClient, chat_id: str, message_id: str) -> JsonObject:
    """The message as it lies in the database."""
    chat = await client.get(f"/api/v1/chats/{chat_id}")
    return chat["chat"]["history"]["messages"].get(message_id) or {}


async def chat(client: OpenWebUIClient, model: str, text: str, **options: Any) -> JsonObject:
    """The finished answer to a first message, with its status lines."""
    chat_id, message_id = await start_chat(client, model, text, **options)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        message = await saved(client, chat_id, message_id)
        if message.get("done") or message.get("error"):
            # The outlet's status line follows the end of the text.
            return await _settled(client, chat_id, message_id, message)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no finished answer in {SECONDS:.0f} s: {message}")


async def _settled(
    client: OpenWebUIClient, chat_id: str, message_id: str, message: JsonObject
) -> JsonObject:
    same = 0
    while same < 3:
        await asyncio.sleep(0.1)
        now = await saved(client, chat_id, message_id)
        same = same + 1 if now == message else 0
        message = now
    return {**message, "chat_id": chat_id}


def texts(message: JsonObject, kind: str) -> str:
    """The text of the answer's output items of one kind (`reasoning`, `message`)."""
    return "".join(
        part.get("text", "")
        for item in message.get("output") or []
        if item["type"] == kind
        for part in item.get("content") or []
    )


def calls(message: JsonObject) -> list[str]:
    return [i["name"] for i in message.get("output") or [] if i["type"] == "function_call"]


def results(message: JsonObject) -> str:
    """The text of all tool results."""
    return " ".join(
        str(item.get("output"))
        for item in message.get("output") or []
        if item["type"] == "function_call_output"
    )


def statuses(message: JsonObject) -> list[str]:
    return [entry.get("description", "") for entry in message.get("statusHistory") or []]
