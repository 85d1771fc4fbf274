"""Server-sent events from bytes, however the network cut them.

The rules are those of the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream". Only the
data of an event is of use here: its type, its id and `retry` are read over.
"""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """A line, or the data of one event, is longer than the parser may hold."""


def _whole_events(piece: bytes) -> list[bytes]:
    """The data of a piece that is nothing but whole events of one line each, as engines nearly always send.

    Nothing where it is anything else.
    """
    events = piece[:-2].split(b"\n\n")
    for event in events:
        if not event.startswith(b"data: ") or b"\n" in event:
            return []
    return [event[6:] for event in events]


class SseParser:
    """Turns the bytes of one stream into the data of its events.

    The result does not depend on how the bytes are cut into pieces. An event that the stream's end cuts
    off is dropped, as the standard says. Once something was too long, `too_long` says what, and nothing
    more comes.
    """

    def __init__(self, max_event_bytes: int = 1024 * 1024) -> None:
        self._max = max_event_bytes
        self._buffer = bytearray()
        self._searched = 0  # so much of the buffer holds no line end
        self._after_cr = False  # a line feed that comes next belongs to the last line's end
        self._at_start = True
        self._data: list[bytes] = []
        self._data_bytes = 0
        self.too_long: EventTooLongError | None = None

    @property
    def between_events(self) -> bool:
        """Whether nothing of an event is waiting for its rest."""
        return not (self._buffer or self._data or self._after_cr or self._at_start or self.too_long)

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that `piece` completes."""
        if (
            not (self._buffer or self._data or self._after_cr or self.too_long)
            and piece.endswith(b"\n\n")
            and len(piece) <= self._max
            and b"\r" not in piece
            and (whole := _whole_events(piece))
        ):
            self._at_start = False
            return whole
        found: list[bytes] = []
        if self.too_long is None:
            try:
                self._read(piece, found)
            except EventTooLongError as error:
                self.too_long = error
                self._buffer.clear()
                self._data.clear()
        return found

    def _read(self, piece: bytes, found: list[bytes]) -> None:
        buffer = self._buffer
        buffer += piece
        start = 0
        if self._at_start:
            if len(buffer) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(buffer):
                return
            self._at_start = False
            if buffer.startswith(_BYTE_ORDER_MARK):
                start = len(_BYTE_ORDER_MARK)
        if self._after_cr and buffer:
            self._after_cr = False
            if buffer[0] == 0x0A:
                start = 1
        position = max(start, self._searched)
        while match := _LINE_END.search(buffer, position):
            line = bytes(buffer[start : match.start()])
            start = position = match.end()
            self._after_cr = start == len(buffer) and match.group() == b"\r"
            data = self._line(line)
            if data is not None:
                found.append(data)
        del buffer[:start]
        self._searched = len(buffer)
        if len(buffer) > self._max:
            raise EventTooLongError(f"a line is longer than {self._max} bytes")

    def _line(self, line: bytes) -> bytes | None:
        if len(line) > self._max:
            raise EventTooLongError(f"a line is longer than {self._max} bytes")
        if not line:
            if not self._data:
                return None
            data = b"\n".join(self._data)
            self._data = []
            self._data_bytes = 0
            return data
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data_bytes += len(value) + 1
            if self._data_bytes > self._max:
                raise EventTooLongError(f"an event is longer than {self._max} bytes")
            self._data.append(value.removeprefix(b" "))
        return None
