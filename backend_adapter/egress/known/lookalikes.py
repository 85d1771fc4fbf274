"""Characters that look like a Latin letter and are none, or that are not seen at all.

Who writes the `а` of another script into a name has hidden it from a search and from no reader. The table has the
Cyrillic and Greek letters, the small capitals and the letters in boxes that Unicode's own forms (NFKD) do not lead
back to a plain one. The same letter may look different in upper and lower case: `Η` is an H, `η` an n.

Sources: Unicode Technical Standard 39 (which characters are confused), Unicode Standard Annex 44
(Default_Ignorable_Code_Point).
"""

_CYRILLIC = zip(
    "АаВвЕеКкМмНнОоРрСсТтУуХхІіЈјЅѕԀԁҺһӀӏԚԛԜԝҮүЬьѴѵГгПп",
    "aabbeekkmmhhooppccttyyxxiijjssddhhllqqwwyybbvvrrnn",
    strict=True,
)
# The small beta is what a ß is taken for.
_GREEK = zip(
    "ΑαΒΕεΖζΗηΙιΚκΜμΝνΟοΡρΤτΥυΧχγωϹϲϳ",
    "aabeezzhniikkmmnvooppttyuxxywccj",
    strict=True,
)
_LATIN = zip(
    "ıŁłØøĐđÐðĦħŊŋɑɡɩƒᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "illooddddhhnnagifabcdefghijklmnoprstuvwyz",
    strict=True,
)
# Where 26 letters in boxes, circles or flags begin.
_BOXED = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)

LOOKALIKES: dict[str, str] = {
    **dict(_CYRILLIC),
    **dict(_GREEK),
    **dict(_LATIN),
    "Æ": "ae",
    "æ": "ae",
    "Œ": "oe",
    "œ": "oe",
    "β": "ss",
    "Þ": "th",
    "þ": "th",
    **{chr(first + n): chr(ord("a") + n) for first in _BOXED for n in range(26)},
}

# Fillers of Hangul, an accent that stands beside its letter where a file was converted badly, and a placeholder.
UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u00a8\u02c6\u02dc\u00b8\u02da\ufffc")
