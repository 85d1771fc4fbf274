"""What the engine shall say, in place of what its weights would."""

import hashlib
import json
import urllib.request
from typing import Any

from models import made
from server import ANSWERS, VllmServer


def post(server: VllmServer, path: str, body: dict[str, Any]) -> Any:
    """Ask the engine itself, past any adapter."""
    request = urllib.request.Request(
        server.url + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def told_to_say(server: VllmServer, text: str) -> dict[str, Any]:
    """Fields of a request that make it say `text`, marks and end included, token by token.

    The text must not begin as prompts end: what is there already is not said again.
    """
    asked = {"prompt": text, "add_special_tokens": False}
    tokens = post(server, "/tokenize", asked)["tokens"]
    seed = int(hashlib.sha256(json.dumps(tokens).encode()).hexdigest()[:12], 16)
    (ANSWERS / f"{seed}.json").write_text(json.dumps(tokens))
    return {"seed": seed, "temperature": 0}


def without_blanks(model: str) -> dict[str, Any]:
    """Fields of a request that keep random weights from what the grammar of JSON allows and no model would say.

    That is white space without end, and after the end a mark that ends documents, not answers.
    """
    tokenizer = json.loads((made(model) / "tokenizer.json").read_text())
    blank = [token for text, token in tokenizer["model"]["vocab"].items() if not text.strip("ĠĊčĉ")]
    marks = [each["id"] for each in tokenizer["added_tokens"] if each["content"] == "<|endoftext|>"]
    return {"logit_bias": {str(token): -100 for token in (*blank, *marks)}}
