"""Spans: what a collector gets of a request, over real OTLP/HTTP."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from scripted import (
    DEADLINE_S,
    KEY,
    Client,
    RunningAdapter,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
    usage,
)

from backend_adapter.app import create_app
from backend_adapter.errors import SettingsError
from backend_adapter.settings import AdapterSettings, UpstreamSettings

CHAT = "/v1/chat/completions"
QUESTION = "How much is the dog tax of Mrs Muster?"
ANSWER = "It is 120 euros"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"


class Collector:
    """An OTLP/HTTP receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.spans: list[Span] = []
        self.resource: dict[str, Any] = {}
        self.status = 200
        self.asked = 0
        self.release: asyncio.Event | None = None
        self.url = ""

    async def serve(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        raw = await request.read()
        self.asked += 1
        if self.release is not None:
            await self.release.wait()
        if self.status == 200:
            self.raw.append(raw)
            for each in ExportTraceServiceRequest.FromString(raw).resource_spans:
                self.resource = attributes(each.resource)
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
        return web.Response(status=self.status)


def attributes(holder: Any) -> dict[str, Any]:
    return {each.key: plain(each.value) for each in holder.attributes}


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, str(kind))


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    runner = await found.serve()
    yield found
    if found.release is not None:
        found.release.set()
    await runner.cleanup()


async def stop(adapter: RunningAdapter) -> None:
    """A clean stop, while this loop's servers go on."""
    await asyncio.to_thread(adapter.stop)


async def answer(turn: Turn) -> None:
    await turn.send(chunk({"content": ANSWER}), chunk(finish="stop"), usage(9, 4), "[DONE]")


async def test_a_request_is_one_span_in_the_words_of_the_genai_conventions(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, collector: Collector
) -> None:
    async def begin_and_wait(turn: Turn) -> None:
        await turn.send(chunk({"content": ANSWER}))
        await turn.heard.wait()
        await turn.send(chunk(finish="stop"), usage(9, 4), "[DONE]")

    upstream.script = begin_and_wait
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    before = time.time_ns()
    async with client.stream(adapter, CHAT, ask(QUESTION, stream=True)) as response:
        await response.content.readany()
        begun = time.time_ns()
        upstream.turns[0].heard.set()
        await response.read()
    after = time.time_ns()
    await stop(adapter)
    [span] = collector.spans
    assert span.name == "chat scripted"
    assert span.kind == Span.SPAN_KIND_CLIENT
    found = attributes(span)
    first = found.pop("gen_ai.response.time_to_first_chunk")
    assert found.pop("hoheit.queue_wait") >= 0
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "hoheit",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 4,
        "hoheit.upstream": "up0",
        "hoheit.client": "site",
    }
    assert collector.resource["service.name"] == "hoheit-adapter"
    # In the order in which it happened, by the wall clock; the event loop's own clock lags a little.
    start, end, step = span.start_time_unix_nano, span.end_time_unix_nano, 500_000_000
    assert before - step <= start <= start + first * 1e9 <= begun + step
    assert begun - step <= end <= after + step
    assert span.status.code == Status.STATUS_CODE_UNSET


async def test_nothing_that_was_said_is_in_a_span(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, collector: Collector
) -> None:
    upstream.script = answer
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    for stream in (True, False):
        await client.post(adapter, CHAT, ask(QUESTION, stream=stream, user="anna"))
    await client.post(adapter, CHAT, {**ask(QUESTION), "model": "made-up"})
    await stop(adapter)
    assert [span.name for span in collector.spans] == ["chat scripted"] * 2 + ["chat unknown"]
    sent = b"".join(collector.raw)
    for word in ("dog tax", "Muster", "euros", "anna", "made-up", KEY, upstream.base_url):
        assert word.encode() not in sent


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_span_joins_the_trace_that_its_request_names(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    collector: Collector,
    flags: str,
) -> None:
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    headers = {
        "Authorization": f"Bearer {KEY}",
        "traceparent": f"00-{TRACE_ID}-{PARENT_ID}-{flags}",
        "tracestate": "vendor=1",
    }
    async with client.session.post(adapter.url + CHAT, json=ask(), headers=headers) as response:
        assert response.status == 200
    await client.post(adapter, CHAT, ask())
    await stop(adapter)
    joined = [span for span in collector.spans if span.trace_id.hex() == TRACE_ID]
    own = [span for span in collector.spans if span not in joined]
    # Whoever began the trace decides whether it is kept (flag 01, "sampled").
    assert len(joined) == int(flags)
    assert all(span.parent_span_id.hex() == PARENT_ID for span in joined)
    assert all(span.trace_state == "vendor=1" for span in joined)
    assert [span.parent_span_id for span in own] == [b""]


@pytest.mark.parametrize(
    "traceparent",
    ["", "x", "00-0-0-01", f"00-{'0' * 32}-{PARENT_ID}-01", f"ff-{TRACE_ID}-{PARENT_ID}-01", "é"],
)
async def test_a_trace_that_cannot_be_read_begins_a_new_one(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    collector: Collector,
    traceparent: str,
) -> None:
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    headers = {"Authorization": f"Bearer {KEY}", "traceparent": traceparent}
    async with client.session.post(adapter.url + CHAT, json=ask(), headers=headers) as response:
        assert response.status == 200
    await stop(adapter)
    [span] = collector.spans
    assert span.parent_span_id == b""
    assert span.trace_id.hex() != TRACE_ID


async def test_failovers_are_events_of_the_span(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    collector: Collector,
) -> None:
    async def break_off(turn: Turn) -> None:
        await turn.send(chunk({"content": "It is"}))
        turn.cut()

    upstreams = tuple(
        UpstreamSettings(name=f"up{number}", base_url=each.base_url, continuation="replay")
        for number, each in enumerate((upstream, second_upstream))
    )
    upstream.script = break_off
    second_upstream.script = answer
    adapter = start_adapter(
        upstreams=upstreams, otlp_endpoint=collector.url, selection="round_robin"
    )
    await eventually(lambda: bool(upstream.probes and second_upstream.probes))
    while not upstream.turns:
        reply = await client.post(adapter, CHAT, ask(stream=True, temperature=0))
        assert "".join(delta.get("content", "") for delta in reply.deltas) == ANSWER
    await stop(adapter)
    span = collector.spans[-1]
    assert [(event.name, attributes(event)) for event in span.events] == [
        ("hoheit.upstream.gone_on_from", {"hoheit.upstream": "up0"})
    ]
    assert span.start_time_unix_nano <= span.events[0].time_unix_nano <= span.end_time_unix_nano
    assert attributes(span)["hoheit.upstream"] == "up1"
    assert span.status.code == Status.STATUS_CODE_UNSET


async def test_an_error_is_told_by_its_code(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, collector: Collector
) -> None:
    upstream.refuse(500, "{}")
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    assert (await client.post(adapter, CHAT, ask())).status == 502
    await stop(adapter)
    [span] = collector.spans
    assert attributes(span)["error.type"] == "upstream_failed"
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert [event.name for event in span.events] == ["hoheit.upstream.passed_over"]


async def test_without_an_endpoint_no_span_is_made(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, collector: Collector
) -> None:
    adapter = start_adapter(upstream)
    assert (await client.post(adapter, CHAT, ask())).status == 200
    await stop(adapter)
    assert collector.asked == 0


async def test_a_collector_that_fails_or_is_away_harms_no_request_and_is_told_of_once(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend_adapter.api.tracing._EVERY_MS", 50)
    collector.status = 400
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    with caplog.at_level(logging.INFO):
        for asked in range(1, 4):
            assert (await client.post(adapter, CHAT, ask())).status == 200
            await eventually(lambda asked=asked: collector.asked == asked)
        collector.status = 200
        assert (await client.post(adapter, CHAT, ask())).status == 200
        await eventually(lambda: len(collector.spans) == 1)
        await stop(adapter)
    told = [each for each in caplog.records if "opentelemetry" in each.name or "Spans" in each.msg]
    assert [each.getMessage() for each in told] == [
        f"Spans cannot be sent to {collector.url}; they are dropped meanwhile.",
        f"Spans can be sent to {collector.url} again.",
    ]


async def test_a_collector_that_hangs_holds_up_neither_requests_nor_the_end(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend_adapter.api.tracing._EVERY_MS", 50)
    monkeypatch.setattr("backend_adapter.api.tracing._FLUSH_S", 0.3)
    collector.release = asyncio.Event()
    adapter = start_adapter(upstream, otlp_endpoint=collector.url)
    assert (await client.post(adapter, CHAT, ask())).status == 200
    await eventually(lambda: collector.asked == 1)
    assert (await client.post(adapter, CHAT, ask())).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await stop(adapter)
    assert collector.spans == []


def test_an_endpoint_without_opentelemetry_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What an import finds where a package is not installed.
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "backend_adapter.api.tracing", raising=False)
    settings = AdapterSettings(api_key=KEY, otlp_endpoint="http://127.0.0.1:4318")
    with pytest.raises(SettingsError, match=r"hoheit\[tracing\]"):
        create_app(settings)
