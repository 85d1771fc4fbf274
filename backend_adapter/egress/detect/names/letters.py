"""What names are written with, for the patterns of all who look for some."""

import re

# Within the brackets of a pattern: the capital letters of the languages whose names are looked for.
UPPER = "A-ZÀ-ÖØ-ÞĀ-Ž"
# A word of a name, with what it may have within: O'Neill, Müller-Lüdenscheidt.
WORD = rf"[{UPPER}](?:\w|['’](?=\w)|-(?=[{UPPER}]))+"
# The same without digits.
PART = rf"[{UPPER}](?:[^\W\d_]|['’](?=\w)|-(?=[{UPPER}]))+"
# Each word of a name that was found.
LETTERS = re.compile(r"[^\W\d_][\w’'-]*")
