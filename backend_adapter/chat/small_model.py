"""The messages that lead a model of few parameters to a tool call, and to an answer from its result.

Measured on SmolLM2-135M: such a model loses the fact among anything else, so it sees examples, the
question and the one sentence of the result that fits it, and nothing of the chat around.
"""

from collections.abc import Sequence

from backend_adapter.chat.passages import relevant_text
from backend_adapter.chat.tool_messages import Message
from backend_adapter.chat.tool_prompt import described
from backend_adapter.chat.tool_schema import Tool, query_words

# Measured on SmolLM2-135M: with questions of both languages as examples it copies the question,
# without examples it invents file names and addresses.
_EXAMPLE_QUESTIONS = (
    "When does the train to Hamburg leave?",
    "Wie teuer ist ein Fahrrad?",
    "Who wrote the book about bees?",
)

# With these, it repeats the sentence that it is given in either language; without them it explains
# what German is.
_EXAMPLE_ANSWERS = (
    ("Who wrote the book?", "The book was written by Anna Lund."),
    ("Wer führt das Museum?", "Das Museum wird von Ole Brandt geführt."),
    ("Until when does the train run?", "The train runs until 11 pm. It costs 5 euros."),
)


def call_messages(tools: Sequence[Tool], question: str) -> list[Message]:
    """A chat whose next answer is the call: the tools, examples where they help, the question."""
    # Without a word to copy, the model would copy an example.
    copies = len(tools) == 1 and bool(query_words(question))
    query = tools[0].query_argument if copies else None
    rule = (
        "Write the tool call for the user's question as JSON. Copy the question into the query."
        if query
        else "Write the tool call that helps to answer the user's question, as JSON."
    )
    system = "\n".join([*(described(tool) for tool in tools), rule])
    messages: list[Message] = [{"role": "system", "content": system}]
    if query:
        for example in _EXAMPLE_QUESTIONS:
            call = f'{{"name": "{tools[0].name}", "arguments": {{"{query}": "{example[:-1]}"}}}}'
            messages.append({"role": "user", "content": example})
            messages.append({"role": "assistant", "content": call})
    messages.append({"role": "user", "content": question})
    return messages


def answer_messages(question: str, result: str) -> list[Message]:
    """A chat whose next answer says what the tools found about the question."""
    messages: list[Message] = []
    for asked, found in _EXAMPLE_ANSWERS:
        messages.append({"role": "user", "content": _answer_prompt(asked, found)})
        messages.append({"role": "assistant", "content": found})
    found = relevant_text(question, result)
    messages.append({"role": "user", "content": _answer_prompt(question, found)})
    return messages


def _answer_prompt(question: str, found: str) -> str:
    found = found or "The documents say nothing about this."
    return f"{question}\n\nAnswer with a sentence from the documents:\n{found}"
