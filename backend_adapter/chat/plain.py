"""Foreign text, such as an upstream's error message, made safe to show."""

import re

_TAG = re.compile(r"<[/!?A-Za-z][^>]*(?:>|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def plain_text(text: str, max_chars: int = 300) -> str:
    """One line of at most `max_chars` characters without markup, control or direction characters.

    What would be a link or a picture in Markdown is none.
    """
    text = text[: max_chars * 10]
    while (stripped := _TAG.sub("", text)) != text:
        text = stripped
    text = " ".join(_UNPRINTABLE.sub(" ", text).split()).replace("](", "] (")
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
