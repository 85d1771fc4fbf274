"""The names of OpenTelemetry's GenAI semantic conventions that spans use, all in this one place.

Every one of them is still in development, so that they may change from one release of the conventions to the
next (https://github.com/open-telemetry/semantic-conventions-genai, as of November 2026). Names that begin
with `hoheit.` are our own, for what the conventions do not know.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE: Final = "error.type"

UPSTREAM: Final = "hoheit.upstream"
CLIENT: Final = "hoheit.client"
TASK: Final = "hoheit.task"
QUEUE_WAIT: Final = "hoheit.queue_wait"

# Events within a span.
PASSED_OVER: Final = "hoheit.upstream.passed_over"
GONE_ON_FROM: Final = "hoheit.upstream.gone_on_from"

# The provider is whom the asker deals with: the adapter, whatever engine it asked.
THIS_PROVIDER: Final = "hoheit"
