"""One OpenTelemetry span for each request to a model, sent over OTLP; needs the extra `tracing`.

A span says who answered, how long it took and how many tokens it was, in the names of the GenAI semantic
conventions. Prompts and answers are never part of it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from types import TracebackType

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from backend_adapter.api import genai_names as names
from backend_adapter.api.metrics import error_label
from backend_adapter.api.outcome import Outcome

log = logging.getLogger(__name__)

_PATH = "/v1/traces"
# Spans that wait to be sent; further ones are dropped. A span takes about 2 KiB.
_MOST_WAITING = 2048
_EVERY_MS = 2000
_TIMEOUT_S = 5
# How long the end of the adapter waits for the last spans to be sent, in seconds.
_FLUSH_S = 3.0
_CLIENT_LEFT = frozenset({"client_left", "client_stuck"})
_NS = 1_000_000_000


class Tracing:
    """Sends spans to `endpoint`, an OTLP/HTTP receiver's base address, while entered (`async with`)."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._propagator = TraceContextTextMapPropagator()

    async def __aenter__(self) -> "Tracing":
        # The exporter has its own retries and tells of each; one line for an outage is enough.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._exporter = _TellsOnce(
            OTLPSpanExporter(self._endpoint + _PATH, timeout=_TIMEOUT_S), self._endpoint
        )
        resource = Resource.create(
            {"service.name": "hoheit-adapter", "service.version": version("hoheit")}
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter, max_queue_size=_MOST_WAITING, schedule_delay_millis=_EVERY_MS
            )
        )
        self._tracer = self._provider.get_tracer("hoheit.adapter")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send what still waits, for a few seconds at the most."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
        try:
            async with asyncio.timeout(_FLUSH_S):
                await done.wait()
        except TimeoutError:
            log.warning("The last spans could not be sent to %s in time.", self._endpoint)
            self._exporter.shutdown()

    def record(self, outcome: Outcome, model: str, headers: Mapping[str, str] | None) -> None:
        """A request for `model` is over just now; `headers` name the trace that it belongs to.

        The outcome's times are differences of a steady clock, so that the end, which is now, is the one
        moment that is known by the wall clock too; the beginning is counted back from it.
        """
        end = time.time_ns()
        begin = end - round(outcome.duration_s * _NS)
        span = self._tracer.start_span(
            f"{outcome.operation} {model}",
            context=self._propagator.extract(headers) if headers else None,
            # As the conventions want it: the operation as its caller sees it, all attempts included.
            kind=SpanKind.CLIENT,
            attributes=_attributes(outcome, model),
            start_time=begin,
        )
        if span.is_recording():
            first = begin + round(outcome.ttft_s * _NS) if outcome.ttft_s is not None else end
            _tell_failovers(span, outcome, first, end)
            if outcome.error is not None and outcome.error not in _CLIENT_LEFT:
                span.set_status(StatusCode.ERROR)
        span.end(end)


def _attributes(outcome: Outcome, model: str) -> dict[str, AttributeValue]:
    usage = outcome.usage
    found: dict[str, AttributeValue | None] = {
        names.OPERATION: outcome.operation,
        names.PROVIDER: names.THIS_PROVIDER,
        names.REQUEST_MODEL: model,
        names.REQUEST_STREAM: outcome.stream or None,
        names.TIME_TO_FIRST_CHUNK: outcome.ttft_s if outcome.stream else None,
        names.FINISH_REASONS: [str(each) for each in outcome.finish_reasons] or None,
        names.ERROR_TYPE: error_label(outcome.error),
        names.UPSTREAM: outcome.upstream,
        names.CLIENT: outcome.client,
        names.TASK: outcome.task,
        names.QUEUE_WAIT: outcome.queued_s,
    }
    if usage is not None:
        found[names.INPUT_TOKENS] = usage.prompt_tokens
        found[names.OUTPUT_TOKENS] = usage.completion_tokens
        found[names.CACHE_READ_TOKENS] = usage.cached_tokens
        found[names.REASONING_TOKENS] = usage.reasoning_tokens
    return {name: value for name, value in found.items() if value is not None}


def _tell_failovers(span: Span, outcome: Outcome, first: int, end: int) -> None:
    """The moments themselves are not kept: they are told at the latest at which they can have been."""
    for upstream in outcome.passed_over:
        span.add_event(names.PASSED_OVER, {names.UPSTREAM: upstream}, first)
    for upstream in outcome.gone_on_from:
        span.add_event(names.GONE_ON_FROM, {names.UPSTREAM: upstream}, end)


class _TellsOnce(SpanExporter):
    """Says in the log when sending begins to fail, and when it works again."""

    def __init__(self, exporter: OTLPSpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._failing = False
        self._shut_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            log.warning("Spans cannot be sent to %s; they are dropped meanwhile.", self._endpoint)
        elif self._failing and not failed:
            log.info("Spans can be sent to %s again.", self._endpoint)
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Break off what is being sent; may be called twice."""
        if not self._shut_down:
            self._shut_down = True
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
