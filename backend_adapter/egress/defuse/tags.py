"""Which HTML tags stay, and which are dropped."""

import re

# Kept without attributes. None of them begins a block of HTML, in which Markdown's code is no code.
_KEPT = "b br del em i ins kbd mark s small strong sub sup"
KEPT = frozenset(_KEPT.split())
# Dropped: they load, link or act, or begin a block of HTML. Any other name is shown as text.
_DROPPED = """
a abbr acronym address animate animatemotion animatetransform applet area article aside audio base
basefont bdi bdo bgsound big blink blockquote body button canvas caption center cite code col
colgroup data datalist dd details dfn dialog dir div dl dt embed fieldset figcaption figure file
font footer foreignobject form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe
image img input isindex keygen label legend li link listing main map marquee math menu menuitem meta
meter multicol nav nextid nobr noembed noframes noscript object ol optgroup option output p param
picture plaintext portal pre progress q rb rp rt rtc ruby samp script search section select set slot
source source_id spacer span status strike style summary svg table tbody td template textarea tfoot
th thead time title tr track tt u ul use var video wbr xmp
"""
DROPPED = frozenset(_DROPPED.split())
# What stands in these is no text for a reader.
CONTENT_DROPPED = frozenset({"script", "style"})

OPENING = re.compile(r"</?([A-Za-z][A-Za-z0-9_\-]*)")
# Up to the end of a tag, whatever its attributes hold.
END = re.compile(r"""(?:[^"'>]|"[^"]*"|'[^']*')*+>""")
# A tag as CommonMark has it (0.31, section 6.6).
TAG = re.compile(
    r"""</?[A-Za-z][A-Za-z0-9_\-]*"""
    r"""(?:\s+[A-Za-z_:][\w.:\-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*\s*/?>""",
    re.ASCII,
)
