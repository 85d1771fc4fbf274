"""LiteLLM's proxy with its Presidio guardrail.

The real proxy, its guardrail as its documentation has it (`mode: pre_call`, on for every request), before
the real Presidio (`presidio_server`). It is told English, as it takes one language for all.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.egress.adapters import KEY, started
from benchmarks.egress.peers.running import CHECKOUT, python, variables
from benchmarks.gateway.proxies import free_port
from benchmarks.site import Endpoint


@contextmanager
def litellm(
    folder: Path,
    upstream: Endpoint,
    model: str,
    *,
    restores: bool = True,
    values: Sequence[str] = (),
) -> Iterator[int]:
    """The proxy before that upstream, and the port that it listens on; `values` are listed. Raises SystemExit."""
    folder.mkdir()
    listed = {
        "name": "Listed",
        "supported_language": "en",
        "supported_entity": "LISTED",
        "deny_list": list(values),
    }
    (folder / "recognizers.json").write_text(json.dumps([listed] if values else []))
    presidio, port = free_port(), free_port()
    at = f"http://127.0.0.1:{presidio}"
    config = {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": upstream.base_url,
                    "api_key": upstream.key,
                },
            }
        ],
        "guardrails": [
            {
                "guardrail_name": "presidio",
                "litellm_params": {
                    "guardrail": "presidio",
                    "mode": "pre_call",
                    "default_on": True,
                    "output_parse_pii": restores,
                    "presidio_language": "en",
                    "presidio_analyzer_api_base": at,
                    "presidio_anonymizer_api_base": at,
                    "presidio_ad_hoc_recognizers": str(folder / "recognizers.json"),
                },
            }
        ],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "general_settings": {"master_key": KEY},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # YAML contains JSON
    environment = {
        **variables(),
        "HOME": str(folder),
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    program = python("litellm").parent / "litellm"
    serving = [
        str(python("presidio")),
        "-m",
        "benchmarks.egress.peers.presidio_server",
        str(presidio),
    ]
    proxy = [str(program), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1"]
    proxy += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    with ExitStack() as stack:
        seen = {**variables(), "PYTHONPATH": str(CHECKOUT)}
        stack.enter_context(started("presidio", serving, folder, presidio, "/health", seen))
        stack.enter_context(started("litellm", proxy, folder, port, "/v1/models", environment))
        yield port
