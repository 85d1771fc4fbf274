"""Open WebUI's background tasks (titles, tags, follow-ups, queries) for small engines.

Each task's prompt asks for one JSON object. A small model rarely keeps to that by itself; held to
a schema it does. Open WebUI names the task in the header that the adapter is provisioned to get.
"""

import re
from typing import Any

from backend_adapter.chat.tool_messages import Message, messages_of, own_words, text_of
from backend_adapter.chat.tool_schema import Schema, query_words, words_pattern

# What a task's answer may cost, in tokens: a small model otherwise fills whatever room it has.
MAX_TASK_TOKENS = 300
MAX_TITLE_WORDS = 10
MIN_TAG_LETTERS = 5
# The user's words that a task is about, in characters.
MAX_QUESTION = 1000
# How Open WebUI's prompts quote the chat (its TITLE_GENERATION_PROMPT_TEMPLATE and the like).
_HISTORY = re.compile(r"<chat_history>\s*(.*?)\s*</chat_history>", re.DOTALL)
_SPOKEN = re.compile(r"^([A-Z]+): (.*?)(?=^[A-Z]+: |\Z)", re.DOTALL | re.MULTILINE)
_EXAMPLE_QUESTIONS = (
    "When does the train to Hamburg leave?",
    "Wie teuer ist ein Fahrrad?",
    "Who wrote the book about bees?",
)
# Those whose answer Open WebUI reads by itself or gives to a model again, instead of showing it as Markdown.
READ_BY_PROGRAM = frozenset(
    {
        "autocomplete_generation",
        "context_compaction",
        "emoji_generation",
        "follow_up_generation",
        "function_calling",
        "image_prompt_generation",
        "memory_review",
        "query_generation",
        "tags_generation",
        "title_generation",
    }
)
# What is asked for, then the answer to each example question.
_EXAMPLES: dict[str, tuple[str, str, str, str]] = {
    "title_generation": (
        "a short title of",
        '{"title": "Train to Hamburg"}',
        '{"title": "Fahrrad"}',
        '{"title": "Book about bees"}',
    ),
    "tags_generation": (
        "a tag for",
        '{"tags": ["train"]}',
        '{"tags": ["Fahrrad"]}',
        '{"tags": ["bees"]}',
    ),
    "follow_up_generation": (
        "what the user may ask after",
        '{"follow_ups": ["How much is a ticket to Hamburg?"]}',
        '{"follow_ups": ["Wo kann ich ein Fahrrad kaufen?"]}',
        '{"follow_ups": ["When was the book about bees written?"]}',
    ),
    "query_generation": (
        "a search query for",
        '{"queries": ["train to Hamburg leave"]}',
        '{"queries": ["teuer Fahrrad"]}',
        '{"queries": ["wrote book about bees"]}',
    ),
}


def _text(longest: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _answer(key: str, value: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {key: value},
        "required": [key],
        "additionalProperties": False,
    }


def _texts(least: int, most: int, longest: int) -> Schema:
    return {"type": "array", "items": _text(longest), "minItems": least, "maxItems": most}


# The keys are those that Open WebUI's prompts ask for and its code reads.
_SCHEMAS: dict[str, Schema] = {
    "title_generation": _answer("title", _text(50)),
    "tags_generation": _answer("tags", _texts(1, 3, 30)),
    "follow_up_generation": _answer("follow_ups", _texts(1, 3, 100)),
    "query_generation": _answer("queries", _texts(1, 3, 100)),
}


def task_schema(task: str) -> Schema | None:
    """The JSON schema of a task's answer; None for chats and for tasks that want plain text."""
    return _SCHEMAS.get(task)


def plan_task(body: dict[str, Any], task: str) -> dict[str, Any]:
    """The request for the engine, its answer held to the task's schema.

    Where the prompt holds a chat history as Open WebUI's own prompts do, the engine sees examples
    and the user's last words instead: shown the prompt itself, a small model copies the sample
    answer out of it. A body that states a form of its own, and every other task, stays as it is.
    """
    schema = task_schema(task)
    if schema is None or "response_format" in body:
        return body
    question = _last_question(body)
    planned = {key: value for key, value in body.items() if key != "max_completion_tokens"}
    if question:
        schema = _about(task, schema, question)
        planned["messages"] = _task_messages(task, question)
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or MAX_TASK_TOKENS
    return {
        **planned,
        "max_tokens": min(limit, MAX_TASK_TOKENS) if isinstance(limit, int) else MAX_TASK_TOKENS,
        "temperature": 0,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": task, "strict": True, "schema": schema},
        },
    }


def _last_question(body: dict[str, Any]) -> str:
    """What the user said last in the history that the task's prompt quotes; empty if none is."""
    messages = messages_of(body)
    if not messages:
        return ""
    history = _HISTORY.search(text_of(messages[-1]))
    spoken = _SPOKEN.findall(history[1]) if history else []
    users = [text for role, text in spoken if role == "USER" and text.strip()]
    return own_words({"content": users[-1]})[:MAX_QUESTION] if users else ""


def _about(task: str, schema: Schema, question: str) -> Schema:
    """The schema with its answer made of the question's own words, where that is an answer."""
    words = query_words(question)
    if not words:
        return schema
    if task == "title_generation":
        pattern = words_pattern(words[:MAX_TITLE_WORDS])
        return _answer("title", {"type": "string", "pattern": pattern})
    if task == "query_generation":
        query = {"type": "string", "pattern": words_pattern(words)}
        return _answer("queries", {"type": "array", "items": query, "minItems": 1, "maxItems": 1})
    if task == "tags_generation":
        telling = [word for word in words if len(word) >= MIN_TAG_LETTERS] or words
        tag = {"type": "string", "enum": list(dict.fromkeys(telling))}
        return _answer("tags", {"type": "array", "items": tag, "minItems": 1, "maxItems": 1})
    return schema


def _task_messages(task: str, question: str) -> list[Message]:
    wanted, *answers = _EXAMPLES[task]
    messages: list[Message] = [
        {
            "role": "system",
            "content": f"Write {wanted} the user's question as JSON, in the language of the question.",
        }
    ]
    for example, answer in zip(_EXAMPLE_QUESTIONS, answers, strict=True):
        messages.append({"role": "user", "content": example})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": question})
    return messages
