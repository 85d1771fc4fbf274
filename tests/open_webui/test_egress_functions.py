"""The functions about the egress boundary by themselves, asking a real HTTP server as they ask the adapter."""

import ast
import asyncio
import hashlib
import html
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.open_webui.background import running
from tests.open_webui.scripted_adapter import NAME, PSEUDONYM, SHORT, ScriptedAdapter
from webui_pipelines.bundle import bundle
from webui_pipelines.functions import hoheit_filter, hoheit_on_site, hoheit_sent

SECRET = "test-only-user-jwt-secret-of-40-characters"
USER = {"id": "user-1", "email": "a@site.example"}
OTHER = {"id": "user-2", "email": "b@site.example"}
ENGLISH, GERMAN = hoheit_filter._WORDS["en"], hoheit_filter._WORDS["de"]
OURS = {"id": "m", "info": {"meta": {"hoheit": {}}}}


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARD_USER_INFO_HEADER_JWT_SECRET", SECRET)


@pytest.fixture(scope="module")
def adapter() -> Iterator[ScriptedAdapter]:
    adapter = ScriptedAdapter("key", user_jwt_secret=SECRET)
    with running(adapter):
        yield adapter


def pointed(function: Any, adapter: ScriptedAdapter | str, **valves: Any) -> Any:
    """The function as provisioning leaves it."""
    url = adapter if isinstance(adapter, str) else adapter.base_url
    function.valves = function.Valves(adapter_url=url, adapter_key="key", **valves)
    return function


def metadata(chat: str, language: str = "en-US", **more: Any) -> dict[str, Any]:
    return {
        "chat_id": chat,
        "message_id": "message",
        "variables": {"{{USER_LANGUAGE}}": language},
        **more,
    }


@dataclass
class Page:
    """What a function does to the page; `says` is what comes back from it."""

    says: Any = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, event: dict[str, Any]) -> Any:
        self.asked.append(event)
        return self.says

    async def emit(self, event: dict[str, Any]) -> None:
        self.shown.append(event)


@dataclass
class OneAnswer:
    """Answers every request alike."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    base_url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=self.status, text=self.text, headers=self.headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


def parts_about_asking(source: str) -> dict[str, str]:
    shared = {"AdapterError", "_ask", "_ask_text", "_object", "_signed", "_base64"}
    return {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, (ast.AsyncFunctionDef, ast.FunctionDef, ast.ClassDef))
        and node.name in shared
    }


def test_every_function_asks_the_adapter_in_the_same_way() -> None:
    filter_, *others = (bundle().function(f"hoheit_{n}") for n in ("filter", "sent", "on_site"))
    wanted = parts_about_asking(filter_.source)
    assert len(wanted) == 6
    assert [parts_about_asking(other.source) for other in others] == [wanted, wanted]
    pipe = parts_about_asking(bundle().function("hoheit_pipe").source)
    assert {name: pipe[name] for name in ("_signed", "_base64")}.items() <= wanted.items()


def receipt(**changes: Any) -> dict[str, Any]:
    return {
        "seq": 1,
        "time": "2026-11-27T12:00:00.000Z",
        "task": "",
        "model": "m",
        "destination": "cluster",
        "site": "Lyon",
        "trust": "partner",
        "action": "pseudonymise",
        "policy": "policy.yaml:7",
        "data_class": "internal",
        "passages": {},
        "counts": {},
        **changes,
    }


AT_HOME = receipt(destination="embedded", site="", trust="site", action="send")
LINES = [
    (
        [receipt(passages={"files/intern": 3}, counts={"PERSON": 2, "listed": 5}), receipt(site="Graz")],
        "Sent 3 passages, 7 values protected, to Lyon and Graz",
        "Gesendet: 3 Textstellen, 7 Werte geschützt, an Lyon und Graz",
    ),
    (
        # A loop: the second request holds what the first one held.
        [receipt(passages={"a": 1}, counts={"x": 1}), receipt(passages={"a": 1, "b": 1}, counts={"x": 1})],
        "Sent 2 passages, 1 value protected, to Lyon",
        "Gesendet: 2 Textstellen, 1 Wert geschützt, an Lyon",
    ),
    (
        [receipt(action="send", site="", counts={"x": 1234})],
        "Sent the chat, 1,234 values protected, to cluster",
        "Gesendet: der Chat, 1.234 Werte geschützt, an cluster",
    ),
    (
        [receipt(), receipt(site="Graz"), receipt(site="Oslo"), receipt()],
        "Sent the chat, no values protected, to Lyon, Graz and Oslo",
        "Gesendet: der Chat, keine Werte geschützt, an Lyon, Graz und Oslo",
    ),
    ([AT_HOME], "Stayed on site", "Im Haus geblieben"),
    (
        [receipt(action="on_site", data_class="secret")],
        "Answered on site: this chat is secret",
        "Im Haus beantwortet: Dieser Chat ist geheim",
    ),
    (
        [receipt(action="on_site", policy="the chat's own switch", data_class="secret")],
        "Answered on site: this chat stays on site",
        "Im Haus beantwortet: Dieser Chat bleibt im Haus",
    ),
    (
        [receipt(action="on_site", policy="unregistered results")],
        "Answered on site: unregistered results",
        "Im Haus beantwortet: unregistered results",
    ),
    (
        [receipt(), receipt(action="refuse", policy="policy.yaml:9")],
        "Sent the chat, no values protected, to Lyon · Not sent, as policy.yaml:9 says",
        "Gesendet: der Chat, keine Werte geschützt, an Lyon · Nicht gesendet, wie policy.yaml:9 es verlangt",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("receipts", "english", "german"), LINES)
def test_the_line_says_what_the_receipts_say(
    receipts: list[dict[str, Any]], english: str, german: str
) -> None:
    assert hoheit_filter._told(receipts, ENGLISH) == english
    assert hoheit_filter._told(receipts, GERMAN) == german


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(receipt(), json_values)), min_size=1)
)
def test_whatever_receipts_hold_the_line_is_made(receipts: list[dict[str, Any]]) -> None:
    assert hoheit_filter._told(receipts, ENGLISH)


# The status line, asked for over HTTP


async def lines_of(
    adapter: ScriptedAdapter | str,
    model: Any = OURS,
    adapter_timeout_s: float = 2.0,
    **about: Any,
) -> list[str]:
    page = Page()
    body = {"messages": [{"role": "assistant", "content": "an answer"}]}
    function = pointed(hoheit_filter.Filter(), adapter, adapter_timeout_s=adapter_timeout_s)
    after = await function.outlet(body, USER, metadata(**about), model, page.emit)
    assert after == body
    return [event["data"]["description"] for event in page.shown]


BAD_ANSWERS = [
    OneAnswer(500, '{"error":{"message":"no"}}'),
    OneAnswer(200, "not json"),
    OneAnswer(200, "[" * 100_000),
    OneAnswer(200, "[]"),
    OneAnswer(200, "{}"),
    OneAnswer(200, '{"data":[1],"on_site":1}'),
    OneAnswer(307, "", {"Location": "http://127.0.0.1:9/"}),
]


@pytest.mark.parametrize("server", BAD_ANSWERS)
async def test_an_answer_that_is_none_is_said_to_be_unknown(server: OneAnswer) -> None:
    with running(server):
        [line] = await lines_of(server.base_url, chat="chat")
        assert line.startswith("What left the site is not known")
        # Another provider's model is none of the adapter's business.
        assert await lines_of(server.base_url, model={}, chat="chat") == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "no address", "http://[/v1"])
async def test_an_adapter_that_is_not_there_is_said_to_be_unknown(address: str) -> None:
    [line] = await lines_of(address, chat="chat", language="de")
    assert line.startswith("Was das Haus verließ, ist nicht bekannt")


async def test_an_answer_without_a_receipt_stayed_on_site(adapter: ScriptedAdapter) -> None:
    assert await lines_of(adapter, chat="never seen") == ["Stayed on site"]
    assert await lines_of(adapter, model={}, chat="never seen") == []


async def test_requests_that_do_not_say_for_which_answer_are_not_taken_for_none(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "unnamed", "NOTOOL hello", message="")
    [line] = await lines_of(adapter, chat="unnamed")
    assert line.startswith("What left the site is not known")
    # A title that says so tells nothing about an answer.
    await send(adapter, "titled", "NOTOOL hello", message="", task="title_generation")
    assert await lines_of(adapter, chat="titled") == ["Stayed on site"]


# The switch


async def switch_on(adapter: ScriptedAdapter | str, about: dict[str, Any], **valves: Any) -> Any:
    function = pointed(hoheit_on_site.Filter(), adapter, **valves)
    return await function.inlet({"messages": []}, USER, about)


@pytest.mark.parametrize("chat", ["plain", "temporary:a/b", "local:x?y#z", "ümlaut ../"])
async def test_the_switch_names_the_chat_whatever_its_id_is(
    adapter: ScriptedAdapter, chat: str
) -> None:
    assert await switch_on(adapter, metadata(chat)) == {"messages": []}
    assert chat in adapter.kept


@pytest.mark.parametrize("server", BAD_ANSWERS)
async def test_a_switch_that_nobody_confirms_stops_the_message(server: OneAnswer) -> None:
    with running(server), pytest.raises(hoheit_on_site.NotOnSiteError, match="Nothing was sent"):
        await switch_on(server.base_url, metadata("chat"))


async def test_an_adapter_that_does_not_agree_stops_the_message() -> None:
    server = OneAnswer(200, '{"on_site":false}')
    with running(server), pytest.raises(hoheit_on_site.NotOnSiteError):
        await switch_on(server.base_url, metadata("chat"))


async def test_an_adapter_that_is_not_there_stops_the_message_in_german_too() -> None:
    with pytest.raises(hoheit_on_site.NotOnSiteError, match="Nichts wurde gesendet"):
        await switch_on("http://127.0.0.1:9/v1", metadata("chat", "de-AT"))


async def test_without_a_key_or_a_chat_the_message_stops(adapter: ScriptedAdapter) -> None:
    with pytest.raises(hoheit_on_site.NotOnSiteError):
        await hoheit_on_site.Filter().inlet({}, USER, metadata("chat"))
    with pytest.raises(hoheit_on_site.NotOnSiteError):
        await switch_on(adapter, metadata(""))


async def switched_off(
    adapter: ScriptedAdapter, chat: str, page: Page, model: Any = OURS, request: Any = None
) -> Any:
    function = pointed(hoheit_filter.Filter(), adapter)
    return await function.inlet({}, USER, metadata(chat), request, model, page.call)


async def test_a_chat_leaves_the_site_again_only_after_a_yes(adapter: ScriptedAdapter) -> None:
    for answer in (False, None, "", {"error": "Client session disconnected."}, "true"):
        adapter.kept.add("asked")
        page = Page(answer)
        await switched_off(adapter, "asked", page)
        [event] = page.asked
        assert (event["type"], event["data"]["title"]) == (
            "confirmation",
            "This chat has stayed on site so far",
        )
        assert "asked" in adapter.kept
    page = Page(True)
    await switched_off(adapter, "asked", page)
    assert "asked" not in adapter.kept
    await switched_off(adapter, "asked", page)
    assert len(page.asked) == 1


async def test_a_page_that_never_answers_leaves_the_chat_on_site(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Page):
        async def call(self, event: dict[str, Any]) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(hoheit_filter, "_PATIENCE_S", 0.05)
    adapter.kept.add("silent")
    await switched_off(adapter, "silent", Silent())
    assert "silent" in adapter.kept
    monkeypatch.setattr(hoheit_sent, "_PAGE_S", 0.05)
    assert await hoheit_sent._about_the_page(Silent().call) == ("en", False)


async def test_nobody_is_asked_while_the_switch_is_on(adapter: ScriptedAdapter) -> None:
    adapter.kept.add("on")
    page = Page(True)
    function = pointed(hoheit_filter.Filter(), adapter)
    about = metadata("on", filter_ids=["hoheit_on_site"])
    await function.inlet({}, USER, about, None, OURS, page.call)
    assert page.asked == []
    assert "on" in adapter.kept


@dataclass
class Named:
    """Stands for Open WebUI's request, of which only the list of models is read."""

    MODELS: dict[str, Any]

    @property
    def app(self) -> "Named":
        return self

    @property
    def state(self) -> "Named":
        return self


async def test_a_chat_that_stays_on_site_does_not_go_to_a_model_past_the_adapter(
    adapter: ScriptedAdapter,
) -> None:
    adapter.kept.add("stays")
    request = Named({"ours": OURS, "theirs": {"id": "theirs"}})
    for model in ({"id": "theirs"}, {"id": "x", "info": {"base_model_id": "theirs"}}, None):
        with pytest.raises(ValueError, match="stays on site"):
            await switched_off(adapter, "stays", Page(False), model, request)
    made_of_ours = {"id": "x", "info": {"base_model_id": "ours"}}
    await switched_off(adapter, "stays", Page(False), made_of_ours, request)


# The button


async def pressed(
    adapter: ScriptedAdapter | str, chat: str, user: dict[str, str] = USER, says: Any = None
) -> str:
    page = Page(says)
    function = pointed(hoheit_sent.Action(), adapter)
    await function.action({"chat_id": chat, "id": "message"}, user, page.emit, page.call)
    [event] = page.shown
    assert event["type"] == "chat:message:embeds"
    [shown] = event["data"]["embeds"]
    return str(shown)


async def send(
    adapter: ScriptedAdapter, chat: str, text: str, message: str = "message", task: str = ""
) -> None:
    """A request as Open WebUI's connection sends it, on behalf of the user."""
    headers = {
        "Authorization": "Bearer key",
        "X-Hoheit-Chat-Id": chat,
        "X-Hoheit-Message-Id": message,
        "X-Hoheit-Task": task,
        **hoheit_filter._signed(USER),
    }
    body = {"model": "scripted", "messages": [{"role": "user", "content": text}], "stream": False}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{adapter.base_url}/chat/completions", json=body, headers=headers) as answer,
    ):
        assert answer.status == 200


async def test_the_button_shows_the_request_as_it_left_and_marks_the_pseudonyms(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "sent", f"NOTOOL {NAME} asks")
    shown = await pressed(adapter, "sent")
    assert f"<pre>NOTOOL <mark>{PSEUDONYM}</mark> asks</pre>" in shown
    assert f"<mark>{SHORT}</mark>" not in shown
    [exact] = re.findall(r'<pre class="exact">(.*?)</pre>', shown, re.DOTALL)
    sent = html.unescape(re.sub("</?mark>", "", exact))
    assert sent in adapter.bodies.values()
    assert hashlib.sha256(sent.encode()).hexdigest() in shown
    assert "✓ matches" in shown
    assert NAME not in shown
    for fact in ("cluster in Lyon", "policy.yaml:7", "internal", "listed 1"):
        assert fact in shown


async def test_the_button_speaks_the_language_of_the_page_and_knows_its_colours(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "german", f"NOTOOL {NAME}")
    shown = await pressed(adapter, "german", says={"language": "de-DE", "dark": True})
    assert '<html lang="de" class=dark>' in shown
    assert "Genau so, wie es gesendet wurde" in shown


async def test_another_user_sees_nothing_of_it(adapter: ScriptedAdapter) -> None:
    await send(adapter, "own", f"NOTOOL {NAME}")
    shown = await pressed(adapter, "own", OTHER)
    assert "Nothing left" in shown
    assert PSEUDONYM not in shown


async def test_who_cannot_be_vouched_for_sees_nothing(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(adapter, "unsigned", f"NOTOOL {NAME}")
    monkeypatch.delenv("FORWARD_USER_INFO_HEADER_JWT_SECRET")
    shown = await pressed(adapter, "unsigned")
    assert PSEUDONYM not in shown
    assert "FORWARD_USER_INFO_HEADER_JWT_SECRET" in shown


async def test_a_request_that_is_not_kept_any_more_is_told_by_its_receipt(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "gone", f"NOTOOL {NAME}")
    adapter.bodies.clear()
    shown = await pressed(adapter, "gone")
    assert "not kept any more" in shown
    assert "policy.yaml:7" in shown
    assert "<mark>" not in shown


async def test_an_answer_given_on_site_shows_that_nothing_left(adapter: ScriptedAdapter) -> None:
    adapter.kept.add("home")
    await send(adapter, "home", "NOTOOL hello")
    shown = await pressed(adapter, "home")
    assert "Nothing left the site" in shown
    assert "answered on site" in shown


@pytest.mark.parametrize("server", BAD_ANSWERS)
async def test_an_adapter_that_cannot_be_asked_is_said_so_by_the_button(server: OneAnswer) -> None:
    with running(server):
        shown = await pressed(server.base_url, "chat")
    assert "not known" in shown


EVIL = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>&lt;'\"`${x}"


def page_of(body: str, pseudonyms: list[str], **changes: Any) -> str:
    """The page for one receipt, every text of which is hostile."""
    words = hoheit_sent._WORDS["en"]
    kept = {"body": body, "pseudonyms": pseudonyms, "kept_until": EVIL}
    hostile = receipt(
        policy=EVIL, model=EVIL, destination=EVIL, site=EVIL, data_class=EVIL, time=EVIL,
        passages={EVIL: 1}, counts={EVIL: 1}, body_sha256=EVIL, **changes,
    )  # fmt: skip
    content = hoheit_sent._facts(hostile, kept, words) + hoheit_sent._texts(kept, words)
    return hoheit_sent._page(content, words, "en", False)


@pytest.mark.parametrize(
    "body", [EVIL, json.dumps({"messages": [{"role": EVIL, "content": EVIL}]})]
)
def test_nothing_in_a_request_becomes_part_of_the_page(body: str) -> None:
    page = page_of(body, [EVIL, "<b>"])
    tags = set(re.findall(r"<(/?[a-z0-9]+)", page))
    assert "img" not in tags
    assert page.count("<script") == 1
    # The policy allows exactly the one script that is there, and no host at all.
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert not re.search(r"<[a-z]+[^>]*\s(src|href|action|on\w+)=", page)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts, st.lists(st.text("KQ7<&\"'-", min_size=1, max_size=4), max_size=4))
def test_the_text_shown_is_the_text_sent_whatever_is_marked(text: str, names: list[str]) -> None:
    kept = {"body": text, "pseudonyms": names}
    shown = hoheit_sent._texts(kept, hoheit_sent._WORDS["en"])
    [exact] = re.findall(r'<pre class="exact">(.*?)</pre>', shown, re.DOTALL)
    assert html.unescape(re.sub("</?mark>", "", exact)) == text
    for marked in re.findall("<mark>(.*?)</mark>", exact, re.DOTALL):
        assert html.unescape(marked) in names


def test_a_text_that_was_changed_does_not_match_its_hash() -> None:
    kept = {"body": "changed"}
    told = hoheit_sent._facts(
        receipt(body_sha256=hashlib.sha256(b"sent").hexdigest()), kept, hoheit_sent._WORDS["en"]
    )
    assert "✗ does not match" in told


def test_a_very_long_request_is_cut_and_says_so() -> None:
    kept = {"body": "x" * (hoheit_sent._LONGEST + 1234)}
    assert "… 1234 characters more" in hoheit_sent._texts(kept, hoheit_sent._WORDS["en"])


def test_both_languages_have_the_same_words() -> None:
    for module in (hoheit_filter, hoheit_on_site, hoheit_sent):
        words: dict[str, dict[str, str]] = module._WORDS  # type: ignore[attr-defined]
        for name in words["en"]:
            fields = [set(re.findall(r"\{(\w+)\}", words[language][name])) for language in words]
            assert fields[0] == fields[1], name
        assert words["en"].keys() == words["de"].keys()


async def test_an_adapter_that_does_not_answer_is_not_waited_for(adapter: ScriptedAdapter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        [line] = await lines_of(address, chat="chat", adapter_timeout_s=0.2)
        assert "TimeoutError" in line
        with pytest.raises(hoheit_on_site.NotOnSiteError, match="TimeoutError"):
            await switch_on(address, metadata("chat"), adapter_timeout_s=0.2)
