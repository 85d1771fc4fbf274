"""What the adapter tells about itself: every request's outcome goes through here, once, at its end."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from backend_adapter.api.metrics import Metrics
from backend_adapter.api.outcome import Outcome
from backend_adapter.errors import SettingsError
from backend_adapter.routing.pool import Pool

if TYPE_CHECKING:
    from backend_adapter.api.tracing import Tracing

# The headers with which a request tells what trace it belongs to (W3C Trace Context), if it does.
TRACE_HEADERS = ("traceparent", "tracestate")
# Those of the request that this task works for.
trace_headers: ContextVar[dict[str, str] | None] = ContextVar("trace_headers", default=None)


class Telemetry:
    """Where figures go: metrics always, spans where an endpoint for them is set."""

    def __init__(self, pool: Pool, tracing: "Tracing | None" = None) -> None:
        self.metrics = Metrics(pool)
        self.tracing = tracing

    def finished(self, outcome: Outcome) -> None:
        """A request is over."""
        self.metrics.count(outcome)
        if self.tracing is not None:
            model = self.metrics.model_label(outcome)
            self.tracing.record(outcome, model, trace_headers.get())


def make_tracing(endpoint: str | None) -> "Tracing | None":
    """Spans for `endpoint`, not started yet. Raises SettingsError where what they need is missing."""
    if endpoint is None:
        return None
    try:
        from backend_adapter.api.tracing import Tracing
    except ImportError as error:
        raise SettingsError(
            f"adapter.otlp_endpoint is {endpoint}, but OpenTelemetry is not installed ({error.name}).",
            "Install the extra 'tracing' (pip install 'hoheit[tracing]'), or leave otlp_endpoint out.",
        ) from None
    return Tracing(endpoint)
