"""Open WebUI's background tasks, held to the JSON that their prompts ask for."""

import re
from typing import Any

import pytest

from backend_adapter.chat.tasks import MAX_TASK_TOKENS, plan_task, task_schema

PROMPT = """### Task:
Generate a title.
### Output:
JSON format: { "title": "your concise title here" }
### Chat History:
<chat_history>
USER: Hello
ASSISTANT: How can I help?
USER: How much is the dog tax?
Please be brief.
ASSISTANT: USER fees are 96 euros.
</chat_history>"""


def body(prompt: str = PROMPT, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], **fields}


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("title_generation", "title"),
        ("tags_generation", "tags"),
        ("follow_up_generation", "follow_ups"),
        ("query_generation", "queries"),
    ],
)
def test_a_task_has_the_key_that_open_webui_reads(task: str, key: str) -> None:
    schema = task_schema(task)

    assert schema is not None
    assert schema["required"] == [key]
    planned = plan_task(body(), task)
    assert planned["response_format"]["json_schema"]["schema"]["required"] == [key]


@pytest.mark.parametrize("task", ["", "emoji_generation", "moa_response_generation", "{{TASK}}"])
def test_chats_and_other_tasks_stay_as_they_are(task: str) -> None:
    assert task_schema(task) is None
    assert plan_task(body(), task) == body()


def test_a_form_that_the_client_chose_is_kept() -> None:
    asked = body(response_format={"type": "json_object"})

    assert plan_task(asked, "title_generation") == asked


def test_a_title_is_made_of_what_the_user_said_last() -> None:
    planned = plan_task(body(), "title_generation")

    title = planned["response_format"]["json_schema"]["schema"]["properties"]["title"]
    assert re.fullmatch(title["pattern"], "dog tax Please be brief")
    last = planned["messages"][-1]["content"]
    assert last == "How much is the dog tax?\nPlease be brief."
    assert "your concise title here" not in str(planned["messages"])


def test_a_prompt_without_a_history_is_only_held_to_the_schema() -> None:
    planned = plan_task(body("Give it a title"), "title_generation")

    assert planned["messages"] == body("Give it a title")["messages"]
    assert planned["response_format"]["json_schema"]["schema"] == task_schema("title_generation")


@pytest.mark.parametrize("asked", [{}, {"max_tokens": 1000}, {"max_completion_tokens": 4000}])
def test_a_task_cannot_run_on(asked: dict[str, Any]) -> None:
    planned = plan_task(body(**asked), "tags_generation")

    assert planned["max_tokens"] == MAX_TASK_TOKENS
    assert "max_completion_tokens" not in planned
