"""A lane of its own for the chunks that say a piece of text: nearly every chunk of an answer is one.

Those of one answer differ in the text and, where the engine tells token ids, in the id. Once one has been
read with care, the next is held against it byte by byte instead of being read as JSON anew.
"""

from backend_adapter.chat.decode import ChunkDecoder

_DATA = b"data: "
_CONTENT = (b'"content":"', b'"content": "')
_IDS = (b'"token_ids":[', b'"token_ids": [')


class TextLane:
    """Reads pieces of a stream that are one event each; `read` may be asked between events only."""

    def __init__(self, decoder: ChunkDecoder) -> None:
        self._decoder = decoder
        self._before = b""
        self._length = 0
        self._after = b""
        # What stands between the text and a single token id, and after that, where there is one.
        self._between = b""
        self._ids = False

    def read(self, piece: bytes) -> str | None:
        """The text of a piece that says a piece of the only choice's text and nothing else.

        None for any other, of which nothing is taken.
        """
        if self._length and piece.startswith(self._before):
            end = piece.find(b'"', self._length)
            plain = self._plain(piece[self._length : end])
            if plain:
                if not self._ids:
                    if piece[end:] == self._after:
                        return plain
                elif (token := self._token(piece[end:])) is not None:
                    self._decoder.tokens.add([token])
                    return plain
        if (
            piece.startswith(b"data: {")
            and piece.endswith(b"}\n\n")
            and piece.count(b"\n") == 2
            and b"\r" not in piece
        ):
            text = self._decoder.plain_text(piece[len(_DATA) : -2])
            if text is not None:
                self._learn(piece, text)
            return text
        return None

    @staticmethod
    def _plain(raw: bytes) -> str:
        """The text of a JSON string in which nothing is escaped; empty where that is not certain."""
        if b"\\" in raw:
            return ""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return ""
        return text if text.isprintable() else ""

    def _token(self, rest: bytes) -> int | None:
        if not rest.startswith(self._between) or not rest.endswith(self._after):
            return None
        digits = rest[len(self._between) : -len(self._after)]
        # More than a decoder's own limit of digits is no token id.
        return int(digits) if digits.isdigit() and len(digits) < 10 else None

    def forget(self) -> None:
        """Something else has come: the next text is read with care again."""
        self._length = 0

    def _learn(self, piece: bytes, text: str) -> None:
        """Take a piece that said `text` as the pattern, where it is plain what in it varies.

        Without a backslash no key is written in another way, so that the only content is the text.
        """
        self._length = 0
        named = [name for name in _CONTENT if name in piece]
        if len(named) != 1 or piece.count(named[0]) != 1 or b"\\" in piece:
            return
        start = piece.index(named[0]) + len(named[0])
        end = piece.find(b'"', start)
        if self._plain(piece[start:end]) != text:
            return
        self._before, self._between, self._after = piece[:start], b"", piece[end:]
        known = self._decoder.tokens.generated
        named = [name for name in _IDS if name in self._after]
        self._ids = bool(named)
        if self._ids:
            before, name, rest = self._after.partition(named[0])
            digits, bracket, after = rest.partition(b"]")
            if len(named) > 1 or named[0] in rest or not digits.isdigit():
                return
            if known[-1:] != [int(digits)]:
                return
            self._between, self._after = before + name, bracket + after
        elif known:
            return
        self._length = start
