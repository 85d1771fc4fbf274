"""What requests to models came to, counted for Prometheus.

Labels hold only what settings and upstreams name: models of the pool, upstreams, clients, and codes of a
closed set. No user and nothing a client makes up becomes a label, so that the number of series is bounded.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from backend_adapter.api.outcome import Outcome
from backend_adapter.routing.pool import Pool

UNKNOWN = "unknown"
NO_ERROR = "none"
OTHER_ERROR = "other"

# Every code that can end a request to a model, and the types that stand for errors without a code.
ERROR_CODES = frozenset(
    {
        "client_left",
        "client_stuck",
        "continuation_mismatch",
        "database_unavailable",
        "egress_refused",
        "engine_dead",
        "incomplete",
        "insufficient_quota",
        "internal_error",
        "invalid_request_error",
        "invalid_tool_call",
        "model_not_found",
        "queue_full",
        "queue_timeout",
        "rate_limit_error",
        "refused_by_upstream",
        "server_error",
        "too_many_labels",
        "too_many_tool_calls",
        "unreadable_chunk",
        "upstream_error",
        "upstream_failed",
        "upstream_key_refused",
        "upstream_overloaded",
        "upstream_timeout",
        "upstream_unreachable",
        "upstream_unreadable",
    }
)

# More models than this have no series of their own: upstreams name their models, and one whose list
# changes with every look would otherwise fill the memory of whoever keeps the series.
_MOST_MODELS = 1000

_TTFT_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120)
_WAIT_S = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
_DURATION_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640)
_RATE = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 200, 400)


class Metrics:
    """The figures of one adapter, in a registry of its own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._models: set[str] = set()
        # By model, upstream and phase; kept here so that the topology can tell them too.
        self._failovers: dict[tuple[str, str, str], int] = {}
        registry = self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        of_model = ("model", "upstream")
        self._http = Counter(
            "hoheit_http_requests",
            "HTTP requests by route and status, refused ones included.",
            ("route", "status"),
            registry=registry,
        )
        self._requests = Counter(
            "hoheit_requests",
            "Requests to a model that are over, by how they ended.",
            ("model", "operation", "client", "priority", "status", "error"),
            registry=registry,
        )
        self._duration = Histogram(
            "hoheit_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            ("model", "operation"),
            buckets=_DURATION_S,
            registry=registry,
        )
        self._wait = Histogram(
            "hoheit_queue_wait_seconds",
            "Time that a request waited for a place, up to queue_timeout_s.",
            ("model", "priority"),
            buckets=_WAIT_S,
            registry=registry,
        )
        self._ttft = Histogram(
            "hoheit_time_to_first_token_seconds",
            "Time from a request's arrival to the first piece of its answer, the wait for a place included.",
            of_model,
            buckets=_TTFT_S,
            registry=registry,
        )
        self._rate = Histogram(
            "hoheit_output_tokens_per_second",
            "Generated tokens per second after the first, of complete answers.",
            of_model,
            buckets=_RATE,
            registry=registry,
        )
        self._tokens = Counter(
            "hoheit_tokens",
            "Tokens read (input) and generated (output), as the engine counts them.",
            (*of_model, "type"),
            registry=registry,
        )
        self._cached = Counter(
            "hoheit_cached_input_tokens",
            "Tokens among those read that the engine had in its cache.",
            of_model,
            registry=registry,
        )

        self._egress = Counter(
            "hoheit_egress_requests",
            "What the policy decided about requests for models outside of the site; one that is sent twice counts "
            "twice.",
            ("upstream", "action"),
            registry=registry,
        )
        self._protected = Counter(
            "hoheit_egress_protected_values",
            "Values that left under pseudonyms, by what they are.",
            ("category",),
            registry=registry,
        )

    def count_egress(self, upstream: str, action: str, protected: Mapping[str, int]) -> None:
        """A request is about to leave, or was kept on site; `protected` counts its values by category."""
        self._egress.labels(upstream, action).inc()
        for category, count in protected.items():
            self._protected.labels(category).inc(count)

    def count(self, outcome: Outcome) -> None:
        """A request to a model is over."""
        model = self.model_label(outcome)
        upstream = outcome.upstream or "none"
        priority = "background" if outcome.background else "chat"
        self._requests.labels(
            model,
            outcome.operation,
            outcome.client,
            priority,
            f"{outcome.status // 100}xx",
            error_label(outcome.error) or NO_ERROR,
        ).inc()
        self._duration.labels(model, outcome.operation).observe(outcome.duration_s)
        # A request that was never let in has no wait; one that waited too long did little else.
        if outcome.upstream or outcome.passed_over:
            self._wait.labels(model, priority).observe(outcome.queued_s)
        elif outcome.error == "queue_timeout":
            self._wait.labels(model, priority).observe(outcome.duration_s)
        if outcome.ttft_s is not None:
            self._ttft.labels(model, upstream).observe(outcome.ttft_s)
        self._count_tokens(outcome, model, upstream)
        for phase, names in (
            ("before_first_token", outcome.passed_over),
            ("mid_answer", outcome.gone_on_from),
        ):
            for name in names:
                key = (model, name, phase)
                self._failovers[key] = self._failovers.get(key, 0) + 1

    def _count_tokens(self, outcome: Outcome, model: str, upstream: str) -> None:
        usage = outcome.usage
        if usage is None:
            return
        self._tokens.labels(model, upstream, "input").inc(usage.prompt_tokens)
        self._tokens.labels(model, upstream, "output").inc(usage.completion_tokens)
        if usage.cached_tokens:
            self._cached.labels(model, upstream).inc(usage.cached_tokens)
        if outcome.error is None and outcome.ttft_s is not None and usage.completion_tokens > 1:
            seconds = outcome.duration_s - outcome.ttft_s
            if seconds > 0:  # else the answer came in one piece
                self._rate.labels(model, upstream).observe((usage.completion_tokens - 1) / seconds)

    def count_http(self, route: str, status: int) -> None:
        """An HTTP request is over; `route` is the route's own pattern."""
        self._http.labels(route, str(status)).inc()

    def failovers(self, model: str, upstream: str) -> dict[str, int]:
        """How often others answered in place of this upstream, by phase."""
        return {
            phase: self._failovers.get((model, upstream, phase), 0)
            for phase in ("before_first_token", "mid_answer")
        }

    def model_label(self, outcome: Outcome) -> str:
        """The model's name where it is one, else `unknown`."""
        model = outcome.model
        if model in self._models:
            return model
        if len(self._models) >= _MOST_MODELS:
            return UNKNOWN
        if any(model in member.replicas for member in self._pool.members.values()):
            self._models.add(model)
            return model
        return UNKNOWN

    def collect(self) -> Iterator[Metric]:
        """All figures as they are now."""
        for metric in self._registry.collect():
            metric.samples = [each for each in metric.samples if not _says_when(each.name)]
            yield metric
        failovers = CounterMetricFamily(
            "hoheit_failovers",
            "Requests that another upstream answered (before_first_token) or went on with (mid_answer).",
            labels=("model", "upstream", "phase"),
        )
        for labels, times in list(self._failovers.items()):
            failovers.add_metric(labels, times)
        yield failovers


class Together:
    """Metrics from several places as one collector, for an encoder."""

    def __init__(self, *parts: Iterable[Metric]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Each part in turn."""
        for part in self._parts:
            yield from part


def error_label(error: str | None) -> str | None:
    """An error's code where it is one of ours; None where there is no error."""
    return error if error is None or error in ERROR_CODES else OTHER_ERROR


def _says_when(sample: str) -> bool:
    """Whether it tells when a series began, which doubles their number and helps nobody."""
    return sample.endswith("_created")
