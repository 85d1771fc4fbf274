"""What is asked: conversations of five turns about a text, without one, and about code."""

from pathlib import Path

_DOCUMENTS = Path("examples/site/documents/oeffentlich/en")
_SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n"
TURNS = 5


def conversations(work: str, root: Path) -> list[list[str]]:
    """The turns of each conversation, as text in the model's chat form."""
    asked = {"documents": _about_documents(root), "free": _FREE, "code": _CODE}
    return [_in_form(questions) for questions in asked[work]]


def _in_form(questions: list[str]) -> list[str]:
    turns = [f"<|im_start|>user\n{each}<|im_end|>\n<|im_start|>assistant\n" for each in questions]
    return [_SYSTEM + turns[0], *turns[1:]]


def _about_documents(root: Path) -> list[list[str]]:
    found = []
    for name in ("dog-tax.md", "parking.md", "library.md"):
        text = (root / _DOCUMENTS / name).read_text(encoding="utf-8")
        found.append(
            [
                f"{text}\nWhat does this document say? Quote it.",
                "Quote what the document says about money, word for word.",
                "Which headings does the document have? Quote each with its first sentence.",
                "Quote the last two paragraphs of the document.",
                "Summarise the document for a citizen.",
            ]
        )
    return found


_FREE = [
    [
        "Write a short story about a lighthouse keeper.",
        "Describe how the keeper spends an evening.",
        "Who visits the keeper, and why?",
        "How does the weather change during the visit?",
        "Write an ending for the story.",
    ],
    [
        "Why is the sky blue?",
        "And why is it red in the evening?",
        "What would it look like on the Moon?",
        "How do clouds come about?",
        "What makes a rainbow?",
    ],
]

_CODE = [
    [
        "Write a Python class for a bank account with deposit and withdraw.",
        "Add a method that transfers money to another account.",
        "Write tests for the class.",
        "Add a history of all transactions.",
        "Show the whole class again with type hints.",
    ]
]
