"""What is known of a chat decides what becomes of it: labels, classes, its user's switch, and the policy."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from recorder import CHAT, KEY, LABELS_KEY, Recorder, question, register, start
from scripted import KEY as API_KEY
from scripted import Client, Reply, RunningAdapter, StartAdapter

from backend_adapter.settings import UpstreamSettings

NAME = "Anna Ziegenrücker"
PERSON = [{"kind": "person", "text": NAME}]


@pytest.fixture
async def outside() -> AsyncIterator[Recorder]:
    async with Recorder().listening() as recorder:
        yield recorder


@pytest.fixture
async def inside() -> AsyncIterator[Recorder]:
    async with Recorder().listening() as recorder:
        yield recorder


class Site:
    """An adapter with a database, in front of one upstream outside and one of the site with another model."""

    def __init__(self, client: Client, start_adapter: StartAdapter, tmp_path: Path) -> None:
        self._client, self._start = client, start_adapter
        self.policy = tmp_path / "policy.yaml"
        self.database = tmp_path / "adapter.db"
        self.adapter: RunningAdapter | None = None

    async def start(self, *upstreams: UpstreamSettings, **settings: Any) -> RunningAdapter:
        egress: dict[str, Any] = {"key": KEY, **settings.pop("egress", {})}
        if self.policy.exists():
            egress["policy"] = self.policy
        self.adapter = await start(
            self._client,
            self._start,
            *upstreams,
            database_url=f"sqlite:///{self.database}",
            labels_key=LABELS_KEY,
            egress=egress,
            **settings,
        )
        return self.adapter

    async def ask(self, text: str, chat: str = "c", **more: Any) -> Reply:
        assert self.adapter is not None
        headers = {"x_hoheit_chat_id": chat} if chat else {}
        return await self._client.post(self.adapter, CHAT, question(text, **more), **headers)

    async def said(self, text: str, chat: str = "c", **more: Any) -> str:
        answer = await self.ask(text, chat, **more)
        assert answer.status == 200, answer.text
        return str(answer.json["choices"][0]["message"]["content"])

    async def register(self, result: str, chat: str = "c", **more: Any) -> None:
        assert self.adapter is not None
        await register(self._client, self.adapter, chat, result, **more)

    async def switch(self, on_site: bool, chat: str = "c", key: str = API_KEY) -> Any:
        assert self.adapter is not None
        async with self._client.session.put(
            f"{self.adapter.url}/v1/site/chats/{chat}",
            json={"on_site": on_site},
            headers={"Authorization": f"Bearer {key}"},
        ) as response:
            return (await response.json())["on_site"]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.database) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture
def site(client: Client, start_adapter: StartAdapter, tmp_path: Path) -> Site:
    return Site(client, start_adapter, tmp_path)


def own(recorder: Recorder, model: str = "small") -> UpstreamSettings:
    return recorder.upstream("own", trust="site").model_copy(update={"models": (model,)})


def loop(tool: str, result: str, text: str = "And?") -> dict[str, Any]:
    """What a chat looks like after a tool was called."""
    call = {"id": "c1", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    return {
        "messages": [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": result},
            {"role": "user", "content": text},
        ]
    }


async def test_a_value_that_a_tool_has_labelled_leaves_under_a_pseudonym_in_its_chat(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream(), egress={"detectors": {"enabled": False}})
    await site.register("rows", values=PERSON)
    text = f"What of {NAME.upper()} and Ziegenruecker, Anna?"
    assert await site.said(text) == f"What of {NAME} and {NAME}?"
    assert not outside.heard_of(NAME)
    await site.said(text, chat="another")
    assert outside.heard_of(NAME)


async def test_a_single_letter_that_was_labelled_is_left_where_it_stands(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream())
    await site.register("rows", values=[{"kind": "text", "text": each} for each in "A7"])
    await site.ask("Plan A has 7 steps")
    assert b"Plan A has 7 steps" in outside.got


async def test_a_copy_of_a_chat_is_known_by_the_results_that_it_holds(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream())
    result = f"| name |\n| --- |\n| {NAME} |"
    await site.register(result, values=PERSON)
    # A client may lay a result out anew.
    body = loop("databases_query", result.replace("\n", "\n\n"), f"Who is {NAME}?")
    assert await site.said("", chat="copy", **body) == f"Who is {NAME}?"
    assert not outside.heard_of(NAME)


@pytest.mark.parametrize("first_model", ["m", "small"])
async def test_what_is_asked_by_the_way_in_a_copy_knows_what_the_copy_holds(
    site: Site, outside: Recorder, inside: Recorder, first_model: str
) -> None:
    """A title's request repeats what was said, and not the result that the values come from."""
    adapter = await site.start(
        outside.upstream(), own(inside), egress={"detectors": {"enabled": False}}
    )
    await site.register("rows", values=PERSON, **{"class": "confidential"})
    await site.said("", chat="copy", **{**loop("databases_query", "rows"), "model": first_model})
    headers = {"x_hoheit_chat_id": "copy", "x_hoheit_task": "title_generation"}
    body = question(f"Title: {NAME}")
    assert (await site._client.post(adapter, CHAT, body, **headers)).status == 200
    assert b"Title: " in outside.got
    assert not outside.heard_of(NAME)
    await site.said("", chat="copy of it", **loop("databases_query", "rows"))
    rows = site.rows("SELECT chat, data_class FROM egress_registrations ORDER BY id")
    assert rows == [(each, "confidential") for each in ("c", "copy", "copy of it")]


async def test_a_date_that_is_labelled_as_it_is_written_is_found_so(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream(), egress={"detectors": {"enabled": False}})
    await site.register("rows", values=[{"kind": "date", "text": "05.03.1987"}])
    assert await site.said("Born 05.03.1987?") == "Born 05.03.1987?"
    assert b"05.03.1987" not in outside.got


async def test_a_result_that_nobody_registered_stays_on_site(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    await site.start(outside.upstream(), own(inside))
    assert await site.said("", **loop("files_read", NAME)) == "And?"
    assert inside.heard_of(NAME)
    assert not outside.heard_of(NAME)


async def test_a_secret_chat_is_answered_on_site_and_says_so(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    adapter = await site.start(outside.upstream(), own(inside))
    await site.register("plan", **{"class": "secret"})
    headers = {"x_hoheit_chat_id": "c"}
    async with site._client.stream(
        adapter, CHAT, question("The alarm plan?", stream=True), **headers
    ) as response:
        streamed = await response.text()
    assert "small answers on site: this chat is secret." in streamed
    assert b"alarm" not in outside.got and b"alarm" in inside.got
    # Titles and all else of this chat as well.
    await site.ask("Title: The alarm plan?")
    assert b"alarm" not in outside.got
    [row] = site.rows("SELECT DISTINCT action, model, destination, bytes, policy FROM receipts")
    assert row == ("on_site", "small", "own", 0, "built-in policy:14")


async def test_a_secret_chat_is_refused_where_the_site_runs_no_model(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream())
    await site.register("plan", **{"class": "secret"})
    answer = await site.ask("The alarm plan?")
    assert (answer.status, answer.error["code"]) == (403, "egress_refused")
    assert "on_site_model" in answer.error["message"]
    assert b"alarm" not in outside.got
    assert site.rows("SELECT action, bytes FROM receipts") == [("refuse", 0)]


async def test_of_a_confidential_chat_only_passages_leave_and_no_attached_document(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream())
    await site.register("passage", **{"class": "confidential"}, values=PERSON)
    assert await site.said("", **loop("files_search", "passage", NAME)) == NAME
    attached = '<context><source id="1" name="a.pdf">The offer</source></context> Sum it up.'
    answer = await site.ask(attached)
    assert (answer.status, answer.error["code"]) == (403, "egress_refused")
    for path, given in (("completions", "prompt"), ("embeddings", "input")):
        refused = await site._client.post(
            site.adapter, f"/v1/{path}", {"model": "m", given: attached}, x_hoheit_chat_id="c"
        )
        assert (refused.status, refused.error["code"]) == (403, "egress_refused")
    assert b"The offer" not in outside.got
    assert not outside.heard_of(NAME)
    assert (await site.ask(attached, chat="internal")).status == 200
    assert b"The offer" in outside.got


async def test_a_chat_stays_on_site_where_its_user_wants_it_and_nobody_else_takes_that_back(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    other = {"name": "batch", "api_key": "batch-key"}
    await site.start(outside.upstream(), own(inside), clients=[other])
    assert await site.switch(True) is True
    await site.ask("Between us")
    assert b"Between us" not in outside.got and b"Between us" in inside.got
    assert await site.switch(False, key="batch-key") is True
    await site.ask("Between us")
    assert b"Between us" not in outside.got
    assert await site.switch(False) is False
    await site.ask("To all")
    assert b"To all" in outside.got


async def test_a_chat_whose_labels_have_been_dropped_for_their_age_stays_on_site(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    await site.start(outside.upstream(), own(inside))
    await site.register("rows", values=PERSON)
    assert site.adapter is not None
    site.adapter.stop()
    with sqlite3.connect(site.database) as connection:
        connection.execute("UPDATE egress_registrations SET made = '2020-01-01 00:00:00.000000'")
    await site.start(outside.upstream(), own(inside))
    await site.ask(f"Who is {NAME}?")
    assert inside.heard_of(NAME)
    assert not outside.heard_of(NAME)
    assert site.rows("SELECT count(*) FROM egress_registrations") == [(0,)]


async def test_a_tool_outside_the_site_gets_pseudonyms_and_one_of_the_site_the_value(
    site: Site, outside: Recorder
) -> None:
    outside.calls_tools = True
    site.policy.write_text("rules: [{then: pseudonymise}]\nsite_tools: [files_*]\n")
    await site.start(outside.upstream())
    await site.register("rows", values=PERSON)
    answer = await site.ask(NAME, tools=[tool("look_up")])
    [call] = answer.json["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "look_up"
    assert NAME not in call["function"]["arguments"]
    assert "-" in json.loads(call["function"]["arguments"])["who"]


async def test_a_tool_outside_the_site_gets_no_confidential_value_whatever_it_is_called(
    site: Site, outside: Recorder
) -> None:
    outside.calls_tools = True
    await site.start(outside.upstream())
    await site.register("rows", values=PERSON, **{"class": "confidential"})
    answer = await site.ask(NAME, tools=[tool("look_up")])
    assert (answer.status, answer.error["code"]) == (403, "egress_refused")
    assert "look_up" in answer.error["message"]
    assert NAME not in answer.text


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {}}}


async def test_the_policy_tells_upstreams_and_users_apart(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    site.policy.write_text(
        "rules:\n"
        "- {class: internal, to: far, users: ['client:batch'], then: refuse}\n"
        "- {class: internal, to: partner, then: send}\n"
        "- {then: pseudonymise}\n"
    )
    other = {"name": "batch", "api_key": "batch-key"}
    await site.start(outside.upstream(trust="partner"), clients=[other])
    await site.register("rows", values=PERSON)
    await site.ask(f"Who is {NAME}?")
    assert outside.heard_of(NAME)
    url = f"{site.adapter.url if site.adapter else ''}{CHAT}"
    headers = {"Authorization": "Bearer batch-key"}
    async with site._client.session.post(url, json=question("Hello"), headers=headers) as response:
        assert response.status == 403
        assert "policy.yaml:2" in await response.text()


async def test_where_no_rule_fits_nothing_leaves(site: Site, outside: Recorder) -> None:
    site.policy.write_text("rules: [{class: public, then: send}]\n")
    await site.start(outside.upstream())
    answer = await site.ask("Hello there")
    assert (answer.status, answer.error["code"]) == (403, "egress_refused")
    assert b"Hello there" not in outside.got


async def test_a_receipt_tells_what_left_and_holds_it_byte_for_byte(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream(site="Lyon", trust="partner"))
    await site.register("rows", values=PERSON, passages=3, message="m1")
    assert site.adapter is not None
    headers = {"x_hoheit_chat_id": "c", "x_hoheit_message_id": "m1"}
    await site._client.post(site.adapter, CHAT, question(f"Who is {NAME}?"), **headers)
    fields = "destination, site, trust, action, data_class, passages, counts, bytes, body_sha256"
    [row] = site.rows(f"SELECT {fields} FROM receipts")
    assert row[:5] == ("far", "Lyon", "partner", "pseudonymise", "internal")
    assert json.loads(row[5]) == {"files/intern": 3}
    assert json.loads(row[6]) == {"person": 1}
    [(body,)] = site.rows("SELECT body FROM receipt_bodies")
    assert body in outside.got
    assert row[7] == len(body)
    assert row[8] == hashlib.sha256(body).hexdigest()


async def test_what_was_decided_and_protected_is_counted(site: Site, outside: Recorder) -> None:
    adapter = await site.start(outside.upstream(), admin_key="the-operator")
    await site.register("rows", values=PERSON)
    await site.ask(f"Who is {NAME}?")
    figures = (await site._client.get(adapter, "/metrics", "the-operator")).text
    assert 'hoheit_egress_requests_total{action="pseudonymise",upstream="far"} 1.0' in figures
    assert 'hoheit_egress_protected_values_total{category="person"} 1.0' in figures


async def test_without_a_receipt_nothing_leaves(site: Site, outside: Recorder) -> None:
    await site.start(outside.upstream())
    await site.ask("First")
    with sqlite3.connect(site.database) as connection:
        connection.execute("DROP TABLE receipts")
    answer = await site.ask("Second")
    assert (answer.status, answer.error["code"]) == (503, "database_unavailable")
    assert b"First" in outside.got and b"Second" not in outside.got


async def test_where_labels_cannot_be_looked_up_nothing_leaves(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream())
    await site.ask("First")
    with sqlite3.connect(site.database) as connection:
        connection.execute("DROP TABLE egress_registrations")
    answer = await site.ask("Second")
    assert (answer.status, answer.error["code"]) == (503, "database_unavailable")
    assert b"Second" not in outside.got


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"chat": "c", "source": "s", "class": "internal"}, 201),
        ({"source": "s", "class": "internal"}, 400),
        ({"chat": "", "source": "s", "class": "internal"}, 400),
        ({"chat": "c" * 200, "source": "s", "class": "internal"}, 400),
        ({"chat": "c", "source": "s", "class": "top secret"}, 400),
        ({"chat": "c", "source": "s", "class": "internal", "more": 1}, 400),
        ({"chat": "c", "source": "s", "class": "internal", "values": [{"kind": "x"}]}, 400),
        (
            {
                "chat": "c",
                "source": "s",
                "class": "internal",
                "values": [{"kind": "text", "text": "x" * 1001}],
            },
            400,
        ),
        ([], 400),
    ],
)
async def test_what_cannot_be_registered_is_refused_without_repeating_it(
    site: Site, outside: Recorder, given: Any, status: int
) -> None:
    adapter = await site.start(outside.upstream())
    url = f"{adapter.url}/v1/site/labels"
    headers = {"Authorization": f"Bearer {LABELS_KEY}"}
    async with site._client.session.post(url, json=given, headers=headers) as response:
        assert response.status == status
        assert "xxxxx" not in await response.text()


@pytest.mark.parametrize("key", [API_KEY, "the-operator", "wrong", None])
async def test_only_the_sites_own_servers_register(
    site: Site, outside: Recorder, key: str | None
) -> None:
    adapter = await site.start(outside.upstream(), admin_key="the-operator")
    url = f"{adapter.url}/v1/site/labels"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    given = {"chat": "c", "source": "s", "class": "internal"}
    async with site._client.session.post(url, json=given, headers=headers) as response:
        assert response.status == 401
    async with site._client.session.get(
        f"{adapter.url}/v1/site/chats/c", headers={"Authorization": f"Bearer {LABELS_KEY}"}
    ) as response:
        assert response.status == 401


async def test_without_a_database_nothing_can_be_registered(
    client: Client, start_adapter: StartAdapter, outside: Recorder
) -> None:
    adapter = await start(client, start_adapter, outside.upstream(), labels_key=LABELS_KEY)
    headers = {"Authorization": f"Bearer {LABELS_KEY}"}
    given = {"chat": "c", "source": "s", "class": "internal"}
    async with client.session.post(
        f"{adapter.url}/v1/site/labels", json=given, headers=headers
    ) as response:
        assert response.status == 503


async def test_a_title_waits_for_its_chat_which_may_stay_on_site(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    """Open WebUI asks for the title of a new chat before its user's switch can be heard of."""
    adapter = await site.start(outside.upstream(), own(inside))
    headers = {"x_hoheit_chat_id": "new", "x_hoheit_task": "title_generation"}
    title = asyncio.create_task(
        site._client.post(adapter, CHAT, question("Title: Between us"), **headers)
    )
    await asyncio.sleep(0.5)
    assert not title.done()
    await site.switch(True, chat="new")
    await site.ask("Between us", chat="new")
    assert (await title).status == 200
    assert b"Between us" not in outside.got
    assert b"Title: Between us" in inside.got


async def test_what_is_asked_by_the_way_in_a_chat_that_never_comes_stays_on_site(
    site: Site, outside: Recorder, inside: Recorder
) -> None:
    adapter = await site.start(outside.upstream(), own(inside))
    headers = {"x_hoheit_task": "title_generation"}
    answer = await site._client.post(adapter, CHAT, question("Title: Between us"), **headers)
    assert answer.status == 200
    assert b"Between us" not in outside.got and b"Between us" in inside.got


async def test_of_what_is_asked_by_the_way_only_what_a_page_shows_has_its_pictures_made_text(
    site: Site, outside: Recorder
) -> None:
    await site.start(outside.upstream())
    await site.ask("Hello")
    assert site.adapter is not None
    picture = "![x](https://evil.example/x)"
    for task, shown in (("moa_response_generation", True), ("title_generation", False)):
        headers = {"x_hoheit_chat_id": "c", "x_hoheit_task": task}
        answer = await site._client.post(site.adapter, CHAT, question(picture), **headers)
        said = answer.json["choices"][0]["message"]["content"]
        assert (said == picture) != shown
        assert ("![x](" in said) != shown
