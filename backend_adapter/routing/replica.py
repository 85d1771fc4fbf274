"""One upstream as one model's replica: what it carries, how fast it begins, whether it can be asked."""

import asyncio

from backend_adapter.errors import AdapterError, UpstreamError, UpstreamTimeoutError
from backend_adapter.routing.circuit import Circuit
from backend_adapter.upstreams.capabilities import Capabilities
from backend_adapter.upstreams.client import Upstream
from backend_adapter.upstreams.faults import OVERLOADED
from backend_adapter.upstreams.load import Load

# Weight of the newest time to first token in the moving average.
_NEWEST = 0.3
# A time to first token counts for so long; after it a slow replica gets another chance. In seconds.
_REMEMBERED_S = 30.0
# What an engine has told of its load is true for so long, in seconds.
_LOAD_HOLDS_S = 5.0
# A failure to connect, a broken stream, a silence or an error within an answer (vLLM's last word when its
# engine has died) speaks about the server, not about one request. A wrong suspicion costs half a second.
_AT_ONCE = frozenset(
    {
        "engine_dead",
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_error",
        "incomplete",
        "unreadable_chunk",
    }
)


class Replica:
    """One model at one upstream; `wake` is set when it should be looked at before its turn."""

    def __init__(self, upstream: Upstream, model: str, wake: asyncio.Event) -> None:
        self.upstream = upstream
        self.model = model
        self._wake = wake
        self.circuit = Circuit()
        # An upstream of many models is not asked for a token of each; what the settings say holds all the same.
        said = upstream.settings.continuation
        self.capabilities = Capabilities() if said == "auto" else Capabilities(said)
        self.running = 0
        self.outstanding_tokens = 0
        self.failures = 0
        self.ttft_known = 0
        self._ttft_s: float | None = None
        self._ttft_at = 0.0
        self._busy_until = 0.0
        self._load: Load | None = None
        self._load_at = 0.0

    @property
    def name(self) -> str:
        """The upstream's name."""
        return self.upstream.name

    def ttft_s(self, now: float) -> float | None:
        """Moving average of the time to first token; None where nothing recent is known."""
        return self._ttft_s if now - self._ttft_at < _REMEMBERED_S else None

    def load(self, now: float) -> Load | None:
        """What its engine carries, whoever asked for it; None where nothing recent is known."""
        return self._load if now - self._load_at < _LOAD_HOLDS_S else None

    def note_load(self, load: Load | None) -> None:
        """Its engine has told what it carries."""
        self._load = load
        self._load_at = _now()

    def busy(self, now: float) -> bool:
        """Whether it has said that it is overloaded and for how long."""
        return now < self._busy_until

    def begin(self, tokens: int) -> None:
        """It takes on a request of about `tokens` tokens; `end` must follow."""
        self.running += 1
        self.outstanding_tokens += tokens

    def end(self, tokens: int) -> None:
        """What `begin` said is over."""
        self.running -= 1
        self.outstanding_tokens -= tokens

    def first_token_after(self, seconds: float) -> None:
        """A request has begun to be answered; `ttft_known` counts how often that happened of late."""
        now = _now()
        known = self.ttft_s(now)
        self.ttft_known = 1 if known is None else self.ttft_known + 1
        self._ttft_s = seconds if known is None else known + _NEWEST * (seconds - known)
        self._ttft_at = now

    def failed(self, error: AdapterError) -> None:
        """A request has failed here, by the upstream's fault."""
        now = _now()
        if error.status == OVERLOADED:
            self._busy_until = now + (error.retry_after_s or 1)
            return
        if not isinstance(error, UpstreamError):
            return
        self.failures += 1
        at_once = isinstance(error, UpstreamTimeoutError) or error.code in _AT_ONCE
        self.circuit.failed(now, str(error), at_once=at_once)
        self._wake.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
