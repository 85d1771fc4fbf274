"""The client of the released Petals, as the swarm's benchmarks and tests ask it; in the swarm's environment."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from backend_adapter.petals import compat

# As it comes, it tries a step that fails again for ever.
_RETRIES = 3
_TIMEOUT_S = 60


def stock_client(model: str, model_id: str, peers: Sequence[str]) -> Any:
    """Petals' own model over the swarm `model_id`; its `generate` is transformers'."""
    # Of libraries older than what they run on; they would fill the screen.
    warnings.simplefilter("ignore")
    compat.mend_hivemind()
    compat.mend_petals()
    from petals import AutoDistributedModelForCausalLM

    return AutoDistributedModelForCausalLM.from_pretrained(
        model,
        initial_peers=list(peers),
        dht_prefix=model_id,
        torch_dtype=torch.float32,
        max_retries=_RETRIES,
        request_timeout=_TIMEOUT_S,
    )
