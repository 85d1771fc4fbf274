"""Which replica answered a conversation last, and so has its beginning in its cache."""

import hashlib
from collections import OrderedDict

# Of so many conversations it is remembered, the least recently asked of which goes first: about 2 MB.
_MOST = 16384
_DIGEST_BYTES = 8


class Homes:
    """Conversations by their key, which is not kept: it holds what people have said."""

    def __init__(self) -> None:
        self._names: OrderedDict[bytes, str] = OrderedDict()

    def of(self, key: bytes) -> str | None:
        """The name of the replica; None where nothing is known."""
        return self._names.get(_digest(key))

    def note(self, key: bytes, name: str) -> None:
        """This replica has answered."""
        digest = _digest(key)
        self._names[digest] = name
        self._names.move_to_end(digest)
        if len(self._names) > _MOST:
            self._names.popitem(last=False)


def _digest(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_DIGEST_BYTES).digest()
