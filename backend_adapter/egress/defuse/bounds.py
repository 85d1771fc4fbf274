"""How far is looked ahead for the end of something, in characters; what is longer is escaped as none."""

FENCE_LINE = 256
SPAN = 1024
TAG = 1024
ADDRESS = 2048
# The most that is ever held back: comments, scripts and styles are waited for that long.
LONGEST_HELD = 4096
