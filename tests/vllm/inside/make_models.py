"""Writes small models with random weights in the true forms of large ones: `make_models.py SMOLLM2 INTO`.

Runs in vLLM's environment, which has the libraries for it. What counts in these models is their form, through which
vLLM chooses its kernels, its layouts and its parsers; what they say, the tests put into their mouths.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from openai_harmony import HarmonyEncodingName, load_harmony_encoding
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    GptOssConfig,
    PretrainedConfig,
    Qwen3MoeConfig,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

SEED = 20261127
_COMMON: dict[str, Any] = {
    "num_hidden_layers": 4,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    # Ten times the usual: so that one token is clearly likelier than the next.
    "initializer_range": 0.2,
}
_OF_SMOLLM2: dict[str, Any] = {
    "vocab_size": 49152,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
# SmolLM2 has these tokens, but no use for them. The models that are imitated show theirs in the text: they are not
# special to the tokenizer.
_RENAMED = {
    "<file_sep>": "<think>",
    "<filename>": "</think>",
    "<gh_stars>": "<tool_call>",
    "<issue_start>": "</tool_call>",
    "<issue_comment>": "<｜tool▁calls▁begin｜>",
    "<issue_closed>": "<｜tool▁calls▁end｜>",
    "<jupyter_start>": "<｜tool▁call▁begin｜>",
    "<jupyter_text>": "<｜tool▁call▁end｜>",
    "<jupyter_code>": "<｜tool▁sep｜>",
}
_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content or '' }}"
    "{% for call in message.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HARMONY_WORDS = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
_HARMONY_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
_HARMONY_TOKENS = 201088


def gpt_oss() -> GptOssConfig:
    return GptOssConfig(
        vocab_size=_HARMONY_TOKENS,
        bos_token_id=199998,
        eos_token_id=200002,
        pad_token_id=199999,
        hidden_size=128,
        intermediate_size=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_local_experts=4,
        num_experts_per_tok=2,
        **_COMMON,
    )


def deepseek_v3() -> DeepseekV3Config:
    return DeepseekV3Config(
        hidden_size=256,
        intermediate_size=512,
        moe_intermediate_size=128,
        num_attention_heads=4,
        num_key_value_heads=4,
        n_routed_experts=8,
        num_experts_per_tok=2,
        q_lora_rank=256,
        n_group=2,
        topk_group=1,
        first_k_dense_replace=1,
        num_nextn_predict_layers=0,
        # Of the original's own code, which vLLM goes by.
        topk_method="noaux_tc",
        scoring_func="sigmoid",
        moe_layer_freq=1,
        **_COMMON,
        **_OF_SMOLLM2,
    )


def qwen3_moe() -> Qwen3MoeConfig:
    return Qwen3MoeConfig(
        hidden_size=256,
        intermediate_size=512,
        moe_intermediate_size=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_experts=8,
        num_experts_per_tok=2,
        **_COMMON,
        **_OF_SMOLLM2,
    )


def write_weights(config: PretrainedConfig, into: Path) -> None:
    torch.manual_seed(SEED)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(into)


def write_thinking_tokenizer(smollm2: Path, into: Path) -> None:
    """SmolLM2's tokenizer with tokens for thinking and calls."""
    tokenizer = json.loads((smollm2 / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        if new := _RENAMED.get(token["content"]):
            tokenizer["model"]["vocab"][new] = tokenizer["model"]["vocab"].pop(token["content"])
            token.update(content=new, special=False)
    (into / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = json.loads((smollm2 / "tokenizer_config.json").read_text())
    settings["chat_template"] = _TEMPLATE
    (into / "tokenizer_config.json").write_text(json.dumps(settings))


def write_harmony_tokenizer(into: Path) -> None:
    """o200k_harmony, from the vocabulary that vLLM's reader of harmony carries in itself."""
    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
    special = {
        encoding.encode(text, allowed_special="all")[0]: text
        for text in encoding.special_tokens_set
    }
    letters = bytes_to_unicode()
    ranks: dict[bytes, int] = {}
    for token in range(min(special)):
        ranks[encoding._inner.decode_bytes([token])] = token

    def spelled(piece: bytes) -> str:
        return "".join(letters[byte] for byte in piece)

    # Whatever two tokens make up a third may be merged, the lowest third first; so does the original.
    merges = [
        (spelled(piece[:at]), spelled(piece[at:]))
        for piece in ranks
        for at in range(1, len(piece))
        if piece[:at] in ranks and piece[at:] in ranks
    ]
    vocabulary = {spelled(piece): rank for piece, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_HARMONY_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    for token in range(min(special), _HARMONY_TOKENS):
        text = special.get(token, f"<|reserved_{token}|>")
        tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True)])
        assert tokenizer.token_to_id(text) == token
    sample = "Grüße 🎉 aus 東京, it's 12345!\n\n  def f(x):<|end|>"
    assert tokenizer.encode(sample).ids == encoding.encode(sample, allowed_special="all")
    tokenizer.save(str(into / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 4096,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|return|>",
        "pad_token": "<|endoftext|>",
        "chat_template": _HARMONY_TEMPLATE,
    }
    (into / "tokenizer_config.json").write_text(json.dumps(settings))
    ends = {
        "bos_token_id": 199998,
        "eos_token_id": [200002, 199999, 200012],
        "pad_token_id": 199999,
    }
    (into / "generation_config.json").write_text(json.dumps(ends))


def main() -> None:
    smollm2, into = Path(sys.argv[1]), Path(sys.argv[2])
    for name, config in (
        ("gpt-oss", gpt_oss()),
        ("deepseek-v3", deepseek_v3()),
        ("qwen3-moe", qwen3_moe()),
    ):
        folder = into / name
        write_weights(config, folder)
        if name == "gpt-oss":
            write_harmony_tokenizer(folder)
        else:
            write_thinking_tokenizer(smollm2, folder)


if __name__ == "__main__":
    main()
