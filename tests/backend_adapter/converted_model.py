"""What a converted model says, as a program of the swarm's environment: standard input asks, as JSON.

`texts` and `chats` are answered with their token ids, `prompts` with the likeliest tokens of `steps` steps and
their log probabilities. Before that, the GGUF file `gguf` is written to `float32`, its weights unquantised.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize

from backend_adapter.petals.model.local import LocalCache, LocalModel
from backend_adapter.petals.model.tokenizer import Text

_LIKELIEST = 10


def main() -> None:
    """Answer once."""
    asked = json.load(sys.stdin)
    unquantised(Path(asked["gguf"]), Path(asked["float32"]))
    directory = Path(asked["directory"])
    text = Text(directory)
    torch.set_num_threads(1)
    model = LocalModel(directory)
    prompts = [text.encode(each) for each in asked["prompts"]]
    answer = {
        "texts": [text.encode(each) for each in asked["texts"]],
        "chats": [text.prompt(each) for each in asked["chats"]],
        "said": [greedy(model, each, asked["steps"]) for each in prompts],
    }
    print(json.dumps(answer))


def unquantised(source: Path, into: Path) -> None:
    """Write the GGUF file `source` anew, with all its tensors in float32."""
    reader = GGUFReader(source)
    writer = GGUFWriter(into, "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, inner = field.types[0], field.types[-1]
        is_array = kind == GGUFValueType.ARRAY
        writer.add_key_value(name, field.contents(), kind, inner if is_array else None)
    for tensor in reader.tensors:
        # Shapes are told fastest first.
        shape = tuple(int(each) for each in reversed(tensor.shape))
        values = dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        writer.add_tensor(tensor.name, values.astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def greedy(model: LocalModel, prompt: list[int], steps: int) -> list[list[Any]]:
    """Of each step the ids and log probabilities of the likeliest tokens; the first one is what was said."""
    cache = LocalCache(model, len(prompt) + steps)
    given, said = prompt, []
    for _ in range(steps):
        states = cache.forward(given, cache.position, last_only=True)
        values, ids = model.ends.logits(states)[-1].log_softmax(-1).topk(_LIKELIEST)
        said.append([ids.tolist(), values.tolist()])
        given = [int(ids[0])]
    return said


if __name__ == "__main__":
    main()
