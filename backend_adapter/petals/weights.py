"""Model directories: what one must hold, and how the default model's GGUF file becomes one.

The embedded engine and the swarm share the weights that the site has on its disk: a GGUF file of the Llama family
is converted once to Hugging Face's form, which the nodes load layer by layer.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from backend_adapter.petals.errors import SwarmError, WeightsError

# Of tokenizer.ggml.token_type: those that no text can be read as (llama.cpp's LLAMA_TOKEN_TYPE_CONTROL).
_CONTROL = 3
_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OTHER_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
# Of the numbers: eight times as exact as bfloat16, in which most models come, and half as large as float32.
_KIND = "float16"
_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")


def check_directory(directory: Path) -> Path:
    """The directory of a model, if it holds everything that nodes and gateway read. Raises WeightsError."""
    missing = [name for name in _NEEDED if not (directory / name).is_file()]
    if not any(directory.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise WeightsError(
            f"The model's directory {directory} lacks {', '.join(missing)}.",
            "Name the directory of a model in Hugging Face's form, with its weights as safetensors.",
        )
    return directory


def converted(gguf: Path, cache: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """The directory under `cache` that holds the model of a GGUF file, converted first where it is missing.

    Several processes may ask at once; what is half-converted is never seen. `say` hears of the progress.
    Raises WeightsError.
    """
    into = cache / f"{gguf.stem}-{_KIND}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{into.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not into.exists():
            folder = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=cache))
            try:
                _convert(gguf, folder, say)
                folder.rename(into)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    return check_directory(into)


def _convert(gguf: Path, folder: Path, say: Callable[[str], None]) -> None:
    from gguf import GGUFReader

    if not gguf.is_file():
        raise WeightsError(f"There is no weights file {gguf}.", "Name a GGUF file that exists.")
    try:
        reader = GGUFReader(gguf)
    except (ValueError, KeyError) as error:
        raise WeightsError(
            f"{gguf} is no readable GGUF file: {error}.", "Fetch it anew; it may be cut off."
        ) from error
    facts = {name: field.contents() for name, field in reader.fields.items()}
    if facts.get("general.architecture") != "llama":
        raise WeightsError(
            f"{gguf} holds a model of the family {facts.get('general.architecture')!r}.",
            "Only the Llama family is converted: name the model's directory in Hugging Face's form instead.",
        )
    config = llama_config(facts, tied=all(each.name != "output.weight" for each in reader.tensors))
    _write_json(folder / "config.json", config)
    say("tokenizer")
    _write_tokenizer(folder, facts)
    _write_weights(folder / "model.safetensors", reader.tensors, config, say)


def llama_config(facts: Mapping[str, Any], *, tied: bool) -> dict[str, Any]:
    """config.json of a Llama from a GGUF file's metadata; `tied` where it has no output matrix of its own."""
    heads = facts["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": facts.get("llama.attention.head_count_kv", heads),
        "max_position_embeddings": facts["llama.context_length"],
        # The file holds a float32, of which nine digits are the number that was meant.
        "rms_norm_eps": float(f"{facts['llama.attention.layer_norm_rms_epsilon']:.7g}"),
        "rope_theta": float(facts.get("llama.rope.freq_base", 10000.0)),
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": tied,
        "bos_token_id": facts.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": facts.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": facts.get("tokenizer.ggml.padding_token_id"),
        "attention_bias": False,
        "pretraining_tp": 1,
        "torch_dtype": _KIND,
        "use_cache": True,
    }


def tensor_name(name: str) -> str:
    """Hugging Face's name of a Llama's tensor in a GGUF file. Raises WeightsError for an unknown one."""
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk" and len(parts) == 3 and parts[2] in _LAYER_NAMES:
        return f"model.layers.{int(parts[1])}.{_LAYER_NAMES[parts[2]]}.weight"
    if len(parts) == 1 and parts[0] in _OTHER_NAMES:
        return f"{_OTHER_NAMES[parts[0]]}.weight"
    raise WeightsError(
        f"The weights file holds a tensor {name!r} that no plain Llama has.",
        "Name the model's directory in Hugging Face's form instead.",
    )


def without_permutation(matrix: Any, heads: int) -> Any:
    """The rows of a query or key matrix [heads * d, columns] in Hugging Face's order.

    GGUF has the two numbers that a rotary position turns together side by side (llama.cpp,
    convert_hf_to_gguf.py), Hugging Face has the first halves of all pairs before the second ones.
    """
    rows, columns = matrix.shape
    pairs = matrix.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _tensors(tensors: Any, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from gguf.quants import dequantize

    for tensor in tensors:
        name = tensor_name(tensor.name)
        # Shapes are told fastest first; the data come as rows.
        shape = tuple(int(each) for each in reversed(tensor.shape))
        values = dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(_KIND)
        if name.endswith("q_proj.weight"):
            values = without_permutation(values, config["num_attention_heads"])
        elif name.endswith("k_proj.weight"):
            values = without_permutation(values, config["num_key_value_heads"])
        yield name, values


def _write_weights(
    file: Path, tensors: Any, config: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    import numpy
    from safetensors.numpy import save_file

    done: dict[str, Any] = {}
    for number, (name, values) in enumerate(_tensors(tensors, config), 1):
        done[name] = numpy.ascontiguousarray(values)
        if number % 30 == 0:
            say(f"tensor {number} of {len(tensors)}")
    say("writing")
    save_file(done, str(file), metadata={"format": "pt"})


def _write_tokenizer(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write a byte-level BPE tokenizer (llama.cpp's types `gpt2` and `smollm`)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    if facts.get("tokenizer.ggml.model") != "gpt2":
        raise WeightsError(
            f"The weights file has a tokenizer of the kind {facts.get('tokenizer.ggml.model')!r}.",
            "Name the model's directory in Hugging Face's form instead.",
        )
    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    merges = [tuple(each.split(" ", 1)) for each in facts["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocabulary, merges))
    split = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    if facts.get("tokenizer.ggml.pre") == "smollm":
        split.insert(0, pre_tokenizers.Digits(individual_digits=True))
    made.pre_tokenizer = pre_tokenizers.Sequence(split)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    kinds: list[int] = facts["tokenizer.ggml.token_type"]
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    made.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in control])
    made.save(str(folder / "tokenizer.json"))

    def named(what: str) -> str | None:
        number = facts.get(f"tokenizer.ggml.{what}_token_id")
        return tokens[number] if isinstance(number, int) else None

    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": facts["llama.context_length"],
            "clean_up_tokenization_spaces": False,
            "bos_token": named("bos"),
            "eos_token": named("eos"),
            "pad_token": named("padding"),
            "unk_token": named("unknown"),
            "chat_template": facts.get("tokenizer.chat_template"),
        },
    )


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Convert what standard input names, `{"gguf": path, "cache": path}`, and print the directory at last."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    asked = json.load(sys.stdin)

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201 - its progress, which `hoheit` shows

    try:
        say(str(converted(Path(asked["gguf"]), Path(asked["cache"]), say)))
    except (SwarmError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    return 0
