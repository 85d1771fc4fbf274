"""What may stand in code: nearly everything, but for what Open WebUI looks for there without reading Markdown.

Read from Open WebUI 0.12.4: its server cuts an answer at tags of thinking wherever they stand, so that
the rest of a code block would be read as Markdown; its page looks for code blocks to run in a frame by a
pattern of its own, and replaces `{{HTML_FILE_ID_…}}` by a frame. A zero-width space keeps these from being found.
"""

import re

ZERO_WIDTH = "\u200b"
# What a backtick becomes that is none of code: marked counts even those that are escaped.
GRAVE = "\u02cb"

_TAGS = r"(?:think(?:ing)?|reason(?:ing)?|thought|solution|code_interpreter)"
# Tags by which Open WebUI's server divides an answer, and what its page replaces.
DIVIDING = (
    rf"<(?=/?{_TAGS}\b)|<(?=\|(?:begin|end)_of_)|\u25c1(?=/?think)|\{{(?=\{{(?:HTML|VIDEO)_FILE_ID)"
)
# What its page runs in a frame: fences of these languages, wherever they stand, and whole elements.
_RUN = r"```(?=[ \t]{0,16}(?:html|css|javascript|js|svg|mermaid|vega)\b)"
# (These only where an answer has no fence of backticks.)
_ELEMENTS = r"<(?=/(?:html|script|style)>)"
# Its page takes `<details>` out of an answer before it looks for fences, which may make one.
_DETAILS = r"<(?=/?details)"
_CLOSES_MATH = r"\$(?=\$)|\\(?=\]|end\{equation)"

FORBIDDEN = re.compile(f"{DIVIDING}|{_RUN}|{_ELEMENTS}", re.IGNORECASE)
FORBIDDEN_BESIDE_TICKS = re.compile(f"{FORBIDDEN.pattern}|{_DETAILS}", re.IGNORECASE)
FORBIDDEN_IN_MATH = re.compile(f"{FORBIDDEN.pattern}|{_DETAILS}|{_CLOSES_MATH}", re.IGNORECASE)
ELEMENTS = re.compile(_ELEMENTS, re.IGNORECASE)
DETAILS = re.compile(_DETAILS, re.IGNORECASE)
# What such a thing begins with, and how long it can be.
BEGINS = re.compile("[<`$\\\\{\u25c1]")
LONGEST = 40

# A fence's language that is drawn or run by itself, and what is written instead. Open WebUI colours by these names.
_RENDERED = {
    "javascript": "ecmascript",
    "js": "ecmascript",
    "css": "scss",
    **dict.fromkeys(
        ["mermaid", "vega", "vega-lite", "vegalite", "html", "htm", "xhtml", "svg", "xml"], "text"
    ),
    **dict.fromkeys(["dot", "graphviz", "plantuml", "puml", "d2", "abc", "smiles"], "text"),
}
_WORD = re.compile(r"[\w+#.:/\-]+")
_REST = re.compile(r"[\w .,=+#\"'\-]*")


def info(text: str) -> str:
    """The info string of a fence as it may be said: `text` where the block would be drawn or run."""
    text = text.strip()
    word = _WORD.match(text)
    if not text or word is None:
        return "text" if text else ""
    name, rest = word[0], text[word.end() :]
    plain = re.sub("[^a-z0-9+#-]", "", name.lower())
    if plain in _RENDERED:
        return _RENDERED[plain]
    # A first word that goes on otherwise could be unescaped to another one.
    if rest and not rest[0].isspace():
        return "text"
    return name + rest if _REST.fullmatch(rest) else name


def broken(text: str, forbidden: re.Pattern[str]) -> str:
    """`text` with a zero-width space in what is not to be found."""
    return forbidden.sub(lambda match: match[0] + ZERO_WIDTH, text)
