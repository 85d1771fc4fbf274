"""A tiny random Llama with a tokenizer of bytes, and a session that computes all its layers in this process."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from backend_adapter.petals.model.local import LocalCache, LocalModel


def quiet_transformers() -> Any:
    """Its 4.34 warns of what torch has renamed since, when a model is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers
        from transformers import LlamaForCausalLM  # noqa: F401
    return transformers


END, START = "<|im_end|>", "<|im_start|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny(directory: Path, seed: int = 0, *, tied: bool = True, template: str = TEMPLATE) -> Path:
    """Write a model of two layers into `directory`: 256 bytes, a few longer tokens, two special ones."""
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = _tokenizer(directory)
    torch.manual_seed(seed)
    transformers = quiet_transformers()
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        # Large weights: a model whose scores hardly differ would say the same of everything.
        initializer_range=0.4,
        tie_word_embeddings=tied,
        bos_token_id=vocabulary[START],
        eos_token_id=vocabulary[END],
    )
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(directory, safe_serialization=True)
    settings = {"eos_token": END, "bos_token": START, "chat_template": template}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return directory


def _tokenizer(directory: Path) -> dict[str, int]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("a", "b"), ("ab", "c"), ('"', ":"), ("Ġ", "t"), ("{", '"')]
    tokens = [START, END, *alphabet, *("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(
        [AddedToken(each, special=True, normalized=False) for each in (START, END)]
    )
    made.save(str(directory / "tokenizer.json"))
    return vocabulary


class LocalSession:
    """What `swarm.session.Session` is to a decoder, without a swarm; `sent` are the steps (start, tokens)."""

    def __init__(
        self, model: LocalModel, max_tokens: int = 512, *, rolls_back: bool = True
    ) -> None:
        self._cache = LocalCache(model, max_tokens)
        self.rolls_back = rolls_back
        self.sent: list[tuple[int, int]] = []
        self.held: list[int] = []

    @property
    def position(self) -> int:
        return self._cache.position

    async def forward(
        self, ids: Sequence[int], start: int, *, last_only: bool = False
    ) -> torch.Tensor:
        assert self.rolls_back or start == self.position
        self.sent.append((start, len(ids)))
        self.held = [*self.held[:start], *ids]
        return self._cache.forward(ids, start, last_only=last_only)

    async def close(self) -> None:
        self.held = []
