"""A tiny Llama with random weights, in Hugging Face's form, that writes printable text."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

LAYERS, WIDTH, HEADS, KV_HEADS, INNER = 6, 64, 4, 2, 128
SPECIAL = ("<|end|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{%- if tools %}<|im_start|>system\nTools: {% for tool in tools %}{{ tool.function | tojson }}\n"
    "{% endfor %}Answer with <tool_call>JSON</tool_call>.<|im_end|>\n{% endif %}"
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{%- for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(directory: Path, seed: int = 0) -> Path:
    """Write the model's directory."""
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(directory)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": len(vocabulary),
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": vocabulary["<|im_end|>"],
        "torch_dtype": "float32",
    }
    (directory / "config.json").write_text(json.dumps(config))
    save_file(_weights(vocabulary, seed), str(directory / "model.safetensors"), {"format": "pt"})
    return directory


def _weights(vocabulary: dict[str, int], seed: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=random) / columns**0.5

    head = matrix(len(vocabulary), WIDTH)
    # What is no printable ASCII is never the likeliest.
    for token, number in vocabulary.items():
        printable = token.isascii() and token.isprintable() and token not in SPECIAL
        if not printable and not token.startswith("Ġ"):
            head[number] = 0
    made = {
        "model.embed_tokens.weight": torch.randn(len(vocabulary), WIDTH, generator=random),
        "model.norm.weight": torch.ones(WIDTH),
        "lm_head.weight": head,
    }
    kv = WIDTH // HEADS * KV_HEADS
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        made |= {
            f"{prefix}.input_layernorm.weight": torch.ones(WIDTH),
            f"{prefix}.post_attention_layernorm.weight": torch.ones(WIDTH),
            f"{prefix}.self_attn.q_proj.weight": matrix(WIDTH, WIDTH),
            f"{prefix}.self_attn.k_proj.weight": matrix(kv, WIDTH),
            f"{prefix}.self_attn.v_proj.weight": matrix(kv, WIDTH),
            f"{prefix}.self_attn.o_proj.weight": matrix(WIDTH, WIDTH),
            f"{prefix}.mlp.gate_proj.weight": matrix(INNER, WIDTH),
            f"{prefix}.mlp.up_proj.weight": matrix(INNER, WIDTH),
            f"{prefix}.mlp.down_proj.weight": matrix(WIDTH, INNER),
        }
    return made


def _write_tokenizer(directory: Path) -> dict[str, int]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "a"), ("{", '"'), ('"', ":")]
    tokens = [*SPECIAL, *alphabet, *("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in SPECIAL])
    made.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|im_end|>", "bos_token": None, "chat_template": TEMPLATE})
    )
    return vocabulary
