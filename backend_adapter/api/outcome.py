"""What one request came to, in figures: for metrics, traces and the request's log line. Never what was said."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from backend_adapter.chat.events import Finish, FinishReason, Part, Usage


@dataclass
class Outcome:
    """Filled in as a request goes on; seconds are measured from its arrival.

    `error` is the code of the error that the client got. `passed_over` are upstreams that failed before
    they said anything, `gone_on_from` those that broke off and were gone on from, by name.
    """

    model: str
    operation: str
    client: str
    stream: bool
    background: bool = False
    task: str | None = None
    started: float = 0.0
    queued_s: float = 0.0
    ttft_s: float | None = None
    duration_s: float = 0.0
    upstream: str | None = None
    passed_over: list[str] = field(default_factory=list)
    gone_on_from: list[str] = field(default_factory=list)
    finish_reasons: list[FinishReason] = field(default_factory=list)
    usage: Usage | None = None
    error: str | None = None
    status: int = 200

    def add(self, parts: Sequence[Part]) -> None:
        """Some parts of the answer have gone out."""
        for part in parts:
            kind = type(part)
            if kind is Finish:
                self.finish_reasons.append(part.reason)  # type: ignore[union-attr]
            elif kind is Usage:
                self.count(part)  # type: ignore[arg-type]

    def count(self, usage: Usage) -> None:
        """Add the tokens of one answer; a request may take more than one."""
        before = self.usage
        if before is None:
            self.usage = usage
            return
        self.usage = Usage(
            before.prompt_tokens + usage.prompt_tokens,
            before.completion_tokens + usage.completion_tokens,
            usage.cached_tokens,
            usage.reasoning_tokens,
        )
